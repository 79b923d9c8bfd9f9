"""Made-up functions whose laws have other forms than the engine's, to check it for robustness.

Durations come from phases: processor time under a quota that is refilled every 20 ms, a fixed
number of threads, waiting, transfers whose bandwidth grows with memory, garbage collection that
grows hyperbolically towards the live heap, and exponentials. Noise is log-normal, gamma, of two
hosts of different speed, or with a Pareto tail; neighbouring sizes differ by a little for no
reason at all, as measured ones do.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from benchmarks.curves import COLUMNS, Curve
from lambda_autotuner.tuning.units import Architecture, Floats

_VCPU_MB = 1_769.0
_PERIOD_MS = 20.0
_GRIDS: tuple[tuple[int, ...], ...] = (
    (128, 256, 512, 1_024, 1_536, 3_008),
    (128, 192, 256, 384, 512, 768, 1_024, 1_536, 1_769, 2_048, 3_008),
    tuple(range(128, 3_009, 64)),
    tuple(range(128, 3_009, 160)),
    (128, 256, 512, 1_024, 1_769, 2_048, 3_008, 4_096, 5_308, 7_077, 8_846, 10_240),
    tuple(range(128, 10_241, 316)),
)
_FORMS = ("quota", "threads", "exponential", "transfer", "heap", "knee", "waiting", "step")


def make_curve(index: int, seed: int, samples: int = 100) -> Curve:
    """The curve with this index: always the same for the same seed."""
    rng = np.random.default_rng([seed, index])
    form = _FORMS[index % len(_FORMS)]
    grid = np.asarray(_GRIDS[int(rng.integers(len(_GRIDS)))])
    if form == "heap":
        grid = grid[grid > 128] if len(grid) > 6 else grid[1:]
    mean = _LAWS[form](grid.astype(float), rng)
    mean = mean * np.exp(rng.normal(0, rng.uniform(0.0, 0.02), len(grid)))
    level = float(np.exp(rng.uniform(np.log(0.02), np.log(0.3))))
    kind = ("lognormal", "gamma", "hosts", "pareto")[int(rng.integers(4))]
    durations = tuple(value * _noise(kind, level, samples, rng) for value in mean)
    name = f"{form}-{kind}-{level:.2f}-{index}"
    architecture: Architecture = "arm64" if rng.random() < 0.3 else "x86_64"
    return Curve(f"synthetic-{form}", name, architecture, tuple(grid.tolist()), durations)


def _scale(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(15), np.log(8_000))))


def _quota(memory: Floats, rng: np.random.Generator) -> Floats:
    """Processor time in slices: whoever used up the quota waits for the next period."""
    work, waiting = _scale(rng), _scale(rng) * rng.uniform(0, 0.6)
    quota = _PERIOD_MS * np.minimum(memory / _VCPU_MB, 1.0)
    periods = np.floor(work / quota)
    return np.asarray(periods * _PERIOD_MS + (work - periods * quota) + waiting)


def _threads(memory: Floats, rng: np.random.Generator) -> Floats:
    """A serial phase, a phase on up to k threads, and what coordination costs."""
    share = memory / _VCPU_MB
    threads = int(rng.integers(2, 7))
    serial, parallel = _scale(rng) * rng.uniform(0.02, 0.5), _scale(rng)
    speed = np.minimum(share, threads)
    overhead = 1 + rng.uniform(0, 0.03) * np.maximum(speed - 1, 0)
    return np.asarray(serial / np.minimum(share, 1) + parallel / speed * overhead)


def _exponential(memory: Floats, rng: np.random.Generator) -> Floats:
    floor = _scale(rng)
    return np.asarray(
        floor * (1 + rng.uniform(0.5, 15) * np.exp(-memory / rng.uniform(120, 1_200)))
    )


def _transfer(memory: Floats, rng: np.random.Generator) -> Floats:
    """Bandwidth that grows with memory up to a ceiling, processor time beside it."""
    bandwidth = np.minimum(memory, rng.uniform(700, 2_500)) ** rng.uniform(0.5, 1.0)
    work = _scale(rng) / np.minimum(memory / _VCPU_MB, 1)
    transfer = _scale(rng) * 100 / bandwidth
    return np.asarray(
        np.maximum(work, transfer) + rng.uniform(0.1, 0.9) * np.minimum(work, transfer)
    )


def _heap(memory: Floats, rng: np.random.Generator) -> Floats:
    """Garbage collection against a live heap."""
    live = rng.uniform(40, 0.9 * memory[0])
    collect = 1 + rng.uniform(0.1, 1.2) * live / (memory - live)
    waiting = _scale(rng) * rng.uniform(0, 0.3)
    return np.asarray(_scale(rng) * collect / np.minimum(memory / _VCPU_MB, 1) ** 0.95 + waiting)


def _knee(memory: Floats, rng: np.random.Generator) -> Floats:
    """A steep fall to a floor, somewhere."""
    at = rng.uniform(150, 1_500)
    steep = rng.uniform(1.0, 1.6)
    floor = _scale(rng)
    return np.asarray(floor * (1 + np.maximum((at / memory) ** steep - 1, 0)))


def _waiting(memory: Floats, rng: np.random.Generator) -> Floats:
    """Almost only waiting, with a little that melts away like 1 / sqrt(memory)."""
    return np.asarray(_scale(rng) * (1 + rng.uniform(0, 0.5) * np.sqrt(128 / memory)))


def _step(memory: Floats, rng: np.random.Generator) -> Floats:
    """Processor time that falls with every visible core, not smoothly."""
    share = np.minimum(memory / _VCPU_MB, 1)
    cores = 1 + sum((memory >= step) * 1.0 for step in (_VCPU_MB, 3_009, 5_308, 7_077, 8_846))
    portion = rng.uniform(0, 0.95)
    return np.asarray(
        _scale(rng) * (1 - portion + portion / cores) / share**1.03 + rng.uniform(0, 50)
    )


_LAWS = {
    "quota": _quota,
    "threads": _threads,
    "exponential": _exponential,
    "transfer": _transfer,
    "heap": _heap,
    "knee": _knee,
    "waiting": _waiting,
    "step": _step,
}


def _noise(kind: str, level: float, count: int, rng: np.random.Generator) -> Floats:
    """Factors with mean about one and a relative deviation of about `level`."""
    local = level * float(np.exp(rng.normal(0, 0.3)))
    match kind:
        case "lognormal":
            factor = rng.lognormal(0, local, count)
        case "gamma":
            factor = rng.gamma(1 / local**2, local**2, count)
        case "hosts":
            slow = rng.random(count) < rng.uniform(0.2, 0.5)
            factor = np.where(slow, 1 + 2 * local, 1.0) * rng.lognormal(0, 0.01, count)
        case _:
            factor = (1 + 0.4 * local * rng.pareto(2.5, count)) * rng.lognormal(
                0, 0.4 * local, count
            )
    return np.asarray(factor)


def main() -> None:
    """Write made-up curves in the format of `curves.csv.gz`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with gzip.open(arguments.out, "wt", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for index in range(arguments.count):
            curve = make_curve(index, arguments.seed)
            for size, values in zip(curve.sizes_mb, curve.durations_ms, strict=True):
                for value in values:
                    writer.writerow(
                        (curve.family, curve.name, curve.architecture, size, f"{value:.3f}")
                    )


if __name__ == "__main__":
    main()
