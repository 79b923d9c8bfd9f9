"""Every number in an answer is traced to a tool result, to the person, or to declared arithmetic.

A number that is none of these is marked before anybody reads it. The comparison is made at the
precision at which the number is written, with the unit conversions that its unit allows.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MARK = " [unverified]"

_UNITS: dict[str, tuple[float, ...]] = {
    "": (1.0,),
    "%": (1.0, 0.01),
    "ms": (1.0, 0.001),
    "s": (1.0, 1_000.0, 3_600.0 / 3_600.0),
    "sec": (1.0, 1_000.0),
    "second": (1.0, 1_000.0),
    "seconds": (1.0, 1_000.0),
    "minute": (1.0, 60.0, 60_000.0),
    "minutes": (1.0, 60.0, 60_000.0),
    "min": (1.0, 60.0, 60_000.0),
    "hour": (1.0, 1 / 24, 3_600.0),
    "hours": (1.0, 1 / 24, 3_600.0),
    "h": (1.0, 3_600.0),
    "day": (1.0, 24.0),
    "days": (1.0, 24.0),
    "week": (168.0, 7.0),
    "weeks": (168.0, 7.0),
    "mb": (1.0, 1_048_576.0, 1 / 1_024),
    "gb": (1.0, 1_024.0, 1_073_741_824.0),
    "k": (1_000.0,),
    "thousand": (1_000.0,),
    "million": (1_000_000.0,),
    "m": (1_000_000.0,),
    "billion": (1_000_000_000.0,),
    "cent": (0.01,),
    "cents": (0.01,),
}
_UNIT = "|".join(sorted((re.escape(unit) for unit in _UNITS if unit), key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?<![\w.\[/-])(?P<sign>-)?(?P<usd>\$)?(?P<digits>(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d{{1,2}}(?!\w))?)(?:\s?(?P<unit>{_UNIT})(?![\w/]))?",
    re.IGNORECASE,
)
_PROTECTED = re.compile(
    r"\[\d{1,3}\]|\[unverified\]"
    r"|(?m:^\s*\d{1,3}[.)]\s)"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|https?://\S+|arn:aws\S+|/aws/\S+|`[^`\n]*`"
    r"|\"[^\"\n]{0,400}\""
)
_ARITHMETIC = re.compile(
    r"(?P<a>-?\$?[\d,]*\.?\d+)\s*(?:%|[A-Za-z]+)?\s*(?P<op>[-+*/x\u00d7\u00f7\u2212])\s*(?P<b>\$?[\d,]*\.?\d+)\s*(?:%|[A-Za-z]+)?\s*=\s*(?P<c>-?\$?[\d,]*\.?\d+)"
)
_STRING_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d{1,2}(?!\w))?")
_SMALL_COUNTS = frozenset({0.0, 1.0, 2.0})
"""`one of`, `both`: words of grammar, not measurements."""
_PLAIN_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Grounded:
    """A text with what could not be traced marked in it."""

    text: str
    unverified: tuple[str, ...]
    checked: int


class Ledger:
    """The numbers that may stand in an answer."""

    def __init__(self, values: Iterable[float], literals: str) -> None:
        self._values = sorted({abs(value) for value in values})
        self._literals = literals

    @classmethod
    def of(
        cls,
        results: Iterable[Mapping[str, Any]],
        texts: Iterable[str],
        *,
        function: str | None = None,
    ) -> Ledger:
        """A ledger of tool results and of texts (a person's turns, the settings' limits).

        Args:
            results: the data of tools.
            texts: what else may be quoted.
            function: only what is about this function, or about none.
        """
        values: list[float] = []
        strings: list[str] = []
        for result in results:
            _collect(result, values, strings, function)
        for text in texts:
            strings.append(text)
            values += _numbers_in(text)
        return cls(values, "\n".join(strings))

    def says(self, literal: str) -> bool:
        """Whether a date or another literal stands in the evidence."""
        return literal in self._literals

    def holds(self, value: float, tolerance: float, factors: Iterable[float]) -> bool:
        """Whether a number of the evidence, scaled, is `value` at the precision of `tolerance`."""
        for factor in factors:
            low = (value - tolerance) * factor
            index = bisect_left(self._values, low * (1 - 1e-9) if low > 0 else low)
            if index < len(self._values) and self._values[index] <= (value + tolerance) * factor * (
                1 + 1e-9
            ):
                return True
        return False


def _collect(
    item: Any, values: list[float], strings: list[str], function: str | None = None
) -> None:
    if isinstance(item, Mapping) and function and item.get("function") not in {None, function}:
        return
    if isinstance(item, bool) or item is None:
        return
    if isinstance(item, (int, float)):
        values.append(float(item))
    elif isinstance(item, str):
        strings.append(item)
        values += _numbers_in(item)
    elif isinstance(item, Mapping):
        for value in item.values():
            _collect(value, values, strings, function)
    elif isinstance(item, (list, tuple)):
        values.append(float(len(item)))
        for value in item:
            _collect(value, values, strings, function)


def _numbers_in(text: str) -> list[float]:
    return [
        float(found.replace(",", ""))
        for found in _STRING_NUMBER.findall(text[:20_000])
        if found.strip(",")
    ]


def ground(text: str, ledger: Ledger, of_line: Callable[[str], Ledger] | None = None) -> Grounded:
    """Mark the numbers of `text` that the ledger does not hold.

    Args:
        text: an answer.
        ledger: what may stand in it.
        of_line: the ledger for one line; a line about one function may only have its numbers.
    """
    kept = [(m.start(), m.end()) for m in _PROTECTED.finditer(text) if _protects(m[0], ledger)]
    declared = _declared(text, ledger)
    marks: list[tuple[int, str]] = []
    checked = 0
    for match in _NUMBER.finditer(text):
        if any(start <= match.start() < end for start, end in kept):
            continue
        checked += 1
        held = of_line(_line_at(text, match.start())) if of_line else ledger
        if match.start() not in declared and not _supported(match, held):
            marks.append((match.end(), match[0].strip()))
    for end, _ in reversed(marks):
        if not text.startswith(MARK, end):
            text = text[:end] + MARK + text[end:]
    return Grounded(text, tuple(found for _, found in marks), checked)


def _line_at(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else len(text)]


def _protects(found: str, ledger: Ledger) -> bool:
    """Dates and quotations protect their digits only when the evidence has them word for word."""
    if re.match(r"\d{4}-", found):
        return ledger.says(found[:16]) or ledger.says(found.replace("T", " ")[:16])
    if found.startswith('"'):
        inner = " ".join(found.strip('"').rstrip("\u2026").split())
        return (
            ledger.says(inner[:40].replace("(", "[").replace(")", "]"))
            or ledger.says(inner[:30])
            or not re.search(r"\d", inner)
            or _loosely(inner, ledger)
        )
    return True


def _loosely(inner: str, ledger: Ledger) -> bool:
    numbers = re.findall(r"\d[\d.,]*\d|\d", inner)
    return all(ledger.says(number) for number in numbers)


def _supported(match: re.Match[str], ledger: Ledger) -> bool:
    digits = match["digits"].replace(",", "")
    value = float(digits)
    mantissa = digits.lower().split("e")[0]
    decimals = len(mantissa.partition(".")[2])
    exponent = int(digits.lower().partition("e")[2] or 0)
    tolerance = 0.5 * 10.0 ** (exponent - decimals)
    unit = (match["unit"] or "").lower()
    if value in _SMALL_COUNTS and not unit and not match["usd"]:
        return True
    if unit == "%" and value == _PLAIN_PERCENT:
        return True
    if decimals == 0 and not exponent:
        tolerance = 0.5 if value < 10_000 else 0.5  # noqa: PLR2004, RUF034 - whole numbers match to the unit
    return ledger.holds(value, tolerance, _UNITS[unit])


def _declared(text: str, ledger: Ledger) -> set[int]:
    """Positions of results of arithmetic that is written out, right, and made of traced numbers."""
    found: set[int] = set()
    for match in _ARITHMETIC.finditer(text):
        a, b, c = (float(match[name].replace("$", "").replace(",", "")) for name in "abc")
        operator = match["op"]
        results = {"+": a + b, "-": a - b, "\u2212": a - b, "*": a * b, "x": a * b, "\u00d7": a * b}
        value = results.get(operator, a / b if b else None)
        decimals = len(match["c"].partition(".")[2])
        traced = all(
            ledger.holds(
                abs(n),
                0.5 * 10.0 ** -len(match[name].partition(".")[2]),
                (1.0, 0.01, 1_000.0, 0.001),
            )
            for name, n in (("a", a), ("b", b))
        )
        if value is not None and traced and abs(value - c) <= 0.5 * 10.0**-decimals * 1.001:
            start = match.start("c")
            found |= {start, start + 1}
    return found
