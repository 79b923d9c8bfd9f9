"""Promote, hold or roll back: what both sides' numbers say about the plan's bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lambda_autotuner.rollout.measures import PERCENTILES, Minutes, Observation
from lambda_autotuner.rollout.plan import Bounds, Plan
from lambda_autotuner.rollout.sequential import (
    Mean,
    Share,
    Verdict,
    dispersion,
    judge_mean,
    judge_share,
    upper_limit,
)
from lambda_autotuner.settings import RolloutSettings

# How the false-alarm rate is spent; the monitors' rates add up to it (Bonferroni).
_SPENT = {
    "errors": 0.25,
    "timeouts": 0.1,
    "throttles": 0.1,
    "p50": 0.1,
    "p95": 0.25,
    "p99": 0.1,
    "cost": 0.1,
}
# When the detection time ends undecided, an estimate this far towards the bound counts as broken.
_GUARD = 0.85
_DECISIVE = ("errors", "timeouts", "throttles", "p95")


class Decision(StrEnum):
    """What is to be done now."""

    ROLL_BACK = "roll_back"
    PROMOTE = "promote"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Monitor:
    """One figure that is watched.

    Attributes:
        before: its value without the change; None when unknown.
        now: its value with the change.
        bound: the largest value within the plan's bounds.
        unit: "%", "ms" or "ratio".
        progress: how far towards the bound it has gone: 0 no change, 1 at the bound.
    """

    name: str
    verdict: Verdict
    before: float | None
    now: float | None
    bound: float | None
    unit: str
    progress: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "verdict": str(self.verdict),
            "before": self.before,
            "now": self.now,
            "bound": self.bound,
            "unit": self.unit,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a rollout: the decision, why, and the figures it rests on."""

    decision: Decision
    reason: str
    monitors: tuple[Monitor, ...]
    invocations: int
    minutes: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "decision": str(self.decision),
            "reason": self.reason,
            "invocations": self.invocations,
            "minutes": round(self.minutes, 1),
            "monitors": [monitor.to_dict() for monitor in self.monitors],
        }


def decide_from(plan: Plan, seen: Observation, settings: RolloutSettings) -> Look:
    """Decide about a rollout from what both sides show.

    A figure that is beyond its bound with the stated error probability ends the rollout at any
    time. Going on needs enough invocations, and confidence that every figure is within its bound;
    when the detection time ends without that, a figure that is nearly at its bound counts
    against the change.

    Args:
        plan: its bounds.
        seen: both sides.
        settings: the traffic minimum and the detection time.
    """
    monitors = tuple(watch_figures(plan, seen))
    count, minutes = seen.changed.invocations, seen.minutes

    def look(decision: Decision, reason: str) -> Look:
        return Look(decision, reason, monitors, count, minutes)

    broken = [monitor for monitor in monitors if monitor.verdict is Verdict.BROKEN]
    if broken:
        alpha = plan.bounds.false_alarm_rate
        return look(
            Decision.ROLL_BACK,
            f"{_words(broken)} (chance of a false alarm at most {alpha:.0%}).",
        )
    if count < settings.minimum_invocations:
        return look(
            Decision.HOLD,
            f"Not enough traffic yet: {count} of {settings.minimum_invocations} invocations.",
        )
    if seen.baseline.durations == 0:
        return look(
            Decision.HOLD,
            "Nothing to compare with: there was no traffic before the change. A person decides.",
        )
    return look(*_judge_open(monitors, seen, settings))


def _judge_open(
    monitors: Sequence[Monitor], seen: Observation, settings: RolloutSettings
) -> tuple[Decision, str]:
    """Nothing is broken and there is enough traffic: is everything within its bound?"""
    count = seen.changed.invocations
    open_ones = [m for m in monitors if m.name in _DECISIVE and m.verdict is Verdict.OPEN]
    if not open_ones:
        return Decision.PROMOTE, f"Within all bounds after {count} invocations."
    if seen.minutes < settings.detection_minutes:
        names = ", ".join(monitor.name for monitor in open_ones)
        return Decision.HOLD, f"Not decided yet: {names}."
    near = [m for m in open_ones if m.progress is not None and m.progress > _GUARD]
    if near:
        end = f"at the end of the detection time ({settings.detection_minutes:g} min)"
        return Decision.ROLL_BACK, f"{_words(near)} {end}."
    return (
        Decision.PROMOTE,
        f"No figure is near its bound at the end of the detection time, {count} invocations.",
    )


def _words(monitors: Sequence[Monitor]) -> str:
    return "; ".join(
        f"{m.name} {_figure(m.before, m.unit)} -> {_figure(m.now, m.unit)} "
        f"(bound {_figure(m.bound, m.unit)})"
        for m in monitors
    )


def _figure(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.4g} {unit}"


def watch_figures(plan: Plan, seen: Observation) -> list[Monitor]:
    """Every figure with its verdict."""
    bounds = plan.bounds
    monitors = [_errors(bounds, seen), _timeouts(bounds, seen), _throttles(plan, seen)]
    monitors += [_percentile(name, bounds, seen) for name in PERCENTILES]
    monitors.append(_cost(plan, seen))
    return monitors


def _alpha(bounds: Bounds, name: str) -> float:
    return bounds.false_alarm_rate * _SPENT[name]


