"""Conditions that functions must meet, read from a person's words and put together freely.

A condition is a field, a comparison and a value: `without a DLQ`, `p95 over 2 s`, `no errors`,
`deployed since October`. A question may have any number of them, over settings and over what was
observed alike; the tools hold the same fields under the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lambda_autotuner.agent.reading.spans import read_spans, without_spans

Operator = Literal["<", "<=", "=", ">=", ">", "present", "absent", "in", "before", "since"]


@dataclass(frozen=True, slots=True)
class Said:
    """One condition as a person said it; `value` is in the unit of the field's name."""

    field: str
    op: Operator
    value: float | str | None = None


_PRESENT = {
    "dead_letter": r"dlqs?|dead[- ]letter(?:[- ]?(?:queue|config\w*|target|topic))?s?",
    "vpc": r"vpcs?",
    "layers": r"layers?",
    "environment": r"(?:env(?:ironment)?[- ]?(?:var(?:iable)?s?|settings)|envs?\b)",
    "tracing": r"(?:active )?(?:aws )?x-?ray(?: tracing)?|(?:active )?tracing",
    "snap_start": r"snap ?start",
    "reserved_concurrency": r"reserved(?:[- ]concurr?ency)?|concurr?ency (?:reservation|limit|cap)s?",
    "provisioned_concurrency": r"provisioned(?:[- ]concurr?ency)?",
    "file_system": r"efs|file ?systems?",
    "aliases": r"alias(?:es)?",
    "alarms": r"alarms?|alerts?|alerting|monitoring",
    "tags": r"tags?",
    "description": r"descriptions?",
    "kms_key": r"(?:customer[- ]managed |own )?kms(?: keys?)?|encryption keys?",
}
_FIELD = "|".join(f"(?P<{name}>{words})" for name, words in _PRESENT.items())
_ARTICLE = (
    r"(?:(?:a|an|the|any|some|its|their|own|active|configured|custom|specific|dedicated)\s+)*"
)
_NOT = (
    r"(?:\bno\b|\bwithout\b|(?<!\w)w/o\b|\black(?:s|ing)?\b|\bmissing\b|\bmiss\b|\bnot\s+(?:in|inside|on|using|have|having|use|got|set|with|part of|attached to)\b|"
    r"\b(?:do|does|did|is|are|has|have|was)(?:n'?t| not)\s+(?:(?:have|got|use|using|in|inside|on|set|with|run in|running in|part of|attached to|connected to)\b\s*)?(?:set\s+)?|\bnever\s+had\b|\boutside(?:\s+of)?\b)"
)
_WITH = r"(?:\bwith\b|(?<!\w)w/(?!o)|\bhave\b|\bhas\b|\bhaving\b|\bgot\b|\buses?\b|\busing\b|\bin\b|\binside\b|\bhad\b|\bset\s+(?:a|an)?|\benabled?\b|\bturned on\b|\battached to\b|\bon\b)"
_SET = r"(?:\s+(?:is|are|was|were)?\s*(?:set|enabled|configured|on|turned on|attached|active|defined|in place|in use)\b)"
_UNSET = r"(?:\s+(?:is|are|was|were)?\s*(?:not (?:set|enabled|configured|on|active|defined)|isn'?t\b[^.?!]{0,12}|aren'?t\b[^.?!]{0,12}|off|disabled|missing|unset)\b)"
_ABSENT = re.compile(
    rf"{_NOT}\s*{_ARTICLE}(?:{_FIELD})\b(?:\s+(?:set|configured|enabled|attached|at all|for)\b)?(?!-)",
    re.IGNORECASE,
)
_ABSENT_AFTER = re.compile(rf"\b(?:{_FIELD})\b{_UNSET}", re.IGNORECASE)
_PRESENT_BEFORE = re.compile(rf"{_WITH}\s*{_ARTICLE}(?:{_FIELD})\b(?:{_SET})?(?!-)", re.IGNORECASE)
_PRESENT_AFTER = re.compile(rf"\b(?:{_FIELD})\b{_SET}", re.IGNORECASE)
_TAG_KEY = re.compile(r"^\s*(?:for|called|named|key)\s+[`\"']?([\w:.-]+)", re.IGNORECASE)
_KEY_TAG = re.compile(rf"{_NOT}\s*{_ARTICLE}[`\"']?([\w:.-]+)[`\"']?\s+tags?\b", re.IGNORECASE)
_NO_KEYS = frozenset({"a", "an", "any", "the", "some", "own", "proper", "of", "resource"})

