"""What CloudWatch knows about the changed and the unchanged side of a rollout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambda_autotuner.aws.configuration import LATEST, configuration_from
from lambda_autotuner.aws.functions import raw_configuration
from lambda_autotuner.aws.metrics import MetricQuery, Series, Window, get_metrics, latest_activity
from lambda_autotuner.aws.session import Account
from lambda_autotuner.rollout.plan import Plan, Strategy

PERCENTILES = {"p50": 0.5, "p95": 0.05, "p99": 0.01}  # share of durations beyond each
_MINUTE = 60
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Side:
    """Whose metrics: the dimensions of one side of the comparison."""

    function: str
    qualifier: str | None = None
    executed_version: str | None = None

    def query(self, metric: str, statistic: str, period: int) -> MetricQuery:
        """One series of this side."""
        return MetricQuery(
            metric, statistic, period, self.function, self.qualifier, self.executed_version
        )


@dataclass(frozen=True, slots=True)
class Minutes:
    """Trials and hits minute by minute, in step."""

    trials: tuple[float, ...]
    hits: tuple[float, ...]

    @property
    def count(self) -> int:
        """All trials."""
        return round(math.fsum(self.trials))

    @property
    def total(self) -> int:
        """All hits."""
        return round(math.fsum(self.hits))


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened on one side over a window.

    Attributes:
        errors: invocations, and those that failed.
        beyond: durations, and those beyond each limit that was asked for.
        sums_ms: number of durations, and their sum.
        percentiles_ms: p50, p95 and p99; None without durations.
    """

    errors: Minutes
    beyond: Mapping[str, Minutes]
    sums_ms: Minutes
    percentiles_ms: Mapping[str, float | None]

    @property
    def invocations(self) -> int:
        """Number of invocations."""
        return self.errors.count

    @property
    def durations(self) -> int:
        """Number of durations."""
        return self.sums_ms.count

    @property
    def mean_ms(self) -> float | None:
        """Mean duration; None without durations."""
        return math.fsum(self.sums_ms.hits) / self.durations if self.durations else None


@dataclass(frozen=True, slots=True)
class Observation:
    """Both sides of a rollout.

    Attributes:
        started: when the change met traffic, as the account says.
        latest: the account's last sign of life.
        changed: the side with the change.
        baseline: the side without it.
        baseline_is: "concurrent" (the other side of the canary) or "before" the change.
        limits_ms: for p50, p95, p99 and timeouts: the duration that counts against the change.
        requests_now: requests since the change, on both sides together.
        requests_before: requests before the change.
        beside: the other side of the canary while it is too small to be the baseline; what befalls
            both sides alike is not the change's doing.
    """

    started: datetime
    latest: datetime
    changed: Counts
    baseline: Counts
    baseline_is: str
    limits_ms: Mapping[str, float]
    requests_now: Minutes
    requests_before: Minutes
    beside: Counts | None = None

    @property
    def minutes(self) -> float:
        """How long the change has met traffic, in minutes of the account's own time."""
        return max(0.0, (self.latest - self.started).total_seconds() / 60)


