"""From a request to a response: who calls, what for, is it allowed, what comes of it."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox import registry
from lambda_autotuner.sandbox.call import Call, Principal
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.faults import Fault, Faults
from lambda_autotuner.sandbox.state import DEFAULT_REGION, AccountState, World
from lambda_autotuner.sandbox.wire.constraints import check
from lambda_autotuner.sandbox.wire.function_urls import url_id_of
from lambda_autotuner.sandbox.wire.http import Request, Response
from lambda_autotuner.sandbox.wire.models import Scope, Target, credential_scope, identify
from lambda_autotuner.sandbox.wire.parse import parse
from lambda_autotuner.sandbox.wire.serialise import answer, failure
from lambda_autotuner.sandbox.wire.signature import verify

log = logging.getLogger(__name__)

_READING: Final = ("Get", "List", "Describe", "Filter", "Simulate", "Lookup", "Search")
_ACCOUNT_DIGITS: Final = 12
_STALE_KEPT: Final = 2000
_BROKEN: Final = ServiceError("InternalFailure", "An internal error occurred.", 500, sender=False)
_UNSIGNED: Final = ServiceError(
    "MissingAuthenticationTokenException", "Missing Authentication Token", 403
)


@dataclass(frozen=True, slots=True)
class Pending:
    """Work for a thread, and the response that the event loop makes of its outcome."""

    run: Callable[[], Any]
    complete: Callable[[Any], Response]


@dataclass(slots=True)
class Exchange:
    """A response with how it is to be delivered."""

    response: Response
    delay_seconds: float = 0.0
    cut: bool = False
    pending: Pending | None = None


class Gateway:
    """Answers requests for one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults()
        self.base_url = "http://127.0.0.1"
        self.requests = 0
        self._seen: dict[tuple[str, ...], tuple[float, Response]] = {}

    def handle(self, request: Request) -> Exchange:
        """Answer one request; never raises."""
        self.requests += 1
        self.world.clock.tick()
        target: Target | None = None
        request_id = ""
        try:
            scope = credential_scope(request)
            if url_id_of(request) is not None:
                return self._visit(request, scope)
            if scope is None:
                account = self.world.account(self.world.settings.default_account)
                request_id = account.ids.uuid()
                target = identify(request, None)
                return Exchange(failure(target, _UNSIGNED, request_id))
            principal, account_id = self._caller(request, scope)
            account = self.world.account(account_id)
            request_id = account.ids.uuid()
            target = identify(request, scope)
            asked = target.service.name, target.operation_name
            call = self._call(request, account, scope, principal, asked, request_id)
            return self._perform(call, target, request)
        except ServiceError as error:
            return Exchange(failure(target, error, request_id))
        except Exception:
            # The door of the server: whatever a request brings about, the next one is answered.
            log.exception("%s %s failed", request.method, request.raw_path)
            return Exchange(failure(target, _BROKEN, request_id))

    def _call(
        self,
        request: Request,
        account: AccountState,
        scope: Scope | None,
        principal: Principal,
        asked: tuple[str, str],
        request_id: str = "",
    ) -> Call:
        return Call(
            world=self.world,
            account=account,
            region_name=(scope.region if scope else "") or DEFAULT_REGION,
            service=asked[0],
            operation=asked[1],
            now_ms=self.world.clock.now_ms(),
            request_id=request_id or account.ids.uuid(),
            principal=principal,
            access_key_id=scope.access_key_id if scope else "",
            user_agent=request.headers.get("user-agent", ""),
            base_url=self.base_url,
            flow=request.flow,
        )

    def _visit(self, request: Request, scope: Scope | None) -> Exchange:
        """A request to a function URL, which need not be signed."""
        principal = Principal("arn:aws:iam::anonymous:user/anonymous", "", "anonymous")
        if scope is not None:
            try:
                principal, _ = self._caller(request, scope)
            except ServiceError as error:
                principal = Principal(principal.arn, "", "invalid", error.message)
        account = self.world.account(self.world.settings.default_account)
        call = self._call(request, account, scope, principal, ("lambda-url", "Visit"))
        raw = registry.find_raw("lambda-url")
        if raw is None:
            raise _BROKEN
        return self._raw(call, raw(call, request))

    def _raw(self, call: Call, answer: Response | Deferred) -> Exchange:
        if isinstance(answer, Deferred):
            work = answer

            def complete(outcome: Any) -> Response:
                if isinstance(outcome, BaseException):
                    log.error("%s failed", call.operation, exc_info=outcome)
                    return failure(None, _BROKEN, call.request_id)
                response: Response = work.complete(outcome)
                return response

            return Exchange(Response(200), pending=Pending(work.run, complete))
        return Exchange(answer, float(answer.headers.pop("x-sandbox-delay", 0)))

    def _caller(self, request: Request, scope: Scope) -> tuple[Principal, str]:
        key = scope.access_key_id
        if len(key) == _ACCOUNT_DIGITS and key.isdigit():
            return _administrator(key), key
        credential = _identity("resolve")(self.world, key)
        if credential is None:
            account_id = self.world.settings.default_account
            return _administrator(account_id), account_id
        if credential.session_token is not None:
            given = request.headers.get("x-amz-security-token")
            if given != credential.session_token:
                raise ServiceError(
                    "UnrecognizedClientException",
                    "The security token included in the request is invalid.",
                    403,
                )
        expires_ms = getattr(credential, "expires_ms", None)
        if expires_ms is not None and expires_ms <= self.world.clock.now_ms():
            raise ServiceError(
                "ExpiredTokenException",
                "The security token included in the request is expired",
                403,
            )
        verify(request, scope, credential.secret_access_key)
        return credential.principal, credential.account_id

    def _perform(self, call: Call, target: Target, request: Request) -> Exchange:
        raw = registry.find_raw(call.service)
        if raw is not None:
            return self._raw(call, raw(call, request))
        operation = registry.find(call.service, target.operation_name)
        if target.operation is None:
            raise _unknown(target)
        if operation is None:
            raise ServiceError(
                "NotImplemented", f"The sandbox does not answer {target.operation_name}", 501
            )
        function = target.labels.get("FunctionName", "")
        struck = (
            self.faults.hits(
                call.service, target.operation_name, function, call.account_id, call.uniform()
            )
            if self.faults.active
            else []
        )
        if any(fault.kind == "cut" for fault in struck):
            return Exchange(Response(500), cut=True)
        delay = sum(fault.seconds for fault in struck if fault.kind == "slow")
        for fault in struck:
            if fault.kind in {"throttle", "access-denied", "error"}:
                resource = call.arn(call.service, f"function:{function}" if function else "*")
                error = fault.error(call.service, call.operation, resource, call.principal.arn)
                return Exchange(failure(target, error, call.request_id), delay)
        stale = next((fault for fault in struck if fault.kind == "stale"), None)
        if stale is not None and call.operation.startswith(_READING):
            return Exchange(self._stale(call, target, request, stale), delay)
        result = self._operate(call, target, request)
        if isinstance(result, Deferred):
            work = result

            def complete(outcome: Any) -> Response:
                return self._completed(call, target, work, outcome)

            return Exchange(Response(200), delay, pending=Pending(work.run, complete))
        response = self._respond(call, target, result)
        delay += float(response.headers.pop("x-sandbox-delay", 0))
        return Exchange(response, delay, cut=any(fault.kind == "lost" for fault in struck))

    def _completed(self, call: Call, target: Target, work: Deferred, outcome: Any) -> Response:
        if isinstance(outcome, BaseException):
            log.error("%s failed", call.operation, exc_info=outcome)
            return failure(target, _BROKEN, call.request_id)
        return self._respond(call, target, work.complete(outcome))

    def _operate(self, call: Call, target: Target, request: Request) -> registry.Result:
        operation = registry.find(call.service, target.operation_name)
        if operation is None or target.operation is None:
            raise _unknown(target)
        params: dict[str, Any] = parse(request, target)
        check(call.service, target.operation, params)
        if call.principal.kind != "administrator":
            _identity("authorise")(call, params)
        result = operation(call, params)
        if not call.operation.startswith(_READING):
            call.account.touch()
        return result

    def _respond(self, call: Call, target: Target, result: Mapping[str, Any] | None) -> Response:
        response = answer(target, result, call.request_id)
        if call.response_headers:
            response.headers.update(call.response_headers)
        return response

    def _stale(self, call: Call, target: Target, request: Request, fault: Fault) -> Response:
        # Eventual consistency: for some seconds a read may see what stood before.
        key = (
            call.account_id,
            call.region_name,
            call.operation,
            request.raw_path,
            request.raw_query,
            request.body.decode("utf-8", "replace"),
        )
        now = time.monotonic()
        seen = self._seen.get(key)
        if seen is not None and now - seen[0] < fault.seconds:
            return seen[1]
        result = self._operate(call, target, request)
        response = self._respond(call, target, None if isinstance(result, Deferred) else result)
        if len(self._seen) > _STALE_KEPT:
            self._seen.clear()
        self._seen[key] = (now, response)
        return response


def _administrator(account_id: str) -> Principal:
    return Principal(
        arn=f"arn:aws:iam::{account_id}:user/admin", user_id="AIDASANDBOXADMINISTRA", name="admin"
    )


def _identity(name: str) -> Any:
    module = importlib.import_module("lambda_autotuner.sandbox.identity")
    return getattr(module, name, _nothing)


def _nothing(*_: object) -> None:
    return None


def _unknown(target: Target) -> ServiceError:
    if target.protocol == "query":
        message = f"Could not find operation {target.operation_name} for version {target.service.api_version}"
        return ServiceError("InvalidAction", message, 400)
    return ServiceError("UnknownOperationException", "", 404)
