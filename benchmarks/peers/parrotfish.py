"""Parrotfish (SoCC'23): a parametric fit, sampled where cost x ignorance is smallest.

Written from the paper's description: duration = a0 + a1 * exp(-memory / a2); the smallest, a
low-middle and the largest size first; then the size at which the predicted cost, divided by what
is not yet known around it, is lowest. The paper's settings are few invocations per size with one
warm-up each.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import curve_fit

from benchmarks.sampler import Sampler, billed
from lambda_autotuner.tuning.units import Floats

_SIZES = 5
_WARM_UPS = 1
_MEASURED = 2
_START_THIRD_MB = 1_024
_KNOWLEDGE_WIDTH_MB = 200.0


def estimate(sampler: Sampler) -> dict[int, float]:
    """Predicted cost (MB x ms) by measured size."""
    sizes = np.asarray(sampler.sizes_mb, dtype=float)
    seen: dict[int, list[float]] = {}
    start = (sampler.sizes_mb[0], sampler.nearest(_START_THIRD_MB), sampler.sizes_mb[-1])
    for size in start:
        _measure(sampler, size, seen)
    for _ in range(_SIZES - len(start)):
        cost = _predict(seen, sizes) * sizes
        known = sum(np.exp(-0.5 * ((sizes - s) / _KNOWLEDGE_WIDTH_MB) ** 2) for s in seen)
        _measure(sampler, sampler.sizes_mb[int(np.argmin(cost * (0.5 + known)))], seen)
    predicted = _predict(seen, sizes) * sizes
    return {size: float(cost) for size, cost in zip(sampler.sizes_mb, predicted, strict=True)}


def _measure(sampler: Sampler, size: int, seen: dict[int, list[float]]) -> None:
    sampler.draw(size, _WARM_UPS)
    seen.setdefault(size, []).extend(billed(sampler.draw(size, _MEASURED)).tolist())


def _law(memory: Floats, floor: float, height: float, decay: float) -> Floats:
    return np.asarray(floor + height * np.exp(-memory / decay))


def _predict(seen: dict[int, list[float]], sizes: Floats) -> Floats:
    memory = np.repeat(np.asarray(list(seen), dtype=float), [len(v) for v in seen.values()])
    durations = np.concatenate([np.asarray(v) for v in seen.values()])
    low, high = float(durations.min()), float(durations.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted, _ = curve_fit(
                _law,
                memory,
                durations,
                p0=(low, max(high - low, 1.0) * 1.5, 400.0),
                bounds=([0.0, 0.0, 30.0], [high * 2, high * 100 + 1, 10_000.0]),
                sigma=durations,
                max_nfev=2_000,
            )
        except RuntimeError:
            known = sorted(seen)
            between: Floats = np.interp(sizes, known, [np.mean(seen[size]) for size in known])
            return between
    predicted: Floats = _law(sizes, *fitted)
    return predicted
