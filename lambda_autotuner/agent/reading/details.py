"""The finer points of a question: what to rank by, filter by, search for, aim at."""

from __future__ import annotations

import re

from lambda_autotuner.agent.reading import quantities
from lambda_autotuner.agent.reading.language import lexicon, stem
from lambda_autotuner.agent.reading.model import Filters, Ranking
from lambda_autotuner.agent.reading.names import NOT_NAMES as _NOT_NAMES
from lambda_autotuner.agent.reading.names import Named

_TOP = re.compile(
    r"\b(?:top|first|worst|best|bottom|lowest|highest|the)\s+(\d+|two|three|four|five|six|seven|eight|nine|ten)\b|\b(\d+|two|three|four|five|ten)\s+(?:most|slowest|biggest|cheapest|largest|least|worst|busiest|highest)\b",
    re.IGNORECASE,
)
_IMAGE = re.compile(
    r"\b(container|docker|oci) ?(?:image)?s?\b|\bimage[- ](?:based|package\w*|functions?|lambdas?)\b|\bpackaged as (?:an )?images?\b|\bcontainer image",
    re.IGNORECASE,
)
_ZIP = re.compile(r"\bzip(?:ped)?\b", re.IGNORECASE)
_KEY_VALUE = re.compile(r"(?<![\w])([A-Za-z][\w:.-]{1,60})\s*=\s*[`\"']?([\w@./:-]+)")
_TAGGED = re.compile(
    r"\b(?:owned by|owner is|belong(?:s|ing)? to|of team|of the team|run by|maintained by)\s+(?:the\s+)?(?:team\s+)?[`\"']?([\w-]+)"
    r"|\b(?:tagged(?: with| as)?|with (?:the )?tag|tag)\s+[`\"']?([\w:.-]+)",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"\W*(?:please |now |just |go ahead and |(?:can|could|would|will) you (?:please )?)*"
    r"(delete|destroy|invoke|trigger|execute|create|deploy|rename|terminate|kill|drop(?! it\b| that\b|[^.?!]{0,60}\b(?:to|by|half|down)\b)|wipe|purge|truncate|shut down)\b"
    r"(?! (?:a |the )?(?:power|tuning|measurement|report|list|chart))",
    re.IGNORECASE,
)
_RATE = re.compile(r"\b(rate|rates|ratio|percent\w*|share|proportion|fraction)\b|%", re.IGNORECASE)
_NOT_USED = re.compile(
    r"\b(?:not|never|no|zero|without|nobody|no one|haven'?t|hasn'?t|isn'?t|aren'?t|n't)\b(?:\s+\w+){0,3}?[\s-]+"
    r"(?:invocations?|invoked?|used?|called|calls?|traffic|runs?|ran|requests?)\b",
    re.IGNORECASE,
)
_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
_LOWEST = re.compile(
    r"\b(cheapest|least|lowest|fewest|fastest|smallest|quickest|minimum|bottom|shortest)\b",
    re.IGNORECASE,
)
_LEAST_GOOD = re.compile(
    r"\b(?:least|lowest) (?:reliable|stable|healthy|available|efficient|successful|trustworthy|reliab\w+|success\w*|uptime)\b",
    re.IGNORECASE,
)
_RUNTIME = re.compile(
    r"\b(python|node(?:\.?js)?|java|ruby|(?:(?<=\bin )|(?<=\bon )|(?<=\bruns )|(?<=\brun )|(?<=\brunning )|(?<=using )|(?<=written in )|(?<=our )|(?<=all )|(?<=^))go(?= (?:functions?|lambdas?|code|runtimes?|services?|fns)\b|(?:[ -]?1\.)|$|[?.,;])(?<!we go)|golang|dotnet|\.net|c#|provided|custom runtime)[ -]?(\d+(?:\.[\dx]+)?)?\b",
    re.IGNORECASE,
)
_ARCH = re.compile(r"\b(arm64|arm|graviton|x86_64|x86-64|x86|intel)\b", re.IGNORECASE)
_BOUND = re.compile(
    r"(?<!\w)(more than|over|above|greater than|bigger than|larger than|exceed\w*|at least|>=?|less than|under|below|smaller than|fewer than|at most|up to|<=?|exactly|with|of|at|have|using|has)\s+(?:a memory of |memory of |exactly )?(?=\d|one|two|three|four|half)",
    re.IGNORECASE,
)
_TEAM = re.compile(r"\b([a-z][\w-]{1,30})(?:'s)? team(?:'?s)?\b", re.IGNORECASE)
_NO_TEAMS = frozenset({"the", "my", "our", "your", "this", "that", "which", "what", "each", "every", "per", "by", "a", "same", "other", "whole", "of", "any", "one", "dev", "ops"})  # fmt: skip
_STAGES = {
    "prod": "prod",
    "production": "prod",
    "staging": "staging",
    "stage": "stage",
    "dev": "dev",
    "development": "dev",
    "test": "test",
    "qa": "qa",
}
_STAGE = re.compile(
    r"\b(prod|production|staging|dev|development|qa)\s+(?:functions?|lambdas?|fns|funcs|services?|account'?s? functions)\b",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"\b(?:the|our|all|any|every|all the|of|for)\s+([a-z][a-z-]{2,30})\s+(?:functions?|lambdas?|services?|jobs?|workers?|stuff)\b",
    re.IGNORECASE,
)
_QUALITIES = frozenset({"smallest", "largest", "fast", "slow", "small", "large", "big", "good", "bad", "few", "many", "three", "five", "ten", "top", "next", "last", "first", "second", "third", "two", "four", "right", "active", "different", "various", "important", "critical", "deployed", "aws", "longest", "shortest", "newest", "oldest", "noisiest"})  # fmt: skip
_COULD_MOVE = re.compile(
    r"\b(?:could|can|should|might|to|candidates?|eligible|ready|worth|left to|still (?:on|to)|not yet|haven'?t|potential)\b[^.?!]{0,40}?"
    r"\b(?:mov\w+|migrat\w+|switch\w*|convert\w*|port(?:ed)?|go|for|on|onto)\b[^.?!]{0,20}\b(?:arm64|arm|graviton|x86_64|x86)\b"
    r"|\bnot (?:on|using|running on|yet on) (?:arm64|arm|graviton)\b|\bmov(?:e|ing) to (?:arm64|arm|graviton)\b",
    re.IGNORECASE,
)
_RETIRED = re.compile(
    r"\b(?:deprecat\w+|end[- ]of[- ](?:life|support)|eol|unsupported|out ?dated|retired|obsolete|no longer supported|out of support|veraltet\w*)\b",
    re.IGNORECASE,
)
_PREFIX = re.compile(
    r"\b(?:start(?:s|ing)?|begin(?:s|ning)?) with [`\"']?([\w-]+)|\bprefix(?:ed)?(?: with)? [`\"']?([\w-]{2,})",
    re.IGNORECASE,
)
_CONTAINS = re.compile(
    r"\b(?:contain(?:s|ing)?|with|matching|including|have|having|has)\s+(?:the (?:word|string) )?[`\"']([\w-]{2,})[`\"']|\b(?:names?|called) (?:that )?(?:contain(?:s|ing)?|include|like|matching|has|have)\s+[`\"']?([\w-]{2,})",
    re.IGNORECASE,
)
_SEARCH = re.compile(
    r"[`\"']([^`\"']{2,80})[`\"']|\b(?:containing|contain|mention(?:s|ing)?|matching|with the (?:word|text|string)|search(?: \w+){0,4}? for|grep(?= [\w.:/-]{3,} (?:in|on|from)\b)|grep(?: \w+){0,3}? for|look(?:ing)? for|about)\s+(?:the (?:word|string|text) )?([\w .:/-]{2,60})",
    re.IGNORECASE,
)
_FAST = re.compile(
    r"\b(fast(?:er|est)?|speed|latency|quick(?:er|est)?|performance|responsive\w*)\b", re.IGNORECASE
)
_BALANCED = re.compile(r"\b(balance[d]?|both cost and|trade-?off|compromise)\b", re.IGNORECASE)
_SLO = re.compile(r"\bp(\d{2})\b[^.?!]{0,40}?(?:under|below|<=?|less than|within|at most|of)\s*(\d+(?:\.\d+)?)\s*(ms|s|seconds?|milliseconds?)|(?:under|below|less than|within|<=?|at most)\s*(\d+(?:\.\d+)?)\s*(ms|milliseconds?)[^.?!]{0,30}\bp(\d{2})\b", re.IGNORECASE)  # fmt: skip
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