_MORE = r"more than|over|above|greater than|bigger than|larger than|longer than|slower than|higher than|exceed(?:s|ing)?|beyond|upwards of|mehr als|über|plus de|más de"
_LESS = r"less than|under|below|smaller than|fewer than|lower than|shorter than|faster than|quicker than|cheaper than|weniger als|unter|moins de|menos de"
_LEAST = r"at least|min(?:imum)?(?: of)?|no less than"
_MOST = r"at most|max(?:imum)?(?: of)?|up to|no more than|within"
_WORDS = {"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "ten": 10.0, "twenty": 20.0, "fifty": 50.0, "a hundred": 100.0, "hundred": 100.0, "a thousand": 1_000.0, "a million": 1e6, "half a": 0.5}  # fmt: skip
_NUMBER = (
    r"\$?\s*(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\w)(?:"
    + "|".join(sorted(_WORDS, key=len, reverse=True))
    + r")(?!\w))"
)
_SCALE = r"(?:\s*(?P<scale>k|m|mio|million|thousand|bn|billion)(?=\s+(?!b)|$|[.?!,+]))?"
_UNIT = (
    r"(?:\s*(?P<unit>%|percent|pct|usd|dollars?|bucks?|cents?|ms|milliseconds?|millis|s|secs?|seconds?|min(?:ute)?s?|hours?|"
    r"mb|mib|megs?|megabytes?|gb|gib|gigs?|gigabytes?|days?|weeks?|months?|"
    r"invocations?|calls?|requests?|times|hits|runs|executions|errors?|failures?|exceptions?|throttles?|layers?|env(?:ironment)? var\w*)(?![\w-]))?"
)
_COMPARED = re.compile(
    rf"(?:(?P<least>(?<!\w)(?:{_LEAST})\b|>=|\u2265)|(?P<most>(?<!\w)(?:{_MOST})\b|<=|\u2264)|(?P<more>(?<!\w)(?:{_MORE})\b|>)|(?P<less>(?<!\w)(?:{_LESS})\b|<))\s*(?P<dollar>\$)?{_NUMBER}{_SCALE}{_UNIT}",
    re.IGNORECASE,
)
_SUFFIXED = re.compile(
    rf"(?<![\w.])(?P<dollar>\$)?{_NUMBER}{_SCALE}{_UNIT}\s*(?:(?P<least>\+|or more|or higher|or longer|and up|and above)|(?P<most>or less|or fewer|or lower|and below))(?!\w)",
    re.IGNORECASE,
)
_RANGE = re.compile(
    rf"\bbetween\s+(?P<dollar>\$)?(?P<low>\d+(?:\.\d+)?)\s*(?:mb|gb|ms|s|%)?\s+and\s+{_NUMBER}{_SCALE}{_UNIT}",
    re.IGNORECASE,
)
_FRACTION = re.compile(
    rf"(?:(?P<more>{_MORE})|(?P<less>{_LESS})|(?P<least>{_LEAST}))\s+(?P<part>half|a third|a quarter|a tenth)\s+(?:of\s+)?(?:the|their|its|that)?\s*(?:memory|ram|mem)\b",
    re.IGNORECASE,
)
_PARTS = {"half": 50.0, "a third": 33.3, "a quarter": 25.0, "a tenth": 10.0}
_NONE = re.compile(
    r"(?:\b(?:zero|no|0|without(?: any| a single)?|not a single|not any|w/o)|\b(?:do|does|did|ha[sv]e)(?:n'?t| not) (?:have |had )?(?:any ))\s*(?P<what>errors?|failures?|exceptions?|throttl\w+|cold[- ]starts?|time ?outs)\b"
    r"|\b(?P<free>error|failure|throttle)[- ]free\b|\bnever (?P<never>fail(?:s|ed)?|error(?:s|ed)?|crash\w*|throttled?|get throttled)\b",
    re.IGNORECASE,
)
_MODIFIED = re.compile(
    r"\b(?:modif\w+|deploy\w*|updat\w+|chang\w+|touched|released?|redeploy\w*|shipped|edited|pushed)\b",
    re.IGNORECASE,
)
_STALE = re.compile(
    rf"(?:(?:\b(?:not|never|no)\b|n'?t\b)[^.?!]{{0,25}}{_MODIFIED.pattern}|{_MODIFIED.pattern}[^.?!]{{0,12}}\bmore than\b|{_MODIFIED.pattern}[^.?!]{{0,20}}\bbefore\b|\b(?:older than|untouched|unchanged)\b)",
    re.IGNORECASE,
)
_AGES = re.compile(
    r"\b(?:(?:in|for|within|during)\s+(?:the\s+)?(?:last|past)?|last|past|older than|more than|over)\s*(?P<count>\d+|a|one|two|three|six)?\s*(?P<age>day|week|month|year|quarter)s?\b",
    re.IGNORECASE,
)
_AGE_DAYS = {"day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0, "quarter": 91.0}
_COUNTS = {"a": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "six": 6.0}


_SET_OF_FUNCTIONS = re.compile(
    r"\b(?:functions|lambdas|fns|funcs|services|those|ones|who|everything|anything|everyone|stuff|things)\b|\b(?:which|what|any|every|each|no) (?:function|lambda|fn|func|one)\b|\bhow many\b"
    r"|^\W*(?:which|what(?:'?s| was| is| got| has been| were)? (?:deployed|changed|modified|updated|released))\b|\b(?:funktionen|fonctions|funciones)\b",
    re.IGNORECASE,
)


def about_a_set(text: str) -> bool:
    """Whether a question is about functions by what they have in common."""
    several = len(list(_COMPARED.finditer(text))) > 1
    return several or bool(_SET_OF_FUNCTIONS.search(text))


def read_conditions(text: str) -> tuple[tuple[Said, ...], str]:
    """The conditions in a question about functions, and the text without the words that said them.

    Args:
        text: a question, without names of functions.
    """
    found: list[Said] = []
    rest = text
    for read in (
        _read_age,
        _read_fractions,
        _read_none,
        _read_still,
        _read_ranges,
        _read_compared,
        _read_tag_keys,
        _read_presence,
    ):
        said, rest = read(rest)
        found += said
    return tuple(dict.fromkeys(found)), re.sub(r"\s+", " ", rest).strip()


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]} , {text[end:]}"
    return text


