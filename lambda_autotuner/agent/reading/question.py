"""One reading of a person's turns: what is asked, about which functions, for which window.

Only the person's turns go in. Nothing that a tool, a log or a model said is read here, which is
what lets the provenance gate rest on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lambda_autotuner.agent.reading import quantities
from lambda_autotuner.agent.reading.language import lexicon, normalise, words
from lambda_autotuner.agent.reading.names import Match, Named, read_names
from lambda_autotuner.agent.reading.wishes import Wish, own_words, read_wish

Topic = Literal[
    "empty", "unreadable", "function", "list", "fleet", "compare", "guidance", "account", "permissions", "history",
    "alarms", "dashboards", "log_groups", "concurrency", "help", "off_topic", "unclear", "unknown_function",
    "ambiguous_function", "secret", "pending",
]  # fmt: skip

_FOLLOW_UP = re.compile(
    r"\b(it|its|it's|that|this|they|them|their|those|these|same|there|again|more|also|the (?:function|lambda)|one|ones|er|sie|es|ella|él)\b"
    r"|^\W*(?:and|what about|how about|now|then|ok|why|und|y|et)\b",
    re.IGNORECASE,
)
_TOP = re.compile(r"\b(?:top|first|worst|best|the)\s+(\d+|two|three|four|five|six|seven|eight|nine|ten)\b|\b(\d+|two|three|four|five|ten)\s+(?:most|slowest|biggest|cheapest|largest|least|worst|busiest|highest)\b", re.IGNORECASE)
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_LOWEST = re.compile(r"\b(cheapest|least|lowest|fewest|fastest|smallest|quickest|minimum|bottom|shortest)\b", re.IGNORECASE)
_RUNTIME = re.compile(r"\b(python|node(?:\.?js)?|java|ruby|go|golang|dotnet|\.net|c#|provided|custom runtime)[ -]?(\d+(?:\.[\dx]+)?)?\b", re.IGNORECASE)
_ARCH = re.compile(r"\b(arm64|arm|graviton|x86_64|x86-64|x86|intel)\b", re.IGNORECASE)
_BOUND = re.compile(r"\b(more than|over|above|greater than|bigger than|larger than|exceed\w*|at least|>=?|less than|under|below|smaller than|fewer than|at most|up to|<=?|exactly|with|of|at|have|using|has)\s+(?:a memory of |memory of |exactly )?(?=\d|one|two|three|four|half)", re.IGNORECASE)
_PREFIX = re.compile(r"\b(?:start(?:s|ing)?|begin(?:s|ning)?) with [`\"']?([\w-]+)|\bprefix(?:ed)?(?: with)? [`\"']?([\w-]{2,})", re.IGNORECASE)
_CONTAINS = re.compile(r"\b(?:contain(?:s|ing)?|with|matching|including|have|having|has)\s+(?:the (?:word|string) )?[`\"']([\w-]{2,})[`\"']|\b(?:names?|called) (?:that )?(?:contain(?:s|ing)?|include|like|matching|has|have)\s+[`\"']?([\w-]{2,})", re.IGNORECASE)
_SEARCH = re.compile(
    r"[`\"']([^`\"']{2,80})[`\"']|\b(?:containing|contain|mention(?:s|ing)?|matching|with the (?:word|text|string)|search(?: \w+){0,4}? for|grep(?: \w+){0,3}? for|look(?:ing)? for|about)\s+(?:the (?:word|string|text) )?([\w .:/-]{2,60})",
    re.IGNORECASE,
)
_REGION = re.compile(r"\b((?:us|eu|ap|sa|ca|me|af|il|mx)(?:-gov)?-(?:north|south|east|west|central)(?:east|west)?-\d)\b", re.IGNORECASE)
_FAST = re.compile(r"\b(fast(?:er|est)?|speed|latency|quick(?:er|est)?|performance|responsive\w*)\b", re.IGNORECASE)
_BALANCED = re.compile(r"\b(balance[d]?|both cost and|trade-?off|compromise)\b", re.IGNORECASE)
_SLO = re.compile(r"\bp(\d{2})\b[^.?!]{0,40}?(?:under|below|<=?|less than|within|at most|of)\s*(\d+(?:\.\d+)?)\s*(ms|s|seconds?|milliseconds?)|(?:under|below|less than|within|<=?|at most)\s*(\d+(?:\.\d+)?)\s*(ms|milliseconds?)[^.?!]{0,30}\bp(\d{2})\b", re.IGNORECASE)  # fmt: skip
_OPEN = re.compile(r"\b(what|which|how|why|when|where|who|is|are|does|do|can|could|would|show|list|give|tell|find|get|check)\b", re.IGNORECASE)
_PLURAL_TIMEOUTS = re.compile(r"\btimeouts\b", re.IGNORECASE)
_REACHING = re.compile(r"\b(hit(?:s|ting)?|reach(?:es|ing)?|exceed\w*|run(?:s|ning)? into|close to|near(?:ly)?|how close|approach\w*|exhaust\w*|bump(?:s|ing)? into)\b", re.IGNORECASE)
_PEAK = re.compile(r"\b(peak\w*|consum\w+|footprint|high[- ]water|used?|using|usage|utili[sz]\w+|actual(?:ly)?|need(?:s|ed)?|real(?:ly)?|left|free|spare|headroom|out of)\b", re.IGNORECASE)
_WEIGHTY_VOTE = 0.62
_SOME_VOTE = 0.30
_LETTERS = 2
_SHORT = 2
_FLEET_METRICS = (
    ("savings", ("saving", "recommend")),
    ("cold_starts", ("cold_starts",)),
    ("timeouts", ("timed_out",)),
    ("throttles", ("throttles",)),
    ("errors", ("errors",)),
    ("idle", ("idle",)),
    ("cost", ("cost",)),
    ("duration", ("duration",)),
    ("invocations", ("invocations",)),
    ("memory_used", ("memory_used",)),
    ("memory", ("memory",)),
    ("timeout", ("timeout",)),
    ("modified", ("modified",)),
    ("code_size", ("code_size",)),
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a whole account is to be ordered by."""

    metric: str = "savings"
    ascending: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a listing is narrowed to; the comparison is one of `<`, `<=`, `=`, `>=`, `>`."""

    runtime: str | None = None
    architecture: str | None = None
    memory_mb: tuple[str, int] | None = None
    name_contains: str | None = None
    name_prefix: str | None = None

    @property
    def any(self) -> bool:
        """Whether anything narrows the listing."""
        return any((self.runtime, self.architecture, self.memory_mb, self.name_contains, self.name_prefix))


@dataclass(frozen=True, slots=True)
class Question:
    """A person's question, read."""

    text: str
    topic: Topic
    named: Named = Named()
    functions: tuple[str, ...] = ()
    carried: bool = False
    concepts: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    window_hours: float | None = None
    percentiles: tuple[float, ...] = ()
    sizes_mb: tuple[int, ...] = ()
    wish: Wish | None = None
    ranking: Ranking = Ranking()
    filters: Filters = field(default_factory=Filters)
    search: str | None = None
    objective: str | None = None
    region: str | None = None
    followed_up: bool = False
    guessed: bool = False

    def about(self, *concepts: str) -> bool:
        """Whether one of the concepts was named."""
        return any(concept in self.concepts for concept in concepts)


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


