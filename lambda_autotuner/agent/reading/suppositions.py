"""What is supposed (`what if I doubled it`) and what is set against earlier times (`than last week`).

Both are questions. A supposition never becomes a wish: wishes are read elsewhere, from an
instruction, and a sentence that supposes is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambda_autotuner.agent.reading.quantities import sizes, window_hours
from lambda_autotuner.agent.reading.spans import read_spans

_SUPPOSES = re.compile(
    r"\b(?:what if|what would|what happens|what'd|what about|how about|would|wouldn'?t|suppos\w*|assum\w*|hypothetical\w*|"
    r"estimat\w*|predict\w*|forecast|if (?:i|we|you|it|they|one)\b|imagine|how much (?:would|could|more|less)|"
    r"(?:could|can|should) (?:i|we|it)|were (?:on|at|to)|(?:went|goes|go|going|moved?|moving|switch\w*|chang\w*) (?:up |down )?(?:from|to)|"
    r"happens?|is enough|be enough|enough|get(?:s)? by with|instead of|cheaper|faster|slower|save|"
    r"wenn|würde\w*|wäre\w*|was kostet|si (?:on|je|l')|et si|coûterait|serait|qué pas\w*|si (?:lo|la|le|pongo|subo|bajo)|costaría|sería|cost\w*|price)\b"
    r"|^\W*[\w-]+\W+(?:on|at|with)\b",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"\b(?:is|are|has|have|currently|now|runs?|running) (?:at |on |with |set to |configured (?:with|at) |using )?(?=\d)",
    re.IGNORECASE,
)
_FROM_TO = re.compile(r"\bfrom\s+[\d.,]+\s*\w{0,3}\s+(?:up |down )?to\b", re.IGNORECASE)
_DOUBLE = re.compile(
    r"\b(?:doubl\w+|twice|2x|x2|verdopp\w+|doubl(?:e|ait|er)|dobl\w+|duplic\w+)\b", re.IGNORECASE
)
_HALF = re.compile(
    r"\b(?:half|halv\w+|halbier\w*|hälfte|moitié|mitad|50 ?%)(?!\s+(?:a|an)\b)", re.IGNORECASE
)
_TRIPLE = re.compile(r"\b(?:tripl\w+|three times|3x)\b", re.IGNORECASE)
_QUARTER = re.compile(r"\b(?:quarter(?:ed)?|a fourth)\b", re.IGNORECASE)
_BY = re.compile(r"\b(?:by|um)\s+(\d+(?:\.\d+)?)\s*(%|percent|mb|mib|gb|gib)", re.IGNORECASE)
_DOWN = re.compile(
    r"\b(?:decreas\w*|reduc\w*|lower\w*|drop\w*|cut\w*|shr[iu]nk\w*|less|fewer|down|smaller)\b",
    re.IGNORECASE,
)
_ARM = re.compile(r"\b(?:arm64|aarch64|arm|graviton\d?)\b", re.IGNORECASE)
_X86 = re.compile(r"\b(?:x86_64|x86-64|x86|intel|amd64)\b", re.IGNORECASE)
_BARE = re.compile(
    r"\b(?:to|at|on|with|auf|a|à|of)\s+(\d{3,5})(?!\s*(?:ms|s\b|sec|%|days?|hours?|calls|invocations|requests|million|k\b))(?![\w.,]*\d)\b",
    re.IGNORECASE,
)
_GB = 1024
_MIN_MB, _MAX_MB = 128, 10_240


@dataclass(frozen=True, slots=True)
class Supposition:
    """A size or an architecture that a person supposes."""

    sizes_mb: tuple[int, ...] = ()
    times: float | None = None
    plus_mb: int | None = None
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class Periods:
    """Two spans of time to set beside each other; hours, None where nothing was said.

    Attributes:
        spans: two spans of the calendar, as they were said: `october` against `november`.
    """

    recent_hours: float | None = None
    baseline_hours: float | None = None
    since_change: bool = False
    spans: tuple[str, str] | None = None


def read_supposition(text: str) -> Supposition | None:
    """What a question supposes about a function's size or architecture; None when nothing."""
    if not _SUPPOSES.search(text):
        return None
    arm = bool(_ARM.search(text))
    architecture = "arm64" if arm else ("x86_64" if _X86.search(text) else None)
    spoken = [size for size in sizes(text) if not _STATED.search(text[: size.start] + "0")]
    if _FROM_TO.search(text) and len(spoken) > 1:
        spoken = spoken[1:]
    values = [size.memory_mb for size in spoken]
    if not values and not sizes(text):
        values = [int(found) for found in _BARE.findall(text) if _is_size(int(found))]
    values = [value for value in values if value > 0][:4]
    if values and not _BY.search(text):
        return Supposition(tuple(dict.fromkeys(values)), architecture=architecture)
    times, plus = _relative(text)
    if times is not None or plus is not None:
        return Supposition(times=times, plus_mb=plus, architecture=architecture)
    return Supposition(architecture=architecture) if architecture else None