def read_ranking(text: str, found: dict[str, int]) -> Ranking:
    """What a whole account is to be ordered by."""
    metric = next(
        (name for name, any_of in _FLEET_METRICS if any(c in found for c in any_of)), "savings"
    )
    if metric == "duration" and (named := quantities.percentiles(text)):
        metric = {50.0: "duration_p50", 99.0: "duration_p99"}.get(named[0], metric)
    if metric == "errors" and _RATE.search(text):
        metric = "error_rate"
    if _NOT_USED.search(text):
        metric = "idle"
    match = _TOP.search(text)
    limit = None
    if match:
        said = (match[1] or match[2]).lower()
        limit = _NUMBERS.get(said) or int(said)
    elif re.search(
        r"\b(?:which|what) (?:one|function|lambda)\b(?! *s)|\bthe (?:single )?(?:most|slowest|worst|biggest|cheapest|busiest|largest)\b",
        text,
        re.IGNORECASE,
    ):
        limit = 5
    ascending = bool(_LOWEST.search(_LEAST_GOOD.sub(" ", text))) and metric not in {
        "savings",
        "idle",
    }
    return Ranking(metric, ascending=ascending, limit=limit)


def names_runtime(text: str) -> bool:
    """Whether a language or runtime is named."""
    return bool(_RUNTIME.search(text))


