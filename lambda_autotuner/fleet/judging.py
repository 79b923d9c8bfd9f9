"""What one line says: from metrics, from logs, or that nothing is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.metrics import Series, Window
from lambda_autotuner.fleet.leaning import Leanings
from lambda_autotuner.fleet.rows import Row, Status
from lambda_autotuner.sizing.applicability import judge
from lambda_autotuner.sizing.choices import current_of
from lambda_autotuner.sizing.telemetry import monthly
from lambda_autotuner.tuning.pricing import FULL_PERCENT, Rates, invocation_cost_usd
from lambda_autotuner.tuning.recommendation import NeedMoreData
from lambda_autotuner.tuning.units import Architecture

_METRICS_ALONE = (
    "Metrics hold one memory size and no memory in use: the saving is what the best size would "
    "bring if it fits. `recommend` reads the logs, `tune` measures."
)


def measured_row(
    function: FunctionConfiguration,
    invocations: float,
    series: Mapping[str, Series],
    window: Window,
    leanings: Leanings,
    rates: Mapping[Architecture, Rates],
) -> Row:
    """The line of a function with traffic, from its metrics alone: what it costs, where it leans."""
    where = current_of(function)
    volume = monthly(invocations, window)
    duration, counted = series["sum"].total(), series["count"].total()
    base = Row(
        function=function.name,
        status=Status.UNREADABLE,
        memory_mb=where.memory_mb,
        architecture=where.architecture,
        runtime=function.runtime,
        invocations_per_month=volume,
        error_rate=(series["errors"].total() or 0.0) / invocations,
        p95_ms=_weighted(series["p95"], series["count"]),
        reason="It has invocations, but no durations.",
    )
    if not duration or not counted or volume is None:
        return base
    mean_ms = duration / counted
    one = invocation_cost_usd(
        max(mean_ms, 1.0),
        where.memory_mb,
        rates[where.architecture],
        request_fee=leanings.choices.request_fee,
        ephemeral_mb=function.ephemeral_storage_mb,
    )
    leaning = leanings.of(where, mean_ms, function.timeout_seconds)
    share, sure = leaning.saving_share, leaning.confidence
    saving = None if share is None else share * one * volume
    cautions = " ".join(judge(function).cautions)
    return replace(
        base,
        status=Status.MEASURE if leaning.pick else Status.INFEASIBLE,
        mean_ms=mean_ms,
        month_usd=one * volume,
        # How small a size may be depends on memory in use, which no metric holds.
        proposed_mb=leaning.pick.memory_mb
        if leaning.pick and leaning.pick.memory_mb >= where.memory_mb
        else None,
        saving_month_usd=saving,
        confidence=sure,
        score_usd=None if saving is None or sure is None else saving * sure,
        reason=" ".join(part for part in (leaning.reason or _METRICS_ALONE, cautions) if part),
    )


def with_leaning(row: Row, answer: NeedMoreData) -> Row:
    """A row whose leaning now respects memory in use, with the saving that follows from it."""
    reason = " ".join(answer.missing)
    leaning = answer.leaning.memory_mb if answer.leaning else None
    share = answer.leaning_saving_pct
    if share is None or row.month_usd is None or row.confidence is None:
        return replace(
            row, proposed_mb=leaning, saving_month_usd=None, score_usd=None, reason=reason
        )
    saving = share / FULL_PERCENT * row.month_usd
    return replace(
        row,
        proposed_mb=leaning,
        saving_month_usd=saving,
        score_usd=saving * row.confidence,
        reason=reason,
    )


def _weighted(series: Series, counts: Series) -> float | None:
    """Mean of a percentile's points by the invocations in each."""
    weights = dict(zip(counts.times, counts.values, strict=True))
    pairs = [(v, weights.get(t, 0.0)) for t, v in zip(series.times, series.values, strict=True)]
    weight = math.fsum(w for _, w in pairs)
    return math.fsum(v * w for v, w in pairs) / weight if weight > 0 else None


def silent_row(function: FunctionConfiguration, window: Window | None) -> Row:
    """A function about which the metrics say nothing, and why."""
    applicability = judge(function)
    where = current_of(function)
    days = f"{window.seconds / 86_400:g} days" if window else "the time that CloudWatch keeps"
    return Row(
        function=function.name,
        status=Status.NO_TRAFFIC if applicability.applies else Status.NOT_APPLICABLE,
        memory_mb=where.memory_mb,
        architecture=where.architecture,
        runtime=function.runtime,
        reason=applicability.reason
        or " ".join((f"Nobody invoked it in {days}.", *applicability.cautions)),
    )
