"""The law: how the duration of a function depends on its memory size, up to a scale.

A shape is, with m the memory size and v = m / knee,

    d(m) = (w^q + ((1 - w) c(m))^q)^(1/q) * (1 + (pressure / m)^3)
    c(m) = v^-a                                         for v <= 1 (a share of one core)
    c(m) = 1 - p + p / min(v, threads)                  for v > 1  (Amdahl's law), or
    c(m) = 1 - p + p / min(cores(m), threads)           for work that is split by visible cores

Three in four shapes are metered: below its whole core a thread runs at full speed until the quota of a
20 ms period is used and pauses until the next, so the last period's pause is never waited for. Work
that a share v of a core predicts to take c ms takes less, on average by

    (1 - v) min(c, 10 ms)

which makes the middle of the range cheaper than processor time alone would, the more so the shorter
the work (docs/decisions/0082). Periods are bandwidth control of Linux' scheduler; that Lambda's last
20 ms shows in measured durations near one core, which spread in jumps of it. This part alone needs a
scale.

`w` is waiting that no processor shortens, `q` how it overlaps with work (1: one after the other;
large: only the longer counts, a steep knee), `a` the power with which a share of a core counts (1:
processor time; below: bandwidth; above: throttling and small caches), `knee` where one thread has
its whole core (1,769 MB), `p` the parallel part on up to `threads` threads, and `pressure` what a
heap close to its limit costs where the memory in use is not known. Where it is, a shape has an
amount `squeezed` of what tight memory costs on average, and the kernel says how it fades with room.
The posterior weighs an ensemble of such shapes and adds residuals for what they all miss.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from lambda_autotuner.tuning.units import CORE_STEPS_MB, FULL_VCPU_MB, MINIMUM_MEMORY_MB, Floats

_DIMENSIONS = 7
_CACHED_ROWS = 2_048
_PERIOD_MS = 20.0


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Parameters of many shapes, each an array of shape (P,)."""

    waiting: Floats
    overlap: Floats
    exponent: Floats
    knee_mb: Floats
    parallel: Floats
    threads: Floats
    pressure_mb: Floats
    stepped: Floats
    metered: Floats
    squeezed: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rows", {})

    @property
    def size(self) -> int:
        """Number of shapes P."""
        return len(self.waiting)

    def subset(self, chosen: np.ndarray) -> Ensemble:
        """The shapes with these indices."""
        return Ensemble(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def log_duration(self, memory_mb: Floats) -> Floats:
        """Logarithm of each shape's duration, up to a constant per shape and without periods.

        Args:
            memory_mb: Memory sizes in MB, shape (M,).

        Returns:
            Array of shape (M, P).
        """
        memory = np.asarray(memory_mb, dtype=float)[:, None]
        share = np.log(np.minimum(memory, self.knee_mb) / self.knee_mb)
        whole = 1.0 + sum((memory >= step).astype(float) for step in (FULL_VCPU_MB, *CORE_STEPS_MB))
        cores = np.where(self.stepped > 0, whole, np.maximum(memory / self.knee_mb, 1.0))
        cores = np.minimum(cores, self.threads)
        amdahl = np.log(1.0 - self.parallel + self.parallel / cores)
        joined = self._joined(np.log1p(-self.waiting) - self.exponent * share + amdahl)
        return np.asarray(joined + np.log1p((self.pressure_mb / memory) ** 3))

    def _joined(self, work: Floats) -> Floats:
        """Logarithm of work and waiting together, from that of work."""
        waiting = np.log(self.waiting)
        high, low = np.maximum(work, waiting), np.minimum(work, waiting)
        return np.asarray(high + np.log1p(np.exp(self.overlap * (low - high))) / self.overlap)

    def metering(self, memory_mb: Floats, log_scale: Floats) -> Floats:
        """What quotas of a period change: to be added to `log_duration`, never positive.

        Args:
            memory_mb: Memory sizes in MB, shape (M,).
            log_scale: Logarithm of each shape's constant, in ms, shape (P,).

        Returns:
            Array of shape (M, P); 0 where a shape is not metered or a thread has its whole core.
        """
        memory = np.asarray(memory_mb, dtype=float)[:, None]
        share = np.minimum(memory / self.knee_mb, 1.0)
        work = np.log1p(-self.waiting) - self.exponent * np.log(share)
        saved = (1.0 - share) * np.minimum(1.0, _PERIOD_MS / 2 * np.exp(-work - log_scale))
        changed = self._joined(work + np.log1p(-saved)) - self._joined(work)
        return np.asarray(self.metered * changed)

    def rows(self, memory_mb: Floats) -> Floats:
        """`log_duration`, remembered per memory size: a search asks for the same few again."""
        known: dict[float, Floats] = self._rows  # type: ignore[attr-defined]
        missing = [size for size in memory_mb.tolist() if size not in known]
        if missing:
            if len(known) + len(missing) > _CACHED_ROWS:
                known.clear()
                missing = memory_mb.tolist()
            known.update(zip(missing, self.log_duration(np.asarray(missing)), strict=True))
        return np.stack([known[size] for size in memory_mb.tolist()])


def _sequence(count: int) -> Floats:
    """Low-discrepancy points in the unit cube, shape (count, 7), the same every time."""
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (_DIMENSIONS + 1))
    steps = root ** -np.arange(1, _DIMENSIONS + 1)
    return np.asarray((0.5 + np.outer(np.arange(1, count + 1), steps)) % 1.0)


