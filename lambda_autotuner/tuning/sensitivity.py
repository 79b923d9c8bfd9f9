"""What would change the answer: the assumptions that it hangs on."""

from __future__ import annotations

from lambda_autotuner.tuning.decision import Decision, Policy
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import Objective


def what_would_change(
    model: Model,
    objective: Objective,
    decision: Decision,
    policy: Policy,
    current: Configuration | None,
) -> tuple[str, ...]:
    """Sentences for a person, the most likely change first."""
    del objective, current
    found = []
    runner = _runner_up(decision)
    if runner is not None:
        pick = decision.pick
        gap = decision.expected_cost[runner] / decision.expected_cost[pick] - 1
        found.append(
            f"{decision.configurations[runner]} is next at {gap:+.1%} cost; a shift of that size "
            "would make it the pick."
        )
    if model.cold_rate == 0:
        found.append("A noticeable share of cold starts would favour larger sizes.")
    if decision.probability_best < policy.confidence:
        found.append("More invocations at the tied sizes would tell them apart.")
    return tuple(found)


def _runner_up(decision: Decision) -> int | None:
    order = sorted(range(len(decision.configurations)), key=lambda i: decision.expected_cost[i])
    others = [i for i in order if i != decision.pick]
    return others[0] if others else None
