"""From samples to what the posterior takes: means, scatter, censoring and what cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.tuning.evidence import Configuration, Evidence, SizeSummary
from lambda_autotuner.tuning.posterior import Observations

_CENSORED_STRETCH = 1.5
_CENSORED_SD = 0.3
_SMALLEST_MS = 0.01
_TOLERATED_TIMEOUT_SHARE = 0.02
_METRIC_SD = 0.02
_ERRORS_TO_EXCLUDE = 2


def warm_observations(evidence: Evidence) -> Observations | None:
    """Mean warm duration per configuration; timeouts count as longer than their limit.

    A size at which only timeouts were seen enters with 1.5 times the limit and a wide variance:
    enough to steer the law away, too little to pretend that the duration is known.
    """
    rows = []
    for summary in evidence.summaries():
        durations = np.asarray(
            [*summary.warm_ms, *(t * _CENSORED_STRETCH for t in summary.timeouts_ms)]
        )
        if not len(durations):
            continue
        weights = np.asarray([*summary.warm_weights, *(1.0 for _ in summary.timeouts_ms)])
        censored = len(summary.timeouts_ms) / len(durations)
        rows.append((summary.configuration, durations, weights, (_CENSORED_SD * censored) ** 2))
    return _observations(rows)


def cold_observations(evidence: Evidence) -> Observations | None:
    """Mean of init plus duration of cold invocations per configuration."""
    rows = [
        (s.configuration, np.add(s.cold_ms, s.init_ms), np.ones(len(s.cold_ms)), 0.0)
        for s in evidence.summaries()
        if s.cold_ms
    ]
    return _observations(rows)


def _observations(
    rows: Iterable[tuple[Configuration, np.ndarray, np.ndarray, float]],
) -> Observations | None:
    configurations, means, counts, scatters, extras = [], [], [], [], []
    for where, durations, weights, extra in rows:
        values = np.maximum(durations, _SMALLEST_MS)
        mean = float(np.average(values, weights=weights))
        single = weights == 1.0
        aggregated = not single.all()
        configurations.append(where)
        means.append(np.log(mean))
        # An average over many invocations hides their scatter: it is one precise number.
        counts.append(float(weights.sum()) if aggregated else float(len(values)))
        scatter = float((((values - mean) / mean) ** 2).sum())
        scatters.append(counts[-1] * _METRIC_SD if aggregated else scatter)
        extras.append(extra + (_METRIC_SD**2 if aggregated else 0.0))
    if not configurations:
        return None
    return Observations(
        tuple(configurations),
        np.asarray(means),
        np.asarray(counts),
        np.asarray(scatters),
        np.asarray(extras),
    )


@dataclass(frozen=True, slots=True)
class MemoryFloor:
    """The smallest memory size that may be proposed, and why.

    Attributes:
        memory_mb: Smallest allowed size in MB; 0 where nothing is known against any.
        reason: What the floor rests on.
    """

    memory_mb: int
    reason: str


def memory_floor(evidence: Evidence, headroom: float) -> MemoryFloor:
    """Sizes that ran are allowed; untried smaller ones must hold what was used plus headroom.

    Args:
        evidence: Everything seen.
        headroom: Share of Max Memory Used to be kept free below the smallest size that ran.
    """
    summaries = evidence.summaries()
    crashed = max((s.configuration.memory_mb for s in summaries if s.out_of_memory), default=0)
    ran = [s for s in summaries if s.succeeded and s.configuration.memory_mb > crashed]
    lowest = min((s.configuration.memory_mb for s in ran), default=None)
    used = [s.max_memory_used_mb for s in ran if s.max_memory_used_mb is not None]
    if used and lowest is not None:
        # The smallest heap that did the work tells most; runtimes grow into larger sizes.
        needed = int(np.ceil(min(used) * (1 + headroom)))
        floor = min(needed, lowest)
        if floor > crashed:
            return MemoryFloor(
                floor, f"Max Memory Used is {min(used)} MB; {headroom:.0%} is kept free."
            )
    if crashed:
        return MemoryFloor(crashed + 1, f"Out of memory at {crashed} MB.")
    return MemoryFloor(0, "Nothing is known about the memory that is used.")


def failing(summary: SizeSummary) -> str | None:
    """Why a configuration that was tried may not be proposed; None when nothing speaks against."""
    where = summary.configuration
    if summary.out_of_memory:
        return f"{where} ran out of memory."
    tried = summary.succeeded + summary.failed
    if summary.timeouts_ms and len(summary.timeouts_ms) > _TOLERATED_TIMEOUT_SHARE * tried:
        return f"{where} timed out in {len(summary.timeouts_ms)} of {tried} invocations."
    if summary.errors >= _ERRORS_TO_EXCLUDE and summary.errors * 2 >= tried:
        return f"{where} failed in {summary.errors} of {tried} invocations."
    return None


def excluded(
    evidence: Evidence,
    configurations: Sequence[Configuration],
    floor: MemoryFloor,
    too_slow: Callable[[Sequence[Configuration]], np.ndarray],
) -> np.ndarray:
    """Which configurations may not be proposed, as a boolean array of shape (M,)."""
    bad = {
        summary.configuration for summary in evidence.summaries() if failing(summary) is not None
    }
    below = np.asarray([where.memory_mb < floor.memory_mb for where in configurations])
    failed = np.asarray([where in bad for where in configurations])
    return np.asarray(below | failed | too_slow(configurations))
