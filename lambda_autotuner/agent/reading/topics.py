"""What a question is about, decided from concepts first and from the nearest examples last."""

from __future__ import annotations

import re
from dataclasses import replace

from lambda_autotuner.agent.reading.language import lexicon, words
from lambda_autotuner.agent.reading.model import Question, Topic

FOLLOW_UP = re.compile(
    r"\b(it|its|it's|that|this|they|them|their|those|these|same|there|again|more|also|the (?:function|lambda)|one|ones|er|sie|es|ella|él)\b"
    r"|^\W*(?:and|what about|how about|now|then|ok|why|und|y|et)\b",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    r"\b(most|highest|largest|biggest|longest|greatest|maximum|least|smallest|lowest|shortest|oldest|newest|latest|top|bottom|cheapest|slowest|fastest|priciest|dearest|busiest|worst)\b",
    re.IGNORECASE,
)
_SETTINGS = frozenset(
    {
        "memory",
        "timeout",
        "code_size",
        "modified",
        "cost",
        "duration",
        "duration_p50",
        "duration_p99",
        "errors",
        "error_rate",
        "invocations",
    }
)
_RANKED = frozenset(
    {"cost", "recommendation", "errors", "metrics", "cold_starts", "timeouts", "memory_used"}
)
_DEFINES = re.compile(
    r"\bwhat(?:'?s| is| are| does| do you mean by)\s+[\"'`][\w -]{2,40}[\"'`]", re.IGNORECASE
)
WHOLE = re.compile(
    r"\b(?:we|our|us|overall|total|in all|account|everything|everywhere|anything|any|all|fleet)\b",
    re.IGNORECASE,
)
_WEIGHTY_VOTE = 0.62
_SOME_VOTE = 0.30
_SHORT = 2


def with_topic(question: Question, votes: list[tuple[str, float]]) -> Question:
    """The question with what it is about."""
    top, weight = votes[0] if votes else ("", 0.0)
    topic = _named_topic(question)
    if topic is not None:
        return replace(question, topic=topic)
    if question.periods and not question.functions and not question.about("history", "help"):
        return replace(question, topic="fleet")
    if question.wish is not None:
        return replace(question, topic="function" if question.functions else "unclear")
    if question.functions:
        aspects = question.aspects
        if not aspects and weight >= _WEIGHTY_VOTE:
            aspects = tuple(a.name for a in lexicon().aspects if a.name == top)
        guessed = aspects != question.aspects
        return replace(question, topic="function", aspects=aspects, guessed=guessed)
    return _account_topic(question, top, weight)


def _named_topic(q: Question) -> Topic | None:  # noqa: PLR0911 - one return a case, flat
    """Topics that a concept settles, whatever else is said."""
    if q.named.unknown and not q.functions:
        return "unknown_function"
    if q.named.ambiguous and not q.functions:
        return "ambiguous_function"
    if q.about("secret") and not q.about("environment", "logs") and not q.functions:
        return "secret"
    if q.about("secret"):
        return "secret"
    if len(q.functions) > 1 and q.wish is None:
        return "compare"
    if q.conditions and not q.functions and not q.periods:
        return None
    if q.about("permission") and not q.wish:
        return "permissions"
    if q.about("pending"):
        return "pending"
    return None


_OBSERVED = frozenset(
    {
        "cost", "errors", "duration", "invocations", "cold_starts", "throttles", "memory_used", "timed_out", "metrics", "saving", "recommend",
    }
)  # fmt: skip
"""Concepts that settings alone do not answer."""
SETTINGS = frozenset(
    {
        "dead_letter", "vpc", "layers", "environment", "tracing", "snap_start", "reserved_concurrency", "provisioned_concurrency", "file_system",
        "aliases", "alarms", "tags", "description", "kms_key", "last_modified", "last_modified_days_ago", "ephemeral_storage_mb", "code_size_mb",
    }
)  # fmt: skip
"""Fields of conditions that a listing can decide."""


def _conditioned(q: Question) -> Question:
    """Functions by what they have in common: listed where settings say it, else ranked."""
    seen = any(said.field not in SETTINGS for said in q.conditions)
    ranked = q.about(*_OBSERVED) and not (q.about("memory_used") and not seen)
    return replace(q, topic="fleet" if seen or ranked else "list")


def _account_topic(q: Question, top: str, weight: float) -> Question:
    if q.conditions and not q.periods:
        return _conditioned(q)
    for concept, topic in (
        ("dashboard", "dashboards"), ("log_group", "log_groups"), ("alarm", "alarms"), ("history", "history"),
    ):  # fmt: skip
        if q.about(concept):
            return replace(q, topic=topic)  # type: ignore[arg-type]
    if q.about("account") and not q.about(
        "cost", "list", "count", "fleet", "concurrency", "limits"
    ):
        return replace(q, topic="account")
    return _open_topic(q, top, weight)


