"""AWS Lambda Power Tuning: a fixed grid, a trimmed mean, the smallest wins.

Written from its documentation: n invocations at each size, the lowest and the highest 20 % of the
durations are dropped, and the mean of the rest is priced.
"""

from __future__ import annotations

import numpy as np

from benchmarks.sampler import Sampler, billed

DEFAULT_GRID_MB = (128, 256, 512, 1_024, 1_536, 3_008)
_TRIM = 0.2


def estimate(sampler: Sampler, count: int, *, every_size: bool = False) -> dict[int, float]:
    """Estimated cost (MB x ms) by measured size."""
    grid = sampler.sizes_mb if every_size else {sampler.nearest(m) for m in DEFAULT_GRID_MB}
    return {size: size * _trimmed(billed(sampler.draw(size, count))) for size in sorted(grid)}


def _trimmed(values: np.ndarray) -> float:
    drop = int(len(values) * _TRIM)
    ordered = np.sort(values)
    return float(ordered[drop : len(values) - drop].mean())
