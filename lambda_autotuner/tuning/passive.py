"""A recommendation without a single invocation, from telemetry alone.

One memory size alone cannot tell processor time from waiting. What telemetry has (the duration,
init, Max Memory Used, earlier memory sizes in the history) narrows the law; where that is not
enough, the answer is what is missing and how many invocations would settle it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from lambda_autotuner.tuning.cold import usual_init
from lambda_autotuner.tuning.decision import Decision, Policy, decide
from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.failures import failing, nothing_ended_well
from lambda_autotuner.tuning.gradient import probe_gains
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import CostUnderSlo, Objective
from lambda_autotuner.tuning.observation import floor_of_the_spread
from lambda_autotuner.tuning.pricing import FULL_PERCENT, Rates
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.recommendation import (
    Change,
    NeedMoreData,
    Recommendation,
    Settled,
)
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.verdict import candidates_of, conclude
from lambda_autotuner.tuning.workload import Workload

COMMIT_TOLERANCE_PCT = 5.0
"""A passive answer is given only when nothing else is likely to be better by more than this."""
_LEAST_INVOCATIONS = 6
_MOST_INVOCATIONS = 25
_FIRST_SIZES = 3
_KNOWN_WITHIN = 3.0
"""How far apart the ends of the interval of the duration at the pick may be, as a ratio.

From one size, another of half its memory takes as long or twice as long, which is 2 to 2.5; one of
a quarter spans 5 and more. Nobody should find out in production which it is.
"""
# Measured over the embedded account's functions: an invocation of a search costs so many at the
# pick, so many of them are the first ones at their size, and those sizes are so much dearer.
_EXPLORING, _COLD_SHARE, _DEARER = 1.2, 0.5, 2.0
# Sizes with less room than this above what is used may spend time on collecting garbage.
_ROOM = 1.4


def recommend_passive(
    evidence: Evidence,
    space: Space,
    objective: Objective,
    rates: Mapping[Architecture, Rates],
    *,
    current: Configuration | None = None,
    workload: Workload | None = None,
    policy: Policy | None = None,
    priors: Priors | None = None,
    picture: bool = True,
) -> Recommendation:
    """What to do, from telemetry alone.

    Args:
        evidence: Samples from REPORT lines and metrics, at one or several memory sizes.
        space: Where a pick may come from.
        objective: What to look for.
        rates: Prices of each architecture of the space.
        current: The configuration in production.
        workload: How the function is used.
        policy: How sure is sure enough.
        priors: Numbers learned once from data; the packaged ones by default.
        picture: Whether the answer carries the points of the curve and what would change it.

    Returns:
        A change or to keep things only where, with the policy's confidence, no allowed size is
        better than the pick by more than 5 %; `NeedMoreData` or `Infeasible` otherwise.
    """
    policy = policy or Policy()
    model = Model(evidence, workload or Workload(), rates, priors)
    candidates = candidates_of(model, space, current)
    answer = conclude(
        model, space, objective, policy, current=current, picture=picture, candidates=candidates
    )
    if not isinstance(answer, Settled):
        return answer
    lenient = replace(policy, tolerance_pct=max(COMMIT_TOLERANCE_PCT, policy.tolerance_pct))
    decision = decide(model, objective, candidates, lenient)
    reasons = _against(model, decision, policy)
    surprise = _unknown_duration(answer, objective)
    reasons += () if surprise is None else (surprise,)
    if decision is None or not reasons:
        return answer
    invocations = _enough(model, decision)
    gains = probe_gains(model, objective, decision)
    first = [int(i) for i in np.argsort(-gains, kind="stable")[:_FIRST_SIZES]]
    return NeedMoreData(
        objective=answer.objective,
        confidence=answer.confidence,
        reasons=("Guessing would risk more than a few invocations cost.",),
        changes_answer=answer.changes_answer,
        notes=answer.notes,
        curve=answer.curve,
        constraints=answer.constraints,
        current=answer.current,
        advice=answer.advice,
        missing=reasons,
        invocations=invocations,
        cost_usd=_exploring_usd(model, decision, invocations),
        sizes_mb=tuple(sorted({decision.configurations[i].memory_mb for i in first})),
        leaning=decision.picked,
        leaning_saving_pct=_saving_pct(decision, current),
    )


def _saving_pct(decision: Decision, current: Configuration | None) -> float | None:
    """Share of today's expected cost that the pick saves, in percent."""
    if current is None or current not in decision.configurations:
        return None
    today = decision.expected_cost[decision.configurations.index(current)]
    return float(1 - decision.expected_cost[decision.pick] / today) * FULL_PERCENT


def _against(model: Model, decision: Decision | None, policy: Policy) -> tuple[str, ...]:
    """What speaks against an answer; nothing where the evidence allows one."""
    if decision is None:
        return ("No allowed size is left.",)
    found = []
    picked = decision.picked
    sizes = len({s.configuration for s in model.evidence.summaries() if s.succeeded})
    if decision.probability_best < policy.confidence:
        seen = "one memory size" if sizes == 1 else f"{sizes} memory sizes"
        found.append(
            f"From {seen} it is {decision.probability_best:.1%} sure that nothing beats {picked} "
            f"by more than {COMMIT_TOLERANCE_PCT:g} %; {policy.confidence:.0%} is wanted."
        )
    found += [
        text
        for text in (
            _crowded(model, picked),
            _hanging(model, picked),
            _starved(model, picked),
            _below_the_floor(model, decision),
            nothing_ended_well(model.evidence, picked),
        )
        if text is not None
    ]
    smallest = min(s.configuration.memory_mb for s in model.evidence.summaries())
    if picked.memory_mb < smallest and model.floor.memory_mb == 0:
        found.append(
            f"Max Memory Used is unknown, so {picked} could run out of memory: no size below "
            f"{smallest} MB was ever seen to run."
        )
    return tuple(found)