def read_filters(text: str) -> Filters:
    """What a listing is narrowed to."""
    runtime = _RUNTIME.search(text)
    arch = _ARCH.search(text)
    runtimes = tuple(dict.fromkeys(_runtime_name(found) for found in _RUNTIME.finditer(text)))
    prefix, contains = _PREFIX.search(text), _CONTAINS.search(text)
    memory = None
    spoken = quantities.sizes(text)
    if spoken:
        bounds = [m for m in _BOUND.finditer(text) if m.end() <= spoken[0].start]
        memory = (_comparison(bounds[-1][1]) if bounds else "=", spoken[0].memory_mb)
    return Filters(
        runtime=_runtime_name(runtime) if runtime else None,
        architecture=_architecture(text, arch[1]) if arch else None,
        runtimes=runtimes if len(runtimes) > 1 else (),
        matching=_group(text),
        retired=bool(_RETIRED.search(text)),
        timeout_seconds=_timeout_bound(text),
        memory_mb=memory,
        package_type=_package(text),
        tag=_tag(text),
        name_contains=(contains[1] or contains[2]) if contains else None,
        name_prefix=(prefix[1] or prefix[2]) if prefix else None,
    )


def _group(text: str) -> str | None:
    """A word before `functions` that names a group: `the payment functions`."""
    if staged := _STAGE.search(text):
        return _STAGES[staged[1].casefold()]
    match = _GROUP.search(text)
    if match is None:
        return None
    word = match[1].casefold()
    known = word in _NOT_NAMES or stem(word) in lexicon().known_stems or word in _QUALITIES
    return None if known else word


def _architecture(text: str, said: str) -> str:
    """The architecture functions have now; those that could move have the other one."""
    spoken = "x86_64" if said.lower().startswith(("x86", "intel")) else "arm64"
    if _COULD_MOVE.search(text):
        return "arm64" if spoken == "x86_64" else "x86_64"
    return spoken


def _timeout_bound(text: str) -> tuple[str, int] | None:
    """A bound on the timeout setting: `a timeout over 5 minutes`."""
    found = re.search(r"\btime ?outs?\b", text, re.IGNORECASE)
    value = quantities.seconds(text)
    if found is None or value is None or value < 1:
        return None
    bounds = list(_BOUND.finditer(text))
    return (_comparison(bounds[-1][1]) if bounds else "=", round(value))


def _package(text: str) -> str | None:
    if _IMAGE.search(text):
        return "Image"
    return "Zip" if _ZIP.search(text) else None


def _tag(text: str) -> str | None:
    """A tag that was named: `key=value`, or a value that a team or an owner has."""
    if match := _KEY_VALUE.search(text):
        return f"{match[1]}={match[2]}"
    if match := _TAGGED.search(text):
        return match[1] or match[2]
    if (match := _TEAM.search(text)) and match[1].casefold() not in _NO_TEAMS:
        return match[1]
    return None


def read_unsupported(text: str) -> str | None:
    """A verb that tells to do what this product never does; None when there is none."""
    match = _UNSUPPORTED.match(text)
    return match[1].lower() if match else None


def without_tags(text: str) -> str:
    """`text` without tags' values, which are names and not words to be read."""
    return _TAGGED.sub(" tagged ", _KEY_VALUE.sub(" tagged ", text))


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


def read_search(text: str, named: Named) -> str | None:
    """The text to look for in logs; None when none was said."""
    spoken = {match.spoken.casefold() for match in named.matches} | {
        n.casefold() for n in named.unknown
    }
    for match in _SEARCH.finditer(text):
        term = (match[1] or match[2] or "").strip(" .?!")
        term = re.split(r"\s+(?:in|on|from|of|during|over|for|within|since)\b", term)[0].strip()
        if term and term.casefold() not in spoken and not any(n in term.casefold() for n in spoken):
            return term
    return None


def read_objective(text: str) -> str | None:
    """What a size is to be chosen for, as `parse_objective` reads it; None when nothing was said."""
    if match := _SLO.search(text):
        percentile = match[1] or match[6]
        value = float(match[2] or match[4])
        unit = (match[3] or match[5]).lower()
        milliseconds = value if unit.startswith("m") else value * 1000
        return f"slo:p{percentile}<{milliseconds:g}ms"
    if _BALANCED.search(text):
        return "balanced"
    return "speed" if _FAST.search(text) else None
