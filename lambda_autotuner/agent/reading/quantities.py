"""Quantities in a person's words: memory sizes, durations, windows of time, percentages."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60,
    "a": 1, "an": 1, "half an": 0.5, "half a": 0.5, "one and a half": 1.5, "couple of": 2, "a couple of": 2, "few": 3,
}  # fmt: skip
_HOURS = {
    "minute": 1 / 60, "min": 1 / 60, "m": 1 / 60, "hour": 1.0, "hr": 1.0, "h": 1.0, "day": 24.0, "d": 24.0,
    "week": 168.0, "wk": 168.0, "w": 168.0, "fortnight": 336.0, "month": 720.0,
    "stunde": 1.0, "stunden": 1.0, "tag": 24.0, "tage": 24.0, "tagen": 24.0, "woche": 168.0, "wochen": 168.0,
    "hora": 1.0, "día": 24.0, "semana": 168.0, "heure": 1.0, "jour": 24.0, "semaine": 168.0,
}  # fmt: skip
_UNITS = "|".join(sorted(_HOURS, key=len, reverse=True))
_COUNT = r"(\d+(?:[.,]\d+)?|" + "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True)) + ")"
_RECENT = (
    r"(?:last|past|previous|recent|over the|during the|within the|in the|for the|letzten|vergangenen|"
    r"últimas?|últimos?|dernières?|derniers?|trailing|preceding|latest)"
)
_WINDOW = re.compile(rf"{_RECENT}\s+(?:last |past )?{_COUNT}[\s-]*({_UNITS})s?\b", re.IGNORECASE)
_WINDOW_ONE = re.compile(
    rf"\b(?:last|past|previous|this|letzte|diese|current)\s+({_UNITS})\b", re.IGNORECASE
)
_WINDOW_AFTER = re.compile(
    rf"\b{_COUNT}[\s-]*(minute|min|hour|hr|day|week|month|h|d|w)s?\b(?=\s*(?:ago|window|back|period|lookback|history|of (?:data|logs|metrics)|worth))",
    re.IGNORECASE,
)
_WINDOW_SHORT = re.compile(
    r"(?<![\w.])(\d+)\s*(h|d|w|hrs?|days?|hours?|weeks?)(?![\w.])", re.IGNORECASE
)
_WINDOW_SINCE = re.compile(
    r"\bsince (yesterday|last week|last month|this morning)\b", re.IGNORECASE
)
_NAMED = {"today": 24.0, "tonight": 24.0, "this morning": 24.0, "heute": 24.0, "hoy": 24.0, "yesterday": 48.0,
          "last night": 24.0, "overnight": 24.0, "gestern": 48.0, "ayer": 48.0, "this week": 168.0,
          "past week": 168.0, "last week": 168.0, "weekly": 168.0, "daily": 24.0, "hourly": 1.0,
          "last month": 720.0, "this month": 720.0, "since the weekend": 168.0, "right now": 1.0, "at the moment": 1.0, "just now": 1.0}  # fmt: skip
_MEMORY = re.compile(
    r"(?<![\w.])(?<!\s[-\u2212])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s*(mib|mb|megabytes?|megs?|m|gib|gb|gigabytes?|gigs?|g)(?!\w)",
    re.IGNORECASE,
)
_MEMORY_WORDS = re.compile(
    rf"\b({'|'.join(sorted(_NUMBER_WORDS, key=len, reverse=True))})\s+(gigs?|gb|gigabytes?)\b",
    re.IGNORECASE,
)
_SECONDS = re.compile(
    r"(?<![\w.])(?<!\s[-\u2212])(\d+(?:\.\d+)?)\s*(milliseconds?|millis|msec|ms|seconds?|secs?|sec|sekunden?|segundos?|secondes?|s|minutes?|minuten?|minutos?|mins?|min|m)(?!\w)",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"(?<![\w.])(\d+(?:\.\d+)?)\s*(?:%|percent|per cent|pct|prozent)", re.IGNORECASE
)
_PERCENTILE = re.compile(
    r"\bp\s?(\d{2}(?:\.\d)?)\b|\b(\d{2})(?:th|st|nd|rd)\s+percentile", re.IGNORECASE
)
_MB_PER_GB = 1024
_THIRD_OF_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Size:
    """A memory size that was said, in MB, and where."""

    memory_mb: int
    start: int
    end: int


def _count(text: str) -> float:
    lowered = text.lower()
    return (
        float(_NUMBER_WORDS[lowered]) if lowered in _NUMBER_WORDS else float(text.replace(",", "."))
    )


def window_hours(text: str) -> float | None:
    """The window of time that was asked about, in hours; None when none was.

    `the last 3 days` is 72, `yesterday` 48 (the day that began at most 48 hours ago).
    """
    for pattern in (_WINDOW, _WINDOW_AFTER):
        if match := pattern.search(text):
            return _count(match[1]) * _HOURS[match[2].lower()]
    if match := _WINDOW_SINCE.search(text):
        return {"yesterday": 48.0, "last week": 336.0, "last month": 1_440.0}.get(
            match[1].lower(), 24.0
        )
    if match := _WINDOW_ONE.search(text):
        return _HOURS[match[1].lower()]
    lowered = text.lower()
    for phrase, hours in _NAMED.items():
        if re.search(rf"\b{phrase}\b", lowered):
            return hours
    if match := _WINDOW_SHORT.search(text):
        unit = match[2].lower()
        return float(match[1]) * _HOURS[unit.rstrip("s") if len(unit) > 1 else unit]
    return None


def sizes(text: str) -> tuple[Size, ...]:
    """Every memory size with a unit, in MB (1 GB is 1,024 MB)."""
    found = []
    for match in _MEMORY.finditer(text):
        value = float(match[1].replace(",", ""))
        factor = _MB_PER_GB if match[2].lower().startswith("g") else 1
        found.append(Size(round(value * factor), match.start(), match.end()))
    found.extend(
        Size(round(_NUMBER_WORDS[match[1].lower()] * _MB_PER_GB), match.start(), match.end())
        for match in _MEMORY_WORDS.finditer(text)
    )
    return tuple(sorted(found, key=lambda size: size.start))


def seconds(text: str) -> float | None:
    """The first duration with a unit, in seconds."""
    match = _SECONDS.search(text)
    if match is None:
        return None
    value, unit = float(match[1]), match[2].lower()
    if unit.startswith("mil") or unit in {"ms", "msec"}:
        return value / 1000
    return value * (_THIRD_OF_A_MINUTE if unit.startswith("m") else 1)


def percent(text: str) -> float | None:
    """The first percentage."""
    match = _PERCENT.search(text)
    return float(match[1]) if match else None


def percentiles(text: str) -> tuple[float, ...]:
    """Percentiles that were named: `p95`, `the 99th percentile`, `median`."""
    found = [float(match[1] or match[2]) for match in _PERCENTILE.finditer(text)]
    if re.search(r"\bmedian\b", text, re.IGNORECASE):
        found.append(50.0)
    return tuple(dict.fromkeys(found))