def _clumping(changed: Minutes, baseline: Minutes | None) -> float:
    """How many invocations count as one: what both sides' minutes show, whichever is less.

    A change that sets in on the way makes the changed side's minutes differ, and must not hide
    itself so; the baseline does not know it. No minute can clump more than it has invocations.
    """
    busy = [count for count in changed.trials if count > 0]
    most = max(1.0, math.fsum(busy) / len(busy)) if busy else 1.0
    found = [dispersion(side.trials, side.hits) for side in (changed, baseline) if side is not None]
    known = [value for value in found if value is not None]
    return min([*known, most]) if known else 1.0


def _raised(limit: float, beside: Minutes | None, points: float = 0.0) -> float:
    """A limit that the unchanged side itself exceeds by now says nothing about the change.

    Args:
        limit: largest share within bounds.
        beside: what the other side of the canary shows.
        points: how much a share may lie above that side's.
    """
    if beside is None or beside.count == 0 or beside.total <= limit * beside.count:
        return limit
    clump = dispersion(beside.trials, beside.hits) or 1.0
    return min(1.0, upper_limit(beside.count / clump, beside.total / clump) + points)


def _share_monitor(
    bounds: Bounds,
    name: str,
    changed: Minutes,
    baseline: Minutes | None,
    before: float | None,
    beside: Minutes | None = None,
) -> Monitor:
    """A share that may rise by the bound's points over what it was."""
    count, hits = changed.count, changed.total
    if before is None:
        now = 100 * hits / count if count else None
        return Monitor(name, Verdict.UNKNOWN, None, now, None, "%", None)
    points = bounds.error_points / 100
    share = Share(
        name,
        count,
        hits,
        _raised(min(1.0, before + points), beside, points),
        _alpha(bounds, name),
        _clumping(changed, baseline),
    )
    found = share.estimate
    return Monitor(
        name,
        judge_share(share),
        100 * before,
        None if found is None else 100 * found,
        100 * share.limit,
        "%",
        None if found is None else (found - share.limit) / points + 1,
    )


def _errors(bounds: Bounds, seen: Observation) -> Monitor:
    base = seen.baseline.errors
    before = base.total / base.count if base.count else None
    beside = seen.beside.errors if seen.beside else None
    return _share_monitor(bounds, "errors", seen.changed.errors, base, before, beside)


_NOTHING = Minutes((), ())


def _timeouts(bounds: Bounds, seen: Observation) -> Monitor:
    """Durations at the timeout; before the change they are among the errors."""
    base = seen.baseline.errors
    before = base.total / base.count if base.count else None
    changed = seen.changed.beyond.get("timeouts", _NOTHING)
    return _share_monitor(bounds, "timeouts", changed, base, before, _beside(seen, "timeouts"))


def _beside(seen: Observation, name: str) -> Minutes | None:
    return seen.beside.beyond.get(name) if seen.beside else None


# A change that keeps environments busy no longer than this times before throttles nobody; a mean
# of n durations is known to about one part in the square root of n.
_AS_LONG = 1.05
_SPREAD = 2.0


def _throttles(plan: Plan, seen: Observation) -> Monitor:
    """Requests without an environment: the change's doing when it takes longer or limits them."""
    was, now = seen.requests_before, seen.requests_now
    before = was.total / was.count if was.count else None
    monitor = _share_monitor(plan.bounds, "throttles", now, was, before)
    mean, old = seen.changed.mean_ms, seen.baseline.mean_ms
    if plan.concurrency_changes or mean is None or old is None:
        return monitor
    if mean > old * (_AS_LONG + _SPREAD / math.sqrt(seen.changed.durations)):
        return monitor
    if monitor.verdict in {Verdict.BROKEN, Verdict.OPEN}:
        # More traffic than before is what throttles then.
        return replace(monitor, verdict=Verdict.UNKNOWN, progress=None)
    return monitor


def _percentile(name: str, bounds: Bounds, seen: Observation) -> Monitor:
    before, now = seen.baseline.percentiles_ms[name], seen.changed.percentiles_ms[name]
    if before is None or name not in seen.limits_ms:
        return Monitor(name, Verdict.UNKNOWN, before, now, None, "ms", None)
    beyond = seen.changed.beyond[name]
    share = Share(
        name,
        beyond.count,
        beyond.total,
        _raised(PERCENTILES[name], _beside(seen, name)),
        _alpha(bounds, name),
        _clumping(beyond, seen.baseline.beyond.get(name)),
    )
    progress = None
    if now is not None and before > 0 and share.limit == PERCENTILES[name]:
        progress = (now / before - 1) / (bounds.latency_pct / 100)
    return Monitor(name, judge_share(share), before, now, seen.limits_ms[name], "ms", progress)


def _cost(plan: Plan, seen: Observation) -> Monitor:
    """Compute cost of an invocation: mean duration times memory, against before."""
    base, changed = seen.baseline, seen.changed
    ratio = plan.bounds.cost_ratio
    memory = plan.after.get("memory_mb", 1) / plan.before.get("memory_mb", 1)
    now, old = None, base.mean_ms
    if old and seen.beside is not None and seen.beside.mean_ms is not None:
        old = max(old, seen.beside.mean_ms)
    if changed.mean_ms is not None and old:
        now = changed.mean_ms * memory / old
    if ratio is None or old is None or "architecture" in plan.after:
        return Monitor("cost", Verdict.UNKNOWN, 1.0, now, ratio, "x before", None)
    mean = Mean(
        "cost",
        changed.sums_ms.hits,
        changed.sums_ms.trials,
        ratio * old / memory,
        _alpha(plan.bounds, "cost"),
    )
    return Monitor("cost", judge_mean(mean), 1.0, now, ratio, "x before", None)
