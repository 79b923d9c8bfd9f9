"""What a cold start costs beside memory: init, and a first invocation that is slower than the next.

Init runs with boosted processor share, so it hardly depends on the memory size; it is a line in
log memory with a slope that is believed to be small. What the first invocation takes longer than
a warm one is a ratio, again a line in log memory, believed to be level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.units import Floats

_INIT_SLOPE, _INIT_SLOPE_SD, _INIT_NOISE = -0.1, 0.15, 0.2
_RATIO, _RATIO_SD = 0.05, 0.3
_RATIO_SLOPE_SD, _RATIO_NOISE = 0.15, 0.15
_VAGUE_SD = 10.0
_SMALLEST_MS = 0.01


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


class ColdStarts:
    """Belief about init and about the first invocation's slowness.

    Args:
        evidence: Samples with at least one cold one.
        warm_ms: Expected warm duration in ms of configurations.
    """

    def __init__(
        self, evidence: Evidence, warm_ms: Callable[[Sequence[Configuration]], Floats]
    ) -> None:
        seen = [s for s in evidence.summaries() if s.cold_ms]
        places = [s.configuration for s in seen]
        memory = _log_memory(places)
        counts = np.asarray([float(len(s.cold_ms)) for s in seen])
        init = np.asarray([np.log(max(float(np.mean(s.init_ms)), _SMALLEST_MS)) for s in seen])
        slope = (_INIT_SLOPE, _INIT_SLOPE_SD)
        usual = (float(init.mean()), _VAGUE_SD)
        self._init = Line.fit(memory, init, _INIT_NOISE**2 / counts, (usual, slope))
        first = np.asarray([max(float(np.mean(s.cold_ms)), _SMALLEST_MS) for s in seen])
        ratio = np.log(first / np.maximum(warm_ms(places), _SMALLEST_MS))
        level, tilt = (_RATIO, _RATIO_SD), (0.0, _RATIO_SLOPE_SD)
        self._ratio = Line.fit(memory, ratio, _RATIO_NOISE**2 / counts, (level, tilt))

    def init_ms(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Expected init duration in ms and its variance relative to it, each of shape (M,)."""
        mean, variance = self._init.at(_log_memory(configurations))
        return np.exp(mean + variance / 2), variance

    def slowness(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Expected ratio of a first to a warm invocation, and its relative variance, (M,)."""
        mean, variance = self._ratio.at(_log_memory(configurations))
        return np.exp(mean + variance / 2), variance


def _log_memory(configurations: Sequence[Configuration]) -> Floats:
    sizes = np.asarray([where.memory_mb for where in configurations], dtype=float)
    return np.asarray(np.log(sizes))