def _open_topic(q: Question, top: str, weight: float) -> Question:
    """The topic of a question that names no function and no special thing."""
    if _DEFINES.search(q.text):
        return replace(q, topic="guidance")
    own = re.search(r"\b(my|our|we|us|it|its|this|that|i)\b", q.text, re.IGNORECASE)
    explains = _explains(q.text) and not (own and not q.about("guidance"))
    if explains and not q.about("list", "count", "fleet"):
        return replace(q, topic="guidance")
    if q.filters.tag or q.filters.package_type:
        return replace(q, topic="fleet" if q.about(*_OBSERVED) else "list")
    if _asks_for_limits(q):
        return replace(q, topic="concurrency")
    if _ranks(q):
        return replace(q, topic="fleet")
    return _loose_topic(q, top, weight)


def _asks_for_limits(q: Question) -> bool:
    """Whether the account's own concurrency is meant."""
    if q.about("limits") and q.about("concurrency"):
        return True
    whole = re.search(r"\b(account|our|my|we|unreserved|total)\b", q.text, re.IGNORECASE)
    named = q.about("throttles", "limits", "concurrency") and not q.about("fleet", "list", "idle")
    return named and (q.about("limits") or whole is not None)


def _ranks(q: Question) -> bool:
    """Whether all functions are to be looked at and put in order."""
    if q.ranking.metric == "idle":
        return True
    if (
        _SUPERLATIVE.search(q.text)
        and q.ranking.metric in _SETTINGS
        and not q.filters.memory_mb
        and not q.about("guidance")
    ):
        return True
    aspects = set(q.aspects) - {"health"}
    wide = q.about("fleet", "idle") or (q.about("list", "count") and bool(aspects & _RANKED))
    return (
        wide
        and bool(aspects - {"configuration"} or q.about("fleet", "idle"))
        and not _plain_listing(q)
    )


def _loose_topic(q: Question, top: str, weight: float) -> Question:  # noqa: PLR0911 - one return a case, flat
    aspects = set(q.aspects) - {"health"}
    if q.about("list", "count") or q.filters.any:
        return replace(q, topic="list")
    if aspects:
        refers = re.search(
            r"\b(it|its|this|that|the) (?:function|lambda)?\b", q.text, re.IGNORECASE
        )
        spend = aspects & {"cost", "recommendation", "errors"} and not (
            refers and not q.about("saving")
        )
        loose = not q.about("fleet", "list", "count")
        return replace(q, topic="fleet" if spend else "unclear", guessed=bool(spend) and loose)
    if weight >= _SOME_VOTE and top in {
        "list",
        "fleet",
        "help",
        "off_topic",
        "guidance",
        "account",
        "permissions",
    }:
        sure = weight >= _WEIGHTY_VOTE
        return replace(q, topic=top, guessed=not sure)  # type: ignore[arg-type]
    if q.about("help"):
        return replace(q, topic="help")
    if q.about("health") and not FOLLOW_UP.search(q.text):
        return replace(q, topic="fleet")
    if weight < _SOME_VOTE and not q.concepts:
        greeting = len(words(q.text)) <= _SHORT and not q.text.endswith("?")
        return replace(q, topic="help" if greeting else "off_topic")
    return q


def _explains(text: str) -> bool:
    return bool(re.search(r"\b(explain|what (?:is|are|does) (?:a |an )?(?:provisioned|reserved|cold|arm|graviton|lambda|aws|snap ?start|init|p9\d|concurrency|throttl|memory mean|billed|ephemeral|right-?sizing|power tuning)|what'?s (?:a|an|provisioned|reserved|graviton|snap ?start)\b|how (?:does|do|is) (?:lambda|aws|the|a|memory|cpu|billing|provisioned|cold|reserved|arm|graviton)|best practice|documentation|docs|rule of thumb|definition|mean(?:ing|s)?\b|when (?:should|do|does|would|is) (?:one|you|we|i|it)\b[^?]{0,20}\b(?:use|choose|pick|worth|make)|(?:max\w*|highest|longest|largest|default|minimum) [^?]{0,30}\b(?:lambda|aws)\b[^?]{0,12}\b(?:allow|support|permit|ha[sv]e?)|does (?:more|less|adding|a (?:bigger|larger))|how (?:do|can|could|should|to) (?:i |we |you |one )?(?:reduce|avoid|lower|improve|speed up|prevent|shorten|choose|pick|fix) (?:cold|memory|throttl|timeout|init|latency)|why (?:does|do|is|are) (?:lambda|more|cold|memory)|guidance|pricing model)", text, re.IGNORECASE))  # fmt: skip


def _plain_listing(q: Question) -> bool:
    """A listing that only filters: `which functions run python`, `functions with more than 1 GB`."""
    if q.about(
        "cost",
        "saving",
        "errors",
        "duration",
        "invocations",
        "cold_starts",
        "idle",
        "recommend",
        "throttles",
        "memory_used",
        "timed_out",
        "health",
    ):
        return False
    return q.filters.any or q.about("list", "count") or words(q.text)[:1] == ["list"]
