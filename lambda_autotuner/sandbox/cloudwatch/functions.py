"""The functions of metric math.

Source: Amazon CloudWatch User Guide, "Functions supported for metric math". What needs another
service's data (anomaly bands, Contributor Insights, Performance Insights, Lambda connectors) is
refused by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from lambda_autotuner.sandbox.cloudwatch.expression_parser import ExpressionError
from lambda_autotuner.sandbox.cloudwatch.statistics import Floats
from lambda_autotuner.sandbox.cloudwatch.values import Scope, Series, Value, aligned, defined

Implementation: TypeAlias = Callable[[list[Value], Scope], Value]
_REDUCERS: Final[dict[str, Callable[[Floats], float]]] = {
    "AVG": lambda values: float(np.mean(values)),
    "MAX": lambda values: float(np.max(values)),
    "MIN": lambda values: float(np.min(values)),
    "SUM": lambda values: float(np.sum(values)),
    "STDDEV": lambda values: float(np.std(values)),
}


def _arguments(name: str, arguments: list[Value], low: int, high: int) -> list[Value]:
    if not low <= len(arguments) <= high:
        raise ExpressionError(f"Wrong number of arguments for function '{name}'")
    return arguments


def _series(name: str, value: Value) -> Series:
    if isinstance(value, Series):
        return value
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    raise ExpressionError(f"Function '{name}' needs a time series")


def _list(name: str, value: Value) -> list[Series]:
    if isinstance(value, list):
        return value
    if isinstance(value, Series):
        return [value]
    raise ExpressionError(f"Function '{name}' needs an array of time series")


def _reducer(name: str) -> Implementation:
    def function(arguments: list[Value], scope: Scope) -> Value:
        (value,) = _arguments(name, arguments, 1, 1)
        if isinstance(value, list):
            return _across(name, value, scope)
        if isinstance(value, float):
            return value
        series = _series(name, value)
        if not len(series.values):
            return series
        return _REDUCERS[name](series.values)

    return function


def _across(name: str, members: list[Series], scope: Scope) -> Series:
    """One series out of many: at each time over those that have a point there."""
    period_ms = min((item.period_ms for item in members), default=scope.default_period_ms)
    if not members:
        return Series(np.empty(0, np.int64), np.empty(0), period_ms, name)
    times = np.unique(np.concatenate([item.timestamp_ms for item in members]))
    table = np.full((len(members), len(times)), np.nan)
    for row, item in zip(table, members, strict=True):
        row[np.searchsorted(times, item.timestamp_ms)] = item.values
    if not len(times):
        return Series(times, np.empty(0), period_ms, name)
    reduce = {
        "AVG": np.nanmean,
        "MAX": np.nanmax,
        "MIN": np.nanmin,
        "SUM": np.nansum,
        "STDDEV": np.nanstd,
    }[name]
    return Series(times, reduce(table, axis=0), period_ms, name)  # type: ignore[operator]


def _mapped(name: str, apply: Callable[[Series], Series]) -> Implementation:
    """A function of a series that works on scalars and on every member of a list, too."""

    def function(arguments: list[Value], scope: Scope) -> Value:
        (value,) = _arguments(name, arguments, 1, 1)
        if isinstance(value, list):
            return [defined(apply(item)) for item in value]
        if isinstance(value, float):
            alone = Series(np.zeros(1, np.int64), np.array([value]), scope.default_period_ms)
            return float(apply(alone).values[0])
        return defined(apply(_series(name, value)))

    return function


def _elementwise(name: str, compute: Callable[[Floats], Floats]) -> Implementation:
    def apply(series: Series) -> Series:
        with np.errstate(all="ignore"):
            return replace(series, values=compute(series.values))

    return _mapped(name, apply)


def _rate(series: Series) -> Series:
    seconds = np.diff(series.timestamp_ms) / 1000.0
    return replace(
        series, timestamp_ms=series.timestamp_ms[1:], values=np.diff(series.values) / seconds
    )


def _diff(series: Series) -> Series:
    return replace(series, timestamp_ms=series.timestamp_ms[1:], values=np.diff(series.values))


def _diff_time(series: Series) -> Series:
    return replace(
        series,
        timestamp_ms=series.timestamp_ms[1:],
        values=np.diff(series.timestamp_ms) / 1000.0,
    )


def _calendar(part: Callable[[dt.datetime], float]) -> Callable[[Series], Series]:
    def apply(series: Series) -> Series:
        moments = (
            dt.datetime.fromtimestamp(item / 1000.0, tz=dt.UTC)
            for item in series.timestamp_ms.tolist()
        )
        return replace(series, values=np.array([part(moment) for moment in moments], np.float64))

    return apply


def _fill(arguments: list[Value], scope: Scope) -> Value:
    value, filler = _arguments("FILL", arguments, 2, 2)
    if isinstance(value, list):
        return [_filled(item, filler, scope) for item in value]
    return _filled(_series("FILL", value), filler, scope)


def _filled(series: Series, filler: Value, scope: Scope) -> Series:
    grid = np.arange(scope.start_ms, scope.end_ms, series.period_ms, dtype=np.int64)
    values = np.full(len(grid), np.nan)
    places = np.searchsorted(grid, series.timestamp_ms)
    inside = places < len(grid)
    values[places[inside]] = series.values[inside]
    if filler == "REPEAT":
        seen = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(grid))))
        values = np.where(seen >= 0, values[np.maximum(seen, 0)], np.nan)
    elif filler == "LINEAR":
        known = np.flatnonzero(~np.isnan(values))
        if len(known):
            between = np.interp(np.arange(len(grid)), known, values[known])
            values[known[0] : known[-1] + 1] = between[known[0] : known[-1] + 1]
    elif isinstance(filler, float):
        values = np.where(np.isnan(values), filler, values)
    elif isinstance(filler, Series):
        other = np.full(len(grid), np.nan)
        places = np.searchsorted(grid, filler.timestamp_ms)
        inside = places < len(grid)
        other[places[inside]] = filler.values[inside]
        values = np.where(np.isnan(values), other, values)
    else:
        raise ExpressionError("FILL needs a number, a time series, REPEAT or LINEAR")
    return defined(replace(series, timestamp_ms=grid, values=values))


def _if(arguments: list[Value], _: Scope) -> Value:
    values = _arguments("IF", arguments, 2, 3)
    condition = values[0]
    then, otherwise = values[1], values[2] if len(values) == 3 else None  # noqa: PLR2004
    if isinstance(condition, float):
        chosen = then if condition != 0 else otherwise
        if chosen is None:
            raise ExpressionError("IF with a scalar condition needs all three arguments")
        return chosen
    if isinstance(condition, list):
        return [_choose(item, then, otherwise) for item in condition]
    return _choose(_series("IF", condition), then, otherwise)


def _choose(condition: Series, then: Value, otherwise: Value | None) -> Series:
    truth = condition.values != 0
    result = np.where(truth, _on_times(then, condition), _on_times(otherwise, condition))
    label = then.label if isinstance(then, Series) else condition.label
    return defined(replace(condition, values=result, label=label))


def _on_times(value: Value | None, like: Series) -> Floats:
    """A branch's values at the condition's times; NaN where it has none."""
    if value is None:
        return np.full(len(like.values), np.nan)
    if isinstance(value, float):
        return np.full(len(like.values), value)
    result = np.full(len(like.values), np.nan)
    _, mine, theirs = aligned(like, series := _series("IF", value))
    result[mine] = series.values[theirs]
    return result


def _metrics(arguments: list[Value], scope: Scope) -> Value:
    wanted = _arguments("METRICS", arguments, 0, 1)
    part = wanted[0] if wanted else ""
    if not isinstance(part, str):
        raise ExpressionError("METRICS takes a string")
    found: list[Series] = []
    for name in scope.metrics:
        value = scope.results.get(name)
        if part in name and isinstance(value, Series):
            found.append(value)
    return found


def _sort(arguments: list[Value], _: Scope) -> Value:
    _arguments("SORT", arguments, 3, 4)
    members = _list("SORT", arguments[0])
    by, order = arguments[1:3]
    if not isinstance(by, str) or not (by in _REDUCERS or by == "LAST"):
        raise ExpressionError("SORT needs AVG, MIN, MAX, SUM or LAST")
    if order not in ("ASC", "DESC"):
        raise ExpressionError("SORT needs ASC or DESC")

    def rank(item: Series) -> float:
        if not len(item.values):
            return -np.inf if order == "DESC" else np.inf
        return float(item.values[-1]) if by == "LAST" else _REDUCERS[by](item.values)

    found = sorted(members, key=rank, reverse=order == "DESC")
    if len(arguments) == 4:  # noqa: PLR2004
        return found[: _whole(arguments[3])]
    return found


def _whole(value: Value) -> int:
    if not isinstance(value, float) or value != int(value) or value < 0:
        raise ExpressionError("A whole number was expected")
    return int(value)


def _slice(arguments: list[Value], _: Scope) -> Value:
    values = _arguments("SLICE", arguments, 2, 3)
    members = _list("SLICE", values[0])
    start = _whole(values[1])
    if len(values) == 2:  # noqa: PLR2004 - from here on
        return members[start:]
    return members[start : _whole(values[2])]


def _search(arguments: list[Value], scope: Scope) -> Value:
    values = _arguments("SEARCH", arguments, 2, 3)
    if scope.search is None:
        raise ExpressionError("SEARCH is not available here")
    text, statistic = values[0], values[1]
    period = values[2] if len(values) == 3 else scope.default_period_ms / 1000.0  # noqa: PLR2004
    if not isinstance(text, str) or not isinstance(statistic, str):
        raise ExpressionError("SEARCH needs a search string and a statistic")
    return scope.search(text, statistic, _whole(period))


def _edge(name: str, index: int) -> Implementation:
    def function(arguments: list[Value], _: Scope) -> Value:
        (value,) = _arguments(name, arguments, 1, 1)
        if isinstance(value, list):
            if not value:
                raise ExpressionError(f"Function '{name}' needs at least one time series")
            return value[index]
        series = _series(name, value)
        return float(series.values[index]) if len(series.values) else series

    return function


def _count(arguments: list[Value], scope: Scope) -> Value:
    (value,) = _arguments("DATAPOINT_COUNT", arguments, 1, 1)
    if isinstance(value, list):
        ones = [replace(item, values=np.ones(len(item.values))) for item in value]
        return _across("SUM", ones, scope)
    return float(len(_series("DATAPOINT_COUNT", value).values))


def _metric_count(arguments: list[Value], _: Scope) -> Value:
    (value,) = _arguments("METRIC_COUNT", arguments, 1, 1)
    return float(len(_list("METRIC_COUNT", value)))


def _remove_empty(arguments: list[Value], _: Scope) -> Value:
    (value,) = _arguments("REMOVE_EMPTY", arguments, 1, 1)
    return [item for item in _list("REMOVE_EMPTY", value) if len(item.values)]


def _time_series(arguments: list[Value], scope: Scope) -> Value:
    (value,) = _arguments("TIME_SERIES", arguments, 1, 1)
    if not isinstance(value, float):
        raise ExpressionError("TIME_SERIES needs a scalar")
    grid = np.arange(scope.start_ms, scope.end_ms, scope.default_period_ms, dtype=np.int64)
    return Series(grid, np.full(len(grid), value), scope.default_period_ms, "TIME_SERIES")


def _period(arguments: list[Value], _: Scope) -> Value:
    (value,) = _arguments("PERIOD", arguments, 1, 1)
    return _series("PERIOD", value).period_ms / 1000.0


def _refused(name: str) -> Implementation:
    def function(arguments: list[Value], scope: Scope) -> Value:
        del arguments, scope
        raise ExpressionError(f"Function '{name}' is not supported in this account")

    return function


def _running_sum(series: Series) -> Series:
    return replace(series, values=np.cumsum(series.values))


FUNCTIONS: Final[dict[str, Implementation]] = {
    **{name: _reducer(name) for name in _REDUCERS},
    "ABS": _elementwise("ABS", np.abs),
    "CEIL": _elementwise("CEIL", np.ceil),
    "FLOOR": _elementwise("FLOOR", np.floor),
    "LOG": _elementwise("LOG", np.log),
    "LOG10": _elementwise("LOG10", np.log10),
    "RATE": _mapped("RATE", _rate),
    "DIFF": _mapped("DIFF", _diff),
    "DIFF_TIME": _mapped("DIFF_TIME", _diff_time),
    "RUNNING_SUM": _mapped("RUNNING_SUM", _running_sum),
    "MINUTE": _mapped("MINUTE", _calendar(lambda at: at.minute)),
    "HOUR": _mapped("HOUR", _calendar(lambda at: at.hour)),
    "DAY": _mapped("DAY", _calendar(lambda at: at.isoweekday())),
    "DATE": _mapped("DATE", _calendar(lambda at: at.day)),
    "MONTH": _mapped("MONTH", _calendar(lambda at: at.month)),
    "YEAR": _mapped("YEAR", _calendar(lambda at: at.year)),
    "EPOCH": _mapped("EPOCH", lambda item: replace(item, values=item.timestamp_ms / 1000.0)),
    "FILL": _fill,
    "IF": _if,
    "FIRST": _edge("FIRST", 0),
    "LAST": _edge("LAST", -1),
    "METRICS": _metrics,
    "METRIC_COUNT": _metric_count,
    "DATAPOINT_COUNT": _count,
    "PERIOD": _period,
    "REMOVE_EMPTY": _remove_empty,
    "SEARCH": _search,
    "SLICE": _slice,
    "SORT": _sort,
    "TIME_SERIES": _time_series,
    **{
        name: _refused(name)
        for name in (
            "ANOMALY_DETECTION_BAND",
            "DB_PERF_INSIGHTS",
            "INSIGHT_RULE_METRIC",
            "LAMBDA",
            "SERVICE_QUOTA",
        )
    },
}
