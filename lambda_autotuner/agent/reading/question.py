"""One reading of a person's turns: what is asked, about which functions, for which window.

Only the person's turns go in. Nothing that a tool, a log or a model said is read here, which is
what lets the provenance gate rest on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lambda_autotuner.agent.reading import quantities
from lambda_autotuner.agent.reading.conditions import Said, about_a_set, read_conditions
from lambda_autotuner.agent.reading.details import (
    names_runtime,
    read_filters,
    read_objective,
    read_ranking,
    read_search,
    read_unsupported,
    without_tags,
)
from lambda_autotuner.agent.reading.language import lexicon, normalise, words
from lambda_autotuner.agent.reading.model import Question, Topic
from lambda_autotuner.agent.reading.names import Named, read_names
from lambda_autotuner.agent.reading.spans import read_span
from lambda_autotuner.agent.reading.speech import unquoted
from lambda_autotuner.agent.reading.suppositions import (
    read_by_day,
    read_ordinals,
    read_periods,
    read_supposition,
)
from lambda_autotuner.agent.reading.topics import FOLLOW_UP, WHOLE, with_topic
from lambda_autotuner.agent.reading.wishes import read_wish

_REGION = re.compile(
    r"\b((?:us|eu|ap|sa|ca|me|af|il|mx)(?:-gov)?-(?:north|south|east|west|central)(?:east|west)?-\d)\b",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"\barn:aws[\w-]*:lambda:[\w-]*:(\d{12}):|\baccount\s+(?:id |number |no\.? )?(\d{12})\b",
    re.IGNORECASE,
)
_PLURAL_TIMEOUTS = re.compile(r"\btimeouts\b", re.IGNORECASE)
_KEPT = re.compile(
    r"\b(?:kept|keep|keeps|retain\w*|retention|expires?|expiry|deleted after)\b", re.IGNORECASE
)
_REACHING = re.compile(
    r"\b(hit(?:s|ting)?|reach(?:es|ing)?|exceed\w*|run(?:s|ning)? into|close to|near(?:ly)?|how close|approach\w*|exhaust\w*|bump(?:s|ing)? into)\b",
    re.IGNORECASE,
)
_OUGHT = re.compile(
    r"\b(?:what|which|how much|how many)\b[^.?!]{0,60}\bshould\b|\bshould(?:n'?t)?\b[^.?!]{0,40}\b(?:more|less|bigger|smaller|different|higher|lower)\b",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_PEAK = re.compile(
    r"\b(peak\w*|consum\w+|footprint|high[- ]water|used?|using|full|usage|utili[sz]\w+|actual(?:ly)?|need(?:s|ed)?|real(?:ly)?|left|free|spare|headroom|out of)\b",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"\W*(?:(?:ok(?:ay)?|thanks?|thank you|thx|ty|cheers|great|good|nice|perfect|cool|got it|understood|i see|alright|fine|"
    r"no+|nope|nah|cancel|never ?mind|don'?t|that'?s (?:all|it)|that is all|danke|merci|gracias|for now|very much|a lot|so much|then)\W*)+",
    re.IGNORECASE,
)
_LETTERS = 2
_SHORT_WORDS = 8


def read_question(
    turns: Sequence[str],
    inventory: Sequence[str],
    *,
    pending: bool = False,
    shown: Sequence[Sequence[str]] = (),
) -> Question:
    """Read the last of a person's turns, with what earlier turns leave open filled in from them.

    Args:
        turns: the person's messages, oldest first.
        inventory: the names of the functions that exist, from the account itself.
        pending: whether a proposal of this conversation waits for a decision.
        shown: for each turn, the functions of the list that was shown last before it, in order;
            `the second` is one of them.
    """
    lists = dict(enumerate(shown))
    last = len(turns) - 1
    current = _read_turn(turns[-1] if turns else "", inventory, pending=pending)
    current = _counted(current, lists.get(last, ()), inventory)
    if len(turns) > 1 and current.topic not in {"empty", "unreadable", "courtesy"}:
        if _BOTH.search(current.text) and not current.functions and current.wish is None:
            named = _named_before(turns[:-1], inventory)
            if len(named) > 1:
                return replace(current, functions=named[:2], topic="compare", followed_up=True)
        for index in range(last - 1, -1, -1):
            past = _read_turn(turns[index], inventory, pending=False)
            past = _counted(past, lists.get(index, ()), inventory)
            if past.topic == "fleet" and not past.functions and index == last - 1:
                current = _first_of(current, lists.get(last, ()), inventory)
            if past.functions or (past.topic in {"fleet", "list"} and not _loose(past)):
                return _follow_up(current, past)
            if current.ordinals and not current.functions and past.topic in _THINGS:
                return replace(current, topic=past.topic)
    if current.ordinals and not current.functions and len(words(current.text)) <= _SHORT_WORDS:
        return replace(current, topic="unclear", aspects=())
    return current


_THINGS: tuple[Topic, ...] = ("dashboards", "alarms", "log_groups")


_AGREES = re.compile(
    r"^\W*(?:ok(?:ay)?|yes|sure|great|good|fine|right)?\W*(?:do (?:it|that)|go (?:ahead|for it)|make it so|apply (?:it|that)|let'?s do (?:it|that))\W*$",
    re.IGNORECASE,
)
_ADDS = re.compile(r"^\W*(?:and|what about|how about|und|et|y)\b", re.IGNORECASE)
_NOTHING = frozenset({"off_topic", "help", "unclear"})
_THAT_ONE = re.compile(r"\b(?:it|its|it's|that one|this one|that function)\b", re.IGNORECASE)
_BOTH = re.compile(
    r"\b(?:the two|both|which of (?:them|these|those)|these two|those two|either of them|die beiden|les deux|los dos)\b",
    re.IGNORECASE,
)


def _named_before(turns: Sequence[str], inventory: Sequence[str]) -> tuple[str, ...]:
    """The functions that the last turns named, those named last first."""
    found: dict[str, None] = {}
    for turn in reversed(turns[-6:]):
        found |= dict.fromkeys(read_names(normalise(turn), inventory).names)
    return tuple(found)


def _counted(question: Question, shown: Sequence[str], inventory: Sequence[str]) -> Question:
    """A question about `the second` with the function that stood there.

    Only reads follow from it: a change needs the function's name in the person's words, so the
    place in a list neither names a target nor carries one.
    """
    if question.functions or not question.ordinals or not shown:
        return question
    picked = []
    for place in question.ordinals:
        index = place - 1 if place > 0 else len(shown) + place
        if 0 <= index < len(shown) and shown[index] in inventory:
            picked.append(shown[index])
    if not picked:
        return question
    aspects = question.aspects or (("health",) if question.wish is None else ())
    topic: Topic = "compare" if len(picked) > 1 else "function"
    return replace(question, functions=tuple(picked), topic=topic, aspects=aspects, counted=True)


def _first_of(question: Question, shown: Sequence[str], inventory: Sequence[str]) -> Question:
    """`it` after a ranking is what stands first in it; as with a place, only reads follow."""
    plain = not question.functions and not question.named.unknown and not question.named.ambiguous
    if not (plain and shown and shown[0] in inventory and _THAT_ONE.search(question.text)):
        return question
    if question.about("fleet", "list") or question.topic in {"off_topic", "help", "guidance"}:
        return question
    return replace(question, functions=(shown[0],), topic="function", counted=True)


_WHICH_DAY = re.compile(r"\b(?:which|what) day\b", re.IGNORECASE)


def _follow_up(current: Question, past: Question) -> Question:
    """Fill in what a follow-up leaves open from the turn before it."""
    if current.functions:
        return _same_for_others(current, past)
    if past.functions and _WHICH_DAY.search(current.text):
        return replace(
            past, text=current.text, by_day=True, followed_up=True, carried=not past.counted
        )
    if not past.functions or current.named.unknown or current.named.ambiguous:
        return current
    if current.wish is None and _AGREES.match(current.text) and not current.aspects:
        # Nothing waits for a decision: what was advised is said again, with the command for it.
        return replace(
            current, functions=past.functions, carried=True, topic="function", followed_up=True,
            aspects=("recommendation",), concepts=("recommend",),
        )  # fmt: skip
    return _carried(current, past)


_BESIDE = re.compile(
    r"\b(?:worse|better|more|less|slower|faster|cheaper|pricier|higher|lower|bigger|smaller|busier|fewer|same|different)\b[^.?!]{0,20}\b(?:than|as|from)\b|\b(?:compared? (?:to|with)|versus|vs)\b",
    re.IGNORECASE,
)


def _same_for_others(current: Question, past: Question) -> Question:
    """`and for checkout-api?`: the question before, about other functions."""
    if _BESIDE.search(current.text) and len(current.functions) == 1 and current.wish is None:
        both = tuple(dict.fromkeys((*past.functions, *current.functions)))
        aspects = current.aspects if current.aspects and not current.guessed else past.aspects
        concepts = current.concepts if aspects is current.aspects else past.concepts
        return replace(
            current, functions=both, topic="compare", aspects=aspects, concepts=concepts, followed_up=True, periods=None,
            window_hours=current.window_hours or past.window_hours, span=current.span or past.span,
        )  # fmt: skip
    if (
        (current.aspects and not current.guessed)
        or current.wish
        or current.topic == "compare"
        or not past.aspects
    ):
        if current.topic == "compare" and len(current.functions) == 1 and past.functions:
            both = tuple(dict.fromkeys((*past.functions, *current.functions)))
            return replace(current, functions=both, carried=True)
        return current
    return replace(
        current, aspects=past.aspects, concepts=past.concepts, topic="function", followed_up=True,
        window_hours=current.window_hours or (past.window_hours if not current.span else None),
        span=current.span or (past.span if not current.window_hours else None),
        percentiles=current.percentiles or past.percentiles,
    )  # fmt: skip


def _carried(current: Question, past: Question) -> Question:
    """A question that names no function, about those of the turn before where it refers to them."""
    if current.periods and not current.about("fleet", "list"):
        current = replace(current, topic="function")
    if _ADDS.match(current.text) and len(words(current.text)) <= _SHORT_WORDS:
        current = replace(current, topic="function") if current.topic in _NOTHING else current
    open_topics = {
        "function",
        "unclear",
        "concurrency",
        "alarms",
        "history",
        "compare",
        "fleet",
        "secret",
        "pending",
    }
    refers = bool(FOLLOW_UP.search(current.text)) or current.topic in {
        "function",
        "unclear",
        "concurrency",
    }
    loose = _loose(current)
    if (
        current.topic == "fleet"
        and not loose
        and not (FOLLOW_UP.search(current.text) and "fleet" not in current.concepts)
    ):
        return current
    if current.topic not in open_topics or not (refers or loose):
        return current
    aspects, concepts = current.aspects, current.concepts
    if not aspects and current.wish is None and (current.window_hours or not concepts):
        aspects, concepts = past.aspects, past.concepts
    topic: Topic = "secret" if current.topic == "secret" else "function"
    if len(past.functions) > 1 and current.wish is None:
        topic = "compare"
    return replace(
        current, functions=past.functions, carried=not past.counted, counted=past.counted, topic=topic,
        aspects=aspects, concepts=concepts,
        window_hours=current.window_hours or (past.window_hours if not current.span else None),
        span=current.span or (past.span if not current.window_hours else None),
        percentiles=current.percentiles or (past.percentiles if aspects is past.aspects else ()),
        followed_up=True,
    )  # fmt: skip


def _loose(question: Question) -> bool:
    """Whether the whole account was only taken because nothing else was named."""
    return question.topic == "fleet" and question.guessed and not WHOLE.search(question.text)


def _read_turn(raw: str, inventory: Sequence[str], *, pending: bool) -> Question:
    text = normalise(raw)
    if not text:
        return Question(text, "empty")
    if sum(ch.isalnum() for ch in text) < _LETTERS or _looks_binary(raw):
        return Question(text[:200], "unreadable")
    if not pending and _COURTESY.fullmatch(text):
        return Question(text, "courtesy")
    named = read_names(text, inventory)
    bare = _without_names(text, named)
    lex = lexicon()
    wish = read_wish(_without_names(text, named, " it "), pending=pending)
    conditions: tuple[Said, ...] = ()
    if wish is None and not named.names and about_a_set(bare):
        conditions, bare = read_conditions(bare)
    search = None if conditions else read_search(unquoted(text), named)
    quoted = search and re.search(rf"[\"'`]{re.escape(search)}[\"'`]", text)
    plain = without_tags(bare.replace(search, " ") if search and quoted else bare)
    found = lex.concepts(plain)
    found = _combined(plain, found)
    if named.names and wish is None and names_runtime(plain):
        found = {"runtime": 0, **{name: place for name, place in found.items() if name != "alias"}}
    votes = lex.vote(plain)
    if quantities.percentiles(bare):
        found = {**found, "duration": 0}
    aspects = tuple(aspect.name for aspect in lex.aspects if aspect.concepts & found.keys())
    supposition = read_supposition(bare) if wish is None else None
    dated = any(said.field.startswith("last_modified") for said in conditions)
    periods = None
    if wish is None and not dated:
        periods = read_periods(bare, may_trend=supposition is None)
    span = read_span(bare)
    question = Question(
        text=text,
        topic="unclear",
        named=named,
        functions=named.names,
        concepts=tuple(found),
        aspects=aspects,
        window_hours=quantities.window_hours(bare) if span in {None, "yesterday"} else None,
        percentiles=quantities.percentiles(bare),
        sizes_mb=tuple(size.memory_mb for size in quantities.sizes(bare)),
        wish=wish,
        ranking=read_ranking(bare, found),
        filters=read_filters(bare),
        search=search,
        objective=read_objective(bare),
        supposition=supposition,
        periods=periods,
        ordinals=read_ordinals(bare),
        span=span if periods is None else None,
        conditions=conditions,
        by_day=read_by_day(bare) and (periods is None or periods.baseline_hours is None),
        unsupported=read_unsupported(unquoted(text)) if wish is None else None,
        region=match[1].lower() if (match := _REGION.search(text)) else None,
        account_id=_account_of(text),
    )
    return with_topic(question, votes)


def _combined(text: str, found: dict[str, int]) -> dict[str, int]:
    """Concepts that only two words together name: memory and its peak, a timeout and reaching it."""
    combined = dict(found)
    if "timeout" in found and (_PLURAL_TIMEOUTS.search(text) or _REACHING.search(text)):
        combined["timed_out"] = combined.pop("timeout")
    if (
        "memory" in found
        and "memory_used" not in found
        and (_PEAK.search(text) or _REACHING.search(text))
    ):
        combined["memory_used"] = combined.pop("memory")
        combined.pop("limits", None)
    if "fits" in found and quantities.seconds(text) is not None and "memory" not in found:
        combined.setdefault("timeout", 0)
    if "logs" in found and _KEPT.search(text):
        # How long logs are kept is a setting of their group, not a duration of the function.
        for concept in ("logs", "duration"):
            combined.pop(concept, None)
        combined.setdefault("log_group", 0)
    if _VARIABLE.search(text) and "logs" not in combined:
        combined |= {"secret": 0, "environment": 0}
    if {"memory", "timeout"} & combined.keys() and _OUGHT.search(text):
        combined.setdefault("recommend", 0)
    if "memory" in combined and "limits" in combined and "concurrency" not in combined:
        combined.pop("limits")
    return combined


def _without_names(text: str, named: Named, stand_in: str = " ") -> str:
    for match in named.matches:
        text = re.sub(
            rf"(?<![\w-]){re.escape(match.spoken)}(?![\w-])", stand_in, text, flags=re.IGNORECASE
        )
    for spoken in (*named.unknown, *(name for name, _ in named.ambiguous)):
        text = re.sub(rf"(?<![\w-]){re.escape(spoken)}(?![\w-])", stand_in, text)
    return re.sub(r"\s+", " ", text).strip()


def _account_of(text: str) -> str | None:
    """The account that was named, in an ARN or by its number."""
    match = _ACCOUNT.search(text)
    return (match[1] or match[2]) if match else None


def _looks_binary(raw: str) -> bool:
    sample = raw[:4_000]
    odd = sum(1 for ch in sample if not ch.isprintable() and not ch.isspace())
    return odd > len(sample) * 0.1 or sample.count("\ufffd") > len(sample) * 0.1
