"""Which label a number stands under: a right number under a wrong label is wrong.

Where an answer says `p50 44 ms, p99 57 ms`, each number has the label that stands between the
number before and itself; `978 of them unreserved` has it behind. A number without any label of the
same family (a cell of a table, a bare `57 ms`) is held to none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lambda_autotuner.evaluation.quantities import Quantity

_FAMILIES: tuple[dict[str, str], ...] = (
    {
        "p50": r"\bp\s?50\b|\bmedian|\b50th|\bp50",
        "p90": r"\bp\s?90\b|\b90th",
        "p95": r"\bp\s?95\b|\b95th|\b95 ?%",
        "p99": r"\bp\s?99\b|\b99th|\b99 ?%",
        "average": r"\bmean\b|\baverage|\bavg\b",
        "maximum": r"\bmax\b|\bmaximum|\blongest|\bslowest|\bpeak|\bat most|\bworst",
        "minimum": r"\bmin\b|\bminimum|\bshortest|\bfastest|\bat least",
    },
    {
        "concurrency limit": r"\blimit|\bquota|\ballow|\btotal|\bat the same time|\baltogether",
        "unreserved": r"\bunreserved|\bremaining|\bleft\b|\bavailable|\bfree\b",
    },
    {
        "memory used": r"\bused\b|\buses\b|\busing|\busage|\bpeak|\bfootprint|\bconsum|\btakes",
        "memory size": r"\bconfigured|\bsize\b|\blimit|\bhas a?\b|(?<=\d mb )(?:out )?of\s*$",
    },
    {
        "invocations": r"\binvocation|\binvoked|\brequests?\b|\bcalls?\b|\bcalled\b|\bruns\b",
        "errors": r"\berror|\bfail",
        "throttles": r"\bthrottl",
    },
)
_COMPILED = tuple(
    {kind: re.compile(pattern) for kind, pattern in family.items()} for family in _FAMILIES
)
_BREAK = re.compile(r"[\n;]|[.!?](?=\s)")
_CLAUSE = re.compile(r"[\n;,()|]|[.!?](?=\s)")
_COUNTED = re.compile(r"\s+[a-z]+")
_LONGEST_LABEL = 90


def contradicted(text: str, quantities: Sequence[Quantity], place: int, kind: str) -> bool:
    """Whether the number at a place stands under another label of the family of `kind`."""
    family = next((found for found in _COMPILED if kind in found), None)
    if family is None:
        return False
    before, after = _before(text, quantities, place), _after(text, quantities, place)
    counted = _COUNTED.match(after) if quantities[place].dimension is None else None
    if counted and not _adjacent(family[kind], before):
        # `4 errors over 1,232 invocations`: the word right behind a count is what is counted.
        named = _kinds(family, counted[0])
        if named:
            return kind not in named
    named = _kinds(family, before) | _kinds(family, after)
    return bool(named) and kind not in named


def _adjacent(pattern: re.Pattern[str], before: str) -> bool:
    """`errors: 4 invocations: 1,232`: a label right before a number is its own."""
    return any(
        not re.search(r"\w", before[m.end() :].lstrip("s")) for m in pattern.finditer(before)
    )


def _kinds(family: dict[str, re.Pattern[str]], text: str) -> set[str]:
    return {kind for kind, pattern in family.items() if pattern.search(text)}


def _before(text: str, quantities: Sequence[Quantity], place: int) -> str:
    """What stands between the number before, or the sentence's beginning, and this one."""
    start = quantities[place].start
    low = max(0, start - _LONGEST_LABEL)
    for earlier in reversed(quantities[:place]):
        if not _is_ordinal(text, earlier):
            # Its unit is part of what was said of it, and `of` behind it is not.
            low = max(low, earlier.start)
            break
    breaks = [match.end() for match in _BREAK.finditer(text, low, start)]
    return text[breaks[-1] if breaks else low : start]


def _after(text: str, quantities: Sequence[Quantity], place: int) -> str:
    end = quantities[place].end
    high = min(len(text), end + _LONGEST_LABEL)
    later = next((q for q in quantities[place + 1 :] if not _is_ordinal(text, q)), None)
    if later is not None:
        high = min(high, later.start)
    clause = _CLAUSE.search(text, end, high)
    return text[end : clause.start() if clause else high]


def _is_ordinal(text: str, quantity: Quantity) -> bool:
    """`95th percentile` and `95 % of requests` name a label, not a value."""
    return bool(
        re.match(
            r"(?:th|st|nd|rd)\b|\s?(?:%|percent) of (?:all )?\w*(?:request|call|run|invocation)",
            text[quantity.end :],
        )
    )