def _follow_up(current: Question, past: Question) -> Question:
    """Fill in what a follow-up leaves open from the turn before it."""
    if current.functions:
        if (current.aspects and not current.guessed) or current.wish or current.topic == "compare" or not past.aspects:
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
    open_topics = {"function", "unclear", "concurrency", "alarms", "history", "compare", "fleet", "secret", "pending"}
    refers = bool(_FOLLOW_UP.search(current.text)) or current.topic in {"function", "unclear", "concurrency"}
    if current.topic == "fleet" and not (_FOLLOW_UP.search(current.text) and "fleet" not in current.concepts):
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
    found = lex.concepts(bare)
    found = _combined(bare, found)
    votes = lex.vote(bare)
    wish = read_wish(_without_names(text, named, " it "), pending=pending)
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
        ranking=_ranking(bare, found),
        filters=_filters(bare),
        search=_search(own_words(text), named),
        objective=_objective(bare),
        region=match[1].lower() if (match := _REGION.search(text)) else None,
    )
    return _with_topic(question, votes)


def _combined(text: str, found: dict[str, int]) -> dict[str, int]:
    """Concepts that only two words together name: memory and its peak, a timeout and reaching it."""
    combined = dict(found)
    if "timeout" in found and (_PLURAL_TIMEOUTS.search(text) or _REACHING.search(text)):
        combined["timed_out"] = combined.pop("timeout")
    if "memory" in found and "memory_used" not in found and (_PEAK.search(text) or _REACHING.search(text)):
        combined["memory_used"] = combined.pop("memory")
        combined.pop("limits", None)
    if "memory" in combined and "limits" in combined and "concurrency" not in combined:
        combined.pop("limits")
    return combined


def _without_names(text: str, named: Named, stand_in: str = " ") -> str:
    for match in named.matches:
        text = re.sub(rf"(?<![\w-]){re.escape(match.spoken)}(?![\w-])", stand_in, text, flags=re.IGNORECASE)
    for spoken in (*named.unknown, *(name for name, _ in named.ambiguous)):
        text = re.sub(rf"(?<![\w-]){re.escape(spoken)}(?![\w-])", stand_in, text)
    return re.sub(r"\s+", " ", text).strip()


