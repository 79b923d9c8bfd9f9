"""The account: who we are, where, and the one way to make a call."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from lambda_autotuner.aws.errors import AwsError, ErrorCode, translate
from lambda_autotuner.aws.operations import (
    Operation,
    UndeclaredOperationError,
    find_operation,
)
from lambda_autotuner.aws.sdk import CREATING, AccountKind, AccountTarget, open_session

POOL_CONNECTIONS = 64
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60
# A function runs for at most 900 s; its answer may take a little longer to arrive.
INVOKE_TIMEOUT_SECONDS = 930
READ_ATTEMPTS = 6
_ACCOUNT_ID_DIGITS = 12


class Account:
    """A connected account. Thread-safe; one object serves the whole process."""

    def __init__(self, target: AccountTarget, session: Any, region: str) -> None:
        self.target = target
        self.kind: AccountKind = target.kind
        self.region = region
        self._session = session
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._identity: dict[str, str] | None = None
        self._caches: dict[str, Any] = {}
        self._newest: datetime | None = None
        self.calls: Counter[str] = Counter()

    @classmethod
    def connect(cls, target: AccountTarget) -> Account:
        """Connect to an account and, for "aws", prove who we are.

        Raises:
            SettingsError: a sandbox without a loopback endpoint, or a region nobody knows.
            AwsError: no or expired credentials, no region, an unreachable endpoint, or a role
                that cannot be assumed (exit code 4).
        """
        session, region = open_session(target)
        account = cls(target, session, region)
        if target.kind == "aws":
            account.identity()
        return account

    @property
    def writes_allowed(self) -> bool:
        """Whether operations that write are let through."""
        allowed = self.target.writes_allowed
        return self.kind == "sandbox" if allowed is None else allowed

    @property
    def account_id(self) -> str:
        """The twelve digits of the account."""
        key = self.target.access_key_id or ""
        if self.kind == "sandbox" and len(key) == _ACCOUNT_ID_DIGITS and key.isdigit():
            return key
        return self.identity()["Account"]

    @property
    def caller_arn(self) -> str:
        """The ARN of the user, role session or root that makes the calls."""
        return self.identity()["Arn"]

    def identity(self) -> Mapping[str, str]:
        """What STS says about the caller (`Account`, `Arn`, `UserId`); asked once."""
        with self._lock:
            if self._identity is None:
                answer = self.call("sts", "GetCallerIdentity")
                self._identity = {key: str(answer[key]) for key in ("Account", "Arn", "UserId")}
            return self._identity

    def client(self, service: str, *, purpose: Literal["read", "write", "invoke"] = "read") -> Any:
        """A pooled botocore client.

        Args:
            service: botocore's service name.
            purpose: "read" retries what may be retried; "write" and "invoke" send once, because
                whoever writes must look at the account before writing again; "invoke" waits as
                long as a function may run.
        """
        with self._lock:
            key = (service, purpose)
            if key not in self._clients:
                self._clients[key] = self._new_client(service, purpose)
            return self._clients[key]

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Make one call that `operations.py` declares.

        Args:
            service: botocore's service name.
            operation: botocore's operation name (CamelCase).
            **parameters: the operation's own parameters.

        Raises:
            AwsError: the call failed; `code` is one of a closed set.
            MissingError: what was named does not exist.
        """
        declared = find_operation(service, operation)
        if declared.writes and not self.writes_allowed:
            raise AwsError(
                f"{declared.key} was not sent: account {self.account_id} is read-only.",
                code=ErrorCode.READ_ONLY,
                operation=declared.key,
                actions=declared.all_actions,
                remedy="Set writes_allowed: true (LAMBDA_AUTOTUNER_WRITES_ALLOWED) to allow changes.",
            )
        purpose = _purpose(declared)
        method: Callable[..., dict[str, Any]] = getattr(
            self._client_or_error(service, purpose, declared), declared.method
        )
        with self._lock:
            self.calls[declared.key] += 1
        answer: dict[str, Any] = _guarded(declared, functools.partial(method, **parameters))
        return answer

    def pages(
        self, service: str, operation: str, /, *, max_items: int | None = None, **parameters: Any
    ) -> Iterator[Any]:
        """Items of a paged operation, page after page.

        Args:
            service: botocore's service name.
            operation: botocore's operation name; its declaration names the paging members.
            max_items: stop after that many items.
            **parameters: the operation's own parameters.

        Raises:
            AwsError: a page could not be read.
        """
        paging = find_operation(service, operation).paging
        if paging is None:
            raise UndeclaredOperationError(f"{service}:{operation} declares no paging.")
        items, parameter, member = paging
        seen = 0
        token: str | None = None
        while True:
            asked = {**parameters, parameter: token} if token else parameters
            answer = self.call(service, operation, **asked)
            for item in answer.get(items) or ():
                yield item
                seen += 1
                if max_items is not None and seen >= max_items:
                    return
            following = answer.get(member)
            if not following or following == token:
                return
            token = following

    def remember(self, name: str, value: Any | None = None) -> Any:
        """A small cache that lives as long as the connection; returns what is stored."""
        with self._lock:
            if value is not None:
                self._caches[name] = value
            return self._caches.get(name)

    def saw(self, moment: datetime | None) -> None:
        """Note a time that the account itself has shown: a LastModified, a metric's last point."""
        if moment is not None and (self._newest is None or moment > self._newest):
            self._newest = moment

    @property
    def newest_sign(self) -> datetime | None:
        """The newest time that the account has shown so far; None before it showed any."""
        return self._newest

    def close(self) -> None:
        """Let go of the pooled connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _client_or_error(
        self, service: str, purpose: Literal["read", "write", "invoke"], declared: Operation
    ) -> Any:
        return _guarded(declared, lambda: self.client(service, purpose=purpose))

    def _new_client(self, service: str, purpose: str) -> Any:
        from botocore.config import Config

        options: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": INVOKE_TIMEOUT_SECONDS if purpose == "invoke" else READ_TIMEOUT_SECONDS,
            "max_pool_connections": POOL_CONNECTIONS,
            "retries": {
                "mode": "standard",
                "total_max_attempts": READ_ATTEMPTS if purpose == "read" else 1,
            },
            "user_agent_extra": "lambda-autotuner",
            "tcp_keepalive": True,
        }
        if self.kind == "sandbox":
            options |= {
                "proxies": {},
                "ignore_configured_endpoint_urls": True,
                "use_fips_endpoint": False,
                "use_dualstack_endpoint": False,
                "s3": {"addressing_style": "path"},
                "inject_host_prefix": False,
            }
        # Pricing and Compute Optimizer exist in few regions; the SDK resolves the others.
        region = "us-east-1" if service == "pricing" else self.region
        keys: dict[str, str | None] = {}
        if self.kind == "sandbox":
            keys = {
                "aws_access_key_id": self.target.access_key_id,
                "aws_secret_access_key": self.target.secret_access_key,
                "aws_session_token": self.target.session_token,
            }
        with CREATING:
            return self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self.target.endpoint_url,
                config=Config(**options),
                **keys,
            )


def _purpose(declared: Operation) -> Literal["read", "write", "invoke"]:
    if declared.name == "Invoke":
        return "invoke"
    return "write" if declared.writes else "read"


def _guarded(declared: Operation, action: Callable[[], Any]) -> Any:
    """Run a step of a call; the boundary at which foreign exceptions become ours."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    try:
        return action()
    except (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError) as error:
        raise translate(error, operation=declared.key, actions=declared.all_actions) from error
