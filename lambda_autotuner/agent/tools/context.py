"""What a tool works with: the account of this question, and what this question already knows."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.reading.names import nearest
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.spans import span_window
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.errors import ErrorCode as AwsCode
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.aws.metrics import Window, latest_activity
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import Target, Telemetry, account_now, fetch_telemetry
from lambda_autotuner.errors import AutotunerError, NotFoundError, RefusedError, UsageError
from lambda_autotuner.workspace import Workspace

Value = TypeVar("Value")

_HOURS_PER_DAY = 24
_CODES = {
    AwsCode.THROTTLED: ErrorCode.THROTTLED,
    AwsCode.UNAVAILABLE: ErrorCode.UNAVAILABLE,
    AwsCode.UNREACHABLE: ErrorCode.UNAVAILABLE,
    AwsCode.TIMEOUT: ErrorCode.TIMED_OUT,
    AwsCode.IN_PROGRESS: ErrorCode.UNAVAILABLE,
    AwsCode.ACCESS_DENIED: ErrorCode.FORBIDDEN,
    AwsCode.NO_CREDENTIALS: ErrorCode.FORBIDDEN,
    AwsCode.EXPIRED_CREDENTIALS: ErrorCode.FORBIDDEN,
    AwsCode.READ_ONLY: ErrorCode.REFUSED,
    AwsCode.STALE: ErrorCode.REFUSED,
    AwsCode.CONFLICT: ErrorCode.REFUSED,
    AwsCode.NOT_FOUND: ErrorCode.NOT_FOUND,
    AwsCode.INVALID: ErrorCode.INVALID_ARGUMENTS,
}


@dataclass
class ToolContext:
    """One question's view of the account; what was read once is not read again."""

    workspace: Workspace
    inventory: tuple[str, ...]
    missing: frozenset[str] = frozenset()
    session_id: str | None = None
    turn_id: str = ""
    stop_at: float = math.inf
    _known: dict[str, Any] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def out_of_time(self) -> bool:
        """Whether a tool that looks at many things should answer with what it has."""
        return time.monotonic() >= self.stop_at

    @property
    def account(self) -> Account:
        """The account."""
        return self.workspace.account

    @property
    def region(self) -> str:
        """The region that is looked at."""
        return self.account.region

    @property
    def account_id(self) -> str:
        """The account that is looked at."""
        return self.account.account_id

    @property
    def searched(self) -> str:
        """Where names are looked for."""
        return f"account {self.account.account_id}, region {self.account.region}"

    @property
    def thread(self) -> str:
        """What a proposal of this question belongs to."""
        return self.session_id or f"question {self.turn_id}"

    def once(self, key: str, read: Callable[[], Value]) -> Value:
        """Read something once a question, however many tools want it at the same time."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                self._known[key] = read()
            found: Value = self._known[key]
            return found

    def keep(self, key: str, value: object) -> None:
        """Keep something for another tool of this question."""
        with self._lock:
            self._known[key] = value

    def known(self, key: str) -> Any:
        """What was kept or read before; None when nothing was."""
        return self._known.get(key)

    def function(self, name: str) -> str:
        """The function of that name.

        Raises:
            ToolError: there is none; the error names the nearest ones and where was searched.
        """
        bare = name.rsplit(":function:", 1)[-1].split(":", maxsplit=1)[0]
        if bare in self.inventory:
            return bare
        near = nearest(bare, self.inventory)
        searched = f"account {self.account.account_id}, region {self.account.region}, {len(self.inventory)} functions"
        raise ToolError(
            ErrorCode.NOT_FOUND,
            f"There is no function {bare[:140]!r} in {searched}.",
            remedy=f"Nearest names: {', '.join(near)}." if near else None,
            details={"nearest": list(near), "searched": searched},
        )

    def configuration(self, name: str) -> Any:
        """The function's configuration with its tags."""
        return self.once(
            f"configuration {name}", lambda: get_function(self.account, name, with_tags=False)
        )

    def anchor(self, name: str) -> tuple[Any, str]:
        """The end of the function's own evidence, and what it is."""

        def read() -> tuple[Any, str]:
            near = self.configuration(name).last_modified or account_now(self.account)
            active = latest_activity(self.account, near, function=name)
            return (active, "last invocation") if active else (near, "last modification")

        return self.once(f"anchor {name}", read)

    def window(self, name: str, hours: float, span: str | None = None) -> Window:
        """A window of that many hours that ends with the function's own evidence.

        With `span` it is that span of the calendar (UTC), seen from where the evidence ends.
        """
        end, anchor = self.anchor(name)
        return span_window(span, end) if span else Window(end - timedelta(hours=hours), end, anchor)

    def telemetry(self, name: str, hours: float, span: str | None = None) -> Telemetry:
        """Sums and percentiles of a function over a window."""

        def read() -> Telemetry:
            target = Target(name)
            return fetch_telemetry(self.account, [target], self.window(name, hours, span))[target]

        return self.once(f"telemetry {name} {hours} {span}", read)


def describe_window(window: Window) -> str:
    """A window as a person reads it; times are the account's, in UTC."""
    hours = window.seconds / 3_600
    length = (
        f"{hours / _HOURS_PER_DAY:.3g} days"
        if hours >= 2 * _HOURS_PER_DAY
        else f"{hours:.3g} {'hour' if hours == 1 else 'hours'}"
    )
    return f"{length} to {window.end:%Y-%m-%d %H:%M} UTC ({window.anchor})"


def rounded(value: float | None, digits: int = 2) -> float | None:
    """A number short enough to read; unknown stays unknown."""
    return None if value is None else round(float(value), digits)


def limited(items: Sequence[Value], limit: int) -> list[Value]:
    """The first `limit` items."""
    return list(items[: max(0, limit)])


def gap_of(what: str, error: AwsError) -> Gap:
    """What could not be seen, from an error of the account."""
    action = ", ".join(error.actions) if error.code is AwsCode.ACCESS_DENIED else None
    return Gap(what, _public(error), iam_action=action or None)


def _public(error: AutotunerError) -> str:
    return error.message.rstrip(".")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what an account or the engine raises into the closed set of tool errors.

    Raises:
        ToolError: always instead of the original.
    """
    try:
        yield
    except ToolError:
        raise
    except MissingError as error:
        raise ToolError(
            ErrorCode.NOT_FOUND,
            error.message,
            remedy=error.remedy,
            details={"nearest": list(error.nearest)},
        ) from error
    except AwsError as error:
        code = _CODES.get(
            error.code, ErrorCode.UNAVAILABLE if error.retryable else ErrorCode.INTERNAL
        )
        details = (
            {"iam_actions": list(error.actions)}
            if code is ErrorCode.FORBIDDEN and error.actions
            else {}
        )
        raise ToolError(
            code, f"{what}: {error.message}", remedy=error.remedy, details=details
        ) from error
    except NotFoundError as error:
        raise ToolError(
            ErrorCode.NOT_FOUND,
            error.message,
            remedy=error.remedy,
            details={"nearest": list(error.nearest)},
        ) from error
    except RefusedError as error:
        raise ToolError(ErrorCode.REFUSED, error.message, remedy=error.remedy) from error
    except UsageError as error:
        raise ToolError(ErrorCode.INVALID_ARGUMENTS, error.message, remedy=error.remedy) from error
    except AutotunerError as error:
        raise ToolError(
            ErrorCode.INTERNAL, f"{what}: {error.message}", remedy=error.remedy
        ) from error
