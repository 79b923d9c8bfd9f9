"""Scalar functions and operators of Logs Insights, a column at a time.

Source: Amazon CloudWatch Logs User Guide, "Supported operations and functions".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from lambda_autotuner.sandbox.logs.insights.columns import (
    Column,
    Floats,
    Truths,
    as_numbers,
    as_texts,
    as_truths,
    constant,
    number,
    numbers,
    objects,
    present,
    truths,
)
from lambda_autotuner.sandbox.logs.insights.tokens import QueryError

Function: TypeAlias = Callable[[Sequence[Column]], Column]

_ARITHMETIC: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
}
_ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_CALENDAR_MS: Final = 86_400_000


def arithmetic(name: str, arguments: Sequence[Column]) -> Column:
    """`+ - * / % ^`; without two numbers there is no result."""
    left, right = (as_numbers(item) for item in arguments)
    with np.errstate(all="ignore"):
        values = _ARITHMETIC[name](left, right)
    return numbers(np.where(np.isfinite(values), values, np.nan))


def compare(name: str, arguments: Sequence[Column]) -> Column:
    """Numbers compare as numbers, anything else as text; what is missing compares false."""
    left, right = arguments
    a, b = as_numbers(left), as_numbers(right)
    both = ~(np.isnan(a) | np.isnan(b))
    result: Truths = np.zeros(len(a), np.bool_)
    with np.errstate(invalid="ignore"):
        result[both] = _ORDER[name](a[both], b[both])
    rest = np.flatnonzero(~both & present(left) & present(right))
    if len(rest):
        texts_a, texts_b = as_texts(left.take(rest)), as_texts(right.take(rest))
        order = _ORDER[name]
        result[rest] = [order(x, y) for x, y in zip(texts_a, texts_b, strict=True)]
    if name == "!=":
        result |= present(left) != present(right)
    return truths(result)


def like(column: Column, pattern: re.Pattern[str] | str) -> Column:
    """Whether a text holds a substring, or something that a regex finds."""
    texts = as_texts(column)
    if isinstance(pattern, str):
        return truths(np.array([text is not None and pattern in text for text in texts], np.bool_))
    search = pattern.search
    found = [text is not None and search(text) is not None for text in texts]
    return truths(np.array(found, np.bool_))


def member(arguments: Sequence[Column]) -> Column:
    """`x in [a, b]`."""
    first, *rest = arguments
    found = np.zeros(len(first.values), np.bool_)
    for item in rest:
        found |= as_truths(compare("=", (first, item)))
    return truths(found)


def _mapped(compute: Callable[[Floats], Floats]) -> Function:
    def function(arguments: Sequence[Column]) -> Column:
        with np.errstate(all="ignore"):
            values = compute(as_numbers(arguments[0]))
        return numbers(np.where(np.isfinite(values), values, np.nan))

    return function


def _texts(compute: Callable[..., Any]) -> Function:
    """A function of texts; missing in, missing out."""

    def function(arguments: Sequence[Column]) -> Column:
        rows = zip(*(as_texts(item) for item in arguments), strict=True)
        return objects([None if None in row else compute(*row) for row in rows])

    return function


def _tests(compute: Callable[..., bool]) -> Function:
    def function(arguments: Sequence[Column]) -> Column:
        rows = zip(*(as_texts(item) for item in arguments), strict=True)
        return truths(np.array([None not in row and compute(*row) for row in rows], np.bool_))

    return function


def _extreme(pick: Callable[..., Any]) -> Function:
    def function(arguments: Sequence[Column]) -> Column:
        return numbers(pick.reduce([as_numbers(item) for item in arguments]))  # type: ignore[attr-defined]

    return function


def _coalesce(arguments: Sequence[Column]) -> Column:
    rows = zip(*(_values(item) for item in arguments), strict=True)
    return objects([next((v for v in row if v is not None), None) for row in rows])


def _values(column: Column) -> list[Any]:
    if not column.numeric:
        return list(column.values.tolist())
    if column.style == "time":
        return list(as_texts(column))
    return [None if value != value else value for value in column.values.tolist()]  # noqa: PLR0124


def _if(arguments: Sequence[Column]) -> Column:
    condition = as_truths(arguments[0])
    then, otherwise = _values(arguments[1]), _values(arguments[2])
    chosen = zip(condition.tolist(), then, otherwise, strict=True)
    return objects([a if truth else b for truth, a, b in chosen])


def _present(arguments: Sequence[Column]) -> Column:
    return truths(present(arguments[0]))


def _blank(test: Callable[[str], bool]) -> Function:
    def function(arguments: Sequence[Column]) -> Column:
        texts = as_texts(arguments[0])
        return truths(np.array([text is None or test(text) for text in texts], np.bool_))

    return function


def _concat(arguments: Sequence[Column]) -> Column:
    rows = zip(*(as_texts(item) for item in arguments), strict=True)
    return objects(["".join(part or "" for part in row) for row in rows])


def _strip(side: str) -> Function:
    def strip(text: str, what: str | None = None) -> str:
        found: str = getattr(text, side)(what)
        return found

    return _texts(strip)


def _substr(text: str, start: str, length: str | None = None) -> str:
    begin = int(number(start))
    return text[begin:] if length is None else text[begin : begin + int(number(length))]


def _length(arguments: Sequence[Column]) -> Column:
    texts = as_texts(arguments[0])
    return numbers(np.array([np.nan if t is None else len(t) for t in texts], np.float64))


def _address(version: int | None) -> Function:
    def test(text: str) -> bool:
        try:
            return version in (None, ipaddress.ip_address(text).version)
        except ValueError:
            return False

    return _tests(test)


def _in_subnet(text: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def floor_time(times: Floats, period_ms: Floats) -> Column:
    """Times rounded down to a multiple of the period since the epoch."""
    with np.errstate(invalid="ignore"):
        return Column(np.floor(times / period_ms) * period_ms, "time")


def _datefloor(arguments: Sequence[Column]) -> Column:
    return floor_time(as_numbers(arguments[0]), as_numbers(arguments[1]))


def _dateceil(arguments: Sequence[Column]) -> Column:
    times, period = as_numbers(arguments[0]), as_numbers(arguments[1])
    return Column(np.ceil(times / period) * period, "time")


def _from_millis(arguments: Sequence[Column]) -> Column:
    return Column(as_numbers(arguments[0]), "time")


def _to_millis(arguments: Sequence[Column]) -> Column:
    return numbers(as_numbers(arguments[0]))


# name -> (least arguments, most arguments, function)
FUNCTIONS: Final[dict[str, tuple[int, int, Function]]] = {
    "abs": (1, 1, _mapped(np.abs)),
    "ceil": (1, 1, _mapped(np.ceil)),
    "floor": (1, 1, _mapped(np.floor)),
    "log": (1, 1, _mapped(np.log)),
    "sqrt": (1, 1, _mapped(np.sqrt)),
    "greatest": (1, 99, _extreme(np.fmax)),
    "least": (1, 99, _extreme(np.fmin)),
    "coalesce": (1, 99, _coalesce),
    "if": (3, 3, _if),
    "ispresent": (1, 1, _present),
    "isempty": (1, 1, _blank(lambda text: not text)),
    "isblank": (1, 1, _blank(lambda text: not text.strip())),
    "concat": (1, 99, _concat),
    "ltrim": (1, 2, _strip("lstrip")),
    "rtrim": (1, 2, _strip("rstrip")),
    "trim": (1, 2, _strip("strip")),
    "strlen": (1, 1, _length),
    "toupper": (1, 1, _texts(str.upper)),
    "tolower": (1, 1, _texts(str.lower)),
    "substr": (2, 3, _texts(_substr)),
    "replace": (3, 3, _texts(lambda text, old, new: text.replace(old, new))),
    "strcontains": (2, 2, _tests(lambda text, part: part in text)),
    "isvalidip": (1, 1, _address(None)),
    "isvalidipv4": (1, 1, _address(4)),
    "isvalidipv6": (1, 1, _address(6)),
    "isipinsubnet": (2, 2, _tests(_in_subnet)),
    "isipv4insubnet": (2, 2, _tests(_in_subnet)),
    "isipv6insubnet": (2, 2, _tests(_in_subnet)),
    "datefloor": (2, 2, _datefloor),
    "dateceil": (2, 2, _dateceil),
    "frommillis": (1, 1, _from_millis),
    "tomillis": (1, 1, _to_millis),
}


def call(name: str, arguments: Sequence[Column], rows: int, now_ms: int) -> Column:
    """Apply a function by its name.

    Raises:
        QueryError: unknown, or a wrong number of arguments.
    """
    if name == "now" and not arguments:
        return constant(float(now_ms // 1000), rows)
    known = FUNCTIONS.get(name)
    if known is None:
        raise QueryError(f"unknown function {name}")
    least, most, function = known
    if not least <= len(arguments) <= most:
        raise QueryError(f"wrong number of arguments for function {name}")
    return function(arguments)