def _looks_binary(raw: str) -> bool:
    sample = raw[:4_000]
    odd = sum(1 for ch in sample if not ch.isprintable() and not ch.isspace())
    return odd > len(sample) * 0.1 or sample.count("\ufffd") > len(sample) * 0.1


def _ranking(text: str, found: dict[str, int]) -> Ranking:
    metric = next((name for name, any_of in _FLEET_METRICS if any(c in found for c in any_of)), "savings")
    match = _TOP.search(text)
    limit = None
    if match:
        said = (match[1] or match[2]).lower()
        limit = _NUMBERS.get(said) or int(said)
    elif re.search(r"\b(?:which|what) (?:one|function|lambda)\b(?! *s)|\bthe (?:single )?(?:most|slowest|worst|biggest|cheapest|busiest|largest)\b", text, re.IGNORECASE):
        limit = 5
    ascending = bool(_LOWEST.search(text)) and metric not in {"savings", "idle"}
    return Ranking(metric, ascending=ascending, limit=limit)


def _filters(text: str) -> Filters:
    runtime = _RUNTIME.search(text)
    arch = _ARCH.search(text)
    prefix, contains = _PREFIX.search(text), _CONTAINS.search(text)
    memory = None
    spoken = quantities.sizes(text)
    if spoken:
        bounds = [m for m in _BOUND.finditer(text) if m.end() <= spoken[0].start]
        memory = (_comparison(bounds[-1][1]) if bounds else "=", spoken[0].memory_mb)
    return Filters(
        runtime=_runtime_name(runtime) if runtime else None,
        architecture=None if arch is None else ("x86_64" if arch[1].lower().startswith(("x86", "intel")) else "arm64"),
        memory_mb=memory,
        name_contains=(contains[1] or contains[2]) if contains else None,
        name_prefix=(prefix[1] or prefix[2]) if prefix else None,
    )


def _runtime_name(match: re.Match[str]) -> str:
    family = match[1].lower().replace(".", "")
    family = {"node": "nodejs", "golang": "go", "net": "dotnet", "c#": "dotnet"}.get(family, family)
    return f"{family}{match[2] or ''}"


def _comparison(said: str) -> str:
    lowered = said.lower()
    if lowered in {">=", "at least"}:
        return ">="
    if lowered in {"<=", "at most", "up to"}:
        return "<="
    if lowered.startswith(("more", "over", "above", "greater", "bigger", "larger", "exceed", ">")):
        return ">"
    if lowered.startswith(("less", "under", "below", "smaller", "fewer", "<")):
        return "<"
    return "="


def _search(text: str, named: Named) -> str | None:
    spoken = {match.spoken.casefold() for match in named.matches} | {n.casefold() for n in named.unknown}
    for match in _SEARCH.finditer(text):
        term = (match[1] or match[2] or "").strip(" .?!")
        term = re.split(r"\s+(?:in|on|from|of|during|over|for|within|since)\b", term)[0].strip()
        if term and term.casefold() not in spoken and not any(n in term.casefold() for n in spoken):
            return term
    return None


def _objective(text: str) -> str | None:
    if match := _SLO.search(text):
        percentile = match[1] or match[6]
        value = float(match[2] or match[4])
        unit = (match[3] or match[5]).lower()
        milliseconds = value if unit.startswith("m") else value * 1000
        return f"slo:p{percentile}<{milliseconds:g}ms"
    if _BALANCED.search(text):
        return "balanced"
    return "speed" if _FAST.search(text) else None


def _with_topic(question: Question, votes: list[tuple[str, float]]) -> Question:
    top, weight = votes[0] if votes else ("", 0.0)
    topic = _named_topic(question)
    if topic is not None:
        return replace(question, topic=topic)
    if question.wish is not None:
        return replace(question, topic="function" if question.functions else "unclear")
    if question.functions:
        aspects = question.aspects
        if not aspects and weight >= _WEIGHTY_VOTE:
            aspects = tuple(a.name for a in lexicon().aspects if a.name == top)
        guessed = aspects != question.aspects
        return replace(question, topic="function", aspects=aspects, guessed=guessed)
    return _account_topic(question, top, weight)


