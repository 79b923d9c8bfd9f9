"""CloudWatch metrics of Lambda, fetched in full batches, over windows that the account anchors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_autotuner.aws.configuration import LATEST
from lambda_autotuner.aws.session import Account

QUERIES_PER_CALL = 500
POINTS_PER_CALL = 100_800
NAMESPACE = "AWS/Lambda"
_DAY_SECONDS = 86_400
_AHEAD_DAYS = 4_000
_RETENTION_DAYS = 455
_RECENT_DAYS = 21
_MAX_PAGES = 200
_PARTIAL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time; `anchor` says what its end rests on."""

    start: datetime
    end: datetime
    anchor: str = "given"

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()

    def to_dict(self) -> dict[str, str]:
        """ISO 8601 and the anchor."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "anchor": self.anchor,
        }


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One series of AWS/Lambda.

    Attributes:
        metric: for example "Invocations", "Errors", "Throttles", "Duration".
        statistic: for example "Sum", "Average", "Maximum", "SampleCount", "p95".
        period_seconds: length of one point; a multiple of 60.
        function: function name; None for the whole account and region.
        qualifier: alias or version that was invoked (the `Resource` dimension).
        executed_version: with an alias as qualifier, the version that ran.
    """

    metric: str
    statistic: str
    period_seconds: int
    function: str | None = None
    qualifier: str | None = None
    executed_version: str | None = None

    def dimensions(self) -> list[dict[str, str]]:
        """CloudWatch's dimensions for it."""
        found: list[dict[str, str]] = []
        if self.function:
            found.append({"Name": "FunctionName", "Value": self.function})
            if self.qualifier and (self.qualifier != LATEST or self.executed_version):
                resource = f"{self.function}:{self.qualifier}"
                found.append({"Name": "Resource", "Value": resource})
            if self.executed_version:
                found.append({"Name": "ExecutedVersion", "Value": self.executed_version})
        return found


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one query in time order; `partial` when CloudWatch could not give all."""

    times: tuple[datetime, ...] = ()
    values: tuple[float, ...] = ()
    partial: bool = False

    def total(self) -> float | None:
        """Sum of the points; None without points."""
        return math.fsum(self.values) if self.values else None

    def maximum(self) -> float | None:
        """Largest point; None without points."""
        return max(self.values, default=None)


@dataclass
class _Collected:
    points: dict[datetime, float] = field(default_factory=dict)
    status: str = "Complete"


def get_metrics(
    account: Account, queries: Sequence[MetricQuery], window: Window
) -> dict[MetricQuery, Series]:
    """Fetch many series with as few calls as CloudWatch allows (500 series, 100,800 points a call).

    Args:
        account: where to ask.
        queries: any number of series; equal ones are asked once.
        window: the span; start and end are rounded out to whole minutes.

    Returns:
        Every query with its series; an empty series where there are no points.

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    start = window.start.replace(second=0, microsecond=0)
    end = window.end
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + timedelta(minutes=1)
    unique = list(dict.fromkeys(queries))
    result: dict[MetricQuery, Series] = {}
    for batch in _batches(unique, (end - start).total_seconds()):
        result.update(_fetch(account, batch, start, end))
    return result


def _batches(queries: Iterable[MetricQuery], seconds: float) -> Iterator[list[MetricQuery]]:
    batch: list[MetricQuery] = []
    points = 0
    for query in queries:
        needed = max(1, math.ceil(seconds / query.period_seconds))
        if batch and (len(batch) == QUERIES_PER_CALL or points + needed > POINTS_PER_CALL):
            yield batch
            batch, points = [], 0
        batch.append(query)
        points += needed
    if batch:
        yield batch


