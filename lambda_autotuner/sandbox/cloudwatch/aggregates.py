"""Aggregated datapoints of generated traffic, kept so that they are computed once.

Dashboards and scans ask for the same statistic of the same window again and again, and accounts
that nobody changed tell the same. What was kept is named after everything that it follows from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from lambda_autotuner.sandbox.cloudwatch import lambda_metrics
from lambda_autotuner.sandbox.cloudwatch.recorded import Key
from lambda_autotuner.sandbox.cloudwatch.series import NO_POINTS, Points, aggregate
from lambda_autotuner.sandbox.cloudwatch.source import Source
from lambda_autotuner.sandbox.cloudwatch.statistics import (
    Floats,
    Grouped,
    Integers,
    Statistic,
    group,
)
from lambda_autotuner.sandbox.state import RegionState
from lambda_autotuner.sandbox.world import telemetry

_MOST_POINTS: Final = 1_500_000
_MOST_SORTED: Final = 4
_Name: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Which periods: starts at `anchor_ms` + k * `period_ms`, data of [first_ms, end_ms)."""

    anchor_ms: int
    period_ms: int
    first_ms: int
    end_ms: int


class _Kept:
    """The datapoints used last, up to a number of points in all."""

    def __init__(self) -> None:
        self.entries: OrderedDict[_Name, tuple[Points, tuple[str, ...]]] = OrderedDict()
        self.points = 0

    def get(self, name: _Name) -> tuple[Points, tuple[str, ...]] | None:
        found = self.entries.get(name)
        if found is not None:
            self.entries.move_to_end(name)
        return found

    def put(self, name: _Name, value: tuple[Points, tuple[str, ...]]) -> None:
        self.entries[name] = value
        self.points += len(value[0].values) + 8
        while self.points > _MOST_POINTS and len(self.entries) > 1:
            _, dropped = self.entries.popitem(last=False)
            self.points -= len(dropped[0].values) + 8


_kept = _Kept()
_sorted: OrderedDict[_Name, Grouped] = OrderedDict()


def datapoints(
    source: Source, key: Key, statistic: Statistic, unit: str | None, window: Window
) -> tuple[Points, tuple[str, ...]]:
    """Datapoints of one metric, and the units that there are; without a unit the first counts."""
    name = _name(source.region, key, statistic.name, unit, window)
    if name is not None and (found := _kept.get(name)) is not None:
        return found
    data = source.read(key, window.first_ms, window.end_ms)
    if unit is not None:
        data = [item for item in data if item.unit == unit]
    points = NO_POINTS
    if data:
        sort = _sorting(source.region, key, unit, window)
        points = aggregate(data[0], statistic, window.anchor_ms, window.period_ms, sort)
    result = points, tuple(item.unit for item in data)
    if name is not None:
        _kept.put(name, result)
    return result


def _sorting(
    region: RegionState, key: Key, unit: str | None, window: Window
) -> Callable[[Integers, Floats, Floats], Grouped]:
    """Sorting that is done once for all percentiles of the same metric, asked one after another."""
    name = _name(region, key, "", unit, window)
    if name is None:
        return group

    def sort(buckets: Integers, values: Floats, weights: Floats) -> Grouped:
        found = _sorted.get(name)
        if found is None:
            found = _sorted[name] = group(buckets, values, weights)
            while len(_sorted) > _MOST_SORTED:
                _sorted.popitem(last=False)
        return found

    return sort


def _name(
    region: RegionState, key: Key, statistic: str, unit: str | None, window: Window
) -> _Name | None:
    """Everything that datapoints follow from; None for what is not kept."""
    function = dict(key[2]).get("FunctionName")
    if key[0] != lambda_metrics.NAMESPACE or function is None:
        return None
    records = telemetry.records(region, function)
    if not records or any(len(record.log) for record in records):
        return None
    now_ms = region.account.world.clock.now_ms()
    pristine = not any(record.stamp for record in records)
    owner = "" if pristine else f"{region.account.account_id}/{region.name}"
    state = tuple(
        (
            record.key, record.created_ms, record.stamp, record.deleted_ms,
            record.reserved_concurrency,
            tuple((name, item.requested) for name, item in record.provisioned.items()),
        )
        for record in records
    )  # fmt: skip
    # The clock moves with every request; what there is to aggregate grows only with its rows.
    until_ms = window.end_ms
    if until_ms > now_ms:
        until_ms = telemetry.latest_ms(region, function, window.first_ms, until_ms)
    return (
        owner, state, region.account.aged_ms, key, statistic, unit,
        window.anchor_ms, window.period_ms, window.first_ms, until_ms,
    )  # fmt: skip