def _is_size(value: int) -> bool:
    """Whether a bare number can be meant as a memory size."""
    return _MIN_MB <= value <= _MAX_MB and (
        value % 64 == 0 or value in {1769, 3008, 1000, 1500, 2000, 3000, 500}
    )


def _relative(text: str) -> tuple[float | None, int | None]:
    for pattern, factor in ((_DOUBLE, 2.0), (_TRIPLE, 3.0), (_QUARTER, 0.25), (_HALF, 0.5)):
        if pattern.search(text):
            return factor, None
    match = _BY.search(text)
    if match is None:
        return None, None
    sign = -1 if _DOWN.search(text) else 1
    amount, unit = float(match[1]), match[2].lower()
    if unit in {"%", "percent"}:
        return 1 + sign * amount / 100, None
    return None, round(sign * amount * (_GB if unit.startswith("g") else 1))


_SINCE_CHANGE = re.compile(
    r"\b(?:since|after|before and after|from before|seit|depuis|desde)\b[^.?!]{0,30}?\b(?:deploy\w*|release\w*|roll ?out|update[ds]?|change[ds]?|version|"
    r"modif\w*|resiz\w*|deployment|déploiement|despliegue)\b",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"\b(?:vs\.?|versus|compared? (?:to|with|against)|against|relative to|than|im vergleich zu|gegenüber|par rapport à|comparado con|frente a)\b",
    re.IGNORECASE,
)
_DIFFER = re.compile(r"\b(?:compare|difference|between|differ\w*)\b", re.IGNORECASE)
_EARLIER = re.compile(
    r"\b(?:(?:the |a )?(?:week|day|month|hour|\d+ (?:days?|hours?|weeks?)|\d+|one|period)s? (?:before|prior|earlier|ago)|before|earlier|previous\w*|prior|"
    r"last (?:week|month)|past week|yesterday|gestern|hier|ayer|usual|normal\w*|it (?:was|used to be)|used to|the day before|preceding|vorwoche|letzte woche|"
    r"semaine dernière|semana pasada|avant|antes|vorher)\b",
    re.IGNORECASE,
)
_COMPARATIVE = re.compile(
    r"\b(?:got|gotten|get|gets|go|goes|getting|become|becoming|became|went|gone|going|grow\w*|grew|has it|have they)\b[^.?!]{0,25}?"
    r"\b(?:slower|faster|worse|better|up|down|higher|lower|pricier|cheaper|more expensive|dearer|more|fewer|less|busier)\b"
    r"|\b(?:increas|decreas|ris)(?:ed|ing|es|en)\b|\brose\b|\bregress\w*|\bdegrad\w*|\bdeteriorat\w*|\bspik(?:ed|ing|es?)\b|\bchange[ds]? (?:in|over|most|since)\b|\bbiggest (?:change|jump|increase)\b"
    r"|\b(?:langsamer|schneller|teurer|billiger) geworden\b",
    re.IGNORECASE,
)
_DEFAULT_BASE = {"yesterday": 24.0, "gestern": 24.0, "hier": 24.0, "ayer": 24.0, "day before": 24.0}
_WEEK_BASE = re.compile(r"\b(?:week|vorwoche|woche|semaine|semana)\b", re.IGNORECASE)
_MONTH_BASE = re.compile(r"\bmonth\b", re.IGNORECASE)
_DAY_HOURS, _WEEK_HOURS, _MONTH_HOURS = 24.0, 168.0, 720.0


