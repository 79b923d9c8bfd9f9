"""One reading of a person's turns: what is asked, about which functions, for which window.

Only the person's turns go in. Nothing that a tool, a log or a model said is read here, which is
what lets the provenance gate rest on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lambda_autotuner.agent.reading import quantities
from lambda_autotuner.agent.reading.details import (
    read_filters,
    read_objective,
    read_ranking,
    read_search,
    read_unsupported,
    without_tags,
)
from lambda_autotuner.agent.reading.language import lexicon, normalise
from lambda_autotuner.agent.reading.model import Question, Topic
from lambda_autotuner.agent.reading.names import Named, read_names
from lambda_autotuner.agent.reading.topics import FOLLOW_UP, with_topic
from lambda_autotuner.agent.reading.wishes import own_words, read_wish

_REGION = re.compile(
    r"\b((?:us|eu|ap|sa|ca|me|af|il|mx)(?:-gov)?-(?:north|south|east|west|central)(?:east|west)?-\d)\b",
    re.IGNORECASE,
)
_PLURAL_TIMEOUTS = re.compile(r"\btimeouts\b", re.IGNORECASE)
_REACHING = re.compile(
    r"\b(hit(?:s|ting)?|reach(?:es|ing)?|exceed\w*|run(?:s|ning)? into|close to|near(?:ly)?|how close|approach\w*|exhaust\w*|bump(?:s|ing)? into)\b",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_PEAK = re.compile(
    r"\b(peak\w*|consum\w+|footprint|high[- ]water|used?|using|usage|utili[sz]\w+|actual(?:ly)?|need(?:s|ed)?|real(?:ly)?|left|free|spare|headroom|out of)\b",
    re.IGNORECASE,
)
_LETTERS = 2


def read_question(
    turns: Sequence[str], inventory: Sequence[str], *, pending: bool = False
) -> Question:
    """Read the last of a person's turns, with what earlier turns leave open filled in from them.

    Args:
        turns: the person's messages, oldest first.
        inventory: the names of the functions that exist, from the account itself.
        pending: whether a proposal of this conversation waits for a decision.
    """
    current = _read_turn(turns[-1] if turns else "", inventory, pending=pending)
    if len(turns) > 1 and current.topic not in {"empty", "unreadable"}:
        for earlier in reversed(turns[:-1]):
            past = _read_turn(earlier, inventory, pending=False)
            if past.functions or past.topic in {"fleet", "list"}:
                return _follow_up(current, past)
    return current


def _follow_up(current: Question, past: Question) -> Question:  # noqa: PLR0911 - one return a case, flat
    """Fill in what a follow-up leaves open from the turn before it."""
    if current.functions:
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
            window_hours=current.window_hours or past.window_hours,
            percentiles=current.percentiles or past.percentiles,
        )  # fmt: skip
    if not past.functions or current.named.unknown or current.named.ambiguous:
        return current
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
    if current.topic == "fleet" and not (
        FOLLOW_UP.search(current.text) and "fleet" not in current.concepts
    ):
        return current
    if current.topic not in open_topics or not refers:
        return current
    aspects, concepts = current.aspects, current.concepts
    if not aspects and current.wish is None and (current.window_hours or not concepts):
        aspects, concepts = past.aspects, past.concepts
    topic: Topic = "secret" if current.topic == "secret" else "function"
    return replace(
        current, functions=past.functions, carried=True, topic=topic, aspects=aspects, concepts=concepts,
        followed_up=True,
    )  # fmt: skip


def _read_turn(raw: str, inventory: Sequence[str], *, pending: bool) -> Question:
    text = normalise(raw)
    if not text:
        return Question(text, "empty")
    if sum(ch.isalnum() for ch in text) < _LETTERS or _looks_binary(raw):
        return Question(text[:200], "unreadable")
    named = read_names(text, inventory)
    bare = _without_names(text, named)
    lex = lexicon()
    plain = without_tags(bare)
    found = lex.concepts(plain)
    found = _combined(plain, found)
    votes = lex.vote(plain)
    wish = read_wish(_without_names(text, named, " it "), pending=pending)
    if quantities.percentiles(bare):
        found = {**found, "duration": 0}
    aspects = tuple(aspect.name for aspect in lex.aspects if aspect.concepts & found.keys())
    question = Question(
        text=text,
        topic="unclear",
        named=named,
        functions=named.names,
        concepts=tuple(found),
        aspects=aspects,
        window_hours=quantities.window_hours(bare),
        percentiles=quantities.percentiles(bare),
        sizes_mb=tuple(size.memory_mb for size in quantities.sizes(bare)),
        wish=wish,
        ranking=read_ranking(bare, found),
        filters=read_filters(bare),
        search=read_search(own_words(text), named),
        objective=read_objective(bare),
        unsupported=read_unsupported(own_words(text)) if wish is None else None,
        region=match[1].lower() if (match := _REGION.search(text)) else None,
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
    if _VARIABLE.search(text) and "logs" not in combined:
        combined |= {"secret": 0, "environment": 0}
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


def _looks_binary(raw: str) -> bool:
    sample = raw[:4_000]
    odd = sum(1 for ch in sample if not ch.isprintable() and not ch.isspace())
    return odd > len(sample) * 0.1 or sample.count("\ufffd") > len(sample) * 0.1
