"""PutMetricData, GetMetricStatistics and ListMetrics."""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import source
from lambda_autotuner.sandbox.cloudwatch.aggregates import Window, datapoints
from lambda_autotuner.sandbox.cloudwatch.recorded import Key, Recording, dimensions_of
from lambda_autotuner.sandbox.cloudwatch.series import (
    DAY_MS,
    MINUTE_MS,
    retained_from,
    rounded_time,
)
from lambda_autotuner.sandbox.cloudwatch.statistics import SIMPLE, Statistic, parse_statistic
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

PAGE_SIZE: Final = 500
_MAX_DATAPOINTS: Final = 1440
_MAX_DIMENSIONS: Final = 30
_MAX_EXTENDED: Final = 10
_RECENT_MS: Final = 3 * 3_600_000


def combination_error(message: str) -> ServiceError:
    """Parameters that do not go together."""
    return ServiceError("InvalidParameterCombinationException", message)


def value_error(message: str) -> ServiceError:
    """A parameter that cannot have this value."""
    return ServiceError("InvalidParameterValueException", message)


@operation("cloudwatch", "PutMetricData")
def put_metric_data(call: Call, params: Params) -> Result:
    """Keep observations of custom metrics."""
    namespace = params["Namespace"]
    if namespace.startswith("AWS/"):
        raise value_error(f"The value {namespace} for parameter Namespace is invalid.")
    items = list(params.get("MetricData") or ())
    for group in params.get("EntityMetricData") or ():
        items.extend(group.get("MetricData") or ())
    for position, item in enumerate(items, 1):
        _check_datum(call, f"MetricData.member.{position}", item)
    recorded = source.recorded(call.region)
    for item in items:
        key = (namespace, item["MetricName"], dimensions_of(item.get("Dimensions")))
        record(recorded.put(key, item.get("Unit") or "None"), item, call.now_ms)
    return {}


def _check_datum(call: Call, where: str, item: Mapping[str, Any]) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if item.get(name) is not None]
    if len(given) > 1:
        raise combination_error(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive "
            "and you have specified both."
        )
    if not given:
        raise ServiceError(
            "MissingRequiredParameterException",
            f"At least one of the parameters must be specified for the metric {where}: "
            "Value, Values or StatisticValues.",
        )
    values, counts = item.get("Values"), item.get("Counts")
    if values is not None and counts is not None and len(values) != len(counts):
        raise value_error(
            f"The parameters {where}.Values and {where}.Counts must be of the same size."
        )
    if len(item.get("Dimensions") or ()) > _MAX_DIMENSIONS:
        raise value_error(
            f"The collection {where}.Dimensions must not have a size greater than "
            f"{_MAX_DIMENSIONS}."
        )
    numbers = [item["Value"]] if given == ["Value"] else list(values or ())
    numbers += list((item.get("StatisticValues") or {}).values()) + list(counts or ())
    for number in numbers:
        if not math.isfinite(number):
            raise value_error(f"The value {number} for parameter {where}.Value is invalid.")
    _check_time(call, where, item.get("Timestamp"))


def _check_time(call: Call, where: str, timestamp_ms: float | None) -> None:
    if timestamp_ms is None:
        return
    if timestamp_ms < call.now_ms - 14 * DAY_MS:
        raise value_error(
            f"The parameter {where}.Timestamp must specify a time within the past two weeks."
        )
    if timestamp_ms > call.now_ms + 2 * 3_600_000:
        raise value_error(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the "
            "future."
        )


def record(recording: Recording, item: Mapping[str, Any], now_ms: int) -> None:
    """Add one datum, in PutMetricData's shape, to what was put for its metric and unit."""
    stamp = item.get("Timestamp")
    time = int(now_ms if stamp is None else stamp)
    step = 1000 if item.get("StorageResolution") == 1 else MINUTE_MS
    time = time // step * step
    sets = item.get("StatisticValues")
    if sets is not None:
        if sets["SampleCount"] > 0:
            count, total = float(sets["SampleCount"]), float(sets["Sum"])
            recording.sets.append(
                (time, count, total, float(sets["Minimum"]), float(sets["Maximum"]))
            )
        return
    values = item.get("Values")
    values = [item["Value"]] if values is None else values
    counts = item.get("Counts") or [1.0] * len(values)
    recording.times.extend([time] * len(values))
    recording.values.extend(float(value) for value in values)
    recording.weights.extend(float(count) for count in counts)


