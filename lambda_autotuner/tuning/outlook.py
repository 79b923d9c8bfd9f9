"""What to expect of configurations: intervals per invocation and per month, and the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambda_autotuner.tuning.belief import Marginal
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.pricing import provisioned_month_usd
from lambda_autotuner.tuning.recommendation import CurvePoint, Interval, Outlook
from lambda_autotuner.tuning.units import Floats

_MEDIAN, _P95, _P99 = 50.0, 95.0, 99.0


def intervals(
    model: Model,
    marginal: Marginal,
    configurations: Sequence[Configuration],
    confidence: float,
) -> list[Interval]:
    """Expected value and calibrated central credible interval of exp(value), one each."""
    below = model.calibrated(marginal, configurations, upward=False)
    above = model.calibrated(marginal, configurations, upward=True)
    low = np.exp(below.quantiles([(1 - confidence) / 2])[0])
    high = np.exp(above.quantiles([(1 + confidence) / 2])[0])
    value = marginal.expected()
    return [
        Interval(float(v), float(min(lo, v)), float(max(hi, v)), confidence)
        for v, lo, hi in zip(value, low, high, strict=True)
    ]


def month_usd(model: Model, where: Configuration, cost: Interval) -> Interval | None:
    """Cost of a month at the real volume, tiers and provisioned concurrency included.

    None where the volume is unknown.
    """
    volume = model.workload.invocations_per_month
    if volume is None:
        return None
    return Interval(
        _month(model, where, cost.value, volume),
        _month(model, where, cost.low, volume),
        _month(model, where, cost.high, volume),
        cost.confidence,
    )


def _month(model: Model, where: Configuration, cost_usd: float, volume: float) -> float:
    rates, workload = model.rates[where.architecture], model.workload
    price = rates.marginal_gb_second_usd(workload.account_gb_seconds_per_month)
    fee = rates.request_usd if workload.request_fee else 0.0
    storage = model.storage_share(where)
    duration_usd = max(cost_usd - fee, 0.0) * volume
    gb_seconds = duration_usd * (1 - storage) / price if price > 0 else 0.0
    tiered = rates.duration_usd(gb_seconds, gb_seconds_before=workload.account_gb_seconds_per_month)
    provisioned = provisioned_month_usd(where.memory_mb, workload.provisioned_concurrency, rates)
    return tiered + duration_usd * storage + volume * fee + provisioned


def outlooks(
    model: Model, configurations: Sequence[Configuration], confidence: float
) -> list[Outlook]:
    """What to expect of each configuration."""
    cost = intervals(model, model.costs(configurations), configurations, confidence)
    mean = intervals(model, model.durations(configurations), configurations, confidence)
    found = []
    for position, where in enumerate(configurations):
        found.append(
            Outlook(
                memory_mb=where.memory_mb,
                architecture=where.architecture,
                cost_usd=cost[position],
                mean_ms=mean[position],
                p50_ms=_scaled(mean[position], model.tail_ratio(_MEDIAN)),
                p95_ms=_scaled(mean[position], model.tail_ratio(_P95)),
                p99_ms=_scaled(mean[position], model.tail_ratio(_P99)),
                month_usd=month_usd(model, where, cost[position]),
                measured=model.evidence.at(where.memory_mb, where.architecture).succeeded,
            )
        )
    return found


def _scaled(interval: Interval, ratio: float) -> Interval:
    return Interval(
        interval.value * ratio, interval.low * ratio, interval.high * ratio, interval.confidence
    )


def curve(
    model: Model, configurations: Sequence[Configuration], confidence: float, percentile: float
) -> tuple[CurvePoint, ...]:
    """The picture: cost and duration with their bands, and what was measured."""
    cost = intervals(model, model.costs(configurations), configurations, confidence)
    mean = intervals(model, model.durations(configurations), configurations, confidence)
    allowed = ~model.excluded(configurations)
    price: Floats = model.usd_per_ms(configurations)
    fees: Floats = model.fees(configurations)
    ratio = model.tail_ratio(percentile)
    points = []
    for position, where in enumerate(configurations):
        summary = model.evidence.at(where.memory_mb, where.architecture)
        billed = float(np.mean(summary.warm_billed_ms)) if summary.warm_billed_ms else None
        points.append(
            CurvePoint(
                memory_mb=where.memory_mb,
                architecture=where.architecture,
                cost_usd=cost[position],
                mean_ms=mean[position],
                tail_ms=mean[position].value * ratio,
                allowed=bool(allowed[position]),
                measured=summary.succeeded,
                measured_ms=summary.mean_ms,
                measured_cost_usd=None
                if billed is None
                else float(billed * price[position] + fees[position]),
            )
        )
    return tuple(points)
