"""The knowledge gradient: what one more probe is expected to save, for what it takes.

For objectives that are linear in log duration the gain has a closed form up to one integral over
what the probe may show (Frazier, Powell and Dayanik 2009), and so it has under a latency limit. A
window above the lowest cost is integrated over draws of the whole curve, updated by what the probe
may show (Matheron's rule).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from lambda_autotuner.tuning.belief import Belief
from lambda_autotuner.tuning.decision import Decision, Stakes, draws, duration_share, log_costs
from lambda_autotuner.tuning.lateness import (
    NODE_WEIGHTS,
    NODES,
    limited_gains,
    told_of_promising,
)
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import (
    CostUnderSlo,
    FastestWithin,
    LowestCost,
    Objective,
    Weighted,
)
from lambda_autotuner.tuning.units import Floats

_FEW_NODES = 7
_REPLICATES = (1, 3)
_REPLICATES_UNDER_LIMIT = (1, 3, 8)
_CLOSELY_LOOKED_AT = 7
_DRAWS = 64
_CURIOSITY = 1e-3
_WORTHLESS = 5e-4


@dataclass(frozen=True, slots=True)
class Gradient:
    """The best next probe.

    Attributes:
        index: Position of the configuration.
        gain: Expected fall of the loss per invocation.
    """

    index: int
    gain: float


def knowledge_gradient(
    model: Model,
    objective: Objective,
    decision: Decision,
    *,
    money_usd: float | None,
    invocations: int | None,
    confidence: float = 0.9,
) -> Gradient | None:
    """The probe with the largest expected gain for what it takes; None when none is affordable.

    One invocation alone may be too noisy to turn the decision, so a probe counts for what it would
    bring per invocation if it were repeated; the first one is made, and then everything is thought
    over again.

    Args:
        model: What is known.
        objective: What is looked for.
        decision: The pick so far.
        money_usd: What may still be spent; None is no limit.
        invocations: How many invocations are left; None is no limit.
        confidence: Probability with which an SLO is to be met.
    """
    price = decision.expected_cost
    smooth = not isinstance(objective, FastestWithin)
    # With a window most of the gain lies at dear sizes that are safe, and only their price says no.
    burden = _burden(price, money_usd, invocations) if smooth else price
    best, best_rate = None, -math.inf
    for replicates in _looked_ahead(objective):
        if invocations is not None and replicates > invocations:
            continue
        # What may not be proposed is not measured either: a crash tells nothing about the curve.
        affordable = ~model.excluded(decision.configurations)
        if money_usd is not None:
            affordable &= price <= money_usd
        gain = probe_gains(model, objective, decision, replicates, confidence) / replicates
        rate = np.where(affordable, gain / burden, -np.inf)
        index = int(np.argmax(rate))
        if rate[index] > best_rate:
            best, best_rate = Gradient(index, float(gain[index])), float(rate[index])
    if isinstance(objective, CostUnderSlo) and best is not None and best.gain < _WORTHLESS:
        # Several sizes together may turn what no single one can.
        told = told_of_promising(model, objective, decision.configurations, price, decision.pick)
        index = int(np.argmax(np.where(affordable, told / burden, -np.inf)))
        return Gradient(index, best.gain)
    return best


def _looked_ahead(objective: Objective) -> tuple[int, ...]:
    """Invocations of a probe that are looked at: the better of them per invocation counts."""
    match objective:
        case LowestCost() | Weighted():
            return _REPLICATES
        case CostUnderSlo():
            return _REPLICATES_UNDER_LIMIT
        case FastestWithin():
            return (1,)


def _burden(price: Floats, money_usd: float | None, invocations: int | None) -> Floats:
    """What each probe takes of what is left: of the money or of the invocations, shape (M,).

    The scarcer of the two counts. By price alone, few invocations would be spent on sizes that are
    cheap to ask and tell little.
    """
    if invocations is None or money_usd is None:
        return price
    return np.maximum(price / money_usd, 1 / invocations)


def probe_gains(
    model: Model,
    objective: Objective,
    decision: Decision,
    replicates: int = 1,
    confidence: float = 0.9,
) -> Floats:
    """Expected fall of the loss by so many invocations of each configuration, shape (M,)."""
    belief = model.belief(decision.configurations)
    spread = np.sqrt(np.diag(belief.covariance) + belief.noise_variance / replicates)
    step = belief.covariance / spread
    if isinstance(objective, LowestCost | Weighted):
        weight = objective.cost_weight if isinstance(objective, Weighted) else 1.0
        out = model.excluded(decision.configurations)
        log_ms = np.log(decision.expected_ms)
        score = weight * np.log(decision.expected_cost) + (1 - weight) * log_ms
        # Fees, rounding and INIT do not move with the warm duration.
        moved = weight * duration_share(model, decision.configurations) + 1 - weight
        return _linear_gains(np.where(out, np.inf, score), step * moved[:, None])
    if isinstance(objective, CostUnderSlo):
        out = model.excluded(decision.configurations)
        score = np.where(out, np.inf, np.log(decision.expected_cost))
        share = duration_share(model, decision.configurations)
        return limited_gains(
            model, objective, decision.configurations, score, share, confidence, replicates
        )
    return _sampled_gains(model, objective, decision, belief, spread)


def _linear_gains(score: Floats, step: Floats) -> Floats:
    """Expected fall of the lowest score, shape (N,).

    Args:
        score: Score of each configuration, shape (M,); infinite where it may not be proposed.
        step: How far a probe at n moves the score of m per standard deviation of what it shows,
            shape (M, N).
    """
    ahead = score[:, None, None] + step[:, :, None] * NODES
    return np.asarray(np.maximum(score.min() - ahead.min(axis=0) @ NODE_WEIGHTS, 0.0))


def _sampled_gains(
    model: Model, objective: Objective, decision: Decision, belief: Belief, spread: Floats
) -> Floats:
    stakes = Stakes.of(model, objective, decision.configurations)
    log_ms = draws(belief, _DRAWS)
    log_cost = log_costs(model, decision.configurations, log_ms)
    share = duration_share(model, decision.configurations)
    loss = stakes.losses(log_cost, log_ms)
    nodes = ndtri((np.arange(_FEW_NODES) + 0.5) / _FEW_NODES)
    noise = _noise_draws(len(log_ms))
    chance = _chances(loss, log_cost, stakes.out)
    # Where no single probe can turn the decision, the likeliest to be the best is looked at.
    told = np.diag(belief.covariance) / spread**2
    gains = _CURIOSITY * chance * told * loss.mean(axis=0).min()
    for index in np.argsort(-chance, kind="stable")[:_CLOSELY_LOOKED_AT]:
        if chance[index] == 0:
            break
        gain = belief.covariance[:, index] / spread[index] ** 2
        sd = math.sqrt(max(spread[index] ** 2 - belief.covariance[index, index], 0.0))
        surprise = belief.mean[index] - log_ms[:, index] - sd * noise
        moved = surprise[:, None] * gain + (spread[index] * nodes)[:, None, None] * gain
        after = stakes.losses(log_cost + share * moved, log_ms + moved)
        per_node = after.mean(axis=1)
        gains[index] += per_node.mean(axis=0).min() - per_node.min(axis=1).mean()
    return np.asarray(gains)


def _chances(loss: Floats, log_cost: Floats, out: np.ndarray) -> Floats:
    """How often each configuration is the best or the cheapest one of a draw, shape (M,)."""
    width = loss.shape[1]
    best = np.bincount(loss.argmin(axis=1), minlength=width)
    cheapest = np.bincount(np.where(out, np.inf, log_cost).argmin(axis=1), minlength=width)
    return np.asarray((best + 0.5 * cheapest) / len(loss))


def _noise_draws(count: int) -> Floats:
    """Equally likely standard normal values in an order that is unrelated to the draws'."""
    values = ndtri((np.arange(count) + 0.5) / count)
    return np.asarray(np.random.default_rng(4_669).permutation(values))
