"""Aggregates of Logs Insights over groups of weighted rows.

A row stands for `weight` log events that are alike in everything the query looks at. Percentiles
interpolate linearly between order statistics, as CloudWatch's metrics do here, so that logs and
metrics of the same invocations tell the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.cloudwatch.statistics import group, percentile
from lambda_autotuner.sandbox.logs.insights.columns import (
    Column,
    Floats,
    as_numbers,
    as_texts,
    numbers,
    objects,
    present,
)
from lambda_autotuner.sandbox.logs.insights.tokens import QueryError


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group each row belongs to."""

    number: NDArray[np.int64]
    count: int
    weights: Floats
    times: Floats


def aggregate(name: str, arguments: Sequence[Column], groups: Groups) -> Column:
    """One value a group.

    Raises:
        QueryError: a wrong number or kind of arguments.
    """
    if name == "count":
        return _count(arguments, groups)
    if not arguments:
        raise QueryError(f"wrong number of arguments for function {name}")
    if name == "count_distinct":
        return _distinct(arguments[0], groups)
    if name in ("earliest", "latest", "sortsfirst", "sortslast"):
        return _edge(name, arguments[0], groups)
    if name in ("pct", "median"):
        return _percentile(arguments[0], _percent(name, arguments), groups)
    if name in ("max", "min") and _textual(arguments[0]):
        return _edge("sortslast" if name == "max" else "sortsfirst", arguments[0], groups)
    result = _numeric(name, arguments[0], groups)
    return Column(result.values, arguments[0].style) if _keeps_style(name, arguments[0]) else result


def _percent(name: str, arguments: Sequence[Column]) -> float:
    if name == "median":
        return 50.0
    if len(arguments) != 2:  # noqa: PLR2004 - a field and a percentage
        raise QueryError("wrong number of arguments for function pct")
    wanted = as_numbers(arguments[1])
    percent = float(wanted[0]) if len(wanted) else 50.0
    if not 0 <= percent <= 100:  # noqa: PLR2004 - a percentage
        raise QueryError("pct needs a percentage between 0 and 100")
    return percent


def _keeps_style(name: str, column: Column) -> bool:
    return name in ("max", "min") and column.style == "time"


def _textual(column: Column) -> bool:
    if column.numeric:
        return False
    held = present(column)
    return bool(held.any()) and bool(np.isnan(as_numbers(column)[held]).all())


def _sum(values: Floats, groups: Groups) -> Floats:
    total: Floats = np.bincount(groups.number, weights=values, minlength=groups.count).astype(
        np.float64
    )
    return total


def _count(arguments: Sequence[Column], groups: Groups) -> Column:
    weights = groups.weights
    plain = not arguments or (
        not arguments[0].numeric and len(arguments[0].values) and arguments[0].values[0] == "*"
    )
    if not plain:
        weights = np.where(present(arguments[0]), weights, 0.0)
    return numbers(_sum(weights, groups))


def _distinct(column: Column, groups: Groups) -> Column:
    found: list[set[str]] = [set() for _ in range(groups.count)]
    for number, text in zip(groups.number.tolist(), as_texts(column), strict=True):
        if text is not None:
            found[number].add(text)
    return numbers(np.array([len(item) for item in found], np.float64))


def _numeric(name: str, column: Column, groups: Groups) -> Column:
    values = as_numbers(column)
    held = ~np.isnan(values)
    weights = np.where(held, groups.weights, 0.0)
    clean = np.where(held, values, 0.0)
    counts = _sum(weights, groups)
    empty = counts == 0
    with np.errstate(all="ignore"):
        if name == "sum":
            result = _sum(clean * weights, groups)
        elif name == "avg":
            result = _sum(clean * weights, groups) / counts
        elif name == "stddev":
            mean = _sum(clean * weights, groups) / counts
            squares = _sum(weights * (clean - mean[groups.number]) ** 2, groups)
            result = np.sqrt(squares / counts)
        else:
            start = -np.inf if name == "max" else np.inf
            result = np.full(groups.count, start)
            pick = np.maximum if name == "max" else np.minimum
            pick.at(result, groups.number[held], values[held])
    return numbers(np.where(empty, np.nan, result))


def _percentile(column: Column, percent: float, groups: Groups) -> Column:
    values = as_numbers(column)
    held = ~np.isnan(values)
    samples = group(groups.number[held], values[held], groups.weights[held])
    result = np.full(groups.count, np.nan)
    if len(samples.buckets):
        result[samples.buckets] = percentile(samples, percent)
    return numbers(result)


def _edge(name: str, column: Column, groups: Groups) -> Column:
    """The value of the earliest or latest row, or the first or last in sorting order."""
    texts = as_texts(column)
    chosen: list[str | None] = [None] * groups.count
    rank: list[float | str | None] = [None] * groups.count
    last = name in ("latest", "sortslast")
    by_time = name in ("earliest", "latest")
    rows = zip(groups.number.tolist(), texts, groups.times.tolist(), strict=True)
    for number, text, time in rows:
        if text is None:
            continue
        key: float | str = time if by_time else text
        held = rank[number]
        if held is None or (key > held if last else key < held):
            chosen[number], rank[number] = text, key
    return objects(list(chosen))


NAMES: Final = frozenset(
    ("avg", "count", "count_distinct", "max", "min", "pct", "stddev", "sum", "median",
     "earliest", "latest", "sortsfirst", "sortslast")
)  # fmt: skip
