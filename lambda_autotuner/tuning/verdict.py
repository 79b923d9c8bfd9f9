"""From a model to what a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lambda_autotuner.tuning.advice import advise
from lambda_autotuner.tuning.decision import Decision, Policy, choose, decide
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.failures import failing
from lambda_autotuner.tuning.infrastructure import infrastructure_lines
from lambda_autotuner.tuning.lateness import meets_slo
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import CostUnderSlo, FastestWithin, Objective
from lambda_autotuner.tuning.outlook import curve, outlooks
from lambda_autotuner.tuning.pricing import FULL_PERCENT
from lambda_autotuner.tuning.recommendation import (
    MEMORY_FLOOR,
    Change,
    Constraint,
    Infeasible,
    Interval,
    Keep,
    Measurement,
    NeedMoreData,
    Outlook,
    Recommendation,
)
from lambda_autotuner.tuning.sensitivity import what_would_change
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.timeouts import Unproven
from lambda_autotuner.tuning.units import DAYS_PER_MONTH

_P95 = 95.0
_TO_SETTLE_AN_SLO = 10
# The mean over measured functions of which nothing was known before (docs/measured.md).
_TO_START_FROM_NOTHING = 12


def conclude(
    model: Model,
    space: Space,
    objective: Objective,
    policy: Policy,
    *,
    current: Configuration | None,
    spent: tuple[int, float] = (0, 0.0),
    stopped: str | None = None,
    picture: bool = True,
    candidates: tuple[Configuration, ...] | None = None,
) -> Recommendation:
    """The answer to give with what is known.

    Args:
        model: What is known.
        space: Where a pick may come from.
        objective: What was looked for.
        policy: How sure is sure enough.
        current: The configuration in production; None where there is none.
        spent: Invocations and US dollars that the measurement took.
        stopped: Why measuring ended; None while it goes on or where nothing was measured.
        picture: Whether the answer carries the points of the curve and what would change it.
        candidates: What `candidates_of` gave, where the caller has it already.
    """
    base = _base(objective, policy, spent, stopped)
    if model.warm is None or not any(s.succeeded for s in model.evidence.summaries()):
        return _nothing_ran(model, base)
    candidates = candidates or candidates_of(model, space, current)
    allowed = space.configurations()
    # The very same tuple is answered from memory, see Model. A window above the lowest cost needs
    # all configurations jointly, so it is looked for on the thinned ones.
    if allowed == candidates or isinstance(objective, FastestWithin):
        allowed = candidates
    pick = choose(model, objective, allowed, policy)
    if pick is None:
        return _nothing_allowed(model, objective, candidates, policy, base)
    picked = allowed[pick]
    if picked not in candidates:
        candidates = tuple(sorted({*candidates, picked}))
    decision = decide(model, objective, candidates, policy)
    if decision is None:
        return _nothing_allowed(model, objective, candidates, policy, base)
    settled = _settled(model, objective, policy, decision, current, base)
    if not picture:
        return settled
    changes = what_would_change(model, objective, decision, policy, current)
    percentile = objective.percentile if isinstance(objective, CostUnderSlo) else _P95
    points = curve(model, decision.configurations, policy.confidence, percentile)
    return replace(settled, curve=points, changes_answer=changes)


def withheld(change: Change, lucky: Unproven) -> NeedMoreData:
    """What to say instead of a change that may only look good because it was lucky."""
    return NeedMoreData(
        objective=change.objective,
        confidence=change.confidence,
        measurement=replace(change.measurement, payback_days=None),
        reasons=change.reasons,
        changes_answer=change.changes_answer,
        notes=change.notes,
        curve=change.curve,
        constraints=change.constraints,
        current=change.current,
        advice=change.advice,
        missing=(lucky.reason,),
        invocations=lucky.invocations,
        sizes_mb=(change.proposed.memory_mb,),
    )


def candidates_of(
    model: Model, space: Space, current: Configuration | None
) -> tuple[Configuration, ...]:
    """What is looked at one by one: the space, thinned where it is large, and what was seen."""
    seen = [summary.configuration.memory_mb for summary in model.evidence.summaries()]
    if current is not None:
        seen.append(current.memory_mb)
    return tuple(Configuration(m, a) for a in space.architectures for m in space.candidates(seen))


def _base(
    objective: Objective, policy: Policy, spent: tuple[int, float], stopped: str | None
) -> dict[str, Any]:
    return {
        "objective": str(objective),
        "confidence": policy.confidence,
        "measurement": Measurement(spent[0], spent[1], None),
        "reasons": () if stopped is None else (stopped,),
    }


def _nothing_ran(model: Model, base: dict[str, Any]) -> Recommendation:
    summaries = model.evidence.summaries()
    failures = tuple(failing(model.evidence).values())
    if failures:
        return Infeasible(**base, violated=failures)
    if any(summary.failed for summary in summaries):
        errors = sum(summary.failed for summary in summaries)
        return Infeasible(**base, violated=(f"All {errors} invocations failed.",))
    missing = ("No successful invocation was seen.",)
    return NeedMoreData(**base, missing=missing, invocations=_TO_START_FROM_NOTHING)


def _nothing_allowed(
    model: Model,
    objective: Objective,
    candidates: Sequence[Configuration],
    policy: Policy,
    base: dict[str, Any],
) -> Recommendation:
    excluded = model.excluded(candidates)
    violated = list(failing(model.evidence).values())
    nearest = None
    if isinstance(objective, CostUnderSlo) and not excluded.all():
        chance = np.where(excluded, -1.0, meets_slo(model, objective, candidates))
        best = int(np.argmax(chance))
        nearest = candidates[best]
        violated.append(
            f"p{objective.percentile:g} below {objective.slo_ms:g} ms is met with a probability "
            f"of {chance[best]:.0%} at best, at {nearest}; {policy.confidence:.0%} is wanted."
        )
        if chance[best] > 1 - policy.confidence:
            return NeedMoreData(
                **base,
                missing=tuple(violated),
                invocations=_TO_SETTLE_AN_SLO,
                sizes_mb=(nearest.memory_mb,),
                leaning=nearest,
            )
    if not violated:
        violated.append(f"No allowed size is left: {model.floor.reason}")
    return Infeasible(**base, violated=tuple(violated), nearest=nearest)


def _settled(
    model: Model,
    objective: Objective,
    policy: Policy,
    decision: Decision,
    current: Configuration | None,
    base: dict[str, Any],
) -> Change | Keep:
    wanted = [decision.picked, *([] if current in {None, decision.picked} else [current])]
    found = outlooks(model, wanted, policy.confidence)
    proposed, today = found[0], None if current is None else found[-1]
    saving, month = _saving(model, proposed, today, policy.confidence)
    tied = tuple(decision.configurations[i] for i in decision.tied)
    fastest = decision.configurations[min(decision.tied, key=lambda i: decision.expected_ms[i])]
    advice = advise(model, decision.picked, proposed, today)
    base |= {
        "reasons": (*base["reasons"], *_reasons(decision, policy)),
        "constraints": _constraints(model, objective, decision.picked, proposed, policy),
        "advice": advice,
        "measurement": _measurement(base["measurement"], month),
        "current": today,
        "notes": (*_notes(model), *_guessed_tail(model, objective)),
    }
    timeout = next((a.setting["timeout_s"] for a in advice if "timeout_s" in a.setting), None)
    settled = Keep if current is not None and current in tied else Change
    if settled is Keep and current is not None and current != decision.picked:
        base["reasons"] = (
            *base["reasons"],
            f"{current} is tied with {decision.picked} within {policy.tolerance_pct:g} %.",
        )
    return settled(
        **base,
        proposed=proposed,
        tied=tied,
        fastest_tied=fastest,
        expected_regret_pct=decision.expected_loss * FULL_PERCENT,
        probability_best=decision.probability_best,
        saving_pct=saving,
        saving_month_usd=month,
        infrastructure=infrastructure_lines(decision.picked, current=current, timeout_s=timeout),
    )


def _saving(
    model: Model, proposed: Outlook, current: Outlook | None, confidence: float
) -> tuple[Interval | None, Interval | None]:
    """Saving in percent of the current cost and in US dollars a month."""
    if current is None:
        return None, None
    low, high = model.log_cost_change(
        Configuration(current.memory_mb, _architecture(current)),
        Configuration(proposed.memory_mb, _architecture(proposed)),
        confidence,
    )
    value = 1 - proposed.cost_usd.value / current.cost_usd.value
    share = Interval(
        value * FULL_PERCENT,
        min(1 - float(np.exp(high)), value) * FULL_PERCENT,
        max(1 - float(np.exp(low)), value) * FULL_PERCENT,
        confidence,
    )
    if current.month_usd is None or proposed.month_usd is None:
        return share, None
    before = current.month_usd.value
    scale = before / FULL_PERCENT
    month = before - proposed.month_usd.value
    return share, Interval(
        month, min(share.low * scale, month), max(share.high * scale, month), confidence
    )


def _architecture(outlook: Outlook) -> Any:
    return outlook.architecture


def _measurement(measurement: Measurement, month: Interval | None) -> Measurement:
    if month is None or month.value <= 0:
        return measurement
    days = measurement.cost_usd / (month.value / DAYS_PER_MONTH)
    return Measurement(measurement.invocations, measurement.cost_usd, days)


def _reasons(decision: Decision, policy: Policy) -> tuple[str, ...]:
    return (
        f"Expected loss of {decision.picked} against the true best: {decision.expected_loss:.2%}.",
        (
            f"{decision.probability_best:.0%} sure that no other size beats it by more than "
            f"{policy.tolerance_pct:g} %."
        ),
    )


def _constraints(
    model: Model,
    objective: Objective,
    picked: Configuration,
    proposed: Outlook,
    policy: Policy,
) -> tuple[Constraint, ...]:
    found = []
    if isinstance(objective, CostUnderSlo):
        chance = float(meets_slo(model, objective, [picked])[0])
        value = proposed.mean_ms.value * model.tail_ratio(objective.percentile)
        met = chance >= policy.confidence and value <= objective.slo_ms
        name = f"p{objective.percentile:g}"
        found.append(Constraint(name, objective.slo_ms, value, "ms", met, chance))
    floor = model.floor
    found.append(
        Constraint(
            MEMORY_FLOOR,
            floor.memory_mb,
            picked.memory_mb,
            "MB",
            picked.memory_mb >= floor.memory_mb if floor.memory_mb else None,
            None,
            floor.reason,
        )
    )
    return tuple(found)


def _guessed_tail(model: Model, objective: Objective) -> tuple[str, ...]:
    """What an SLO rests on where no invocation is likely to have been beyond its percentile."""
    if not isinstance(objective, CostUnderSlo) or not model.tail_error(objective.percentile):
        return ()
    seen = model.evidence.invocations()
    if seen * (1 - objective.percentile / FULL_PERCENT) >= 1:
        return ()
    return (
        (
            f"p{objective.percentile:g} rests on {seen} invocations, too few to show one beyond it: its tail "
            "is assumed. Production's own percentile, or more invocations, would show it."
        ),
    )


def _notes(model: Model) -> tuple[str, ...]:
    notes = []
    if model.workload.cold_rate is None and model.evidence.cold_rate() is None:
        notes.append("The share of cold starts is unknown, so they are left out of the cost.")
    elif model.cold_rate > 0 and model.cold is None:
        notes.append(
            f"{model.cold_rate:.2%} of invocations start cold, but no init duration was seen, "
            "so cold starts are left out of the cost."
        )
    if model.workload.invocations_per_month is None:
        notes.append("The monthly volume is unknown, so there is no amount a month.")
    if model.workload.production_ms:
        notes.append(
            "Percentiles are production's own over its window, carried to other sizes by the ratio "
            "of the mean durations."
        )
    return tuple(notes)