def observe(
    account: Account,
    plan: Plan,
    version: str | None,
    *,
    baseline_hours: float,
    changed_at: datetime | None = None,
) -> Observation:
    """Read both sides of a rollout.

    Args:
        account: where the function is.
        plan: the plan that was applied.
        version: the version that it published; None when it changed `$LATEST` itself.
        baseline_hours: how far before the change the baseline reaches.
        changed_at: when the account answered that a concurrency setting was changed.

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    started = _started(account, plan, version, changed_at)
    latest = latest_activity(account, started, function=plan.function) or started
    latest = max(latest, started)
    before = Window(started - timedelta(hours=baseline_hours), started)
    during = Window(started, max(latest, started + timedelta(minutes=1)))
    whole = Side(plan.function, plan.qualifier)
    changed_side, concurrent = whole, False
    baseline_side, baseline_window = whole, before
    beside = None
    if plan.strategy is Strategy.CANARY and plan.alias is not None and version is not None:
        changed_side = Side(plan.function, plan.alias.name, version)
        beside = Side(plan.function, plan.alias.name, plan.alias.version)
        concurrent = _says_enough(account, beside, during)
        if concurrent:
            baseline_side, baseline_window = beside, during
            beside = None
    percentiles = _percentiles(account, baseline_side, baseline_window)
    limits = _limits(plan, percentiles)
    # At its own percentiles the baseline shows how much minutes differ without any change.
    own = {name: value for name, value in percentiles.items() if value is not None}
    return Observation(
        started=started,
        latest=latest,
        changed=_counts(
            account, changed_side, during, limits, _percentiles(account, changed_side, during)
        ),
        baseline=_counts(account, baseline_side, baseline_window, own, percentiles),
        baseline_is="concurrent" if concurrent else "before",
        limits_ms=limits,
        requests_now=_requests(account, whole, during),
        requests_before=_requests(account, whole, before),
        beside=_counts(account, beside, during, limits, dict.fromkeys(PERCENTILES))
        if beside
        else None,
    )


def _says_enough(account: Account, side: Side, window: Window) -> bool:
    """Whether a side has enough minutes and invocations for a p99 of its own."""
    query = side.query("Invocations", "Sum", _MINUTE)
    series = get_metrics(account, [query], window)[query]
    busy = sum(value > 0 for value in series.values)
    return (series.total() or 0) >= _ENOUGH_INVOCATIONS and busy >= _ENOUGH_MINUTES


def _requests(account: Account, side: Side, window: Window) -> Minutes:
    """Requests, and those that were throttled and reached no version."""
    ran = side.query("Invocations", "Sum", _MINUTE)
    throttled = side.query("Throttles", "Sum", _MINUTE)
    series = get_metrics(account, [ran, throttled], window)
    arrived = dict(zip(series[ran].times, series[ran].values, strict=True))
    refused = dict(zip(series[throttled].times, series[throttled].values, strict=True))
    times = sorted(arrived.keys() | refused.keys())
    return Minutes(
        tuple(arrived.get(moment, 0.0) + refused.get(moment, 0.0) for moment in times),
        tuple(refused.get(moment, 0.0) for moment in times),
    )


# Below this the concurrent baseline says less about a p99 than the day before does.
_ENOUGH_INVOCATIONS = 1_000
_ENOUGH_MINUTES = 30


def _started(
    account: Account, plan: Plan, version: str | None, changed_at: datetime | None
) -> datetime:
    """The account's own time of the change: it ages with the account's history."""
    if plan.version_changes:
        raw = raw_configuration(account, plan.function, version or LATEST)
        stamp = configuration_from(raw).last_modified
    else:
        # A concurrency setting leaves no LastModified behind.
        stamp = changed_at
    minute = (stamp or plan.created_at).replace(second=0, microsecond=0)
    # The minute of the change belongs to both configurations, unless versions tell them apart.
    return minute if plan.strategy is Strategy.CANARY else minute + timedelta(minutes=1)


def _limits(plan: Plan, percentiles: Mapping[str, float | None]) -> dict[str, float]:
    factor = 1 + plan.bounds.latency_pct / 100
    limits = {name: value * factor for name, value in percentiles.items() if value is not None}
    timeout_ms = float(plan.after.get("timeout_seconds", plan.snapshot["timeout_seconds"])) * 1_000
    return {**limits, "timeouts": timeout_ms}


def _period(window: Window) -> int:
    seconds = max(_MINUTE, math.ceil(window.seconds / _MINUTE) * _MINUTE)
    return min(_DAY_SECONDS, seconds)


def _percentiles(account: Account, side: Side, window: Window) -> dict[str, float | None]:
    period = _period(window)
    queries = {name: side.query("Duration", name, period) for name in PERCENTILES}
    counted = side.query("Duration", "SampleCount", period)
    series = get_metrics(account, [*queries.values(), counted], window)
    return {name: _weighted(series[query], series[counted]) for name, query in queries.items()}


def _counts(
    account: Account,
    side: Side,
    window: Window,
    limits_ms: Mapping[str, float],
    percentiles_ms: Mapping[str, float | None],
) -> Counts:
    invocations = side.query("Invocations", "Sum", _MINUTE)
    errors = side.query("Errors", "Sum", _MINUTE)
    durations = side.query("Duration", "SampleCount", _MINUTE)
    sums = side.query("Duration", "Sum", _MINUTE)
    beyond = {
        name: side.query("Duration", f"TC({limit:.3f}:)", _MINUTE)
        for name, limit in limits_ms.items()
    }
    asked = [invocations, errors, durations, sums, *beyond.values()]
    series = get_metrics(account, asked, window)
    return Counts(
        errors=_minutes(series[invocations], series[errors]),
        beyond={name: _minutes(series[durations], series[query]) for name, query in beyond.items()},
        sums_ms=_minutes(series[durations], series[sums]),
        percentiles_ms=percentiles_ms,
    )


def _minutes(trials: Series, hits: Series) -> Minutes:
    """Put two series in step; CloudWatch keeps no point for a minute without hits."""
    found = dict(zip(hits.times, hits.values, strict=True))
    return Minutes(trials.values, tuple(found.get(moment, 0.0) for moment in trials.times))


def _weighted(values: Series, counts: Series) -> float | None:
    weights = dict(zip(counts.times, counts.values, strict=True))
    pairs = [
        (value, weights.get(moment, 0.0))
        for moment, value in zip(values.times, values.values, strict=True)
    ]
    total = math.fsum(weight for _, weight in pairs)
    return math.fsum(value * weight for value, weight in pairs) / total if total > 0 else None
