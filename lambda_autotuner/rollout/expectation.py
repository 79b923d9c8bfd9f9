"""What a recommendation promises, in the few numbers that a plan states and a watch checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lambda_autotuner.rollout.guardrails import Finding


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


def check_expectation(
    expected: Mapping[str, Any], latency_pct: float, *, explicit: bool
) -> list[Finding]:
    """Whether a change is expected to break the very bound that would undo it.

    Args:
        expected: what `expectation_of` returned.
        latency_pct: how much p95 may rise, in percent.
        explicit: whether a person named that bound for this plan.
    """
    now = (expected.get("current") or {}).get("p95_ms")
    then = (expected.get("proposed") or {}).get("p95_ms")
    if not now or not then or now["value"] <= 0:
        return []
    rise, most = (100 * (then[end] / now["value"] - 1) for end in ("value", "high"))
    if most <= latency_pct:
        return []
    if rise <= latency_pct:
        message = f"p95 may rise by up to {most:.0f} %, above the bound of {latency_pct:g} %."
        return [Finding("expected-latency", "warn", message)]
    wider = math.ceil(max(rise, most) * 1.1 / 10) * 10
    return [
        Finding(
            "expected-latency",
            "warn" if explicit else "block",
            f"The change is expected to raise p95 by {rise:.0f} % (up to {most:.0f} %), above the "
            f"bound of {latency_pct:g} %: it would be rolled back.",
            f"Agree to it with --latency-bound {wider}, or look for another size with an objective "
            f"such as `slo:p95<{now['value'] * (1 + latency_pct / 100):.0f}ms`.",
        )
    ]
