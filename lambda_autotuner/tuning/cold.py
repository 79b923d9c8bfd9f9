"""What a cold start costs beside memory: init, and a first invocation that does more than the next.

Init runs with boosted processor share, so it hardly depends on the memory size; it is a line in
log memory with a slope that is believed to be small. What the first invocation does beyond a warm
one (classes that are loaded, code that is compiled, connections that are opened) is mostly
processor time, which small sizes have least of.

Both are learned from published measurements: ten cold starts of each of 78 functions that do nothing
(all runtimes, both architectures, ZIP) at 128, 256, 512 and 1,024 MB, 24 November 2025
(github.com/maxday/lambda-perf). The slope of log init in log memory is 0.006 on average; once the
error of ten is taken off, its standard deviation is 0.03 on managed runtimes and less on others.
That of log first durations is -1.1 to -1.4 where they take long (.NET 6 and 8, Java 8 and 21: 95 to
730 ms at 128 MB on x86_64); Python's take 1.4 to 2.3 ms at every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from lambda_autotuner.tuning.belief import Marginal
from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.units import FULL_VCPU_MB, Floats

# Functions that do something and sizes above 1,024 MB were not measured, so the slope may differ more.
_INIT_SLOPE, _INIT_SLOPE_SD, _INIT_NOISE = 0.0, 0.05, 0.2
_VAGUE_SD = 10.0
_SMALLEST_MS = 0.01
_POWERS = ((0.0, 0.2), (0.5, 0.3), (1.0, 0.5))
"""Powers of a core's share with which extra work shrinks (0: waiting), and their probabilities."""
_AMOUNTS = ((0.03, 0.5), (0.3, 0.3), (3.0, 0.1), (30.0, 0.1))
"""Spreads of what is extra (half of a normal), in warm durations, and their probabilities."""
_FIRST_NOISE, _FIRST_MISFIT = 0.15, 0.1


# Typical INIT in ms and its spread (natural logarithm), where none was seen.
_SLOW_INIT, _USUAL_INIT = (1_500.0, 0.8), (300.0, 0.8)
_SLOW_RUNTIMES = ("java", "dotnet")


def usual_init(runtime: str | None) -> tuple[float, float]:
    """Typical INIT of a runtime in ms and its spread (natural logarithm); images count as slow."""
    return _SLOW_INIT if (runtime or "java").startswith(_SLOW_RUNTIMES) else _USUAL_INIT


