"""Metrics that clients put: kept as they came, turned into arrays when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from lambda_autotuner.sandbox.cloudwatch.series import MetricData, StatisticSets, window

Dimensions: TypeAlias = tuple[tuple[str, str], ...]
Key: TypeAlias = tuple[str, str, Dimensions]  # namespace, metric name, sorted dimensions


def dimensions_of(items: Iterable[Mapping[str, Any]] | None) -> Dimensions:
    """The wire's list of Name and Value as a sorted tuple, which identifies a metric."""
    return tuple(sorted((item["Name"], item["Value"]) for item in items or ()))


@dataclass(slots=True)
class Recording:
    """What was put for one metric in one unit."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    # each is a time, a count, a sum, a minimum and a maximum
    sets: list[tuple[int, float, float, float, float]] = field(default_factory=list)

    def data(self, unit: str) -> MetricData:
        """Everything in time order."""
        times = np.array(self.times, np.int64)
        order = np.argsort(times, kind="stable")
        sets = None
        if self.sets:
            rows = sorted(self.sets)
            table = np.array([row[1:] for row in rows], np.float64).T
            sets = StatisticSets(np.array([row[0] for row in rows], np.int64), *table)
        return MetricData(
            unit,
            times[order],
            np.array(self.values, np.float64)[order],
            np.array(self.weights, np.float64)[order],
            sets,
        )

    @property
    def latest_ms(self) -> int:
        """Time of the newest observation."""
        return max([*self.times, *(row[0] for row in self.sets)], default=0)

    def age(self, delta_ms: int) -> None:
        """Move everything into the past."""
        self.times = [time - delta_ms for time in self.times]
        self.sets = [(row[0] - delta_ms, *row[1:]) for row in self.sets]


@dataclass(slots=True)
class RecordedMetrics:
    """Everything that was put into one account and region."""

    metrics: dict[Key, dict[str, Recording]] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Move everything into the past."""
        for units in self.metrics.values():
            for recording in units.values():
                recording.age(delta_ms)

    def put(self, key: Key, unit: str) -> Recording:
        """The recording to add to."""
        return self.metrics.setdefault(key, {}).setdefault(unit, Recording())

    def read(self, key: Key, start_ms: int, end_ms: int) -> list[MetricData]:
        """What was put in [start_ms, end_ms), one item per unit, units in alphabetical order."""
        found = []
        for unit, recording in sorted(self.metrics.get(key, {}).items()):
            data = window(recording.data(unit), start_ms, end_ms)
            if not data.empty:
                found.append(data)
        return found