def _named_topic(q: Question) -> Topic | None:
    """Topics that a concept settles, whatever else is said."""
    if q.named.unknown and not q.functions:
        return "unknown_function"
    if q.named.ambiguous and not q.functions:
        return "ambiguous_function"
    if q.about("secret") and not q.about("environment", "logs") and not q.functions:
        return "secret"
    if q.about("secret"):
        return "secret"
    if len(q.functions) > 1 and (q.about("compare") or re.search(r"\b(or|than|vs|versus|between|both)\b", q.text, re.IGNORECASE)):
        return "compare"
    if q.about("permission") and not q.wish:
        return "permissions"
    if q.about("pending"):
        return "pending"
    return None


def _account_topic(q: Question, top: str, weight: float) -> Question:
    for concept, topic in (
        ("dashboard", "dashboards"), ("log_group", "log_groups"), ("alarm", "alarms"), ("history", "history"),
    ):  # fmt: skip
        if q.about(concept):
            return replace(q, topic=topic)  # type: ignore[arg-type]
    if q.about("account") and not q.about("cost", "list", "count", "fleet", "concurrency", "limits"):
        return replace(q, topic="account")
    return _open_topic(q, top, weight)


def _open_topic(q: Question, top: str, weight: float) -> Question:
    aspects = set(q.aspects) - {"health"}
    fleet = q.about("fleet", "idle") or (q.about("list", "count") and bool(aspects & {"cost", "recommendation", "errors", "metrics", "cold_starts", "timeouts", "memory_used"}))
    own = re.search(r"\b(my|our|we|us|it|its|this|that|i)\b", q.text, re.IGNORECASE)
    if not q.about("list", "count", "fleet") and _explains(q.text) and not (own and not q.about("guidance")):
        return replace(q, topic="guidance")
    if q.about("throttles", "limits", "concurrency") and not q.about("fleet", "list") and (q.about("limits") or re.search(r"\b(account|our|my|we|unreserved|total)\b", q.text, re.IGNORECASE)):
        return replace(q, topic="concurrency")
    if fleet and (aspects - {"configuration"} or q.about("fleet", "idle")) and not _plain_listing(q):
        return replace(q, topic="fleet")
    if q.about("list", "count") or q.filters.any:
        return replace(q, topic="list")
    if aspects:
        refers = re.search(r"\b(it|its|this|that|the) (?:function|lambda)?\b", q.text, re.IGNORECASE)
        spend = aspects & {"cost", "recommendation", "errors"} and not (refers and not q.about("saving"))
        return replace(q, topic="fleet" if spend else "unclear")
    if weight >= _SOME_VOTE and top in {"list", "fleet", "help", "off_topic", "guidance", "account", "permissions"}:
        sure = weight >= _WEIGHTY_VOTE
        return replace(q, topic=top, guessed=not sure)  # type: ignore[arg-type]
    if q.about("help"):
        return replace(q, topic="help")
    if q.about("health") and not _FOLLOW_UP.search(q.text):
        return replace(q, topic="fleet")
    if weight < _SOME_VOTE and not q.concepts:
        greeting = len(words(q.text)) <= _SHORT and not q.text.endswith("?")
        return replace(q, topic="help" if greeting else "off_topic")
    return q


def _explains(text: str) -> bool:
    return bool(re.search(r"\b(explain|what (?:is|are|does) (?:a |an )?(?:provisioned|reserved|cold|arm|graviton|lambda|aws|snap ?start|init|p9\d|concurrency|throttl|memory mean|billed|ephemeral|right-?sizing|power tuning)|what'?s (?:a|an|provisioned|reserved|graviton|snap ?start)\b|how (?:does|do|is) (?:lambda|aws|the|a|memory|cpu|billing|provisioned|cold|reserved|arm|graviton)|best practice|documentation|docs|rule of thumb|definition|mean(?:ing|s)?\b|when (?:should|do|does|would|is) (?:one|you|we|i|it)\b[^?]{0,20}\b(?:use|choose|pick|worth|make)|(?:max\w*|highest|longest|largest|default|minimum) [^?]{0,30}\b(?:lambda|aws)\b[^?]{0,12}\b(?:allow|support|permit|ha[sv]e?)|does (?:more|less|adding|a (?:bigger|larger))|why (?:does|do|is|are) (?:lambda|more|cold|memory)|guidance|pricing model)", text, re.IGNORECASE))  # fmt: skip


def _plain_listing(q: Question) -> bool:
    """A listing that only filters: `which functions run python`, `functions with more than 1 GB`."""
    if q.about("cost", "saving", "errors", "duration", "invocations", "cold_starts", "idle", "recommend", "throttles", "memory_used", "timed_out", "health"):
        return False
    return q.filters.any or q.about("list", "count") or words(q.text)[:1] == ["list"]


def read_match(question: Question, name: str) -> Match | None:
    """How a function of the question was said."""
    return next((match for match in question.named.matches if match.name == name), None)