@dataclass(frozen=True, slots=True)
class Line:
    """A Bayesian line: belief about intercept and slope in log memory.

    Attributes:
        origin: Log memory at which the intercept holds.
        mean: Intercept and slope, shape (2,).
        covariance: Shape (2, 2).
    """

    origin: float
    mean: Floats
    covariance: Floats

    @classmethod
    def fit(
        cls,
        log_memory: Floats,
        values: Floats,
        variance: Floats,
        prior: Sequence[tuple[float, float]],
    ) -> Line:
        """Condition on observed values, each with its variance.

        Args:
            log_memory: Where they were observed, shape (n,).
            values: What was observed, shape (n,).
            variance: Of each, shape (n,).
            prior: Mean and standard deviation of intercept and of slope.
        """
        origin = float(np.mean(log_memory)) if len(log_memory) else 0.0
        design = np.column_stack([np.ones(len(values)), log_memory - origin])
        believed = np.asarray([mean for mean, _ in prior])
        precision = np.diag([1 / sd**2 for _, sd in prior])
        weighted = design.T / variance
        covariance = np.linalg.inv(precision + weighted @ design)
        mean = covariance @ (precision @ believed + weighted @ values)
        return cls(origin, np.asarray(mean), np.asarray(covariance))

    def at(self, log_memory: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the line at some places, each of shape (M,)."""
        design = np.column_stack([np.ones(len(log_memory)), log_memory - self.origin])
        variance = ((design @ self.covariance) * design).sum(axis=1)
        return np.asarray(design @ self.mean), np.asarray(variance)


class Extra:
    """What a first invocation takes longer than a warm one, in ms: never less than nothing.

    It is an unknown amount of work, by an unknown power of a core's share slower at small sizes.
    Amounts are half normal with one of several spreads, so that "nothing" and "a hundred times as
    long" are both possible; powers and spreads are weighed by how well they explain what was seen.

    Args:
        places: Where first invocations were seen.
        excess_ms: Mean of the first less the mean of a warm one, shape (k,).
        variance: Of each excess, ms squared, shape (k,).
        warm_ms: Mean warm duration there, shape (k,).
    """

    def __init__(
        self,
        places: Sequence[Configuration],
        excess_ms: Floats,
        variance: Floats,
        warm_ms: Floats,
    ) -> None:
        self._origin = float(np.mean(_log_share(places)))
        self._power = np.asarray([power for power, _ in _POWERS for _ in _AMOUNTS])
        spread = np.asarray([amount for _ in _POWERS for amount, _ in _AMOUNTS]) * warm_ms.mean()
        prior = np.log([p * q for _, p in _POWERS for _, q in _AMOUNTS])
        slower = self._slower(places)
        weighted = slower / variance[:, None]
        precision = 1 / spread**2 + (slower * weighted).sum(axis=0)
        middle = (weighted * excess_ms[:, None]).sum(axis=0) / precision
        # A normal cut off at 0: its weight, mean and variance.
        cut = middle * np.sqrt(precision)
        logw = prior - np.log(spread) - np.log(precision) / 2 + cut**2 / 2 + log_ndtr(cut)
        hazard = np.exp(-(cut**2) / 2 - math.log(2 * math.pi) / 2 - log_ndtr(cut))
        self._mean = middle + hazard / np.sqrt(precision)
        self._variance = np.maximum(1 - hazard * (hazard + cut), 0.0) / precision
        weight = np.exp(logw - logw.max())
        self._weight = weight / weight.sum()

    def _slower(self, places: Sequence[Configuration]) -> Floats:
        """By how much more work takes at some places than where it was seen, shape (M, nodes)."""
        return np.asarray(np.exp((self._origin - _log_share(places))[:, None] * self._power))

    def at(self, places: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Expected extra ms and its variance in ms squared, each of shape (M,)."""
        slower = self._slower(places)
        means = self._mean * slower
        mean = means @ self._weight
        squares = (self._variance * slower**2 + (1 + _FIRST_MISFIT**2) * means**2) @ self._weight
        return np.asarray(mean), np.asarray(squares - mean**2)


class ColdStarts:
    """Belief about init and about what a first invocation takes longer.

    Args:
        evidence: Samples with at least one cold one.
        durations: Belief about the log mean warm duration of configurations.
    """

    def __init__(
        self, evidence: Evidence, durations: Callable[[Sequence[Configuration]], Marginal]
    ) -> None:
        seen = [s for s in evidence.summaries() if s.cold_ms]
        places = [s.configuration for s in seen]
        counts = np.asarray([float(len(s.cold_ms)) for s in seen])
        init = np.asarray([np.log(max(float(np.mean(s.init_ms)), _SMALLEST_MS)) for s in seen])
        slope = (_INIT_SLOPE, _INIT_SLOPE_SD)
        usual = (float(init.mean()), _VAGUE_SD)
        self._init = Line.fit(_log_memory(places), init, _INIT_NOISE**2 / counts, (usual, slope))
        warm = durations(places)
        warm_ms = np.maximum(warm.expected(), _SMALLEST_MS)
        first_ms = np.asarray([max(float(np.mean(s.cold_ms)), _SMALLEST_MS) for s in seen])
        excess = first_ms - warm_ms
        variance = (_FIRST_NOISE * first_ms) ** 2 / counts + (_FIRST_MISFIT * excess) ** 2
        variance += warm.variance() * warm_ms**2
        self._extra = Extra(places, excess, variance, warm_ms)

    def init_ms(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Expected init duration in ms and its variance relative to it, each of shape (M,)."""
        mean, variance = self._init.at(_log_memory(configurations))
        return np.exp(mean + variance / 2), variance

    def extra_ms(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Expected ms that a first invocation takes longer, and its variance in ms squared, (M,)."""
        return self._extra.at(configurations)


def _log_memory(configurations: Sequence[Configuration]) -> Floats:
    sizes = np.asarray([where.memory_mb for where in configurations], dtype=float)
    return np.asarray(np.log(sizes))


def _log_share(configurations: Sequence[Configuration]) -> Floats:
    """Logarithm of the share of one core, at most the whole."""
    return np.minimum(_log_memory(configurations), math.log(FULL_VCPU_MB))
