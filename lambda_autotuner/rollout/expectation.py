"""What a recommendation promises, in the few numbers that a plan states and a watch checks."""

from __future__ import annotations

from typing import Any


def expectation_of(recommendation: Any | None) -> dict[str, Any]:
    """Money and latency at the current and the proposed configuration, with intervals.

    Args:
        recommendation: an engine's answer (`Change`), or None for a person's wish.

    Returns:
        Plain values; `reason` says why there are none.
    """
    if recommendation is None:
        return {"reason": "no measurement: the change is a person's wish"}
    current, proposed = recommendation.current, recommendation.proposed
    expected: dict[str, Any] = {
        "confidence": recommendation.confidence,
        "proposed": _outlook(proposed),
        "saving_pct": _interval(recommendation.saving_pct),
        "saving_month_usd": _interval(recommendation.saving_month_usd),
        "probability_best": recommendation.probability_best,
    }
    if current is not None:
        expected["current"] = _outlook(current)
        if current.cost_usd.value > 0:
            expected["cost_ratio_high"] = proposed.cost_usd.high / current.cost_usd.value
    return expected


def _interval(value: Any | None) -> dict[str, float] | None:
    if value is None:
        return None
    return {"value": value.value, "low": value.low, "high": value.high}


def _outlook(outlook: Any) -> dict[str, Any]:
    return {
        "memory_mb": outlook.memory_mb,
        "architecture": outlook.architecture,
        "cost_usd": _interval(outlook.cost_usd),
        "p50_ms": _interval(outlook.p50_ms),
        "p95_ms": _interval(outlook.p95_ms),
        "p99_ms": _interval(outlook.p99_ms),
        "month_usd": _interval(outlook.month_usd),
    }