def _unknown_duration(answer: Settled, objective: Objective) -> str | None:
    """A change whose cost is known well enough may still surprise whoever waits for it.

    A limit on latency is a person's own bound on how long the pick may take.
    """
    there, today = answer.proposed.mean_ms, answer.current
    known = there.high <= _KNOWN_WITHIN * there.low
    if known or not isinstance(answer, Change) or isinstance(objective, CostUnderSlo):
        return None
    now = "" if today is None else f"; today {today.mean_ms.value:.3g} ms"
    return (
        f"How long it takes at {answer.proposed.memory_mb} MB is known only from {there.low:.3g} to "
        f"{there.high:.3g} ms{now}, and no limit on latency says whether that matters."
    )


def _crowded(model: Model, picked: Configuration) -> str | None:
    """Where memory is nearly full, time goes where no law of processor share sees it coming."""
    used = [s.max_memory_used_mb for s in model.evidence.summaries() if s.max_memory_used_mb]
    if not used or picked.memory_mb >= _ROOM * min(used):
        return None
    return (
        f"{picked} leaves little room above the {min(used)} MB that were used; whether collecting "
        "garbage slows it down there shows only when it runs."
    )


def _hanging(model: Model, picked: Configuration) -> str | None:
    """Invocations that are cut off may wait for what no memory size brings."""
    summaries = model.evidence.summaries()
    if any(s.configuration == picked and s.succeeded for s in summaries):
        return None
    bad = failing(model.evidence)
    cut = [s for s in summaries if s.timeouts_ms and s.configuration in bad]
    if not cut:
        return _about_to_hang(model, picked)
    worst = max(cut, key=lambda s: len(s.timeouts_ms))
    tried = worst.succeeded + worst.failed
    return (
        f"{len(worst.timeouts_ms)} of {tried} invocations timed out at {worst.configuration}; "
        f"whether {picked} ends that shows only when it runs."
    )


def _about_to_hang(model: Model, picked: Configuration) -> str | None:
    """The same where none was cut off yet, but what is seen comes close to the timeout."""
    late = [s.configuration for s in model.evidence.summaries() if s.succeeded]
    slow = [where for where, out in zip(late, model.too_slow(late), strict=True) if out]
    if not slow:
        return None
    return (
        f"Invocations take nearly as long as the timeout allows at {slow[0]}; whether {picked} ends "
        "in time shows only when it runs."
    )


def _starved(model: Model, picked: Configuration) -> str | None:
    """Where invocations were killed, a size that never ran is a guess at what they need."""
    summaries = model.evidence.summaries()
    crashed = max((s.configuration.memory_mb for s in summaries if s.out_of_memory), default=0)
    ran = [s.configuration.memory_mb for s in summaries if s.succeeded]
    if not crashed or any(crashed < size <= picked.memory_mb for size in ran):
        return None
    if floor_of_the_spread(model.evidence) is not None:
        return None
    return (
        f"Invocations ran out of memory at {crashed} MB; whether {picked} is enough for them shows "
        "only when it runs."
    )


def _below_the_floor(model: Model, decision: Decision) -> str | None:
    """Sizes that hold what was used, but not the headroom, may be the better ones."""
    used = [s.max_memory_used_mb for s in model.evidence.summaries() if s.max_memory_used_mb]
    if not used:
        return None
    cost = decision.expected_cost
    between = [
        index
        for index, where in enumerate(decision.configurations)
        if min(used) < where.memory_mb < model.floor.memory_mb
    ]
    gain = 1 + COMMIT_TOLERANCE_PCT / FULL_PERCENT
    better = [index for index in between if cost[index] * gain < cost[decision.pick]]
    if not better:
        return None
    best = decision.configurations[min(better, key=lambda index: float(cost[index]))]
    return (
        f"{best} looks cheaper still and would hold the {min(used)} MB that were used, but with too "
        "little room to go there untried."
    )


def _exploring_usd(model: Model, decision: Decision, invocations: int) -> float:
    """About what so many invocations would cost: some at dear sizes, the first at each size cold."""
    inits = [s.init_ms for s in model.evidence if s.init_ms is not None]
    init_ms = float(np.mean(inits)) if inits else usual_init(model.workload.runtime)[0]
    price = float(model.usd_per_ms([decision.picked])[0]) * _DEARER
    warm = invocations * _EXPLORING * float(decision.expected_cost[decision.pick])
    return warm + invocations * _COLD_SHARE * init_ms * price


def _enough(model: Model, decision: Decision) -> int:
    """About how many invocations would tell the likely sizes apart within the tolerance.

    Three likely sizes, each measured until the error of its mean is a third of the tolerance, and
    a few invocations to find them.
    """
    noise = model.warm.noise_level if model.warm is not None else 0.05
    error = COMMIT_TOLERANCE_PCT / FULL_PERCENT / float(ndtri(0.95))
    replicates = math.ceil((noise / error) ** 2)
    rivals = min(len(decision.tied), _FIRST_SIZES) + 1
    return min(_MOST_INVOCATIONS, max(_LEAST_INVOCATIONS, _FIRST_SIZES + rivals * replicates))
