"""Numbers as a person reads them: units, separators, no more digits than they are worth."""

from __future__ import annotations

import math

UNKNOWN = "unknown"
_SECOND_MS = 10_000
_CENT = 0.01
_SMALL_USD = 1.0


def count(value: object) -> str:
    """A count with separators."""
    return f"{value:,.0f}" if isinstance(value, (int, float)) else UNKNOWN


def milliseconds(value: object) -> str:
    """A duration in ms, or in s from ten seconds up."""
    if not isinstance(value, (int, float)):
        return UNKNOWN
    if value >= _SECOND_MS:
        return f"{value / 1000:,.1f} s"
    return f"{value:,.0f} ms" if value >= 100 else f"{value:,.1f} ms"  # noqa: PLR2004 - readable digits


def usd(value: object) -> str:
    """Dollars: cents from one dollar up, four significant digits below."""
    if not isinstance(value, (int, float)):
        return UNKNOWN
    sign = "-" if value < 0 else ""
    size = abs(value)
    if size >= _SMALL_USD or size == 0:
        return f"{sign}${size:,.2f}"
    if size >= _CENT:
        return f"{sign}${size:.4f}"
    digits = min(12, 2 - math.floor(math.log10(size)))
    return f"{sign}${size:.{digits}f}"


def percent(value: object) -> str:
    """A percentage."""
    if not isinstance(value, (int, float)):
        return UNKNOWN
    return f"{value:g} %" if abs(value) < 10 else f"{value:,.1f} %"  # noqa: PLR2004 - readable digits


def memory(value: object) -> str:
    """A memory size in MB, as Lambda writes it."""
    return f"{value:.0f} MB" if isinstance(value, (int, float)) else UNKNOWN


def listing(items: list[str], limit: int = 12) -> str:
    """A list in a sentence, with the number of those left out."""
    if not items:
        return "none"
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and others ({len(items)} in all)"