def _fetch(
    account: Account, batch: Sequence[MetricQuery], start: datetime, end: datetime
) -> dict[MetricQuery, Series]:
    by_id = {f"q{index}": query for index, query in enumerate(batch)}
    collected = {key: _Collected() for key in by_id}
    pending = list(by_id)
    for _ in range(_PARTIAL_ATTEMPTS):
        _fetch_pages(account, {key: by_id[key] for key in pending}, collected, start, end)
        pending = [key for key in pending if collected[key].status == "InternalError"]
        if not pending:
            break
    return {query: _series(collected[key]) for key, query in by_id.items()}


def _fetch_pages(
    account: Account,
    by_id: Mapping[str, MetricQuery],
    collected: Mapping[str, _Collected],
    start: datetime,
    end: datetime,
) -> None:
    asked: dict[str, Any] = {
        "MetricDataQueries": [
            {
                "Id": key,
                "ReturnData": True,
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": query.metric,
                        "Dimensions": query.dimensions(),
                    },
                    "Period": query.period_seconds,
                    "Stat": query.statistic,
                },
            }
            for key, query in by_id.items()
        ],
        "StartTime": start,
        "EndTime": end,
        "ScanBy": "TimestampAscending",
        "MaxDatapoints": POINTS_PER_CALL,
    }
    for _ in range(_MAX_PAGES):
        answer = account.call("cloudwatch", "GetMetricData", **asked)
        for item in answer.get("MetricDataResults", ()):
            slot = collected[item["Id"]]
            slot.status = str(item.get("StatusCode", "Complete"))
            for moment, value in zip(item["Timestamps"], item["Values"], strict=True):
                number = float(value)
                if math.isfinite(number):
                    slot.points[moment.astimezone(UTC)] = number
        token = answer.get("NextToken")
        if not token:
            return
        asked["NextToken"] = token


def _series(collected: _Collected) -> Series:
    ordered = sorted(collected.points.items())
    return Series(
        tuple(moment for moment, _ in ordered),
        tuple(value for _, value in ordered),
        partial=collected.status not in {"Complete", ""},
    )


def latest_activity(
    account: Account,
    near: datetime,
    *,
    function: str | None = None,
    qualifier: str | None = None,
) -> datetime | None:
    """The last minute in which something was invoked, found in the account's metrics alone.

    Two to four calls of one series each: days after the newest time that is known of the account,
    then before it, then the minutes of the last day that holds any. Beginning at the function's
    own LastModified would ask for years of days where the newest are enough.

    Args:
        account: where to ask.
        near: any time known from the account (a LastModified); days after it are looked at first.
        function: one function; the whole account without it.
        qualifier: alias or version.

    Returns:
        The end of that minute; None when nothing was invoked in the time that CloudWatch keeps.
    """
    near = near.astimezone(UTC)
    account.saw(near)
    near = max(near, account.newest_sign or near).astimezone(UTC)
    day = datetime(near.year, near.month, near.day, tzinfo=UTC)
    for window in _outward(day):
        daily = MetricQuery("Invocations", "Sum", _DAY_SECONDS, function, qualifier)
        last_day = _last_point(get_metrics(account, [daily], window)[daily])
        if last_day is None:
            continue
        fine = Window(last_day, last_day + timedelta(days=1))
        for period in (60, 300, 3600):
            query = MetricQuery("Invocations", "Sum", period, function, qualifier)
            found = _last_point(get_metrics(account, [query], fine)[query])
            if found is not None:
                moment = found + timedelta(seconds=period)
                account.saw(moment)
                return moment
    return None


def _outward(day: datetime) -> Iterator[Window]:
    """Where to look for a last day of activity: after `day`, shortly before it, long before it.

    After it without an end: a function may have been left alone for years and be as busy as ever.
    """
    recent, oldest = day - timedelta(days=_RECENT_DAYS), day - timedelta(days=_RETENTION_DAYS)
    yield Window(day, day + timedelta(days=_AHEAD_DAYS))
    yield Window(recent, day)
    yield Window(oldest, recent)


def _last_point(series: Series) -> datetime | None:
    active = [
        moment for moment, value in zip(series.times, series.values, strict=True) if value > 0
    ]
    return active[-1] if active else None
