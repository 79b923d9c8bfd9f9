"""A function under test: draws durations from what was measured and counts what they cost."""

from __future__ import annotations

import numpy as np

from benchmarks.curves import Curve
from lambda_autotuner.tuning.units import Floats


class Sampler:
    """Durations resampled with replacement; every invocation counts, warm-ups included.

    Args:
        curve: What was measured.
        rng: Randomness of this replication.
    """

    def __init__(self, curve: Curve, rng: np.random.Generator) -> None:
        self.curve = curve
        self.rng = rng
        self.invocations = 0
        self.money = 0.0

    @property
    def sizes_mb(self) -> tuple[int, ...]:
        """Sizes that can be measured, ascending."""
        return self.curve.sizes_mb

    def draw(self, memory_mb: int, count: int) -> Floats:
        """Invoke `count` times at a measured size: durations in ms, shape (count,)."""
        values = self.curve.durations_ms[self.curve.sizes_mb.index(memory_mb)]
        drawn = values[self.rng.integers(len(values), size=count)]
        self.invocations += count
        self.money += float((memory_mb * np.maximum(np.ceil(drawn), 1.0)).sum())
        return np.asarray(drawn)

    def nearest(self, memory_mb: float) -> int:
        """The measured size nearest to one that may not have been measured."""
        return min(self.sizes_mb, key=lambda size: (abs(size - memory_mb), size))


def billed(durations_ms: Floats) -> Floats:
    """Durations rounded up to 1 ms."""
    return np.maximum(np.ceil(durations_ms), 1.0)


def pick_cheapest(costs: dict[int, float]) -> int:
    """The size with the lowest estimated cost; the smaller one of equals."""
    return min(sorted(costs), key=lambda size: costs[size])


def pick_fastest(costs: dict[int, float], pct: float = 5.0) -> int:
    """The fastest size by estimate whose estimated cost is within `pct` percent of the lowest."""
    limit = min(costs.values()) * (1 + pct / 100)
    inside = [size for size in sorted(costs) if costs[size] <= limit]
    return min(inside, key=lambda size: costs[size] / size)