@operation("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(call: Call, params: Params) -> Result:
    """Statistics of one metric, one datapoint a period and unit."""
    start_ms, end_ms = int(params["StartTime"]), int(params["EndTime"])
    period_s = int(params["Period"])
    names = _statistics(params)
    if start_ms >= end_ms:
        raise value_error("The parameter StartTime must be less than the parameter EndTime.")
    if period_s not in (1, 5, 10, 20, 30) and period_s % 60:
        raise value_error("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    requested = (end_ms - start_ms) // 1000 // period_s
    if requested > _MAX_DATAPOINTS:
        raise combination_error(
            f"You have requested up to {requested} datapoints, which exceeds the limit of "
            f"{_MAX_DATAPOINTS}. You may reduce the datapoints requested by increasing Period, or "
            "decreasing the time range."
        )
    period_ms = period_s * 1000
    anchor_ms = rounded_time(start_ms, period_ms, call.now_ms)
    first_ms = max(anchor_ms, retained_from(period_ms, call.now_ms))
    key = (params["Namespace"], params["MetricName"], dimensions_of(params.get("Dimensions")))
    last_ms = rounded_time(end_ms, period_ms, call.now_ms)
    if first_ms >= last_ms:
        return {"Label": params["MetricName"], "Datapoints": []}
    statistics = [found for name in names if (found := parse_statistic(name)) is not None]
    window = Window(anchor_ms, period_ms, first_ms, last_ms)
    read = source.of(call)
    wanted = params.get("Unit")
    units = (wanted,) if wanted else datapoints(read, key, statistics[0], None, window)[1]
    points = [point for unit in units for point in _datapoints(read, key, statistics, unit, window)]
    return {"Label": params["MetricName"], "Datapoints": points}


def _statistics(params: Params) -> list[str]:
    plain = params.get("Statistics") or []
    extended = params.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise ServiceError(
            "MissingRequiredParameterException",
            "Must specify either Statistics or ExtendedStatistics.",
        )
    if len(extended) > _MAX_EXTENDED:
        raise value_error(
            f"The collection ExtendedStatistics must not have a size greater than {_MAX_EXTENDED}."
        )
    for position, name in enumerate(extended, 1):
        if name in SIMPLE or parse_statistic(name) is None:
            raise value_error(
                f"The value {name} for parameter ExtendedStatistics.member.{position} is invalid."
            )
    return [*plain, *extended]


def _datapoints(
    read: source.Source, key: Key, statistics: list[Statistic], unit: str, window: Window
) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for statistic in statistics:
        points, _ = datapoints(read, key, statistic, unit, window)
        for time, value in zip(points.timestamp_ms.tolist(), points.values.tolist(), strict=True):
            row = rows.setdefault(time, {"Timestamp": time, "Unit": unit})
            if statistic.name in SIMPLE:
                row[statistic.name] = value
            else:
                row.setdefault("ExtendedStatistics", {})[statistic.name] = value
    return [rows[time] for time in sorted(rows)]


@operation("cloudwatch", "ListMetrics")
def list_metrics(call: Call, params: Params) -> Result:
    """Metrics with data in the last two weeks, 500 a page."""
    required = {item["Name"]: item.get("Value") for item in params.get("Dimensions") or ()}
    after = _key_of(params.get("NextToken"))
    found = source.of(call)
    keys = found.list(params.get("Namespace"), params.get("MetricName"), required, after)
    if params.get("RecentlyActive"):
        keys = (key for key in keys if _recent(call, found, key))
    page = list(itertools.islice(keys, PAGE_SIZE + 1))
    metrics = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions],
        }
        for namespace, name, dimensions in page[:PAGE_SIZE]
    ]
    reply: dict[str, Any] = {"Metrics": metrics}
    if len(page) > PAGE_SIZE:
        text = json.dumps(page[PAGE_SIZE - 1]).encode()
        reply["NextToken"] = base64.urlsafe_b64encode(text).decode()
    if params.get("IncludeLinkedAccounts"):
        reply["OwningAccounts"] = [call.account_id] * len(metrics)
    return reply


def _key_of(token: str | None) -> Key | None:
    """The metric after which a page begins."""
    if not token:
        return None
    try:
        namespace, name, dimensions = json.loads(base64.urlsafe_b64decode(token.encode()))
        return str(namespace), str(name), tuple((str(n), str(v)) for n, v in dimensions)
    except (ValueError, TypeError) as error:
        raise value_error("The parameter NextToken is not valid.") from error


def _recent(call: Call, found: source.Source, key: Key) -> bool:
    """Data in the last three hours."""
    start_ms = call.now_ms - _RECENT_MS
    latest_ms = found.latest_ms(key)
    if latest_ms is not None:
        return latest_ms >= start_ms
    return bool(found.read(key, start_ms, call.now_ms))