def _read_age(text: str) -> tuple[list[Said], str]:
    """When functions were last modified."""
    if not (_MODIFIED.search(text) or _STALE.search(text)):
        return [], text
    stale = _STALE.search(text) is not None
    spans = read_spans(text)
    if len(spans) == 1:
        span = spans[0]
        if stale:
            return [Said("last_modified", "before", span.removesuffix(".."))], without_spans(text)
        op: Operator = "since" if span.endswith("..") else "in"
        return [Said("last_modified", op, span.removesuffix(".."))], without_spans(text)
    age = _AGES.search(text)
    if age is None:
        return [], text
    said = (age["count"] or "1").lower()
    days = (_COUNTS.get(said) or float(said)) * _AGE_DAYS[age["age"].lower()]
    return [Said("last_modified_days_ago", ">" if stale else "<=", days)], _cut(text, [age.span()])


def _read_fractions(text: str) -> tuple[list[Said], str]:
    matches = list(_FRACTION.finditer(text))
    said = [Said("memory_used_pct", _operator(m), _PARTS[m["part"].lower()]) for m in matches]
    return said, _cut(text, (m.span() for m in matches))


def _read_none(text: str) -> tuple[list[Said], str]:
    found: list[Said] = []
    spans: list[tuple[int, int]] = []
    for match in _NONE.finditer(text):
        word = (match["what"] or match["free"] or match["never"]).lower()
        field = "throttles" if "throttl" in word else "errors"
        field = "cold_start_rate_pct" if word.startswith("cold") else field
        field = "timeout_used_pct" if word.startswith("time") else field
        found.append(
            Said(
                field,
                "<" if field == "timeout_used_pct" else "=",
                100.0 if field == "timeout_used_pct" else 0.0,
            )
        )
        spans.append(match.span())
    return found, _cut(text, spans)


_STILL = re.compile(
    r"\b(?:that |which )?(?:are )?still (?:runs?|running|used|in use|called|invoked|alive|active|get (?:calls|traffic))\b",
    re.IGNORECASE,
)


def _read_still(text: str) -> tuple[list[Said], str]:
    matches = list(_STILL.finditer(text))
    return [Said("invocations", ">", 0.0) for _ in matches[:1]], _cut(
        text, (m.span() for m in matches)
    )


