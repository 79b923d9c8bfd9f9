"""Metrics that are written as log events, in the embedded metric format.

A message names namespaces, sets of dimensions and metrics below `_aws.CloudWatchMetrics`, and
holds their values as members of its own. What does not fit the format is a log event and nothing
else, as in AWS. Source: CloudWatch's "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import source
from lambda_autotuner.sandbox.cloudwatch.metrics import record
from lambda_autotuner.sandbox.cloudwatch.recorded import Dimensions

_MARK: Final = '"CloudWatchMetrics"'
_MOST_VALUES: Final = 100
_MOST_METRICS: Final = 100
_MOST_DIMENSIONS: Final = 30
_LARGEST: Final = 2.0**360  # CloudWatch's bound on a value
_OLDEST_MS: Final = 14 * 86_400_000
_NEWEST_MS: Final = 2 * 3_600_000


def keep(call: Call, message: str, time_ms: int) -> None:
    """Record the metrics that a message holds, if it holds any."""
    document = _document(message)
    if document is None:
        return
    stamp = document["_aws"].get("Timestamp")
    moment = stamp if isinstance(stamp, int) and not isinstance(stamp, bool) else time_ms
    if not call.now_ms - _OLDEST_MS <= moment <= call.now_ms + _NEWEST_MS:
        return
    recorded = source.recorded(call.region)
    for directive in _listed(document["_aws"].get("CloudWatchMetrics")):
        namespace = directive.get("Namespace")
        if not isinstance(namespace, str) or not namespace or namespace.startswith("AWS/"):
            continue
        for metric in _listed(directive.get("Metrics"))[:_MOST_METRICS]:
            name, unit = metric.get("Name"), metric.get("Unit")
            values = _values(document.get(str(name)))
            if not isinstance(name, str) or not values:
                continue
            item: dict[str, Any] = {"Values": values, "Timestamp": moment}
            if metric.get("StorageResolution") == 1:
                item["StorageResolution"] = 1
            in_unit = unit if isinstance(unit, str) else "None"
            for dimensions in _dimension_sets(directive, document):
                record(recorded.put((namespace, name, dimensions), in_unit), item, call.now_ms)


def _document(message: str) -> dict[str, Any] | None:
    if _MARK not in message:
        return None
    try:
        found = json.loads(message)
    except ValueError:
        return None
    fits = isinstance(found, dict) and isinstance(found.get("_aws"), dict)
    return found if fits else None


def _listed(given: Any) -> list[Mapping[str, Any]]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _values(given: Any) -> list[float]:
    items = given if isinstance(given, list) else [given]
    return [
        float(item)
        for item in items[:_MOST_VALUES]
        if isinstance(item, (int, float)) and not isinstance(item, bool) and abs(item) <= _LARGEST
    ]


def _dimension_sets(
    directive: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[Dimensions]:
    given = directive.get("Dimensions")
    for names in given if isinstance(given, list) and given else [[]]:
        if not isinstance(names, list) or len(names) > _MOST_DIMENSIONS:
            continue
        if all(isinstance(name, str) and isinstance(document.get(name), str) for name in names):
            yield tuple(sorted((name, document[name]) for name in names))
