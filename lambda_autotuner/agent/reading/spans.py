"""Spans of the calendar in a person's words: `in October`, `on Nov 23`, `Monday between 9 and 11`.

What is read here is symbolic, because only the account knows which October was the last one:
`october`, `11-23`, `monday 09:00-11:00`, `this month`, `2026-11-01..2026-11-07`, `11-10..`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FOREIGN = {
    "januar": 1, "februar": 2, "märz": 3, "mai": 5, "juni": 6, "juli": 7, "oktober": 10, "dezember": 12, "janvier": 1, "février": 2,
    "mars": 3, "avril": 4, "juin": 6, "juillet": 7, "août": 8, "septembre": 9, "octobre": 10, "novembre": 11, "décembre": 12,
    "enero": 1, "febrero": 2, "marzo": 3, "abril": 4, "mayo": 5, "junio": 6, "julio": 7, "agosto": 8, "septiembre": 9, "octubre": 10,
    "noviembre": 11, "diciembre": 12,
}  # fmt: skip
_NUMBER = {
    **{name: index for index, name in enumerate(MONTHS, 1)},
    **{name[:3]: index for index, name in enumerate(MONTHS, 1)},
    "sept": 9,
    **_FOREIGN,
}
_MONTH = "|".join(sorted(_NUMBER, key=len, reverse=True))
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_ISO = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\w-])")
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})\.?\s+{_DAY}\b(?:,?\s+(20\d{{2}}))?(?!\s*(?:mb|gb|ms|s|%|days?)\b)",
    re.IGNORECASE,
)
_DAY_MONTH = re.compile(
    rf"\b{_DAY}\.?\s+(?:of\s+|de\s+)?({_MONTH})\b(?:\s+(20\d{{2}}))?", re.IGNORECASE
)
_WHOLE_MONTH = re.compile(
    rf"\b(?:in|for|during|of|since|through|throughout|until|before|after|last|this|im|en|seit|depuis|desde|vs\.?|versus|to|than|and)\s+({_MONTH})\b(?:\s+(20\d{{2}}))?"
    rf"|\b(january|february|april|june|july|august|september|october|november|december|jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec)\b(?:\s+(20\d{{2}}))?",
    re.IGNORECASE,
)
_ISO_MONTH = re.compile(r"(?<![\w-])(20\d{2})-(\d{2})(?![\w-])")
_WEEKDAY = re.compile(
    rf"\b(?:on |last |this |since )?({'|'.join(WEEKDAYS)}|mon|tues?|wed|thurs?|fri|(?:(?<=vs )|(?<=vs\. )|(?<=on )|(?<=last )|(?<=and )|(?<=this ))(?:sat|sun))(?:'s|s)?\b",
    re.IGNORECASE,
)
_RELATIVE = (
    (re.compile(r"\b(?:yesterday|yday|yest|gestern|ayer|hier)\b", re.IGNORECASE), "yesterday"),
    (re.compile(r"\b(?:this (?:calendar )?month|month[- ]to[- ]date|mtd|diesen monat|ce mois|este mes)\b", re.IGNORECASE), "this month"),
    (re.compile(r"\b(?:last|previous|prior) (?:calendar )?month\b|\b(?:letzten monat|le mois dernier|el mes pasado)\b", re.IGNORECASE), "last month"),
)  # fmt: skip
_TODAY = re.compile(r"\b(?:today|heute|hoy|aujourd'hui)\b", re.IGNORECASE)
_CLOCK = r"(\d{1,2})(?::(\d{2}))?\s*(am|pm|h|uhr|o'?clock)?"
_HOURS = re.compile(
    rf"\b(?:between|from|zwischen|entre)\s+{_CLOCK}\s*(?:and|to|until|-|und|y|et|a)\s*{_CLOCK}(?:\s*utc)?(?!\s*(?:mb|gb|ms|s|sec\w*|%|days?|weeks?|hours?|minutes?|min|times|calls|\d|\.\d|million)\b)(?![\d%-])",
    re.IGNORECASE,
)
_SINCE = re.compile(r"\b(?:since|from|starting|seit|depuis|desde|after)\s*$", re.IGNORECASE)
_OPEN = re.compile(r"^\s*(?:on|onwards?|until now|till now|to now|so far)\b", re.IGNORECASE)
_BETWEEN = re.compile(
    r"^\s*(?:to|and|until|till|through|-|\u2013|bis|a|au|hasta)\s*(?:the\s+)?$", re.IGNORECASE
)
_LAST_HOUR = 24
SPAN_PATTERN = (
    r"^(?:(?:yesterday|today|this month|last month|[a-z]{3,9}|\d{4}-\d{2}(?:-\d{2})?|\d{2}-\d{2})"
    r"(?:\.\.(?:\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|[a-z]{3,9})?)?)(?: \d{2}:\d{2}-\d{2}:\d{2})?$"
)


def read_spans(text: str) -> tuple[str, ...]:
    """The spans of the calendar that a text names, in order; those that are one range as one."""
    found = _dates(text)
    spans: list[str] = []
    index = 0
    while index < len(found):
        start, end, name = found[index]
        following = found[index + 1] if index + 1 < len(found) else None
        dated = re.fullmatch(r"[\d-]+", name) is not None
        if (
            following
            and dated
            and _BETWEEN.match(text[end : following[0]])
            and following[2][0].isdigit()
        ):
            spans.append(f"{name}..{following[2]}")
            index += 2
            continue
        # `since October` lasts until now; `in October` ends with it.
        opened = _SINCE.search(text[:start]) is not None or _OPEN.match(text[end:]) is not None
        spans.append(f"{name}.." if opened and name not in {"yesterday", "this month"} else name)
        index += 1
    return tuple(dict.fromkeys(spans))


def read_span(text: str) -> str | None:
    """The one span that a question is about, with its hours of the day; None when none was named."""
    spans = read_spans(text)
    hours = _hours(text)
    if not spans:
        said = hours is not None and (
            _TODAY.search(text) or not re.search(r"\b(?:week|month|days)\b", text)
        )
        return f"today {hours}" if said else None
    if len(spans) > 1:
        return None
    if spans[0] == "yesterday" and re.search(
        r"\bsince\s+(?:yesterday|yday)\b", text, re.IGNORECASE
    ):
        return None
    return f"{spans[0]} {hours}" if hours else spans[0]


def without_spans(text: str) -> str:
    """`text` without the words that name spans, which must not be read as anything else."""
    for start, end, _ in reversed(_dates(text)):
        text = f"{text[:start]} {text[end:]}"
    return text


def _named_dates(text: str) -> Iterator[tuple[re.Match[str], str, int]]:
    """Days and months with the place where they begin, the most exact forms first."""
    for match in _ISO.finditer(text):
        yield match, match[0], match.start()
    for match in _MONTH_DAY.finditer(text):
        yield match, _day(match[3], _NUMBER[match[1].lower()], int(match[2])), match.start()
    for match in _DAY_MONTH.finditer(text):
        yield match, _day(match[3], _NUMBER[match[2].lower()], int(match[1])), match.start()
    for match in _ISO_MONTH.finditer(text):
        yield match, match[0], match.start()
    for pattern, name in _RELATIVE:
        for match in pattern.finditer(text):
            yield match, name, match.start()
    for match in _WHOLE_MONTH.finditer(text):
        group = 1 if match[1] else 3
        number, year = _NUMBER[match[group].lower()], match[group + 1]
        yield match, f"{year}-{number:02d}" if year else MONTHS[number - 1], match.start(group)
    for match in _WEEKDAY.finditer(text):
        yield (
            match,
            next(day for day in WEEKDAYS if day.startswith(match[1].lower()[:3])),
            match.start(1),
        )


def _dates(text: str) -> list[tuple[int, int, str]]:
    """Where a day or a month stands, and which; what is inside another is not counted again."""
    found: list[tuple[int, int, str]] = []

    for match, name, start in _named_dates(text):
        if all(match.end() <= b or start >= e for b, e, _ in found):
            found.append((start, match.end(), name))
    return sorted(found)


def _day(year: str | None, month: int, day: int) -> str:
    return f"{year}-{month:02d}-{day:02d}" if year else f"{month:02d}-{day:02d}"


def _hours(text: str) -> str | None:
    text = re.sub(r"\b(?:noon|midday)\b", "12:00", text, flags=re.IGNORECASE)
    match = _HOURS.search(re.sub(r"\bmidnight\b", "00:00", text, flags=re.IGNORECASE))
    if match is None:
        return None
    first, second = (int(match[1]), match[3]), (int(match[4]), match[6])
    # `9 to 5pm`: what is said of the end holds for a start that says nothing and comes before it.
    half = (second[1] or "").lower()
    end = _of_day(second[0], half)
    start = _of_day(first[0], (first[1] or half).lower())
    start = first[0] if not first[1] and start >= end else start
    if not 0 <= start < end <= _LAST_HOUR or end == _LAST_HOUR:
        return None
    return f"{start:02d}:{match[2] or '00'}-{end:02d}:{match[5] or '00'}"


def _of_day(hour: int, half: str) -> int:
    noon = 12
    if half == "pm" and hour < noon:
        return hour + noon
    return 0 if half == "am" and hour == noon else hour
