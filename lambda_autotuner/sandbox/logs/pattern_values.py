"""Comparing a field with the value that a filter pattern gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

_ORDER: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
# Nested repetition is refused, as AWS refuses it; the rest of its regex subset Python's covers.
_DANGEROUS: Final = re.compile(r"\([^()]*[+*{][^()]*\)[+*{]")


class PatternError(Exception):
    """The filter pattern cannot be read."""


def compiled(regex: str) -> re.Pattern[str]:
    """A regular expression of a pattern.

    Raises:
        PatternError: it is none, or one that may take for ever.
    """
    if _DANGEROUS.search(regex):
        raise PatternError("Invalid regex in filter pattern")
    try:
        return re.compile(regex)
    except re.error as error:
        raise PatternError("Invalid regex in filter pattern") from error


def number(value: Any) -> float | None:
    """A number, or a text that is one."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def comparison(operator: str, text: str) -> Callable[[Any], bool]:
    """The test `<value> operator text`; equality knows wildcards, numbers and regexes.

    Raises:
        PatternError: an order is asked for against something that is no number.
    """
    text = text.strip()
    if operator in _ORDER:
        limit = number(text)
        if limit is None:
            raise PatternError("Invalid filter pattern")
        order = _ORDER[operator]
        return lambda value: (held := number(value)) is not None and order(held, limit)
    equal = _equality(text)
    if operator == "!=":
        return lambda value: not equal(value)
    return equal


def _equality(text: str) -> Callable[[Any], bool]:
    if len(text) > 1 and text[0] == text[-1] == "%":
        regex = compiled(text[1:-1])
        return lambda value: value is not None and regex.search(_plain(value)) is not None
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    wanted = re.sub(r"\\(.)", r"\1", text[1:-1]) if quoted else text
    if not quoted and not wanted:
        raise PatternError("Invalid filter pattern")
    if "*" in wanted:
        parts = (re.escape(part) for part in wanted.split("*"))
        regex = re.compile(".*".join(parts), re.DOTALL)
        return lambda value: value is not None and regex.fullmatch(_plain(value)) is not None
    limit = None if quoted else number(wanted)

    def equal(value: Any) -> bool:
        held = number(value)
        if limit is not None and held is not None:
            return held == limit
        return value is not None and _plain(value) == wanted

    return equal


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