def read_periods(text: str, *, may_trend: bool = True) -> Periods | None:
    """The two spans that a question sets beside each other; None when it does not.

    Args:
        text: a question without the names of functions.
        may_trend: whether a word such as `going up` alone is enough.
    """
    named = read_spans(text)
    if len(named) == 2 and (_AGAINST.search(text) or _DIFFER.search(text)):  # noqa: PLR2004 - one on each side
        return Periods(spans=(named[0].removesuffix(".."), named[1].removesuffix("..")))
    if _SINCE_CHANGE.search(text):
        return Periods(since_change=True)
    parted = _AGAINST.search(text)
    if parted and _EARLIER.search(text[parted.end() :]):
        left, right = text[: parted.start()], text[parted.end() :]
        base = _baseline(right)
        return Periods(window_hours(left) or base, base)
    if parted and window_hours(text[: parted.start()]) and window_hours(text[parted.end() :]):
        return Periods(window_hours(text[: parted.start()]), window_hours(text[parted.end() :]))
    if may_trend and _COMPARATIVE.search(text):
        # Over a day or a week the word itself says the span; the one before it is as long.
        return Periods(window_hours(text))
    return None


def _baseline(text: str) -> float | None:
    for phrase, hours in _DEFAULT_BASE.items():
        if re.search(rf"\b{phrase}\b", text, re.IGNORECASE):
            return hours
    found = window_hours(text)
    if found is not None:
        return found
    if number := re.search(r"\b(\d+) (?:days? )?(?:before|prior|earlier)", text, re.IGNORECASE):
        return float(number[1]) * _DAY_HOURS
    if _MONTH_BASE.search(text):
        return _MONTH_HOURS
    return _WEEK_HOURS if _WEEK_BASE.search(text) else None


_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1, "top": 1,
    "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "erste": 1, "zweite": 2, "dritte": 3,
    "premier": 1, "première": 1, "deuxième": 2, "segunda": 2, "segundo": 2, "primera": 1, "primero": 1,
}  # fmt: skip
_ORDINAL = re.compile(
    rf"\b(?:the|that|die|der|das|la|le|el)\s+({'|'.join(_ORDINALS)})\b(?:\s+(?:one|function|lambda))?(?!\s+\w*(?:\d|days?|hours?|weeks?|months?|call|invocation|time|deploy|change|log|line|error|three|two|five|ten))"
    r"|(?:^|\s)#(\d{1,2})\b|\bnumber (\d{1,2}|one|two|three|four|five)\b",
    re.IGNORECASE,
)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def read_ordinals(text: str) -> tuple[int, ...]:
    """Places in a list that was shown before: `the second`, `#3`; -1 is the last."""
    found = []
    for match in _ORDINAL.finditer(text):
        if match[1]:
            found.append(_ORDINALS[match[1].lower()])
        else:
            said = match[2] or match[3]
            found.append(_WORDS.get(said.lower()) or int(said))
    return tuple(dict.fromkeys(found))


_BY_DAY = re.compile(
    r"\b(?:per day|each day|every day|by day|daily|day by day|per-day|a day over|over time|trend\w*|when did|when was it|since when|started|begin|began|graph|chart|plot|history of (?:invocations|errors|duration)|pro tag|par jour|por día)\b",
    re.IGNORECASE,
)


def read_by_day(text: str) -> bool:
    """Whether each day of a window is wanted by itself."""
    return bool(_BY_DAY.search(text))
