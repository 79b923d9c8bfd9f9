"""From samples to what the posterior takes: means, scatter, censoring and the memory that is needed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.posterior import Longest, Observations
from lambda_autotuner.tuning.units import Floats

_CENSORED_STRETCH = 1.5
_CENSORED_SD = 0.3
_SMALLEST_MS = 0.01
# How far the mean of a metric, cold and failed invocations included, may be from that of warm ones:
# without lines that show how few those are, and with them.
_METRIC_SD, _METRIC_SD_BESIDE_LINES, _LINES_THAT_SHOW = 0.02, 0.003, 20
# How far windows of telemetry apart in time differ: single benchmark runs a month apart do by 5 %
# each (one in six cells moved by more than 10 %), and a whole window averages over many days.
_DRIFT_SD = 0.02
# How far first invocations may differ from warm ones beyond what all of them share, relative, and by
# how much more for each warm duration that they take longer: what they do besides depends on the size
# in its own way. Where most of it is something else (half a logarithm), they say nothing of warm ones.
_COLD_SPREAD, _COLD_SHAPE, _FAR_APART = 0.06, 0.3, 0.5
_TOLERATED_KILLED_SHARE = 0.002
_ENOUGH_TO_SEE_A_SPREAD, _ENOUGH_ABOVE, _PROVEN = 50, 15, 300


@dataclass(frozen=True, slots=True)
class _Row:
    where: Configuration
    durations: Floats
    weights: Floats
    extra: float
    cold: float = 0.0
    whole: bool = True


def warm_observations(evidence: Evidence) -> Observations | None:
    """Mean warm duration per configuration; timeouts count as longer than their limit.

    A size at which only timeouts were seen enters with 1.5 times the limit and a wide variance:
    enough to steer the law away, too little to pretend that the duration is known. Cold
    invocations (without their init) enter as rows of their own: what they share with each other
    but not with warm ones is an offset that the posterior learns. Where they are known to take far
    longer, they are left out.
    """
    drifts = _drifts(evidence)
    above = _first_above_warm(evidence)
    spread = _COLD_SPREAD + _COLD_SHAPE * math.expm1(abs(above))
    rows = []
    for summary in evidence.summaries():
        where = summary.configuration
        later = drifts.get(where, 0.0)
        stretched = [t * _CENSORED_STRETCH for t in summary.timeouts_ms]
        durations = np.asarray([*summary.warm_ms, *stretched])
        if len(durations):
            weights = np.asarray([*summary.warm_weights, *(1.0 for _ in stretched)])
            extra = (_CENSORED_SD * len(stretched) / len(durations)) ** 2 + later
            rows.append(_Row(where, durations, weights, extra, whole=not stretched))
        if summary.cold_ms and above <= _FAR_APART:
            ones = np.ones(len(summary.cold_ms))
            rows.append(_Row(where, np.asarray(summary.cold_ms), ones, spread**2 + later, 1.0))
    return _observations(rows, memory_used(evidence))


def _drifts(evidence: Evidence) -> dict[Configuration, float]:
    """Variance of each size's mean in telemetry for being of another time than the other sizes.

    The fewer of all lines are of a size, the shorter was the time that it was in use, and the less is
    averaged over.
    """
    lines = Counter(s.configuration for s in evidence if s.source != "invocation")
    if len({where.memory_mb for where in lines}) == 1:
        return {}
    return {where: _DRIFT_SD**2 * lines.total() / count for where, count in lines.items()}


def _first_above_warm(evidence: Evidence) -> float:
    """Log of how much longer first invocations take than warm ones at the same size; 0 if unknown."""
    ratios = [
        math.log(max(float(np.mean(s.cold_ms)), _SMALLEST_MS) / max(s.mean_ms, _SMALLEST_MS))
        for s in evidence.summaries()
        if s.cold_ms and s.mean_ms is not None
    ]
    return float(np.median(ratios)) if ratios else 0.0


def _observations(rows: Iterable[_Row], used_mb: float | None) -> Observations | None:
    known = list(rows)
    if not known:
        return None
    columns: list[tuple[float, ...]] = []
    for row in known:
        values = np.maximum(row.durations, _SMALLEST_MS)
        mean = float(np.average(values, weights=row.weights))
        # An average over many invocations hides their scatter, but not how precise it is.
        single = values[row.weights == 1.0]
        centre = float(single.mean()) if len(single) else mean
        freedom = max(len(single) - 1.0, 0.0)
        metric = _METRIC_SD if len(single) < _LINES_THAT_SHOW else _METRIC_SD_BESIDE_LINES
        extra = row.extra + (metric**2 if len(single) < len(values) else 0.0)
        told = math.log(mean), float(row.weights.sum()), _scatter(single, centre)
        columns.append((*told, freedom, extra, row.cold))
    where = tuple(row.where for row in known)
    longest = Longest(*np.asarray([_longest(row) for row in known]).T)
    log_mean, count, scatter, freedom, extra, cold = np.asarray(columns).T
    return Observations(where, log_mean, count, scatter, freedom, extra, cold, used_mb, longest)


def _scatter(values: Floats, mean: float) -> float:
    return float((((values - mean) / mean) ** 2).sum())


def _longest(row: _Row) -> tuple[float, float, float]:
    """What `Longest` says of one row: only whole invocations that were seen one by one count."""
    values = np.sort(np.maximum(row.durations, _SMALLEST_MS))
    if len(values) == 1 or not row.whole or (row.weights != 1.0).any():
        return -math.inf, 0.0, 0.0
    rest = values[:-1]
    mean = float(rest.mean())
    return math.log(values[-1]), math.log(mean), _scatter(rest, mean)


@dataclass(frozen=True, slots=True)
class MemoryFloor:
    """The smallest memory size that may be proposed, and why.

    Attributes:
        memory_mb: Smallest allowed size in MB; 0 where nothing is known against any.
        reason: What the floor rests on.
        triable_mb: Smallest size in MB that may be measured: after a crash, sizes between it and
            the smallest one that ran are unproven, so they may be tried but not proposed.
    """

    memory_mb: int
    reason: str
    triable_mb: int


def memory_floor(evidence: Evidence, headroom: float) -> MemoryFloor:
    """Sizes that ran are allowed; untried smaller ones must hold what was used plus headroom.

    Where many invocations tell their memory, any size must hold nearly all of their spread, too: one
    invocation that ran does not show that one in fifty is killed.

    Args:
        evidence: Everything seen.
        headroom: Share of Max Memory Used to be kept free below the smallest size that ran.
    """
    found = _floor_of_what_ran(evidence, headroom)
    needed = floor_of_the_spread(evidence)
    return found if needed is None or needed.memory_mb <= found.memory_mb else needed


def needed_memory_mb(used_mb: Sequence[float], killed: int, size_mb: float) -> float | None:
    """The memory in MB that all but two in a thousand invocations get by with; None if too few.

    The upper half of Max Memory Used is taken to fall off exponentially, and an invocation that
    was killed for want of memory to have needed more than there was: the mean excess over the
    median is the sum of all excesses over the number of those that were seen whole (the estimate
    of greatest likelihood for censored exponentials). Environments that gather memory over their
    life, and payloads of many sizes, have such a tail; where memory is always alike, it is short.

    Args:
        used_mb: Of each invocation that ended well.
        killed: How many ran out of memory.
        size_mb: Memory size that they ran on.
    """
    total = len(used_mb) + killed
    if total < _ENOUGH_TO_SEE_A_SPREAD or killed * 2 >= total:
        return None
    ordered = np.sort(np.asarray(used_mb, dtype=float))
    middle = float(ordered[total // 2])
    above = ordered[total // 2 + 1 :]
    if len(above) < _ENOUGH_ABOVE:
        return None
    excess = float((above - middle).sum()) + killed * max(size_mb - middle, 0.0)
    return middle + excess / len(above) * math.log(0.5 / _TOLERATED_KILLED_SHARE)


def floor_of_the_spread(evidence: Evidence) -> MemoryFloor | None:
    """What the spread of memory over many invocations asks for; None where there are too few.

    The size that shows the least counts, as runtimes grow into larger ones; and a size at which
    hundreds ran, none of which was killed, is room enough.
    """
    found = []
    for summary in evidence.summaries():
        size = summary.configuration.memory_mb
        needed = needed_memory_mb(summary.used_mb, summary.out_of_memory, size)
        if needed is None:
            continue
        proven = summary.succeeded >= _PROVEN and not summary.out_of_memory
        found.append((min(needed, size) if proven else needed, summary))
    if not found:
        return None
    needed, summary = min(found, key=lambda pair: pair[0])
    killed = f", and {summary.out_of_memory} ran out of it" if summary.out_of_memory else ""
    reason = (
        f"Memory in use spreads up to {max(summary.used_mb):.0f} MB over {len(summary.used_mb)} "
        f"invocations at {summary.configuration}{killed}; about {math.ceil(needed)} MB are enough "
        f"for all but {_TOLERATED_KILLED_SHARE:.1%}."
    )
    return MemoryFloor(math.ceil(needed), reason, math.ceil(needed))


def _floor_of_what_ran(evidence: Evidence, headroom: float) -> MemoryFloor:
    summaries = evidence.summaries()
    crashed = max((s.configuration.memory_mb for s in summaries if s.out_of_memory), default=0)
    ran = [s for s in summaries if s.succeeded and s.configuration.memory_mb > crashed]
    lowest = min((s.configuration.memory_mb for s in ran), default=None)
    if crashed:
        # What was used is no guide any more: it did not foretell the crash.
        floor = crashed + 1 if lowest is None else lowest
        reason = f"Out of memory at {crashed} MB; the smallest size above it that ran counts."
        return MemoryFloor(floor, reason, crashed + 1)
    used = [s.max_memory_used_mb for s in ran if s.max_memory_used_mb is not None]
    if used and lowest is not None:
        # The smallest heap that did the work tells most; runtimes grow into larger sizes.
        needed = int(np.ceil(min(used) * (1 + headroom)))
        floor = min(needed, lowest)
        reason = f"Max Memory Used is {min(used)} MB; {headroom:.0%} is kept free."
        return MemoryFloor(floor, reason, floor)
    return MemoryFloor(0, "Nothing is known about the memory that is used.", 0)


def memory_used(evidence: Evidence) -> float | None:
    """Memory that an invocation uses in MB: the least that any size reported; None if unknown.

    Runtimes grow into larger sizes, so the smallest figure says most about what is needed.
    """
    used = [
        float(summary.max_memory_used_mb)
        for summary in evidence.summaries()
        if summary.succeeded and summary.max_memory_used_mb
    ]
    return min(used, default=None)
