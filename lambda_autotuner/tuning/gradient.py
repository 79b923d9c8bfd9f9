"""The knowledge gradient: what one more probe is expected to save, per dollar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from lambda_autotuner.tuning.decision import Decision, Policy
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import Objective
from lambda_autotuner.tuning.pricing import FULL_PERCENT
from lambda_autotuner.tuning.units import Floats

_NODES = 24
_REPLICATES = (1, 2)


@dataclass(frozen=True, slots=True)
class Gradient:
    """The best next probe, or why there is none worth its price."""

    where: Configuration
    invocations: int
    gain: float
    stop: str | None = None
    code: str = ""


def knowledge_gradient(
    model: Model,
    objective: Objective,
    decision: Decision,
    policy: Policy,
    *,
    money_usd: float | None,
    invocations: int | None,
) -> Gradient:
    """The probe with the largest expected gain per dollar.

    Args:
        model: What is known.
        objective: What is looked for.
        decision: The pick so far.
        policy: When to stop.
        money_usd: What may still be spent; None is no limit.
        invocations: How many invocations are left; None is no limit.
    """
    del objective
    belief = model.belief(decision.configurations)
    price = decision.expected_cost
    score = np.where(model.excluded(decision.configurations), np.inf, np.log(price))
    nodes = ndtri((np.arange(_NODES) + 0.5) / _NODES)
    best, best_rate = None, -np.inf
    total = np.diag(belief.covariance)
    pick = decision.picked
    if decision.expected_loss * FULL_PERCENT <= policy.regret_pct:
        count = model.evidence.at(pick.memory_mb, pick.architecture).succeeded
        if count >= policy.replicates:
            return Gradient(pick, 0, 0.0, "The expected loss is small enough.", "settled")
        if (invocations is None or invocations >= 1) and (
            money_usd is None or price[decision.pick] <= money_usd
        ):
            return Gradient(pick, 1, 0.0)
    for replicates in _REPLICATES:
        if invocations is not None and replicates > invocations:
            continue
        step = belief.covariance / np.sqrt(total + belief.noise_variance / replicates)
        gain = _gain(score, step, nodes)
        cost = price * replicates
        affordable = np.full(len(price), True) if money_usd is None else cost <= money_usd
        rate = np.where(affordable, gain / cost, -np.inf)
        index = int(np.argmax(rate))
        if rate[index] > best_rate:
            best_rate = float(rate[index])
            best = Gradient(decision.configurations[index], replicates, float(gain[index]))
    if best is None or not np.isfinite(best_rate):
        return Gradient(pick, 0, 0.0, "Nothing that is left to measure is affordable.", "cost")
    return best


def _gain(score: Floats, step: Floats, nodes: Floats) -> Floats:
    """Expected fall of the lowest score for each probe, shape (M,)."""
    ahead = score[:, None, None] + step[:, :, None] * nodes
    return np.asarray(score.min() - ahead.min(axis=0).mean(axis=1))
