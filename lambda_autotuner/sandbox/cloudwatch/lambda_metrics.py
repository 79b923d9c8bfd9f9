"""The AWS/Lambda metrics, read off the account's telemetry.

Per invocation: Invocations 1; Errors 0 or 1 (so that its average is the error rate); Duration in
milliseconds, failed and timed-out ones included; Throttles 0 for an invocation and 1 for a
refused request, which is no invocation. Concurrency is one value a minute.

Source: AWS Lambda Developer Guide, "Types of metrics for Lambda functions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.cloudwatch.recorded import Dimensions
from lambda_autotuner.sandbox.cloudwatch.series import MetricData
from lambda_autotuner.sandbox.state import RegionState
from lambda_autotuner.sandbox.world import telemetry
from lambda_autotuner.sandbox.world.columns import Columns

NAMESPACE: Final = "AWS/Lambda"
_THROTTLED: Final = 4
_CONCURRENCY: Final = ("ConcurrentExecutions", "UnreservedConcurrentExecutions")
PER_FUNCTION: Final = ("Invocations", "Duration", "Errors", "Throttles", "ConcurrentExecutions")
PROVISIONED: Final = (
    "ProvisionedConcurrentExecutions",
    "ProvisionedConcurrencyInvocations",
    "ProvisionedConcurrencySpilloverInvocations",
    "ProvisionedConcurrencyUtilization",
)
ACCOUNT_WIDE: Final = (*PER_FUNCTION, "UnreservedConcurrentExecutions")


@dataclass(slots=True)
class LambdaMetrics:
    """Reads the metrics of one region in one window; columns are fetched once a function."""

    region: RegionState
    start_ms: int
    end_ms: int
    _columns: dict[str, Columns] = field(default_factory=dict)

    def read(self, metric: str, dimensions: Dimensions) -> list[MetricData]:
        """The observations of a metric; empty when it has no such dimensions or no data."""
        wanted = dict(dimensions)
        if not wanted:
            return self._account_wide(metric)
        name = wanted.pop("FunctionName", None)
        if name is None:
            return []
        resource = wanted.pop("Resource", None)
        version = wanted.pop("ExecutedVersion", None)
        if wanted or (version is not None and resource is None):
            return []
        qualifier = _qualifier(name, resource)
        if qualifier is None:
            return []
        data = self._function(metric, name, qualifier if resource else None, version)
        return [data] if data is not None and not data.empty else []

    def columns(self, name: str) -> Columns:
        """The telemetry of a function in the window."""
        found = self._columns.get(name)
        if found is None:
            found = telemetry.columns(self.region, name, self.start_ms, self.end_ms)
            self._columns[name] = found
        return found

    def _function(
        self, metric: str, name: str, qualifier: str | None, version: str | None
    ) -> MetricData | None:
        if metric in PROVISIONED:
            return self._provisioned(metric, name, qualifier)
        if metric == "ConcurrentExecutions":
            if version is not None:
                return None
            times, values = telemetry.concurrency(
                self.region, name, self.start_ms, self.end_ms, qualifier
            )
            return MetricData("Count", times, values, np.ones(len(times)))
        if metric not in PER_FUNCTION:
            return None
        return _per_invocation(metric, self.columns(name), qualifier, version)

    def _account_wide(self, metric: str) -> list[MetricData]:
        if metric not in ACCOUNT_WIDE:
            return []
        names = sorted({name for name, _ in telemetry.metric_catalogue(self.region)})
        if metric in _CONCURRENCY:
            return self._total_concurrency(metric, names)
        parts = [
            data
            for name in names
            if (data := _per_invocation(metric, self.columns(name), None, None)) is not None
        ]
        if not parts:
            return []
        times = np.concatenate([part.timestamp_ms for part in parts])
        order = np.argsort(times, kind="stable")
        values = np.concatenate([part.values for part in parts])[order]
        weights = np.concatenate([part.weights for part in parts])[order]
        return [MetricData(parts[0].unit, times[order], values, weights)] if len(times) else []

    def _total_concurrency(self, metric: str, names: list[str]) -> list[MetricData]:
        total: dict[int, float] = {}
        for name in names:
            record = self.region.functions.get(name)
            reserved = record is not None and record.reserved_concurrency is not None
            if metric != "ConcurrentExecutions" and reserved:
                continue
            times, values = telemetry.concurrency(
                self.region, name, self.start_ms, self.end_ms, None
            )
            for time, value in zip(times.tolist(), values.tolist(), strict=True):
                total[time] = total.get(time, 0.0) + value
        if not total:
            return []
        times = np.array(sorted(total), np.int64)
        values = np.array([total[time] for time in times.tolist()])
        return [MetricData("Count", times, values, np.ones(len(times)))]

    def _provisioned(self, metric: str, name: str, qualifier: str | None) -> MetricData | None:
        record = self.region.functions.get(name)
        if record is None:
            return None
        wanted = [qualifier] if qualifier else list(record.provisioned)
        parts = [part for item in wanted if (part := self._of_alias(metric, name, item))]
        if not parts:
            return None
        times = np.concatenate([part.timestamp_ms for part in parts])
        order = np.argsort(times, kind="stable")
        values = np.concatenate([part.values for part in parts])[order]
        weights = np.concatenate([part.weights for part in parts])[order]
        return MetricData(parts[0].unit, times[order], values, weights)

    def _of_alias(self, metric: str, name: str, qualifier: str) -> MetricData | None:
        """Provisioned environments take what they can; the rest spills over."""
        record = self.region.functions[name]
        provisioned = record.provisioned.get(qualifier)
        if provisioned is None or not provisioned.requested:
            return None
        times, busy = telemetry.concurrency(
            self.region, name, self.start_ms, self.end_ms, qualifier
        )
        taken = np.minimum(busy, provisioned.requested)
        if metric == "ProvisionedConcurrentExecutions":
            return MetricData("Count", times, taken, np.ones(len(times)))
        if metric == "ProvisionedConcurrencyUtilization":
            share = taken / provisioned.requested
            return MetricData("None", times, share, np.ones(len(times)))
        invocations = _per_invocation("Invocations", self.columns(name), qualifier, None)
        if invocations is None or not len(times):
            return None
        minute = np.searchsorted(times, invocations.timestamp_ms // 60_000 * 60_000)
        minute = np.minimum(minute, len(times) - 1)
        share = np.divide(taken, busy, out=np.ones(len(busy)), where=busy > 0)[minute]
        if metric == "ProvisionedConcurrencySpilloverInvocations":
            share = 1.0 - share
        weights = np.rint(invocations.weights * share)
        keep = weights > 0
        return MetricData(
            "Count",
            invocations.timestamp_ms[keep],
            np.ones(int(keep.sum())),
            weights[keep],
        )


def _qualifier(name: str, resource: str | None) -> str | None:
    """The alias or version of a Resource ("" for the function itself); None for a mismatch."""
    if resource is None or resource == name:
        return ""
    owner, _, qualifier = resource.partition(":")
    return qualifier if owner == name and qualifier else None


def _per_invocation(
    metric: str, columns: Columns, qualifier: str | None, version: str | None
) -> MetricData | None:
    keep = _selected(columns, qualifier, version)
    throttled = columns.outcome == _THROTTLED
    if metric != "Throttles" and throttled.any():
        keep = ~throttled if keep is None else keep & ~throttled
    times, weights, outcome = columns.timestamp_ms, columns.weight, columns.outcome
    duration = columns.duration_ms
    if keep is not None:
        times, weights, outcome, duration = (
            times[keep],
            weights[keep],
            outcome[keep],
            duration[keep],
        )
    unit = "Count"
    if metric == "Duration":
        values, unit = duration, "Milliseconds"
    elif metric == "Errors":
        values = (outcome != 0).astype(np.float64)
    elif metric == "Throttles":
        values = (outcome == _THROTTLED).astype(np.float64)
    else:
        values = np.ones(len(times))
    return MetricData(unit, times, values, weights.astype(np.float64))


def _selected(
    columns: Columns, qualifier: str | None, version: str | None
) -> NDArray[np.bool_] | None:
    """Which rows a Resource and an ExecutedVersion mean; None for all of them."""
    keep: NDArray[np.bool_] | None = None
    if qualifier is not None:
        keep = _equal(columns.qualifier, columns.qualifiers, qualifier)
    if version is not None:
        right = _equal(columns.version, columns.versions, version)
        keep = right if keep is None else keep & right
    return keep


def _equal(column: NDArray[np.int64], names: tuple[str, ...], name: str) -> NDArray[np.bool_]:
    if name not in names:
        return np.zeros(len(column), np.bool_)
    same: NDArray[np.bool_] = column == names.index(name)
    return same


def catalogue(
    region: RegionState,
    metric: str | None,
    required: Mapping[str, str | None],
    first: str = "",
) -> Iterator[tuple[str, Dimensions]]:
    """What ListMetrics lists: (metric name, dimensions), filtered, from function `first` on."""
    if not required and not first:
        yield from ((name, ()) for name in ACCOUNT_WIDE if metric in (None, name))
    if not set(required) <= {"FunctionName", "Resource", "ExecutedVersion"}:
        return
    for function, qualifier in telemetry.metric_catalogue(region, first):
        if required.get("FunctionName") not in (None, function):
            continue
        for dimensions in _dimension_sets(region, function, qualifier):
            held = dict(dimensions)
            if all(key in held and value in (None, held[key]) for key, value in required.items()):
                names = _metric_names(region, function, qualifier, dimensions)
                yield from ((name, dimensions) for name in names if metric in (None, name))


def _dimension_sets(
    region: RegionState, function: str, qualifier: str | None
) -> Iterator[Dimensions]:
    if qualifier is None:
        yield (("FunctionName", function),)
        return
    resource = f"{function}:{qualifier}" if qualifier else function
    yield (("FunctionName", function), ("Resource", resource))
    record = region.functions.get(function)
    alias = record.aliases.get(qualifier) if record is not None and qualifier else None
    if alias is not None:
        for version in sorted({alias.version, *alias.weights}):
            yield (
                ("ExecutedVersion", version),
                ("FunctionName", function),
                ("Resource", resource),
            )


def _metric_names(
    region: RegionState, function: str, qualifier: str | None, dimensions: Dimensions
) -> tuple[str, ...]:
    if len(dimensions) == 3:  # noqa: PLR2004 - concurrency is not told per executed version
        return PER_FUNCTION[:-1]
    record = region.functions.get(function)
    if record is not None and qualifier in record.provisioned:
        return (*PER_FUNCTION, *PROVISIONED)
    return PER_FUNCTION