_TRAITS = {"bandwidth": 0.08, "other_knee": 0.10, "stepped": 0.07, "parallel": 0.13, "tight": 0.12}
"""Share of the shapes with one trait beside work and waiting; a function rarely has two."""
_SUMS = 0.4
"""Share of the shapes whose waiting and work simply add up."""
_LEAST_LOGIT, _MOST_LOGIT = 3.0, 6.0
"""How far the logit of the waiting share reaches down and up."""
_METERED = 0.75
"""Share of the shapes that feel the periods in which processor time is handed out.

Every thread that works for longer than its quota does; what is left out stands for work in bursts
between waiting, which stays within it.
"""
_SQUEEZED_STEP = (5**0.5 - 1) / 2
"""Multiples of it, modulo one, cover the unit interval evenly, apart from the other dimensions."""
_ALL_CORES = 0.4
"""Share of parallel shapes that use every core there is; the others use 2 to 5."""


def _having(trait: str, draw: Floats) -> np.ndarray:
    """Which shapes have a trait: the traits follow each other on the unit interval."""
    names = list(_TRAITS)
    start = sum(_TRAITS[name] for name in names[: names.index(trait)])
    return np.asarray((draw >= start) & (draw < start + _TRAITS[trait]))


@lru_cache(maxsize=4)
def ensemble(count: int = 1_024) -> Ensemble:
    """The ensemble that the posterior works with: the same every time.

    Half of the shapes are work and waiting alone: waiting between 5 % and 99.8 % of the duration at
    one vCPU (drawn on the logit scale), overlapped more sharply than a sum in three of five. Less
    waiting than that cannot be seen below several cores, and more of it nowhere: shapes beyond
    would repeat one answer, and outvote the optima in between (docs/decisions/0011).
    Each of the others has one more trait: bound by something slower than processor share, a knee
    elsewhere than at 1,769 MB, parallel work (smooth, or in steps of visible cores), or a heap
    close to its limit. `squeezed` is exponential with mean 1 over all of them.
    """
    point = _sequence(count)
    trait, amount, kind = point[:, 3], point[:, 4], point[:, 5]
    waiting = 1.0 / (1.0 + np.exp(_LEAST_LOGIT - (_MOST_LOGIT + _LEAST_LOGIT) * point[:, 0]))
    overlap = np.exp(np.log(24.0) * np.maximum(0.0, (point[:, 1] - _SUMS) / (1 - _SUMS)))
    bandwidth = 0.3 + 0.64 * amount
    exponent = np.where(_having("bandwidth", trait), bandwidth, 0.94 + 0.2 * point[:, 2])
    knee = np.where(_having("other_knee", trait), 700 + 1_800 * amount, float(FULL_VCPU_MB))
    stepped = _having("stepped", trait)
    together = stepped | _having("parallel", trait)
    parallel = np.where(together, 0.3 + 0.69 * amount, 0.0)
    few = 2.0 + np.floor((kind - _ALL_CORES) / (1 - _ALL_CORES) * 4)
    threads = np.where(kind < _ALL_CORES, 6.0, few)
    pressure = MINIMUM_MEMORY_MB * (0.3 + 2.0 * amount)
    pressure = np.where(_having("tight", trait), pressure, 0.0)
    return Ensemble(
        waiting,
        overlap,
        exponent,
        knee,
        parallel,
        threads,
        pressure,
        stepped.astype(float),
        (kind >= 1 - _METERED).astype(float),
        -np.log1p(-((0.5 + np.arange(1, count + 1) * _SQUEEZED_STEP) % 1.0)),
    )
