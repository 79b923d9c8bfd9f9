"""Bayesian optimisation in the manner of COSE: a Gaussian process and expected improvement.

Each visited size costs one warm-up and four measured invocations, of which the mean is taken.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from benchmarks.sampler import Sampler, billed
from lambda_autotuner.tuning.units import Floats

_WARM_UPS = 1
_MEASURED = 4
_LENGTHS = (0.3, 0.6, 1.2)
_NOISES = (0.01, 0.03, 0.1)


def estimate(sampler: Sampler, sizes: int) -> dict[int, float]:
    """Predicted cost (MB x ms) by visited size."""
    grid = sampler.sizes_mb
    position = np.log(np.asarray(grid, dtype=float))
    middle = sampler.nearest(float(np.exp((position[0] + position[-1]) / 2)))
    seen: dict[int, float] = {}
    for size in dict.fromkeys((grid[0], middle, grid[-1])):
        seen[size] = _measure(sampler, size)
    while len(seen) < min(sizes, len(grid)):
        at = np.asarray([grid.index(size) for size in seen])
        mean, deviation = _process(position, at, np.log(list(seen.values())))
        best = np.log(min(seen.values()))
        z = (best - mean) / deviation
        gain = deviation * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
        gain[at] = -1.0
        size = grid[int(np.argmax(gain))]
        seen[size] = _measure(sampler, size)
    return seen


def _measure(sampler: Sampler, size: int) -> float:
    sampler.draw(size, _WARM_UPS)
    return size * float(billed(sampler.draw(size, _MEASURED)).mean())


def _process(position: Floats, at: np.ndarray, values: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and deviation under the hyper-parameters of the highest likelihood."""
    scale = max(float(values.std()), 0.05)
    centred = (values - values.mean()) / scale
    best: tuple[float, Floats, Floats] | None = None
    for length in _LENGTHS:
        kernel = np.exp(-0.5 * ((position[:, None] - position[None, :]) / length) ** 2)
        for noise in _NOISES:
            matrix = kernel[np.ix_(at, at)] + noise * np.eye(len(at))
            inverse = np.linalg.inv(matrix)
            score = -0.5 * centred @ inverse @ centred - 0.5 * np.linalg.slogdet(matrix)[1]
            if best is None or score > best[0]:
                gain = kernel[:, at] @ inverse
                variance = 1.0 - (gain * kernel[:, at]).sum(axis=1)
                mean = values.mean() + scale * gain @ centred
                best = (float(score), mean, scale * np.sqrt(np.maximum(variance, 1e-9)))
    assert best is not None
    return best[1], best[2]
