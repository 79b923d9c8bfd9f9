"""Statistics of weighted samples, as CloudWatch defines them.

A sample is a (value, count) pair: `count` equal observations. Percentiles interpolate linearly
between order statistics, like `numpy.percentile` on the expanded samples. Trimming drops whole
observations, as the user guide words it ("after removing the 10 % of data points with the
highest values"): floor(n * share) at each end.

Source: Amazon CloudWatch User Guide, "CloudWatch statistics definitions".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Kind = Literal[
    "SampleCount", "Average", "Sum", "Minimum", "Maximum", "p", "TM", "WM", "TC", "TS", "PR"
]
SIMPLE: Final = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
# Samples a bucket above which sorting bucket by bucket is quicker than all at once.
_FEW_A_BUCKET: Final = 50
_SHORT = re.compile(r"(?P<kind>p|tm|wm|tc|ts)(?P<high>\d{1,3}(?:\.\d{0,10})?)\Z")
_RANGE = re.compile(
    r"(?P<kind>TM|WM|TC|TS|PR)\((?P<low>\d+(?:\.\d+)?)?(?P<low_pct>%)?:"
    r"(?P<high>\d+(?:\.\d+)?)?(?P<high_pct>%)?\)\Z"
)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic: for ranges `low` and `high` are percent, or values when `absolute`."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 100.0
    absolute: bool = False

    @property
    def needs_distribution(self) -> bool:
        """Whether sums and extremes do not suffice, and single observations are needed."""
        return self.kind not in SIMPLE


def parse_statistic(name: str) -> Statistic | None:
    """Read `Sum`, `p99.9`, `tm95`, `IQM`, `TM(10%:90%)`, `PR(:300)`; None when it is not one."""
    if name in SIMPLE:
        return Statistic(name, name)  # type: ignore[arg-type]
    if name.upper() == "IQM":
        return Statistic(name, "TM", 25.0, 75.0)
    if match := _SHORT.match(name):
        high = float(match["high"])
        if high > 100:  # noqa: PLR2004 - a percentage
            return None
        kind: Kind = "p" if match["kind"] == "p" else match["kind"].upper()  # type: ignore[assignment]
        return Statistic(name, kind, 0.0, high)
    return _parse_range(name)


def _parse_range(name: str) -> Statistic | None:
    match = _RANGE.match(name)
    if match is None or (match["low"] is None and match["high"] is None):
        return None
    marks = {bool(match[f"{side}_pct"]) for side in ("low", "high") if match[side] is not None}
    kind: Kind = match["kind"]  # type: ignore[assignment]
    if len(marks) != 1 or (kind == "PR" and marks == {True}):
        return None
    percent = marks.pop()
    low = float(match["low"]) if match["low"] is not None else (0.0 if percent else -np.inf)
    high = float(match["high"]) if match["high"] is not None else (100.0 if percent else np.inf)
    if low >= high or (percent and high > 100):  # noqa: PLR2004 - a percentage
        return None
    return Statistic(name, kind, low, high, absolute=not percent)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Weighted samples sorted by (bucket, value), ready for any statistic of every bucket.

    Attributes:
        buckets: the bucket numbers that hold at least one sample, ascending, shape (g,).
        first: index of each bucket's first sample, shape (g,).
        values: sample values, shape (n,).
        weights: how often each value was observed (> 0), shape (n,).
        ahead: running count of observations before each sample, shape (n + 1,).
    """

    buckets: Integers
    first: Integers
    values: Floats
    weights: Floats
    ahead: Floats

    @property
    def last(self) -> Integers:
        """One past the index of each bucket's last sample, shape (g,)."""
        return np.append(self.first[1:], len(self.values)).astype(np.int64)

    @property
    def totals(self) -> Floats:
        """Observations in each bucket, shape (g,)."""
        totals: Floats = self.ahead[self.last] - self.ahead[self.first]
        return totals


def group(buckets: Integers, values: Floats, weights: Floats) -> Grouped:
    """Sort samples by bucket and value; samples observed zero times do not count."""
    positive = weights > 0
    if not positive.all():
        buckets, values, weights = buckets[positive], values[positive], weights[positive]
    order = _order(buckets, values)
    buckets, values, weights = buckets[order], values[order], weights[order]
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[:1] - 1)).astype(np.int64)
    ahead = np.concatenate(([0.0], np.cumsum(weights, dtype=np.float64)))
    return Grouped(buckets[first].astype(np.int64), first, values, weights, ahead)


