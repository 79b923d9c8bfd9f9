"""Which configuration to pick, and how sure that is.

The pick of `LowestCost` and `CostUnderSlo` looks at each configuration for itself, so that a
further candidate changes the pick only by winning. `FastestWithin` needs the lowest cost over the
allowed range, whatever that range is made of.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.belief import Belief
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.lateness import joint, lateness, meets_slo
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import (
    CostUnderSlo,
    FastestWithin,
    LowestCost,
    Objective,
    Weighted,
)
from lambda_autotuner.tuning.pricing import FULL_PERCENT
from lambda_autotuner.tuning.units import Floats, finite

_DRAWS = 256
_COIN_TOSS = 0.5
_JITTER = 1e-6
_INFEASIBLE_LOSS = 3.0
# A third: at a quarter more than one pick in thirty lies beyond, at two fifths picks get slower.
_BEYOND_WINDOW_LOSS = 0.33


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure is sure enough.

    Attributes:
        tolerance_pct: Differences below this many percent do not matter.
        confidence: Mass of credible intervals and of constraints that count as met.
        regret_pct: Expected loss in percent at which a search stops.
        replicates: Invocations at the pick before a search stops by itself.
    """

    tolerance_pct: float = 1.0
    confidence: float = 0.9
    regret_pct: float = 0.05
    replicates: int = 4

    def __post_init__(self) -> None:
        finite("tolerance_pct", self.tolerance_pct, minimum=0, exclusive=True)
        finite("regret_pct", self.regret_pct, minimum=0)
        if not _COIN_TOSS < finite("confidence", self.confidence) < 1:
            raise UsageError(f"confidence is between 0.5 and 1, not {self.confidence!r}.")


@dataclass(frozen=True, slots=True)
class Decision:
    """The pick among some configurations.

    Attributes:
        configurations: What was chosen from.
        pick: Index of the pick.
        tied: Indices of what cannot be told from it within the tolerance, the pick included.
        expected_loss: Expected loss against the best, as a share of the objective.
        probability_best: Probability that nothing else beats the pick by more than the tolerance.
        expected_cost: Expected cost of each configuration in US dollars, shape (M,).
        expected_ms: Expected mean duration of each in ms, shape (M,).
    """

    configurations: tuple[Configuration, ...]
    pick: int
    tied: tuple[int, ...]
    expected_loss: float
    probability_best: float
    expected_cost: Floats
    expected_ms: Floats

    @property
    def picked(self) -> Configuration:
        """The picked configuration."""
        return self.configurations[self.pick]


def choose(
    model: Model, objective: Objective, configurations: Sequence[Configuration], policy: Policy
) -> int | None:
    """Index of the pick, or None when no configuration is allowed.

    Ties go to the first configuration, so the order of `configurations` matters only then.
    """
    allowed = ~model.excluded(configurations)
    if isinstance(objective, CostUnderSlo):
        allowed &= meets_slo(model, objective, configurations) >= policy.confidence
    if not allowed.any():
        return None
    cost = model.costs(configurations)
    match objective:
        case LowestCost() | CostUnderSlo():
            score = cost.expected()
        case Weighted(cost_weight=weight):
            duration = model.durations(configurations).expected()
            score = weight * np.log(cost.expected()) + (1 - weight) * np.log(duration)
        case FastestWithin():
            log_ms = draws(model.belief(configurations))
            log_cost = log_costs(model, configurations, log_ms)
            score = (
                Stakes.of(model, objective, configurations).losses(log_cost, log_ms).mean(axis=0)
            )
    return int(np.argmin(np.where(allowed, score, np.inf)))


def log_costs(model: Model, configurations: Sequence[Configuration], duration: Floats) -> Floats:
    """Log cost for given log mean durations of shape (..., M): the same shape."""
    moved = duration - model.durations(configurations).mean()
    share = duration_share(model, configurations)
    return np.asarray(model.costs(configurations).mean() + share * moved)


def duration_share(model: Model, configurations: Sequence[Configuration]) -> Floats:
    """Share of the cost that moves with the warm duration, shape (M,): 1 without fee and INIT."""
    duration = model.durations(configurations).mean()
    return model.usd_per_ms(configurations) * np.exp(duration - model.costs(configurations).mean())