def _read_ranges(text: str) -> tuple[list[Said], str]:
    found: list[Said] = []
    spans: list[tuple[int, int]] = []
    for match in _RANGE.finditer(text):
        read = _quantity(match, text) or _setting(match, text)
        if read is None:
            continue
        field, high = read
        factor = high / float(
            match["number"].replace(",", "") if match["number"][0].isdigit() else 1
        )
        found += [Said(field, ">=", float(match["low"]) * factor), Said(field, "<=", high)]
        spans.append(match.span())
    return found, _cut(text, spans)


def _read_compared(text: str) -> tuple[list[Said], str]:
    found: list[Said] = []
    spans: list[tuple[int, int]] = []
    matches = [match for pattern in (_COMPARED, _SUFFIXED) for match in pattern.finditer(text)]
    for match in matches:
        # Several bounds: each belongs to what is named beside it, memory and timeout too.
        read = _quantity(match, text) or (_setting(match, text) if len(matches) > 1 else None)
        if read is None or any(match.start() < end and start < match.end() for start, end in spans):
            continue
        found.append(Said(read[0], _operator(match), read[1]))
        spans.append(match.span())
    return found, _cut(text, spans)


def _operator(match: re.Match[str]) -> Operator:
    groups = match.groupdict()
    for name, op in (("more", ">"), ("less", "<"), ("least", ">="), ("most", "<=")):
        if groups.get(name):
            return op  # type: ignore[return-value]
    return "="


_FACTORS = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mio": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
}


def _quantity(match: re.Match[str], text: str) -> tuple[str, float] | None:
    """The field that a compared quantity is of, and its value in the field's unit."""
    said = match["number"].lower()
    value = _WORDS[said] if said in _WORDS else float(said.replace(",", ""))
    value *= _FACTORS.get((match["scale"] or "").lower(), 1.0)
    unit = (match["unit"] or "").lower()
    near = _around(text, match)
    if (
        match["dollar"]
        or unit.startswith(("usd", "dollar", "buck", "cent"))
        or (not unit and re.search(r"\b(?:cost|spend|pay|\$)", near))
    ):
        return _money(near), value / (100 if unit.startswith("cent") else 1)
    if unit in {"%", "percent", "pct"}:
        return _share(near), value
    if re.fullmatch(r"m[is].*|ms|s|sec.*|hours?", unit) and not unit.startswith("mib"):
        return _duration(near, unit, value)
    if re.fullmatch(r"m.*b.*|megs?|g.*b.*|gigs?", unit):
        factor = 1024.0 if unit.startswith("g") else 1.0
        return _bytes(near, value * factor)
    return _counted(unit, near, text.lower(), value)


def _setting(match: re.Match[str], text: str) -> tuple[str, float] | None:
    """A range of memory or of the timeout, whose single bounds are read with the other settings."""
    said, unit = match["number"].lower(), (match["unit"] or "").lower()
    value = _WORDS[said] if said in _WORDS else float(said.replace(",", ""))
    if re.fullmatch(r"m.*b.*|megs?|g.*b.*|gigs?", unit):
        return "memory_mb", value * (1024.0 if unit.startswith("g") else 1.0)
    near = _around(text, match)
    if re.search(r"time ?out", near):
        return "timeout_seconds", value * (60.0 if unit.startswith("min") else 1.0)
    return ("memory_mb", value) if not unit and re.search(r"\b(?:memory|ram|mem)\b", near) else None


def _around(text: str, match: re.Match[str]) -> str:
    """The clause in which a quantity stands: it belongs to what is named there."""
    before = re.split(r"[,;.?!]|\b(?:and|but|or)\b", text[: match.start()])[-1]
    after = re.split(r"[,;.?!]|\b(?:and|but|or|with)\b", text[match.end() :])[0]
    return f"{before} {match[0]} {after}".lower()


def _money(near: str) -> str:
    return "cost_usd_per_million" if re.search(r"\bmillion\b", near) else "cost_usd_month"


def _share(near: str) -> str:
    for words, field in (
        (r"error|fail|exception", "error_rate_pct"), (r"cold|init", "cold_start_rate_pct"), (r"time ?out", "timeout_used_pct"),
        (r"memory|ram|mem\b", "memory_used_pct"),
    ):  # fmt: skip
        if re.search(words, near):
            return field
    return "error_rate_pct"


