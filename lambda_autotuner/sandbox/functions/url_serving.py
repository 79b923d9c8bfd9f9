"""Requests to function URLs: who may, who serves, what goes back.

A function URL of the sandbox is a path below its own address, since no name service knows the
host names of AWS's. A request whose Host header is the AWS form of the name is served as well.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.invoking import MAX_SYNCHRONOUS, paced, routed, serve
from lambda_autotuner.sandbox.functions.naming import resolve
from lambda_autotuner.sandbox.functions.real import invoke_for_real, runs_for_real
from lambda_autotuner.sandbox.functions.records import FunctionRecord, function_arn
from lambda_autotuner.sandbox.functions.url_events import BROKEN, event_of, response_of
from lambda_autotuner.sandbox.functions.urls import BOOK, UrlBook
from lambda_autotuner.sandbox.identity.authorisation import demand
from lambda_autotuner.sandbox.registry import raw
from lambda_autotuner.sandbox.wire.function_urls import path_within, url_id_of
from lambda_autotuner.sandbox.wire.http import Request, Response
from lambda_autotuner.sandbox.world.invocations import Outcome

# Since October 2025 both are needed.
_ACTIONS: Final = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
_FORBIDDEN: Final = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


@raw("lambda-url")
def visit(call: Call, request: Request) -> Response | Deferred:
    """Answer one request to a function URL."""
    url_id = url_id_of(request) or ""
    found = _locate(call, url_id)
    if found is None:
        return _message(403, "Forbidden", "AccessDeniedException")
    call, record, qualifier = found
    url = record.urls[qualifier]
    origin = request.headers.get("origin")
    if request.method == "OPTIONS" and origin and url.get("Cors"):
        return Response(200, b"", _cors(url["Cors"], origin, preflight=True))
    if not _allowed(call, record, qualifier, url["AuthType"]):
        return _message(403, _FORBIDDEN, "AccessDeniedException")
    answer = _served(call, request, record, qualifier, url_id)
    headers = _cors(url["Cors"], origin) if origin and url.get("Cors") else {}
    if isinstance(answer, Deferred):
        work = answer
        return Deferred(work.run, lambda outcome: _with(work.complete(outcome)["$http"], headers))
    if request.method == "HEAD":
        length = {"content-length": str(len(answer.body))}
        return Response(answer.status, b"", {**answer.headers, **headers, **length})
    return _with(answer, headers)


def _with(response: Response, headers: Mapping[str, str]) -> Response:
    return Response(response.status, response.body, {**response.headers, **headers})


def _locate(call: Call, url_id: str) -> tuple[Call, FunctionRecord, str] | None:
    for account in call.world.accounts.values():
        for region in account.regions.values():
            book = region.extensions.get(BOOK)
            if not isinstance(book, UrlBook) or url_id not in book.items:
                continue
            name, qualifier = book.items[url_id]
            record = region.functions.get(name)
            if record is not None and record.urls.get(qualifier, {}).get("UrlId") == url_id:
                own = dataclasses.replace(call, account=account, region_name=region.name)
                return own, record, qualifier
    return None


def _allowed(call: Call, record: FunctionRecord, qualifier: str, auth_type: str) -> bool:
    """NONE needs a policy that lets everybody in; AWS_IAM a signature and either policy."""
    policy = record.policies.get(qualifier) or {}
    open_to = call.principal.arn if auth_type == "AWS_IAM" else "*"
    by_resource = all(_grants(policy, action, open_to, auth_type) for action in _ACTIONS)
    if auth_type == "NONE":
        return by_resource
    if call.principal.kind == "invalid":
        raise ServiceError("InvalidSignatureException", call.principal.name, 403)
    if call.principal.kind == "anonymous":
        return False
    if call.principal.arn.split(":")[4] != call.account_id:
        return by_resource
    if by_resource or call.principal.kind == "administrator":
        return True
    arn = function_arn(call.region_name, call.account_id, record.name, qualifier or None)
    try:
        for action in _ACTIONS:
            demand(call, action, arn, {}, {"lambda:FunctionUrlAuthType": auth_type})
    except ServiceError:
        return False
    return True


def _grants(policy: Mapping[str, Any], action: str, arn: str, auth_type: str) -> bool:
    for statement in policy.get("Statement", ()):
        principal = statement["Principal"]
        named = principal if isinstance(principal, str) else principal.get("AWS", "")
        root = f"arn:aws:iam::{arn.split(':')[4]}:root" if arn != "*" else ""
        condition = statement.get("Condition", {}).get("StringEquals", {})
        kind = condition.get("lambda:FunctionUrlAuthType", auth_type)
        if (
            named in {"*", arn, root}
            and kind == auth_type
            and fnmatch.fnmatchcase(action, statement["Action"])
        ):
            return True
    return False


def _served(
    call: Call, request: Request, record: FunctionRecord, qualifier: str, url_id: str
) -> Response | Deferred:
    path = path_within(request)
    payload = json.dumps(event_of(call, request, url_id, path)).encode()
    if len(payload) > MAX_SYNCHRONOUS:
        return _message(413, "Request Entity Too Large", "RequestTooLargeException")
    target = routed(call, resolve(call, record.name, qualifier or None))
    if runs_for_real(call, target):
        work = invoke_for_real(call, target, payload, tail=False)

        def complete(outcome: Any) -> dict[str, Any]:
            result = work.complete(outcome)
            failed = "FunctionError" in result
            return {"$http": BROKEN if failed else response_of(result["Payload"])}

        return Deferred(work.run, complete)
    served = serve(call, target, payload)
    response = BROKEN if served.facts.outcome is not Outcome.OK else response_of(served.payload)
    return _with(response, {**paced(call, served.facts), "x-amzn-requestid": call.request_id})


def _message(status: int, message: str, kind: str) -> Response:
    headers = {"content-type": "application/json", "x-amzn-errortype": kind}
    return Response(status, json.dumps({"Message": message}).encode(), headers)


def _cors(cors: Mapping[str, Any], origin: str, *, preflight: bool = False) -> dict[str, str]:
    allowed = cors.get("AllowOrigins") or []
    if "*" not in allowed and origin not in allowed:
        return {}
    everybody = "*" in allowed and not cors.get("AllowCredentials")
    headers = {"access-control-allow-origin": "*" if everybody else origin, "vary": "Origin"}
    if cors.get("AllowCredentials"):
        headers["access-control-allow-credentials"] = "true"
    if cors.get("ExposeHeaders"):
        headers["access-control-expose-headers"] = ",".join(cors["ExposeHeaders"])
    if preflight:
        for member, name in (("AllowMethods", "methods"), ("AllowHeaders", "headers")):
            if cors.get(member):
                headers[f"access-control-allow-{name}"] = ",".join(cors[member])
        if cors.get("MaxAge") is not None:
            headers["access-control-max-age"] = str(cors["MaxAge"])
    return headers
