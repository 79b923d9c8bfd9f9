"""Latency limits: how far a percentile is from an SLO, and what a probe may save under one.

Where production's own percentile is known at one configuration, another one is late if it is
slower than that one by more than the limit allows: only their ratio is uncertain, and what is
measured at either of them tells about it. Elsewhere the percentile is the believed mean times a
ratio that few invocations show, whose own error counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from lambda_autotuner.tuning.belief import Belief, Marginal
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import CostUnderSlo
from lambda_autotuner.tuning.units import Floats

# What a probe may show, in standard deviations. Integrands are piecewise linear, so that a plain grid is
# exact but for their bends. It reaches far out: where only a great surprise turns the decision, near
# nodes alone would find no gain at all.
NODES = np.linspace(-4.5, 4.5, 31)
NODE_WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
_LEAST_SD = 1e-9
_NO_PICK = 1.0


def lateness(model: Model, slo: CostUnderSlo, configurations: Sequence[Configuration]) -> Marginal:
    """Belief about log(percentile / SLO) of each configuration: late where it is above 0.

    Raises:
        UsageError: Nothing was measured yet.
    """
    reference = model.reference_for(slo.percentile)
    if reference is None:
        durations = model.durations(configurations)
        shift = math.log(model.tail_ratio(slo.percentile) / slo.slo_ms)
        believed = model.calibrated(durations, configurations, upward=True)
        error = np.full(len(configurations), model.tail_error(slo.percentile))
        return believed.widened(1.0, error).shifted(shift)
    where, value_ms = reference
    ratio = model.calibrated_ratio(configurations, where)
    return ratio.shifted(math.log(value_ms / slo.slo_ms))


def meets_slo(model: Model, slo: CostUnderSlo, configurations: Sequence[Configuration]) -> Floats:
    """Probability that the percentile is under the SLO at each configuration, shape (M,)."""
    return lateness(model, slo, configurations).below(0.0)


def joint(
    model: Model, slo: CostUnderSlo, configurations: Sequence[Configuration]
) -> tuple[Belief, Floats]:
    """Joint belief about the log mean durations, and how each of them moves each lateness.

    Returns:
        The belief about the configurations and, where production is known, where it ran (N of
        them, the M configurations first), and the matrix of shape (M, N) that makes the lateness
        of it, up to a constant.
    """
    many = len(configurations)
    reference = model.reference_for(slo.percentile)
    if reference is None:
        return model.belief(configurations), np.eye(many)
    belief = model.belief_beside(configurations, reference[0])
    return belief, np.hstack([np.eye(many), -np.ones((many, 1))])


def limited_gains(
    model: Model,
    slo: CostUnderSlo,
    configurations: Sequence[Configuration],
    score: Floats,
    moved: Floats,
    confidence: float,
    replicates: int,
) -> Floats:
    """Expected fall of the lowest score that may be picked, by a probe of each, shape (M,).

    What may be picked is what meets the SLO with the confidence that is wanted, now and after the
    probe: one that only narrows the belief lets cheaper sizes in.

    Args:
        model: What is known.
        slo: The limit.
        configurations: What may be probed and picked.
        score: Log of the expected cost of each, infinite where it may not be picked, shape (M,).
        moved: How far the score of each moves with its log duration, shape (M,).
        confidence: Probability with which the limit is to be met.
        replicates: Invocations of the probe.
    """
    belief, weights = joint(model, slo, configurations)
    many = len(configurations)
    spread = np.sqrt(np.diag(belief.covariance)[:many] + belief.noise_variance[:many] / replicates)
    # How far a probe at n moves each duration and each lateness, per standard deviation of what
    # it shows.
    step = belief.covariance[:, :many] / spread
    late_step = weights @ step
    late = lateness(model, slo, configurations)
    sd = np.sqrt((late.deviations**2).mean(axis=1) + late.means.var(axis=1))
    sd = np.maximum(sd, _LEAST_SD)
    # The normal that is as likely to be late as the mixture that decides.
    chance = np.clip(late.below(0.0), 1e-12, 1 - 1e-12)
    centre = -ndtri(chance) * sd
    left = np.sqrt(np.maximum(sd[:, None] ** 2 - late_step**2, _LEAST_SD**2))
    wanted = -float(ndtri(confidence)) * left - centre[:, None]
    none = float(np.max(score, where=np.isfinite(score), initial=-np.inf)) + _NO_PICK
    now = float(np.min(np.where(chance >= confidence, score, np.inf), initial=none))
    gains = np.full(many, now)
    for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
        ahead = score[:, None] + moved[:, None] * step[:many] * node
        ahead = np.where(late_step * node <= wanted, ahead, np.inf)
        gains -= weight * np.minimum(ahead.min(axis=0), none)
    return np.asarray(np.maximum(gains, 0.0))


def told_of_promising(
    model: Model,
    slo: CostUnderSlo,
    configurations: Sequence[Configuration],
    price: Floats,
    pick: int,
) -> Floats:
    """What one invocation of each tells about the most promising cheaper one, shape (M,).

    Promising is what saves most against the pick, times the probability that it meets the SLO; told
    is how much of the variance of its lateness goes away.
    """
    chance = np.where(model.excluded(configurations), 0.0, meets_slo(model, slo, configurations))
    promise = chance * np.log(price[pick] / price)
    best = int(np.argmax(promise)) if promise.max() > 0 else pick
    belief, weights = joint(model, slo, configurations)
    many = len(configurations)
    spread = np.sqrt(np.diag(belief.covariance)[:many] + belief.noise_variance[:many])
    moved = (weights @ belief.covariance[:, :many])[best] / spread
    return np.asarray(moved**2)
