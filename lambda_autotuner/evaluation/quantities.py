"""Numbers with their units, as people and models write them, brought to one unit a dimension.

`1.2 s`, `1,200 ms` and `1200 milliseconds` are the same duration; a bare `1200` carries no
dimension and matches any fact whose own unit it could stand for (a cell below a header).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Dimension = Literal["ms", "mb", "usd", "percent", "count"]

_MS = {
    "ns": 1e-6, "µs": 1e-3, "us": 1e-3, "microseconds": 1e-3, "microsecond": 1e-3,
    "ms": 1.0, "msec": 1.0, "msecs": 1.0, "millis": 1.0, "milliseconds": 1.0, "millisecond": 1.0,
    "s": 1e3, "sec": 1e3, "secs": 1e3, "second": 1e3, "seconds": 1e3,
    "m": 6e4, "min": 6e4, "mins": 6e4, "minute": 6e4, "minutes": 6e4,
    "h": 3.6e6, "hr": 3.6e6, "hrs": 3.6e6, "hour": 3.6e6, "hours": 3.6e6,
    "d": 8.64e7, "day": 8.64e7, "days": 8.64e7, "week": 6.048e8, "weeks": 6.048e8,
}  # fmt: skip
# Lambda counts memory in binary units whatever the label says.
_MB = {
    "bytes": 1 / 1024**2, "byte": 1 / 1024**2, "kb": 1 / 1024, "kib": 1 / 1024,
    "mb": 1.0, "mib": 1.0, "megabyte": 1.0, "megabytes": 1.0,
    "gb": 1024.0, "gib": 1024.0, "gigabyte": 1024.0, "gigabytes": 1024.0,
}  # fmt: skip
_USD = {"usd": 1.0, "dollar": 1.0, "dollars": 1.0, "cent": 0.01, "cents": 0.01, "¢": 0.01}
_PERCENT = {"%": 1.0, "percent": 1.0, "pct": 1.0, "percentage": 1.0}
_SCALE = {
    "k": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "mio": 1e6,
    "mn": 1e6,
    "billion": 1e9,
    "bn": 1e9,
}
_UNITS: dict[str, tuple[Dimension, float]] = {
    **{name: ("ms", factor) for name, factor in _MS.items()},
    **{name: ("mb", factor) for name, factor in _MB.items()},
    **{name: ("usd", factor) for name, factor in _USD.items()},
    **{name: ("percent", factor) for name, factor in _PERCENT.items()},
}
# An exponent has two digits at most: `28e0427667` is a piece of an id.
# Dates, clock times, identifiers and addresses hold digits that state no quantity.
_NOT_QUANTITIES = re.compile(
    r"\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:z|[+-]\d\d:?\d\d)?"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|\barn:[^\s,;)\]]+"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b(?:us|eu|ap|sa|ca|me|af)-[a-z]+-\d\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.])[-+\u2212])?(?P<currency>(?:US)?\$\s?)?"
    r"(?<![\w.-])(?P<digits>\d{1,3}(?:[,\u2009\u202f\u00a0']\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"(?P<exponent>e[-+]?\d{1,2}(?!\w))?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\s?-?(%|¢|[a-zµ]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number found in a text, in the unit of its dimension.

    Attributes:
        value: in ms, MB, US dollars, percent, or the bare number.
        dimension: None when no unit was written.
        resolution: one unit of the last printed digit, in the same unit as `value`.
        start: position of its first character.
        end: position after its last character.
    """

    value: float
    dimension: Dimension | None
    resolution: float
    start: int
    end: int


def find_quantities(text: str) -> Iterator[Quantity]:
    """Every number of a text that states a quantity, in order."""
    cleaned = _NOT_QUANTITIES.sub(lambda match: " " * len(match[0]), text)
    for match in _NUMBER.finditer(cleaned):
        yield _quantity(cleaned, match)


def _quantity(text: str, match: re.Match[str]) -> Quantity:
    digits = re.sub(r"[^\d.]", "", match["digits"])
    value = float(digits + (match["exponent"] or ""))
    decimals = len(digits.partition(".")[2])
    resolution = 10.0 ** (-decimals)
    if match["exponent"]:
        resolution *= 10.0 ** int(match["exponent"][1:])
    end = match.end()
    dimension: Dimension | None = None
    scale, end = _scale(text, end)
    if match["currency"]:
        dimension = "usd"
        factor = scale
    else:
        unit = _WORD.match(text, end)
        named = _UNITS.get(unit[1].lower()) if unit else None
        if unit and named:
            dimension, factor = named[0], named[1] * scale
            end = unit.end()
        else:
            factor = scale
    sign = -1.0 if match["sign"] in {"-", "\u2212"} else 1.0
    return Quantity(sign * value * factor, dimension, resolution * factor, match.start(), end)


def _scale(text: str, position: int) -> tuple[float, int]:
    """`12k`, `1.2 million`: the factor and where it ends."""
    word = _WORD.match(text, position)
    if word and word[1].lower() in _SCALE:
        return _SCALE[word[1].lower()], word.end()
    if word and word[1] == "M" and text[position : position + 1] == "M":
        return 1e6, word.end()
    return 1.0, position


# A printed 0.4 s may stand for 370 ms; it may not stand for anything between 0 and 1 s.
_WIDEST_ROUNDING = 0.15


def agrees(quantity: Quantity, expected: float, dimension: Dimension, allowance: float) -> bool:
    """Whether a quantity states an expected value.

    Signs are not compared: `saves $3` and `-$3` say the same.

    Args:
        quantity: what stands in the text.
        expected: in the unit of the dimension.
        dimension: what the expected value measures.
        allowance: absolute difference that is tolerated, in the same unit; rounding to the
            printed digits is tolerated beside it.
    """
    if quantity.dimension is not None and quantity.dimension != dimension:
        return False
    rounding = min(quantity.resolution / 2, _WIDEST_ROUNDING * abs(expected))
    slack = max(allowance, rounding) + 1e-9 * max(1.0, abs(expected))
    return abs(abs(quantity.value) - abs(expected)) <= slack