def _order(buckets: Integers, values: Floats) -> Integers:
    """The order by bucket and value; what lies in order of time needs sorting within buckets alone."""
    steps = np.diff(buckets)
    if (steps < 0).any():
        return np.lexsort((values, buckets))
    starts = [0, *(np.flatnonzero(steps) + 1).tolist(), len(buckets)]
    if len(starts) > len(buckets) // _FEW_A_BUCKET:
        return np.lexsort((values, buckets))
    order = np.empty(len(buckets), np.int64)
    for start, end in pairwise(starts):
        # Equal values are one value, whatever their order.
        np.add(np.argsort(values[start:end]), start, out=order[start:end])
    return order


def percentile(samples: Grouped, percent: float) -> Floats:
    """Linear-interpolation percentile of every bucket, shape (g,)."""
    rank = (samples.totals - 1.0) * (percent / 100.0)
    rank = np.maximum(rank, 0.0)  # fewer than one observation: the value itself
    below = np.floor(rank)
    share = rank - below
    start = samples.ahead[samples.first]
    end = samples.last - 1
    low = samples.values[_locate(samples, start + below, end)]
    high = samples.values[_locate(samples, start + below + 1.0, end)]
    result: Floats = np.where(
        share >= 0.5,  # noqa: PLR2004 - numpy interpolates from the nearer end, and so do we
        high - (high - low) * (1.0 - share),
        low + (high - low) * share,
    )
    return result


def _locate(samples: Grouped, position: Floats, end: Integers) -> Integers:
    """Index of the sample that holds the observation at `position`, kept inside its bucket."""
    index = np.searchsorted(samples.ahead[1:], position, side="right")
    located: Integers = np.minimum(index, end).astype(np.int64)
    return located


def statistic_of(samples: Grouped, statistic: Statistic) -> Floats:
    """Value of `statistic` for every bucket, shape (g,); NaN where it is not defined."""
    if not len(samples.buckets):
        return np.empty(0)
    if statistic.kind == "p":
        return percentile(samples, statistic.high)
    if statistic.kind in SIMPLE:
        return _simple(samples, statistic.kind)
    if statistic.absolute:
        return _absolute(samples, statistic)
    return _trimmed(samples, statistic)


def _simple(samples: Grouped, kind: str) -> Floats:
    if kind == "SampleCount":
        return samples.totals
    if kind == "Minimum":
        return samples.values[samples.first]
    if kind == "Maximum":
        return samples.values[samples.last - 1]
    sums: Floats = np.add.reduceat(samples.values * samples.weights, samples.first)
    return sums if kind == "Sum" else sums / samples.totals


def _absolute(samples: Grouped, statistic: Statistic) -> Floats:
    """Ranges of values: greater than the lower bound, at most the upper one."""
    inside = (samples.values > statistic.low) & (samples.values <= statistic.high)
    weights = np.where(inside, samples.weights, 0.0)
    kept = np.add.reduceat(weights, samples.first)
    if statistic.kind == "TC":
        return kept
    if statistic.kind == "PR":
        return 100.0 * kept / samples.totals
    values = samples.values
    if statistic.kind == "WM":
        clipped = np.clip(values, statistic.low, statistic.high)
        result: Floats = np.add.reduceat(clipped * samples.weights, samples.first) / samples.totals
        return result
    sums: Floats = np.add.reduceat(np.where(inside, values * weights, 0.0), samples.first)
    if statistic.kind == "TS":
        return sums
    return np.divide(sums, kept, out=np.full_like(sums, np.nan), where=kept > 0)


def _trimmed(samples: Grouped, statistic: Statistic) -> Floats:
    """Ranges of percent: whole observations are dropped (or clamped, for WM) at both ends."""
    totals = samples.totals
    tiny = 1e-9  # 0.1 * 30 is not 3 in binary; a share that means a whole number must be one
    cut_low = np.floor(totals * statistic.low / 100.0 + tiny)
    cut_high = np.floor(totals * (100.0 - statistic.high) / 100.0 + tiny)
    start = samples.ahead[samples.first]
    lower, upper = start + cut_low, start + totals - cut_high
    spread = np.diff(np.append(samples.first, len(samples.values)))
    floor = np.repeat(lower, spread)
    ceiling = np.repeat(upper, spread)
    begin, end = samples.ahead[:-1], samples.ahead[1:]
    kept = np.clip(np.minimum(end, ceiling) - np.maximum(begin, floor), 0.0, None)
    counts = np.add.reduceat(kept, samples.first)
    sums: Floats = np.add.reduceat(kept * samples.values, samples.first)
    if statistic.kind == "TC":
        return counts
    if statistic.kind == "TS":
        return sums
    if statistic.kind == "WM":
        lowest = samples.values[_locate(samples, lower, samples.last - 1)]
        highest = samples.values[_locate(samples, np.maximum(upper - 1.0, start), samples.last - 1)]
        result: Floats = (sums + cut_low * lowest + cut_high * highest) / totals
        return result
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