_DURATIONS = (
    (r"\bcold|\binit|\bstart ?up|\bboot", "mean_init_ms"), (r"\bp50\b|\bmedian\b", "p50_duration_ms"), (r"\bp95\b", "p95_duration_ms"),
    (r"\bp99\b", "p99_duration_ms"), (r"\b(?:average|avg|mean|typical)", "mean_duration_ms"), (r"\b(?:max|longest|worst|slowest run)", "max_duration_ms"),
    (r"\b(?:dur\w+|latenc\w+|tak\w+|run\w*|slow\w*|fast\w*|respon\w+|long\w*|quick\w*|execut\w+|perform\w*)", "p95_duration_ms"),
)  # fmt: skip


def _duration(near: str, unit: str, value: float) -> tuple[str, float] | None:
    seconds = value / 1000 if unit.startswith(("ms", "mil")) else value
    seconds *= 60 if unit.startswith("min") else 3_600 if unit.startswith("hour") else 1
    if re.search(r"time ?out", near):
        return None  # the timeout's bound is read with the other settings
    field = next((name for words, name in _DURATIONS if re.search(words, near)), None)
    return (field, seconds * 1000) if field else None


def _bytes(near: str, megabytes: float) -> tuple[str, float] | None:
    if re.search(r"tmp|ephemeral|scratch|disk|storage", near):
        return "ephemeral_storage_mb", megabytes
    if re.search(r"\b(?:used|usage|peak|actual\w*|real\w*)\b", near):
        return "max_memory_used_mb", megabytes
    if re.search(r"\b(?:code|package|bundle|zip|artifact|deployment)", near):
        return "code_size_mb", megabytes
    return None  # memory's bound is read with the other settings


def _counted(unit: str, near: str, whole: str, value: float) -> tuple[str, float] | None:
    for words, field in (
        (r"throttl", "throttles"), (r"error|fail|exception", "errors"), (r"layer", "layers"), (r"env", "environment"),
        (r"invocation|call|request|times|hit|run|execution|invoked", "invocations"),
    ):  # fmt: skip
        if re.search(words, unit or ""):
            return field, value
    if unit:
        return None
    # `threw errors but less than 100`: a bare number is of what the sentence counts.
    near = (
        near
        if re.search(
            r"error|fail|throttl|reserved|provisioned|\binvo|\bcall|\brequest|traffic", near
        )
        else whole
    )
    for words, field in (
        (r"error rate|failure rate", "error_rate_pct"), (r"\berrors?\b|\bfail", "errors"), (r"throttl", "throttles"),
        (r"reserved", "reserved_concurrency"), (r"provisioned", "provisioned_concurrency"), (r"\binvo|\bcall|\brequest|\btraffic", "invocations"),
    ):  # fmt: skip
        if re.search(words, near):
            return field, value
    return None


def _read_tag_keys(text: str) -> tuple[list[Said], str]:
    """`without an owner tag`: the key of a tag that is missing."""
    found: list[Said] = []
    spans: list[tuple[int, int]] = []
    for match in _KEY_TAG.finditer(text):
        if match[1].lower() not in _NO_KEYS:
            found.append(Said("tags", "absent", match[1]))
            spans.append(match.span())
    return found, _cut(text, spans)


def _read_presence(text: str) -> tuple[list[Said], str]:
    found: list[Said] = []
    for pattern, op in (
        (_ABSENT, "absent"),
        (_ABSENT_AFTER, "absent"),
        (_PRESENT_BEFORE, "present"),
        (_PRESENT_AFTER, "present"),
    ):
        spans = []
        for match in pattern.finditer(text):
            field = next(name for name in _PRESENT if match[name])
            if field == "alarms" and re.match(r"(?:in|on)\b", match[0], re.IGNORECASE):
                continue  # `in alarm` is the state of an alarm, not that there is one
            key = (
                _TAG_KEY.match(text[match.end() - (3 if match[0].lower().endswith("for") else 0) :])
                if field == "tags"
                else None
            )
            if field == "tags" and op == "present" and key is None:
                continue  # a tag that is there is named with its value
            found.append(Said(field, op, key[1] if key else None))  # type: ignore[arg-type]
            spans.append((match.start(), match.end() + (key.end() if key else 0)))
        text = _cut(text, spans)
    return found, text