@dataclass(frozen=True, slots=True)
class Stakes:
    """What an objective makes of durations and costs.

    Attributes:
        objective: What is looked for.
        out: Configurations that may not be proposed, shape (M,).
    """

    objective: Objective
    out: np.ndarray

    @classmethod
    def of(
        cls, model: Model, objective: Objective, configurations: Sequence[Configuration]
    ) -> Stakes:
        """The stakes of an objective given what a model knows."""
        return cls(objective, model.excluded(configurations))

    def losses(self, log_cost: Floats, log_ms: Floats) -> Floats:
        """Loss of choosing each configuration if the truth is each draw.

        A latency limit is no part of it: see `_under_limit`.

        Args:
            log_cost: Log cost per draw, shape (..., M).
            log_ms: Log mean duration per draw, shape (..., M).

        Returns:
            Loss as a share of the objective, shape (..., M); 0 for each draw's best.
        """
        match self.objective:
            case LowestCost() | CostUnderSlo():
                score = log_cost
            case Weighted(cost_weight=weight):
                score = weight * log_cost + (1 - weight) * log_ms
            case FastestWithin(pct=pct):
                return self._window_losses(log_cost, log_ms, math.log1p(pct / FULL_PERCENT))
        score = np.where(self.out, score + _INFEASIBLE_LOSS * 10, score)
        return np.asarray(score - score.min(axis=-1, keepdims=True))

    def _window_losses(self, log_cost: Floats, log_ms: Floats, window: float) -> Floats:
        cheapest = np.where(self.out, np.inf, log_cost).min(axis=-1, keepdims=True)
        beyond = log_cost - cheapest - window
        inside = np.where((beyond > 0) | self.out, np.inf, log_ms).min(axis=-1, keepdims=True)
        penalty = np.where(beyond > 0, _BEYOND_WINDOW_LOSS + beyond, 0.0)
        loss = np.maximum(log_ms - inside, 0.0) + penalty
        return np.asarray(np.where(self.out, _INFEASIBLE_LOSS, loss))


def draws(belief: Belief, count: int = _DRAWS) -> Floats:
    """Equally likely log mean durations, shape (count, M); the same ones every time."""
    # What is drawn for -normal is the mirror image of what is drawn for it.
    moved = _normals(count // 2, len(belief.mean)) @ _root(belief.covariance).T
    return np.asarray(np.concatenate([belief.mean + moved, belief.mean - moved]))


@functools.lru_cache(maxsize=8)
def _normals(count: int, size: int) -> Floats:
    """Standard normal numbers, shape (count, size), not to be written to."""
    made = np.random.default_rng(20_130_319).standard_normal((count, size))
    made.flags.writeable = False
    return np.asarray(made)


def _root(covariance: Floats) -> Floats:
    """A matrix whose product with its transpose is the covariance."""
    jitter = _JITTER * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    try:
        return np.asarray(np.linalg.cholesky(covariance + jitter))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def decide(
    model: Model, objective: Objective, configurations: Sequence[Configuration], policy: Policy
) -> Decision | None:
    """The pick with what it may lose, or None when no configuration is allowed.

    Raises:
        UsageError: Nothing was measured yet.
    """
    pick = choose(model, objective, configurations, policy)
    if pick is None or model.warm is None:
        return None
    tolerance = math.log1p(policy.tolerance_pct / FULL_PERCENT)
    allowed = ~model.excluded(configurations)
    if isinstance(objective, CostUnderSlo):
        loss, late = _under_limit(model, objective, configurations)
        allowed &= meets_slo(model, objective, configurations) >= policy.confidence
        # What is cheaper than the cheapest that meets the limit loses nothing, but breaks it.
        lost, beaten = np.maximum(loss[:, pick], 0.0), late[:, pick] | (loss[:, pick] > tolerance)
    else:
        log_ms = draws(model.belief(configurations))
        log_cost = log_costs(model, configurations, log_ms)
        loss = Stakes.of(model, objective, configurations).losses(log_cost, log_ms)
        lost, beaten = loss[:, pick], loss[:, pick] > tolerance
    close = (loss - loss[:, [pick]] <= tolerance).mean(axis=0) > 1 - policy.confidence
    near = loss.mean(axis=0) - loss[:, pick].mean() <= tolerance
    tied = np.flatnonzero(close & near & allowed)
    cost = model.costs(configurations).expected()
    return Decision(
        configurations=tuple(configurations),
        pick=pick,
        tied=tuple(sorted({*tied.tolist(), pick}, key=lambda i: float(cost[i]))),
        expected_loss=float(lost.mean()),
        probability_best=float(1 - beaten.mean()),
        expected_cost=cost,
        expected_ms=model.durations(configurations).expected(),
    )


def leaning(model: Model, configurations: Sequence[Configuration], index: int) -> Decision:
    """What is likeliest to be allowed, where nothing is known to be: nothing is claimed for it."""
    return Decision(
        configurations=tuple(configurations),
        pick=index,
        tied=(index,),
        expected_loss=math.inf,
        probability_best=0.0,
        expected_cost=model.costs(configurations).expected(),
        expected_ms=model.durations(configurations).expected(),
    )


def _under_limit(
    model: Model, slo: CostUnderSlo, configurations: Sequence[Configuration]
) -> tuple[Floats, np.ndarray]:
    """Per draw, how much dearer each one is than the cheapest that meets the SLO, and what is late.

    Where nothing meets it, everything is late and loses nothing. Shapes (draws, M).
    """
    belief, weights = joint(model, slo, configurations)
    drawn = draws(belief)
    log_ms = drawn[:, : len(configurations)]
    moved = (drawn - belief.mean) @ weights.T
    late = lateness(model, slo, configurations).mean() + moved > 0
    log_cost = log_costs(model, configurations, log_ms)
    barred = late | model.excluded(configurations)
    cheapest = np.where(barred, np.inf, log_cost).min(axis=1, keepdims=True)
    found = np.isfinite(cheapest)
    return np.where(found, log_cost - np.where(found, cheapest, 0.0), 0.0), late
