"""What would change the answer: the assumptions that it hangs on, recomputed where it can be."""

from __future__ import annotations

import numpy as np

from lambda_autotuner.tuning.decision import Decision, Policy, choose
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import CostUnderSlo, LowestCost, Objective
from lambda_autotuner.tuning.pricing import FULL_PERCENT

_COLD_RATES = (0.0, 0.01, 0.05, 0.2, 0.5)


def what_would_change(
    model: Model,
    objective: Objective,
    decision: Decision,
    policy: Policy,
    current: Configuration | None,
) -> tuple[str, ...]:
    """Sentences for a person.

    Args:
        model: What is known.
        objective: What was looked for.
        decision: The pick.
        policy: How sure is sure enough.
        current: The configuration in production; None where unknown.
    """
    found = [
        _runner_up(model, objective, decision),
        _slo(model, objective, decision),
        _cold(model, objective, decision, policy),
        _faster(decision),
        _sureness(decision, policy),
        _current(decision, current),
    ]
    return tuple(text for text in found if text is not None)


def _runner_up(model: Model, objective: Objective, decision: Decision) -> str | None:
    """The best of the others that may be proposed."""
    others = [i for i in decision.tied if i != decision.pick]
    if not others:
        out = model.excluded(decision.configurations)
        order = np.argsort(decision.expected_cost, kind="stable")
        others = [int(i) for i in order if i != decision.pick and not out[i]][:1]
    if not others:
        return None
    rival = decision.configurations[others[0]]
    gap = decision.expected_cost[others[0]] / decision.expected_cost[decision.pick] - 1
    if isinstance(objective, LowestCost):
        return f"{rival} is next at {gap * FULL_PERCENT:+.1f} % cost; a shift of that size makes it the pick."
    slower = decision.expected_ms[others[0]] / decision.expected_ms[decision.pick] - 1
    return (
        f"{rival} is next: {gap * FULL_PERCENT:+.1f} % cost and {slower * FULL_PERCENT:+.1f} % "
        "duration."
    )


def _slo(model: Model, objective: Objective, decision: Decision) -> str | None:
    if not isinstance(objective, CostUnderSlo):
        return None
    cheaper = np.flatnonzero(
        (decision.expected_cost < decision.expected_cost[decision.pick])
        & ~model.excluded(decision.configurations)
    )
    if not len(cheaper):
        return "The SLO does not bind: no cheaper size is ruled out by it."
    best = int(cheaper[np.argmin(decision.expected_ms[cheaper])])
    reach = decision.expected_ms[best] * model.tail_ratio(objective.percentile)
    return (
        f"With an SLO of about {reach:.0f} ms instead of {objective.slo_ms:g} ms, "
        f"{decision.configurations[best]} would do."
    )


def _cold(model: Model, objective: Objective, decision: Decision, policy: Policy) -> str | None:
    """The nearest share of cold starts at which another size is picked."""
    if not any(sample.cold for sample in model.evidence):
        return "Cold starts were not seen; where they are common, larger sizes gain."
    for rate in sorted(_COLD_RATES, key=lambda share: abs(share - model.cold_rate)):
        pick = choose(model.at_cold_rate(rate), objective, decision.configurations, policy)
        if pick is not None and pick != decision.pick:
            return (
                f"At {rate:.0%} cold starts instead of {model.cold_rate:.2%}, the pick is "
                f"{decision.configurations[pick]}."
            )
    return None


def _faster(decision: Decision) -> str | None:
    fastest = min(decision.tied, key=lambda i: decision.expected_ms[i])
    if fastest == decision.pick:
        return None
    gain = 1 - decision.expected_ms[fastest] / decision.expected_ms[decision.pick]
    return (
        f"If latency counts too: {decision.configurations[fastest]} is tied on the objective and "
        f"{gain * FULL_PERCENT:.0f} % faster."
    )


def _sureness(decision: Decision, policy: Policy) -> str | None:
    if decision.probability_best >= policy.confidence:
        return None
    return (
        f"Whether another size is better by more than {policy.tolerance_pct:g} % is open "
        f"({1 - decision.probability_best:.0%}); more invocations at the tied sizes would tell."
    )


def _current(decision: Decision, current: Configuration | None) -> str | None:
    if current is None or current not in decision.configurations:
        return None
    index = decision.configurations.index(current)
    if index == decision.pick or index not in decision.tied:
        return None
    return f"{current} is not worse by more than the tolerance, so staying is no mistake."
