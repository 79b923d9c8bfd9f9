"""What a function did over a window: the summary that recommendations and answers rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from lambda_autotuner.aws.errors import MissingError
from lambda_autotuner.aws.functions import get_function, list_functions
from lambda_autotuner.aws.metrics import (
    MetricQuery,
    Series,
    Window,
    get_metrics,
    latest_activity,
)
from lambda_autotuner.aws.session import Account

_DAY_SECONDS = 86_400
_MINUTE = 60
_PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Target:
    """Whose telemetry: a function, one of its aliases or versions, or a version behind an alias."""

    function: str
    qualifier: str | None = None
    executed_version: str | None = None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Sums and percentiles over a window; None with a `reason` where nothing was recorded.

    Attributes:
        invocations: number of invocations (throttled requests are not among them).
        duration_sum_ms: sum of durations, INIT excluded, as CloudWatch's Duration is.
        p50_duration_ms: percentile over the window; a weighted mean of daily percentiles where
            CloudWatch answers in more than one point.
        max_concurrent: largest number of environments at work in a minute.
        window: the span it was asked for.
        reason: why values are None; empty when they are not.
    """

    target: Target
    window: Window
    invocations: int | None
    errors: int | None
    throttles: int | None
    duration_sum_ms: float | None
    mean_duration_ms: float | None
    p50_duration_ms: float | None
    p95_duration_ms: float | None
    p99_duration_ms: float | None
    max_duration_ms: float | None
    max_concurrent: int | None
    partial: bool = False
    reason: str = ""

    @property
    def error_rate(self) -> float | None:
        """Errors per invocation; None without invocations."""
        if not self.invocations or self.errors is None:
            return None
        return self.errors / self.invocations

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result = asdict(self)
        result["window"] = self.window.to_dict()
        result["error_rate"] = self.error_rate
        return result


def account_now(account: Account, *, near: datetime | None = None) -> datetime:
    """The account's own latest sign of life, used instead of our clock.

    Args:
        account: where to ask.
        near: a time known from the account; without it the newest LastModified is looked up.

    Raises:
        MissingError: the account has no functions, so that nothing anchors a window.
    """
    if near is None:
        stamps = [
            item.last_modified for item in list_functions(account, limit=50) if item.last_modified
        ]
        if not stamps:
            raise MissingError(
                f"Account {account.account_id} has no functions in {account.region}: "
                "there is nothing to look at."
            )
        near = max(stamps)
    active = latest_activity(account, near)
    return max(near, active) if active else near


def window_for(
    account: Account, function: str, *, days: float = 14, qualifier: str | None = None
) -> Window:
    """A window that ends at the function's own last activity.

    Args:
        account: where to ask.
        function: function name.
        days: length of the window in days.
        qualifier: alias or version.

    Raises:
        MissingError: no such function.
    """
    configuration = get_function(account, function, qualifier)
    near = configuration.last_modified or account_now(account)
    name = configuration.name
    active = latest_activity(account, near, function=name, qualifier=qualifier)
    end, anchor = (active, "last invocation") if active else (near, "last modification")
    return Window(end - timedelta(days=days), end, anchor)


def period_of(window: Window) -> int:
    """The longest period of at most a day that covers the window in few points, in seconds."""
    seconds = max(_MINUTE, math.ceil(window.seconds / _MINUTE) * _MINUTE)
    return min(_DAY_SECONDS, seconds)


def _queries(target: Target, period: int) -> dict[str, MetricQuery]:
    def query(metric: str, statistic: str) -> MetricQuery:
        return MetricQuery(
            metric, statistic, period, target.function, target.qualifier, target.executed_version
        )

    found = {
        "invocations": query("Invocations", "Sum"),
        "errors": query("Errors", "Sum"),
        "throttles": query("Throttles", "Sum"),
        "duration_sum": query("Duration", "Sum"),
        "duration_count": query("Duration", "SampleCount"),
        "duration_max": query("Duration", "Maximum"),
        "concurrent": query("ConcurrentExecutions", "Maximum"),
    }
    return found | {name: query("Duration", name) for name in _PERCENTILES}


def fetch_telemetry(
    account: Account, targets: Sequence[Target], window: Window
) -> dict[Target, Telemetry]:
    """Telemetry of many functions in full batches (ten series each, 50 functions a call).

    Args:
        account: where to ask.
        targets: whose telemetry.
        window: the span; anchor it with `window_for` or `account_now`.

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    period = period_of(window)
    asked = {target: _queries(target, period) for target in targets}
    series = get_metrics(
        account, [query for group in asked.values() for query in group.values()], window
    )
    return {
        target: _summary(target, window, {name: series[query] for name, query in group.items()})
        for target, group in asked.items()
    }


def _count(series: Series) -> int | None:
    total = series.total()
    return None if total is None else round(total)


def weighted_percentile(series: Series, counts: Series) -> float | None:
    """Mean of a percentile's points, each with the number of invocations in it."""
    weights = dict(zip(counts.times, counts.values, strict=True))
    pairs = [
        (value, weights.get(moment, 0.0))
        for moment, value in zip(series.times, series.values, strict=True)
    ]
    total = math.fsum(weight for _, weight in pairs)
    return math.fsum(value * weight for value, weight in pairs) / total if total > 0 else None


def _summary(target: Target, window: Window, series: dict[str, Series]) -> Telemetry:
    invocations = _count(series["invocations"])
    duration_sum = series["duration_sum"].total()
    counted = series["duration_count"].total()
    counts = series["duration_count"]
    concurrent = series["concurrent"].maximum()
    errors, throttles = _count(series["errors"]), _count(series["throttles"])
    if invocations is not None:
        # CloudWatch keeps no point for a period without errors or throttles.
        errors, throttles = errors or 0, throttles or 0
    return Telemetry(
        target=target,
        window=window,
        invocations=invocations,
        errors=errors,
        throttles=throttles,
        duration_sum_ms=duration_sum,
        mean_duration_ms=duration_sum / counted if duration_sum is not None and counted else None,
        p50_duration_ms=weighted_percentile(series["p50"], counts),
        p95_duration_ms=weighted_percentile(series["p95"], counts),
        p99_duration_ms=weighted_percentile(series["p99"], counts),
        max_duration_ms=series["duration_max"].maximum(),
        max_concurrent=None if concurrent is None else round(concurrent),
        partial=any(item.partial for item in series.values()),
        reason="" if invocations is not None else "no invocations in the window",
    )


def function_telemetry(
    account: Account, function: str, *, days: float = 14, qualifier: str | None = None
) -> Telemetry:
    """Telemetry of one function over a window that ends at its last activity.

    Raises:
        MissingError: no such function (with the nearest names) or qualifier.
        AwsError: not allowed, or the account could not be asked.
    """
    window = window_for(account, function, days=days, qualifier=qualifier)
    target = Target(function.partition(":")[0], qualifier)
    return fetch_telemetry(account, [target], window)[target]
