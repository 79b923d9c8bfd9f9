"""The statistics of the suite: intervals, paired tests, and corrections for many looks.

Everything here is a pure function of numbers; randomness comes in as a generator.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri, stdtrit

RESAMPLES = 10_000
# Repeats of a question make its score a fraction; above this the fractions are drawn from.
MOST_REPEATS = 100
_UNIT_SLACK = 1e-6
_LARGEST_TABLE = 100_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval around an estimate, in the unit of the estimate."""

    estimate: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers for a file."""
        return {"estimate": self.estimate, "low": self.low, "high": self.high}


def wilson(successes: float, total: int, confidence: float = 0.95) -> Interval | None:
    """Wilson's score interval of a proportion (Wilson 1927); None without observations.

    Args:
        successes: number of successes; may be fractional (a mean over repeats).
        total: number of observations.
        confidence: two-sided confidence level in (0, 1).

    Raises:
        ValueError: successes outside 0..total.
    """
    if total == 0:
        return None
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} successes of {total} observations")
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At the ends the bound is the end itself; rounding must not put the estimate outside.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def pass_at_k(successes: int, tries: int, k: int) -> float | None:
    """Chance that at least one of k tries succeeds (Chen et al. 2021); None when k > tries."""
    if k > tries or tries == 0:
        return None
    return 1.0 - math.comb(tries - successes, k) / math.comb(tries, k)


def pass_hat_k(successes: int, tries: int, k: int) -> float | None:
    """Chance that all of k tries succeed (Yao et al. 2024); None when k > tries."""
    if k > tries or tries == 0:
        return None
    return math.comb(successes, k) / math.comb(tries, k)


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided p-value of McNemar's test in its exact, binomial form."""
    discordant = fixed + broken
    if discordant == 0:
        return 1.0
    # Two equal tails: the binomial distribution of a fair coin is symmetric.
    return min(1.0, 2.0 * float(bdtr(min(fixed, broken), discordant, 0.5)))


def group_sums(
    differences: Mapping[Hashable, float], groups: Mapping[Hashable, Hashable]
) -> NDArray[np.float64]:
    """Sum of the per-question differences in each paraphrase group, in a stable order."""
    sums: dict[Hashable, float] = {}
    for question in sorted(differences, key=str):
        group = groups[question]
        sums[group] = sums.get(group, 0.0) + differences[question]
    return np.array(list(sums.values()), dtype=np.float64)


def sign_flip_test(sums: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Two-sided p-value of the permutation test that swaps A and B within whole groups.

    Paraphrases of one question succeed and fail together, so the group is what is exchanged.
    Successes are counts, so the sums are multiples of one small unit and the distribution over
    all assignments is exact: one convolution a group. Sums without such a unit are drawn from,
    and the observed assignment counts as one of them (Phipson and Smyth 2010): p is never 0.

    Args:
        sums: per group the sum of B's scores minus A's.
        rng: source of the drawn assignments.
    """
    moving = np.abs(sums[sums != 0])
    if moving.size == 0:
        return 1.0
    counts = _whole_units(moving)
    if counts is not None:
        return _exact_sign_flips(counts, abs(float(sums.sum())) / (moving[0] / counts[0]))
    observed = abs(float(sums.sum()))
    slack = 1e-9 * float(moving.sum())
    signs = rng.integers(0, 2, size=(RESAMPLES, moving.size), dtype=np.int8) * 2 - 1
    totals = np.abs(signs @ moving)
    return float((np.sum(totals >= observed - slack) + 1) / (RESAMPLES + 1))


def _whole_units(values: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Positive values as whole multiples of 1, 1/2, ... 1/MOST_REPEATS; None when they are not."""
    for parts in range(1, MOST_REPEATS + 1):
        scaled = values * parts
        counts = np.rint(scaled).astype(np.int64)
        if np.all(np.abs(scaled - counts) < _UNIT_SLACK) and counts.sum() <= _LARGEST_TABLE:
            return counts
    return None


def _exact_sign_flips(counts: NDArray[np.int64], observed: float) -> float:
    """Share of all sign assignments whose sum is at least as far from 0 as the observed one."""
    total = int(counts.sum())
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for count in counts.tolist():
        chances = (np.roll(chances, count) + np.roll(chances, -count)) / 2
    distance = np.abs(np.arange(-total, total + 1))
    return min(1.0, float(chances[distance >= round(observed)].sum()))


def paired_difference(
    differences: Mapping[Hashable, float],
    groups: Mapping[Hashable, Hashable],
    confidence: float = 0.95,
) -> Interval:
    """Mean difference B - A of paired scores with an interval that knows the groups.

    The interval is Agresti and Min's (2005) for paired proportions: half a fixed and half a
    broken pair are added, so that it stays honest when nothing differs. It is widened by the
    design effect when questions of a group move together.

    Args:
        differences: by question, B's score minus A's, each in [-1, 1].
        groups: by question, its paraphrase group.
        confidence: two-sided confidence level.

    Raises:
        ValueError: no questions.
    """
    total = len(differences)
    if total == 0:
        raise ValueError("no questions to compare")
    values = np.array(list(differences.values()), dtype=np.float64)
    mean = float(values.mean())
    squares = float((values**2).sum()) + 1.0
    shift = float(values.sum())
    size = total + 2
    variance = max(squares - shift * shift / size, 0.0) / size**2
    variance *= _design_effect(differences, groups, mean)
    quantile = float(stdtrit(max(len(set(groups.values())) - 1, 1), 0.5 + confidence / 2))
    half = quantile * math.sqrt(variance)
    return Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))


def _design_effect(
    differences: Mapping[Hashable, float], groups: Mapping[Hashable, Hashable], mean: float
) -> float:
    """How much wider the clusters make the mean than independent questions would; at least 1."""
    centred = {question: value - mean for question, value in differences.items()}
    sums = group_sums(centred, groups)
    independent = sum(value * value for value in centred.values())
    if independent <= 0 or sums.size <= 1:
        return 1.0
    clustered = float((sums**2).sum()) * sums.size / (sums.size - 1)
    return max(1.0, clustered / independent)


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    groups: Sequence[Hashable],
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> tuple[Interval, float]:
    """Mean of (after - before) by resampling whole groups: its interval and two-sided p-value.

    The p-value is that of the centred bootstrap distribution of the mean.

    Args:
        before: A's values, one a question.
        after: B's values, in the same order.
        groups: paraphrase group of each question.
        rng: source of the resamples.
        confidence: two-sided confidence level.

    Raises:
        ValueError: sequences of different or zero length.
    """
    if not before or not (len(before) == len(after) == len(groups)):
        raise ValueError("paired values of different or zero length")
    names = {name: position for position, name in enumerate(dict.fromkeys(groups))}
    sums = np.zeros(len(names))
    counts = np.zeros(len(names))
    for old, new, group in zip(before, after, groups, strict=True):
        sums[names[group]] += new - old
        counts[names[group]] += 1
    mean = float(sums.sum() / counts.sum())
    if sums.size == 1 or np.all(sums == 0):
        return Interval(mean, mean, mean), 1.0
    draws = rng.integers(0, sums.size, size=(RESAMPLES, sums.size))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    extreme = np.sum(np.abs(means - mean) >= abs(mean) - 1e-12)
    return Interval(mean, float(low), float(high)), float((extreme + 1) / (RESAMPLES + 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's (1979) step-down adjustment; a value is comparable with the overall level."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for rank, (name, value) in enumerate(ordered):
        highest = max(highest, min(1.0, value * (len(ordered) - rank)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Linear-interpolation percentile; None without values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if values else None
