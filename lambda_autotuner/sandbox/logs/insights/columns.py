"""Columns of values: numbers as floats (NaN is missing), anything else as objects (None is)."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Objects: TypeAlias = NDArray[np.object_]
Truths: TypeAlias = NDArray[np.bool_]

_NUMBER: Final = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*\Z")
_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Column:
    """Values and how to print them: "plain" numbers, "raw" ones (as in a log), or times."""

    values: Floats | Objects
    style: str = "plain"

    @property
    def numeric(self) -> bool:
        """Whether every value is a number or missing."""
        return self.values.dtype != np.object_

    def take(self, index: NDArray[np.int64] | Truths) -> Column:
        """The values at some rows."""
        return Column(self.values[index], self.style)


def numbers(values: Floats) -> Column:
    """A column of numbers."""
    return Column(values.astype(np.float64))


def objects(values: list[Any], style: str = "raw") -> Column:
    """A column of anything."""
    array = np.empty(len(values), np.object_)
    array[:] = values
    return Column(array, style)


def truths(values: Truths) -> Column:
    """A column of 1 and 0."""
    return Column(values.astype(np.float64))


def constant(value: float | str, rows: int) -> Column:
    """The same value in every row."""
    if isinstance(value, str):
        array = np.empty(rows, np.object_)
        array.fill(value)
        return Column(array, "raw")
    return Column(np.full(rows, float(value)))


def number(value: Any) -> float:
    """A value as a number; NaN when it is none."""
    if value is None or isinstance(value, bool):
        return math.nan
    if isinstance(value, (int, float)):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.match(value) else math.nan


def as_numbers(column: Column) -> Floats:
    """The column as numbers; what is none is missing."""
    if column.numeric:
        found: Floats = column.values.astype(np.float64)
        return found
    return np.array([number(value) for value in column.values.tolist()], np.float64)


def as_texts(column: Column) -> list[str | None]:
    """The column as it prints; None for what is missing."""
    if not column.numeric:
        return [text_of(value) for value in column.values.tolist()]
    return [printed(value, column.style) for value in column.values.tolist()]


def text_of(value: Any) -> str | None:
    """One value as text."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return printed(value, "plain")
    return str(value)


def as_truths(column: Column) -> Truths:
    """Which rows hold something true."""
    if column.numeric:
        values = column.values.astype(np.float64)
        held: Truths = ~np.isnan(values) & (values != 0)
        return held
    return np.array(
        [value not in (None, "", False, "false", "0", 0) for value in column.values.tolist()],
        np.bool_,
    )


def present(column: Column) -> Truths:
    """Which rows have a value."""
    if column.numeric:
        held: Truths = ~np.isnan(column.values.astype(np.float64))
        return held
    return np.array([value is not None for value in column.values.tolist()], np.bool_)


def printed(value: float, style: str) -> str | None:
    """A number as Insights prints it; None for a missing one."""
    if math.isnan(value):
        return None
    if style == "time":
        return time_text(value)
    if style == "raw":
        return _java(value)
    if value == int(value) and abs(value) < _EXACT:
        return str(int(value))
    return f"{value:.4f}".rstrip("0").rstrip(".")


def time_text(milliseconds: float) -> str:
    """`2026-11-22 23:30:00.000`."""
    moment = dt.datetime.fromtimestamp(int(milliseconds) / 1000, tz=dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{int(milliseconds) % 1000:03d}"


def _java(value: float) -> str:
    """As Java prints a double: 13.0, 12.34, 1.28E8."""
    if 1e-3 <= abs(value) < 1e7 or value == 0:  # noqa: PLR2004 - Double.toString's own bounds
        return repr(float(value))
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        mantissa, _, exponent = f"{value:.16e}".partition("e")
        mantissa = mantissa.rstrip("0")
        mantissa += "0" if mantissa.endswith(".") else ""
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}E{int(exponent)}"
