"""CloudWatch Logs: search, errors grouped by pattern, REPORT lines and Insights, each bounded."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.reports import Report, parse_report
from lambda_autotuner.aws.session import Account

# Words that a failed invocation leaves in a log, in either log format.
ERROR_PATTERN = (
    '?ERROR ?Error ?Exception ?Traceback ?"Task timed out" ?"signal: killed" ?FATAL ?CRITICAL'
)
REPORT_PATTERN = '?"REPORT RequestId" ?"platform.report"'
_PAGE = 10_000
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One log event; its message is data that others wrote."""

    timestamp: datetime
    message: str
    stream: str


@dataclass(frozen=True, slots=True)
class LogSearch:
    """Found events; `complete` is False when a limit or the deadline ended the search."""

    events: tuple[LogEvent, ...]
    complete: bool
    pages: int


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Events that differ only in numbers, identifiers and addresses."""

    pattern: str
    count: int
    first: datetime
    last: datetime
    example: str


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group."""

    name: str
    stored_bytes: int
    retention_days: int | None
    created: datetime | None


@dataclass(frozen=True, slots=True)
class InsightsResult:
    """Rows of an Insights query, with what it scanned (which is what it costs by)."""

    rows: tuple[dict[str, str], ...]
    status: str
    records_matched: float
    records_scanned: float
    bytes_scanned: float


def list_log_groups(
    account: Account,
    *,
    prefix: str | None = None,
    containing: str | None = None,
    limit: int | None = None,
) -> list[LogGroup]:
    """Log groups whose name starts with `prefix`, or contains a text."""
    asked: dict[str, Any] = {}
    if prefix:
        asked["logGroupNamePrefix"] = prefix
    elif containing:
        asked["logGroupNamePattern"] = containing
    return [
        LogGroup(
            name=str(raw["logGroupName"]),
            stored_bytes=int(raw.get("storedBytes", 0)),
            retention_days=raw.get("retentionInDays"),
            created=_from_ms(raw.get("creationTime")),
        )
        for raw in account.pages("logs", "DescribeLogGroups", max_items=limit, **asked)
    ]


def latest_event(account: Account, group: str) -> datetime | None:
    """When the group's newest stream last received an event; None for an empty group.

    Raises:
        MissingError: no such log group.
    """
    answer = account.call(
        "logs",
        "DescribeLogStreams",
        logGroupName=group,
        orderBy="LastEventTime",
        descending=True,
        limit=1,
    )
    streams = answer.get("logStreams") or []
    return _from_ms(streams[0].get("lastEventTimestamp")) if streams else None


def log_window(account: Account, group: str, *, days: float) -> Window | None:
    """A window that ends just after the group's last event; None for an empty group."""
    last = latest_event(account, group)
    if last is None:
        return None
    end = last + timedelta(seconds=1)
    return Window(end - timedelta(days=days), end, "last log event")


def search_logs(
    account: Account,
    group: str,
    window: Window,
    *,
    pattern: str = "",
    limit: int = 1_000,
    max_pages: int = 200,
    deadline_seconds: float = 30.0,
) -> LogSearch:
    """Events of a log group that match a filter pattern, oldest first.

    Args:
        account: where to ask.
        group: log group name.
        window: span in time.
        pattern: CloudWatch Logs filter pattern; everything without it.
        limit: at most that many events.
        max_pages: at most that many calls; a page may be empty and still not be the last.
        deadline_seconds: stop asking for further pages after that time.

    Raises:
        MissingError: no such log group.
        AwsError: not allowed, or the account could not be asked.
    """
    asked: dict[str, Any] = {
        "logGroupName": group,
        "startTime": _to_ms(window.start),
        "endTime": _to_ms(window.end),
        "limit": min(_PAGE, max(1, limit)),
    }
    if pattern:
        asked["filterPattern"] = pattern
    stop = time.monotonic() + deadline_seconds
    events: list[LogEvent] = []
    for page in range(1, max_pages + 1):
        answer = account.call("logs", "FilterLogEvents", **asked)
        events.extend(_events(answer.get("events") or ()))
        token = answer.get("nextToken")
        if not token:
            return LogSearch(tuple(events[:limit]), len(events) <= limit, page)
        if len(events) >= limit or time.monotonic() > stop:
            return LogSearch(tuple(events[:limit]), complete=False, pages=page)
        asked["nextToken"] = token
    return LogSearch(tuple(events), complete=False, pages=max_pages)


