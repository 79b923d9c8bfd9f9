"""What a metric holds and how periods aggregate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lambda_autotuner.sandbox.cloudwatch.statistics import (
    SIMPLE,
    Floats,
    Grouped,
    Integers,
    Statistic,
    group,
    statistic_of,
)

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
# How long CloudWatch keeps data of which granularity (user guide, "Metrics retention").
_RETENTION: Final = (
    (60_000, 3 * 3_600_000),
    (300_000, 15 * DAY_MS),
    (3_600_000, 63 * DAY_MS),
)
_LONGEST_MS: Final = 455 * DAY_MS


@dataclass(frozen=True, slots=True)
class StatisticSets:
    """Observations that came as sums: count, sum, minimum and maximum at a time each."""

    timestamp_ms: Integers
    counts: Floats
    sums: Floats
    minima: Floats
    maxima: Floats


@dataclass(frozen=True, slots=True)
class MetricData:
    """Weighted observations of one metric in one unit, in time order, and statistic sets."""

    unit: str
    timestamp_ms: Integers
    values: Floats
    weights: Floats
    sets: StatisticSets | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was observed."""
        return not len(self.timestamp_ms) and self.sets is None


@dataclass(frozen=True, slots=True)
class Points:
    """A time series: one value per period start, ascending, none missing in between by force."""

    timestamp_ms: Integers
    values: Floats


NO_POINTS: Final = Points(np.empty(0, np.int64), np.empty(0, np.float64))


def rounded_time(time_ms: int, period_ms: int, now_ms: int) -> int:
    """The start or end that CloudWatch uses: rounded down, the more so the older it is."""
    age = now_ms - time_ms
    if period_ms < MINUTE_MS and age <= _RETENTION[0][1]:
        step = period_ms
    elif age <= _RETENTION[1][1]:
        step = MINUTE_MS
    elif age <= _RETENTION[2][1]:
        step = 300_000
    else:
        step = 3_600_000
    return time_ms // step * step


def retained_from(period_ms: int, now_ms: int) -> int:
    """The oldest time of which data in periods of `period_ms` is still kept."""
    for limit_ms, kept_ms in _RETENTION:
        if period_ms < limit_ms:
            return now_ms - kept_ms
    return now_ms - _LONGEST_MS


def aggregate(
    data: MetricData,
    statistic: Statistic,
    anchor_ms: int,
    period_ms: int,
    sort: Callable[[Integers, Floats, Floats], Grouped] = group,
) -> Points:
    """One value per period with data; periods start at `anchor_ms` + k * `period_ms`.

    `sort` is what puts observations in order, for callers that keep what was sorted.
    """
    if data.sets is not None:
        return _with_sets(data, statistic, anchor_ms, period_ms)
    if not len(data.timestamp_ms):
        return NO_POINTS
    buckets = (data.timestamp_ms - anchor_ms) // period_ms
    if statistic.kind in SIMPLE:
        found, values = _simple(buckets, data.values, data.weights, statistic.kind)
    else:
        samples = sort(buckets, data.values, data.weights)
        found, values = samples.buckets, statistic_of(samples, statistic)
    defined = ~np.isnan(values)
    if not defined.all():
        found, values = found[defined], values[defined]
    return Points(found * period_ms + anchor_ms, values)


def _simple(
    buckets: Integers, values: Floats, weights: Floats, kind: str
) -> tuple[Integers, Floats]:
    """Sums and extremes need no sorting by value: the samples are in time order already."""
    first = np.concatenate(([0], np.flatnonzero(np.diff(buckets)) + 1))
    found = buckets[first]
    result: Floats
    if kind == "Minimum":
        result = np.minimum.reduceat(values, first)
    elif kind == "Maximum":
        result = np.maximum.reduceat(values, first)
    else:
        counts = np.add.reduceat(weights, first)
        result = counts
        if kind != "SampleCount":
            result = np.add.reduceat(values * weights, first)
            if kind == "Average":
                result = result / counts
    return found, result


def _with_sets(data: MetricData, statistic: Statistic, anchor_ms: int, period_ms: int) -> Points:
    """Statistic sets add to sums and extremes; a set of equal values is a distribution too."""
    sets = data.sets
    assert sets is not None  # noqa: S101 - the caller looked
    if statistic.needs_distribution:
        plain = (sets.counts == 1) | (sets.minima == sets.maxima)
        buckets = (sets.timestamp_ms - anchor_ms) // period_ms
        spoiled = np.unique(buckets[~plain])
        merged = _merged(data, sets.timestamp_ms[plain], sets.minima[plain], sets.counts[plain])
        points = aggregate(merged, statistic, anchor_ms, period_ms)
        found = (points.timestamp_ms - anchor_ms) // period_ms
        keep = ~np.isin(found, spoiled)
        return Points(points.timestamp_ms[keep], points.values[keep])
    if statistic.kind == "Minimum":
        merged = _merged(data, sets.timestamp_ms, sets.minima, sets.counts)
    elif statistic.kind == "Maximum":
        merged = _merged(data, sets.timestamp_ms, sets.maxima, sets.counts)
    else:
        merged = _merged(data, sets.timestamp_ms, sets.sums / sets.counts, sets.counts)
    return aggregate(merged, statistic, anchor_ms, period_ms)


def _merged(
    data: MetricData, timestamp_ms: Integers, values: Floats, weights: Floats
) -> MetricData:
    times = np.concatenate((data.timestamp_ms, timestamp_ms))
    order = np.argsort(times, kind="stable")
    return MetricData(
        data.unit,
        times[order],
        np.concatenate((data.values, values))[order],
        np.concatenate((data.weights, weights))[order],
    )


def window(data: MetricData, start_ms: int, end_ms: int) -> MetricData:
    """The part of `data` in [start_ms, end_ms)."""
    low, high = np.searchsorted(data.timestamp_ms, (start_ms, end_ms))
    sets = data.sets
    if sets is not None:
        begin, end = np.searchsorted(sets.timestamp_ms, (start_ms, end_ms))
        sets = (
            None
            if begin == end
            else StatisticSets(
                sets.timestamp_ms[begin:end],
                sets.counts[begin:end],
                sets.sums[begin:end],
                sets.minima[begin:end],
                sets.maxima[begin:end],
            )
        )
    return MetricData(
        data.unit, data.timestamp_ms[low:high], data.values[low:high], data.weights[low:high], sets
    )
