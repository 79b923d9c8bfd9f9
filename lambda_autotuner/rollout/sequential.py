"""Tests that may be looked at any number of times, with a false-alarm rate that stays true.

A share (errors, or durations beyond a limit) is watched by a mixture likelihood ratio against the
largest share that is still within bounds. While the true share is within bounds the ratio is a
non-negative supermartingale of mean at most one, so that by Ville's inequality it ever exceeds
1/alpha with a probability of at most alpha, however often one looks and whenever one stops.

Invocations of one minute are alike: bursts, warm environments and inputs come together. So counts
are divided by how much more the minutes differ than independent invocations would (the dispersion)
before they are judged; otherwise a busy function would raise alarms by its bursts alone.

A percentile is turned into a share: "p95 rose by more than 20 %" is "more than 5 % of durations
lie beyond 1.2 times the old p95". CloudWatch counts these exactly (statistic `TC`), so that no
percentile has to be averaged.

Sources: J. Ville, Etude critique de la notion de collectif (1939); H. Robbins, Annals of
Mathematical Statistics 41 (1970) 1397 (mixture tests, confidence sequences); I. Waudby-Smith et
al., Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics 52
(2024) 2613; P. McCullagh and J. Nelder, Generalized Linear Models (1989), section 4.5
(overdispersion); C. Clopper and E. Pearson, Biometrika 26 (1934) 404.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import betaincinv

_GRID = 64
_SMALLEST_SHARE = 1e-6
_ACCEPTANCE = 0.99
_RHO = 0.5
_FEWEST_BATCHES = 10


class Verdict(StrEnum):
    """What one monitor says."""

    BROKEN = "broken"  # beyond its bound, with the stated error probability
    WITHIN = "within"  # within its bound, with confidence
    OPEN = "open"  # not decided yet
    UNKNOWN = "unknown"  # nothing to decide it from


@dataclass(frozen=True, slots=True)
class Share:
    """A share of invocations that a monitor watches.

    Attributes:
        name: such as "errors" or "p95".
        count: invocations looked at.
        hits: those among them that count against the change.
        limit: largest share that is within bounds.
        alpha: false-alarm probability of this monitor over any number of looks.
        dispersion: how many invocations count as one; at least 1.
    """

    name: str
    count: int
    hits: int
    limit: float
    alpha: float
    dispersion: float = 1.0

    @property
    def estimate(self) -> float | None:
        """Observed share; None without invocations."""
        return self.hits / self.count if self.count else None


def log_evidence(count: float, hits: float, limit: float) -> float:
    """Logarithm of the mixture likelihood ratio against "the share is at most `limit`".

    Args:
        count: trials.
        hits: successes among them.
        limit: largest share under the null hypothesis, between 0 and 1.

    Returns:
        Natural logarithm; above log(1/alpha) the null hypothesis is rejected at alpha, whenever
        and however often one looks.
    """
    if count <= 0 or limit >= 1:
        return 0.0
    limit = max(limit, _SMALLEST_SHARE)
    hits = min(hits, count)
    # Alternatives between the limit and one, dense near the limit, each with the same weight.
    steps = (np.arange(_GRID) + 1) / _GRID
    alternatives = limit + (1 - limit) * steps**3 * (1 - 1e-9)
    misses = count - hits
    ratios = hits * (np.log(alternatives) - math.log(limit)) + misses * (
        np.log1p(-alternatives) - math.log1p(-limit)
    )
    top = float(ratios.max())
    return top + math.log(float(np.exp(ratios - top).mean()))


def upper_limit(count: float, hits: float, confidence: float = _ACCEPTANCE) -> float:
    """One-sided upper confidence limit of a share (Clopper and Pearson); 1 without trials."""
    if count <= 0 or hits >= count:
        return 1.0
    return float(betaincinv(hits + 1, count - hits, confidence))


def dispersion(trials: Sequence[float], hits: Sequence[float]) -> float | None:
    """How much more minutes differ than independent invocations would (Pearson's statistic).

    Args:
        trials: invocations minute by minute.
        hits: those that count, in step.

    Returns:
        At least 1; None when there are too few minutes, or all invocations are alike.
    """
    counts, found = np.asarray(trials, dtype=float), np.asarray(hits, dtype=float)
    kept = counts > 0
    counts, found = counts[kept], found[kept]
    if len(counts) < _FEWEST_BATCHES:
        return None
    share = float(found.sum() / counts.sum())
    if not 0 < share < 1:
        return None
    expected = counts * share
    pearson = float((((found - expected) ** 2) / (expected * (1 - share))).sum())
    return max(1.0, pearson / (len(counts) - 1))


def judge_share(share: Share) -> Verdict:
    """What the observations say about a share and its limit."""
    if share.count <= 0:
        return Verdict.UNKNOWN
    count, hits = share.count / share.dispersion, share.hits / share.dispersion
    if log_evidence(count, hits, share.limit) >= math.log(1 / share.alpha):
        return Verdict.BROKEN
    if upper_limit(count, hits) <= share.limit:
        return Verdict.WITHIN
    return Verdict.OPEN


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean that a monitor watches, from batches (one a minute).

    Attributes:
        sums: sum of the values in each batch.
        counts: number of values in each batch.
        limit: largest mean that is within bounds, in the unit of the values.
        alpha: false-alarm probability of this monitor over any number of looks.
    """

    name: str
    sums: Sequence[float]
    counts: Sequence[float]
    limit: float
    alpha: float

    @property
    def estimate(self) -> float | None:
        """Observed mean; None without values."""
        total = math.fsum(self.counts)
        return math.fsum(self.sums) / total if total > 0 else None


def judge_mean(mean: Mean) -> Verdict:
    """What the batches say about a mean and its limit (asymptotic confidence sequence)."""
    counts = np.asarray(mean.counts, dtype=float)
    sums = np.asarray(mean.sums, dtype=float)
    kept = counts > 0
    counts, sums = counts[kept], sums[kept]
    batches = len(counts)
    if batches < _FEWEST_BATCHES:
        return Verdict.UNKNOWN if batches == 0 else Verdict.OPEN
    weights = counts / counts.mean()
    # Each batch contributes its weighted deviation from the limit; their mean is judged.
    deviations = weights * (sums / counts - mean.limit)
    centre, spread = float(deviations.mean()), float(deviations.std(ddof=1))
    radius = _confidence_radius(batches, mean.alpha) * spread
    if centre - radius > 0:
        return Verdict.BROKEN
    return Verdict.WITHIN if centre + radius <= 0 else Verdict.OPEN


def _confidence_radius(batches: int, alpha: float) -> float:
    """Half-width of the two-sided asymptotic confidence sequence, in standard deviations."""
    scale = batches * _RHO**2 + 1
    return math.sqrt(2 * scale / (batches**2 * _RHO**2) * math.log(math.sqrt(scale) / (alpha / 2)))
