"""Where a metric's observations come from: Lambda's telemetry, or what clients put."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import lambda_metrics
from lambda_autotuner.sandbox.cloudwatch.lambda_metrics import LambdaMetrics
from lambda_autotuner.sandbox.cloudwatch.recorded import Dimensions, Key, RecordedMetrics
from lambda_autotuner.sandbox.cloudwatch.series import MetricData
from lambda_autotuner.sandbox.state import RegionState

STATE_KEY = "cloudwatch-metrics"


@dataclass(slots=True)
class Source:
    """Reads metrics of one region; keeps what it fetched for as long as one request takes."""

    region: RegionState
    _windows: dict[tuple[int, int], LambdaMetrics] = field(default_factory=dict)

    def read(self, key: Key, start_ms: int, end_ms: int) -> list[MetricData]:
        """Observations in [start_ms, end_ms), one item per unit in alphabetical order."""
        namespace, metric, dimensions = key
        if namespace == lambda_metrics.NAMESPACE:
            window = (start_ms, end_ms)
            reader = self._windows.get(window)
            if reader is None:
                reader = LambdaMetrics(self.region, start_ms, end_ms)
                self._windows[window] = reader
            return reader.read(metric, dimensions)
        return recorded(self.region).read(key, start_ms, end_ms)

    def list(
        self,
        namespace: str | None,
        metric: str | None,
        required: Mapping[str, str | None],
        after: Key | None = None,
    ) -> Iterator[Key]:
        """Metrics that match, in a stable order, after the one given.

        A required dimension of None means any value.
        """
        past = after is not None and after[0] != lambda_metrics.NAMESPACE
        if namespace in (None, lambda_metrics.NAMESPACE) and not past:
            yield from self._of_lambda(metric, required, after)
        for key in sorted(recorded(self.region).metrics):
            if past and after is not None and key <= after:
                continue
            if namespace in (None, key[0]) and metric in (None, key[1]) and _has(key[2], required):
                yield key

    def _of_lambda(
        self, metric: str | None, required: Mapping[str, str | None], after: Key | None
    ) -> Iterator[Key]:
        """Lambda's own metrics; a page goes on within the function that the last one ended in."""
        first = dict(after[2]).get("FunctionName", "") if after is not None else ""
        passed = after is None
        for name, dimensions in lambda_metrics.catalogue(self.region, metric, required, first):
            key = (lambda_metrics.NAMESPACE, name, dimensions)
            if not passed:
                passed = key == after
                if passed or dict(dimensions).get("FunctionName", "") == first:
                    continue
                passed = True
            yield key

    def latest_ms(self, key: Key) -> int | None:
        """Newest observation of a metric that a client put; None for Lambda's own."""
        units = recorded(self.region).metrics.get(key)
        return max(item.latest_ms for item in units.values()) if units else None


def _has(dimensions: Dimensions, required: Mapping[str, str | None]) -> bool:
    held = dict(dimensions)
    return all(name in held and value in (None, held[name]) for name, value in required.items())


def recorded(region: RegionState) -> RecordedMetrics:
    """What clients put into a region."""
    return region.extension(STATE_KEY, RecordedMetrics)


def of(call: Call) -> Source:
    """The metrics that a request sees."""
    return Source(call.region)