def _events(raw: Iterable[dict[str, Any]]) -> Iterator[LogEvent]:
    for event in raw:
        moment = _from_ms(event.get("timestamp"))
        if moment is not None:
            yield LogEvent(
                moment, str(event.get("message", "")), str(event.get("logStreamName", ""))
            )


_VARIABLE_PARTS = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d+(?:\.\d+)?"), "<n>"),
    (re.compile(r"\s+"), " "),
)
_PATTERN_CHARS = 300


def pattern_of(message: str) -> str:
    """The message with everything that differs from call to call replaced, at most 300 characters."""
    for expression, replacement in _VARIABLE_PARTS:
        message = expression.sub(replacement, message)
    return message.strip()[:_PATTERN_CHARS]


def group_errors(events: Iterable[LogEvent]) -> list[ErrorGroup]:
    """Group events by pattern, most frequent first."""
    groups: dict[str, list[LogEvent]] = {}
    for event in events:
        groups.setdefault(pattern_of(event.message), []).append(event)
    found = [
        ErrorGroup(
            pattern=pattern,
            count=len(members),
            first=min(event.timestamp for event in members),
            last=max(event.timestamp for event in members),
            example=members[-1].message.strip(),
        )
        for pattern, members in groups.items()
    ]
    return sorted(found, key=lambda item: (-item.count, item.pattern))


def fetch_reports(
    account: Account,
    group: str,
    window: Window,
    *,
    limit: int = 10_000,
    deadline_seconds: float = 30.0,
) -> tuple[list[Report], bool]:
    """REPORT lines of a log group, oldest first, and whether these are all in the window.

    Raises:
        MissingError: no such log group.
        AwsError: not allowed, or the account could not be asked.
    """
    found = search_logs(
        account,
        group,
        window,
        pattern=REPORT_PATTERN,
        limit=limit,
        deadline_seconds=deadline_seconds,
    )
    reports = (
        parse_report(event.message, timestamp=event.timestamp, stream=event.stream)
        for event in found.events
    )
    return [report for report in reports if report is not None], found.complete


def run_insights(
    account: Account,
    groups: list[str],
    query: str,
    window: Window,
    *,
    limit: int = 1_000,
    deadline_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> InsightsResult:
    """Run a Logs Insights query to its end.

    Args:
        account: where to ask.
        groups: names of log groups.
        query: in Insights' query language.
        window: span in time.
        limit: at most that many rows.
        deadline_seconds: stop the query and give up after that time.
        sleep: how to wait; for tests.

    Raises:
        AwsError: the query is not valid, failed, or did not end in time (code `timeout`).
    """
    started = account.call(
        "logs",
        "StartQuery",
        logGroupNames=groups,
        queryString=query,
        startTime=int(window.start.timestamp()),
        endTime=int(window.end.timestamp()),
        limit=limit,
    )
    query_id = str(started["queryId"])
    stop = time.monotonic() + deadline_seconds
    wait = _FIRST_WAIT_SECONDS
    while True:
        answer = account.call("logs", "GetQueryResults", queryId=query_id)
        status = str(answer.get("status", "Unknown"))
        if status == "Complete":
            return _insights_result(answer, status)
        if status in {"Failed", "Cancelled", "Timeout"}:
            raise AwsError(
                f"The Insights query ended as {status}.",
                code=ErrorCode.OTHER,
                operation="logs:GetQueryResults",
            )
        if time.monotonic() > stop:
            account.call("logs", "StopQuery", queryId=query_id)
            raise AwsError(
                f"The Insights query did not end within {deadline_seconds:g} s and was stopped.",
                code=ErrorCode.TIMEOUT,
                operation="logs:GetQueryResults",
                remedy="Narrow the window or the log groups.",
            )
        sleep(wait)
        wait = min(_LONGEST_WAIT_SECONDS, wait * 2)


def _insights_result(answer: dict[str, Any], status: str) -> InsightsResult:
    rows = tuple(
        {
            str(cell["field"]): str(cell.get("value", ""))
            for cell in row
            if cell.get("field") not in {None, "@ptr"}
        }
        for row in answer.get("results") or ()
    )
    statistics = answer.get("statistics") or {}
    return InsightsResult(
        rows,
        status,
        float(statistics.get("recordsMatched", 0)),
        float(statistics.get("recordsScanned", 0)),
        float(statistics.get("bytesScanned", 0)),
    )


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def _from_ms(value: object) -> datetime | None:
    return datetime.fromtimestamp(value / 1_000, UTC) if isinstance(value, (int, float)) else None
