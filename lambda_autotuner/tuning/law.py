"""The law: how the duration of a function depends on its memory size, up to a scale.

A shape is

    d(m) = (io^q + work(m)^q)^(1/q) * pressure(m)
    work(m) = (1 - io) * (1769 / min(m, knee))^a / speedup(m)

with `io` the share of waiting that no processor shortens, `q` how the two overlap (1: one after
the other, large: the longer one alone, a steep knee), `a` near 1 the processor share, `knee` where
one thread has its whole core (1,769 MB), `speedup` Amdahl's law for `parallel` work on the
vCPUs above it, and `pressure` what a heap close to its limit costs. An ensemble of shapes covers
what real functions do; the posterior weighs them and adds residuals for what they all miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lambda_autotuner.tuning.units import FULL_VCPU_MB, MINIMUM_MEMORY_MB, Floats



@dataclass(frozen=True, slots=True)
class Ensemble:
    """Parameters of many shapes, each an array of shape (P,)."""

    waiting: Floats
    overlap: Floats
    exponent: Floats
    knee_mb: Floats
    parallel: Floats
    pressure_mb: Floats

    @property
    def size(self) -> int:
        """Number of shapes P."""
        return len(self.waiting)

    def log_duration(self, memory_mb: Floats) -> Floats:
        """Logarithm of each shape's duration, up to a constant per shape.

        Args:
            memory_mb: Memory sizes in MB, shape (M,).

        Returns:
            Array of shape (M, P).
        """
        memory = np.asarray(memory_mb, dtype=float)[:, None]
        single = np.minimum(memory, self.knee_mb) / FULL_VCPU_MB
        cores = np.maximum(memory / self.knee_mb, 1.0)
        speedup = 1.0 / (1.0 - self.parallel + self.parallel / cores)
        work = np.log1p(-self.waiting) - self.exponent * np.log(single) - np.log(speedup)
        waiting = np.log(self.waiting)
        high = np.maximum(work, waiting)
        low = np.minimum(work, waiting)
        joined = high + np.log1p(np.exp(self.overlap * (low - high))) / self.overlap
        return joined + np.log1p((self.pressure_mb / memory) ** 3)


def _sequence(count: int, dimensions: int) -> Floats:
    """Low-discrepancy points in the unit cube, shape (count, dimensions), without randomness."""
    root = 2.0
    for _ in range(40):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1, dimensions + 1)
    return np.asarray((0.5 + np.outer(np.arange(1, count + 1), steps)) % 1.0)


@lru_cache(maxsize=4)
def ensemble(count: int = 1_024) -> Ensemble:
    """The ensemble that the posterior works with; the same every time.

    Waiting is drawn between 0.3 % and 99.7 % of the duration at one vCPU, on the logit scale; one
    in four functions has parallel work; three in ten feel a heap close to its limit.
    """
    point = _sequence(count, 6)
    logit = -6.0 + 12.0 * point[:, 0]
    waiting = 1.0 / (1.0 + np.exp(-logit))
    overlap = np.exp(np.log(16.0) * np.maximum(0.0, point[:, 1] * 1.5 - 0.5))
    exponent = 0.94 + 0.18 * point[:, 2]
    knee = np.where(point[:, 3] < 0.7, float(FULL_VCPU_MB), 1_200 + 1_200 * point[:, 3])
    parallel = np.where(point[:, 4] < 0.75, 0.0, (point[:, 4] - 0.75) * 4)
    pressure = np.where(point[:, 5] < 0.7, 0.0, MINIMUM_MEMORY_MB * (point[:, 5] - 0.7) * 5)
    return Ensemble(waiting, overlap, exponent, knee, parallel, pressure)
