"""What metric math computes with, and its operators.

A value is a scalar, a time series, or a list of time series. An operator between time series
gives a value where both have one; between a list and something else it works on every member.

Source: Amazon CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from lambda_autotuner.sandbox.cloudwatch.expression_parser import ExpressionError
from lambda_autotuner.sandbox.cloudwatch.statistics import Floats, Integers


@dataclass(frozen=True, slots=True)
class Series:
    """A time series with the period and the label that it goes by."""

    timestamp_ms: Integers
    values: Floats
    period_ms: int
    label: str = ""
    id: str = ""


Value: TypeAlias = "float | str | Series | list[Series]"
Search: TypeAlias = Callable[[str, str, int], list[Series]]


@dataclass(slots=True)
class Scope:
    """What an expression can see.

    Attributes:
        results: query id -> its evaluated value.
        metrics: the ids that METRICS() means, in request order (metrics, not expressions).
        start_ms, end_ms: the window, which FILL fills.
        default_period_ms: the period of series that are made from nothing (TIME_SERIES).
        search: (search text, statistic, period in seconds) -> matching series.
        quota: series -> its account quota, for SERVICE_QUOTA.
    """

    results: Mapping[str, Value]
    metrics: Sequence[str]
    start_ms: int
    end_ms: int
    default_period_ms: int
    search: Search | None = None
    quotas: Mapping[str, float] = field(default_factory=dict)


_OPERATIONS: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": np.power,
    "==": lambda a, b: (a == b).astype(np.float64),
    "!=": lambda a, b: (a != b).astype(np.float64),
    "<": lambda a, b: (a < b).astype(np.float64),
    "<=": lambda a, b: (a <= b).astype(np.float64),
    ">": lambda a, b: (a > b).astype(np.float64),
    ">=": lambda a, b: (a >= b).astype(np.float64),
    "&&": lambda a, b: ((a != 0) & (b != 0)).astype(np.float64),
    "||": lambda a, b: ((a != 0) | (b != 0)).astype(np.float64),
}


def combine(symbol: str, left: Value, right: Value) -> Value:
    """Apply a binary operator, member by member where lists are."""
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError(f"Unsupported operand type(s) for {symbol}: String")
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise ExpressionError(f"Arrays of different lengths for {symbol}")
        return [_pairwise(symbol, a, b) for a, b in zip(left, right, strict=True)]
    if isinstance(left, list):
        return [_member(symbol, item, right) for item in left]
    if isinstance(right, list):
        return [replace(_member(symbol, item, left, swapped=True)) for item in right]
    if isinstance(left, Series) or isinstance(right, Series):
        return _pairwise(symbol, left, right)
    with np.errstate(all="ignore"):
        result = _OPERATIONS[symbol](np.float64(left), np.float64(right))  # type: ignore[arg-type]
    if not np.isfinite(result):
        raise ExpressionError("Division by zero" if symbol == "/" else "Arithmetic overflow")
    return float(result)


def _member(symbol: str, item: Series, other: Value, *, swapped: bool = False) -> Series:
    result = _pairwise(symbol, other, item) if swapped else _pairwise(symbol, item, other)
    return replace(result, label=item.label, id=item.id)


def _pairwise(symbol: str, left: Value, right: Value) -> Series:
    with np.errstate(all="ignore"):
        if isinstance(left, Series) and isinstance(right, Series):
            times, a, b = aligned(left, right)
            values = _OPERATIONS[symbol](left.values[a], right.values[b])
            series = replace(left, timestamp_ms=times, values=values)
        elif isinstance(left, Series):
            values = _OPERATIONS[symbol](left.values, np.float64(right))  # type: ignore[arg-type]
            series = replace(left, values=values)
        else:
            assert isinstance(right, Series)  # noqa: S101 - the caller looked
            values = _OPERATIONS[symbol](np.float64(left), right.values)  # type: ignore[arg-type]
            series = replace(right, values=values)
    return defined(series)


def defined(series: Series) -> Series:
    """Without the points that have no number (a division by zero gives no point)."""
    keep = np.isfinite(series.values)
    if keep.all():
        return series
    return replace(series, timestamp_ms=series.timestamp_ms[keep], values=series.values[keep])


def aligned(left: Series, right: Series) -> tuple[Integers, Integers, Integers]:
    """Common times of two series and where they stand in each."""
    if np.array_equal(left.timestamp_ms, right.timestamp_ms):
        index = np.arange(len(left.timestamp_ms))
        return left.timestamp_ms, index, index
    times, a, b = np.intersect1d(
        left.timestamp_ms, right.timestamp_ms, assume_unique=True, return_indices=True
    )
    return times, a, b
