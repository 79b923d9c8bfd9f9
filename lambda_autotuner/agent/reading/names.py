"""Which functions a person means, against the list of functions that really exist."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz, process

from lambda_autotuner.agent.reading.language import lexicon, stem

Kind = Literal["exact", "spelled", "partial", "fuzzy"]

_ARN = re.compile(r"arn:aws[\w-]*:lambda:([\w-]+):(\d{12}):function:([\w-]+)(?::([\w$-]+))?")
_SPOKEN = re.compile(
    r"(?:function|lambda|funktion|función|fonction)\s+(?:called |named |is called |is named |namens |llamada )?[`\"']?"
    r"([A-Za-z][\w-]*[\w])[`\"']?",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"[`\"']?([A-Za-z][\w-]*\w)[`\"']?\s+(?:function|lambda)\b", re.IGNORECASE)
_QUOTED = re.compile(r"[`\"']([A-Za-z][\w.-]{2,139})[`\"']")
_LOOKS_LIKE_NAME = re.compile(r"(?<![\w/.:-])([^\W\d_][^\W_]*(?:[-_][^\W_]+)+)(?![\w/-])")
_PLAN = re.compile(r"(?:p|q|plan|prop)[-_](?=[0-9a-z]*\d)[0-9a-z]{5,}")
_PERCENTILE = re.compile(r"p\d{2}(?:[-_.]|$)")
# French and other verbs with a pronoun behind a hyphen: `montre-moi`, `a-t-il`, `peux-tu`.
_INVERTED = re.compile(
    r"-(?:moi|toi|nous|vous|tu|je|il|elle|ils|elles|on|ce|le|la|les|lui|t)$", re.IGNORECASE
)
_CAMEL = re.compile(r"(?<!\w)([A-Z]?[a-z]+(?:[A-Z][a-z0-9]+){1,6})(?!\w)")
_PARTS = re.compile(r"[-_]+|(?<=[a-z0-9])(?=[A-Z])")
_FUZZY_CUTOFF = 84
_FUZZY_MARGIN = 4
_NEAREST = 3
_MAX_GLOB = 6
_MIN_PART = 4
_MAX_NAMES = 12
_MAX_SHARED = 6
# Words that look like names or stand beside "function" without being one.
NOT_NAMES = frozenset(
    """
    a an the this that these those my our your his her its each every any all some which what one other
    another same single lambda lambdas function functions aws amazon is are was were has have does do did
    for of in on at to by with and or not no most least slowest fastest biggest new old whole account
    cold-start cold-starts right-size right-sizing right-sized right-sizes x86-64 x86_64 p95 p99 end-to-end
    best-practice up-to-date day-to-day over-provisioned under-provisioned out-of-memory log-group log-groups
    so-called us-east read-only cost-effective per-month well-known long-running short-lived low-traffic
    high-traffic start-up warm-up roll-back account-wide pay-per-use step-by-step power-tune power-tuning
    month-to-month re-size re-tune error-rate non-production pre-production production staging dev prod
    memory timeout runtime cost errors error slow expensive failing idle unused python node java worst
    cheapest called named using use with without it need needs cost costs run runs running invocations
    cloudwatch dynamodb apigateway eventbridge stepfunctions snapstart powertools vcpu vs-before before-after
    dead-letter x-ray gb-seconds gb-second gb-s non-prod on-demand month-to-date
    serverless unknown-function code arm64 graviton performance configuration
    """.split()  # noqa: SIM905 - a readable block of words
)
# `secret-looking`, `cpu-bound`: adjectives, where no function has that name.
_ADJECTIVE = re.compile(
    r"-(?:looking|bound|heavy|intensive|free|only|wide|like|prone|friendly|facing|driven|sized|style|related)$|^(?:zero|no|non|low|high|over|under|multi|cross|per|pre|post)-",
    re.IGNORECASE,
)
# Parts of names that are ordinary words too; alone they are a name only before "function".
_EVERYDAY = frozenset(
    [
        "close",
        "open",
        "search",
        "store",
        "report",
        "reports",
        "call",
        "calls",
        "nobody",
        "import",
        "export",
        "old",
        "legacy",
        "key",
        "event",
        "events",
        "order",
        "orders",
        "user",
        "users",
        "data",
        "email",
        "image",
        "images",
        "file",
        "files",
        "page",
        "product",
        "products",
        "session",
        "price",
        "pricing",
        "rate",
        "rates",
        "score",
        "feature",
        "flags",
        "table",
        "queue",
        "stream",
        "process",
        "processing",
        "sync",
        "daily",
        "nightly",
        "quarterly",
        "monthly",
        "customer",
        "customers",
        "health",
        "check",
        "status",
        "test",
        "example",
        "time",
        "date",
        "year",
        "there",
        "here",
        "now",
        "all",
        "none",
    ]
)
# An environment variable, not a function.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_REGION = re.compile(r"^(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d$")


@dataclass(frozen=True, slots=True)
class Match:
    """A function of the account and the words that were read as it."""

    name: str
    spoken: str
    kind: Kind

    @property
    def certain(self) -> bool:
        """Whether the name was said as it is, letter by letter."""
        return self.kind == "exact"


@dataclass(frozen=True, slots=True)
class Named:
    """What was read: functions, names that no function has, and names that several could have."""

    matches: tuple[Match, ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The functions, in the order in which they were said."""
        return tuple(dict.fromkeys(match.name for match in self.matches))


def _squeeze(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text.casefold())


def nearest(spoken: str, inventory: Sequence[str], limit: int = _NEAREST) -> tuple[str, ...]:
    """The existing names that are most like `spoken`, best first."""
    scored = process.extract(
        _squeeze(spoken),
        {name: _squeeze(name) for name in inventory},
        scorer=fuzz.WRatio,
        limit=limit,
    )
    return tuple(str(key) for _, _, key in scored)


def read_names(text: str, inventory: Sequence[str]) -> Named:
    """Find the functions of `inventory` that `text` names, and the names it has that are not there."""
    matches = [*_globs(text, inventory), *_exact(text, inventory)]
    rest = text
    for match in matches:
        rest = re.sub(rf"(?<![\w-]){re.escape(match.spoken)}(?![\w-])", " , ", rest)
    spelled = _spelled(rest, inventory, {match.name for match in matches})
    for match in spelled:
        rest = re.sub(re.escape(match.spoken), " , ", rest, flags=re.IGNORECASE)
    matches = [*matches, *spelled]
    unknown: list[str] = []
    ambiguous: list[tuple[str, tuple[str, ...]]] = []
    certain_ones = [(spoken, certain) for spoken, certain in _candidates(rest) if certain]
    for spoken, _ in certain_ones:
        rest = rest.replace(spoken, " , ")
    parts = [] if matches or certain_ones else _runs_of_parts(rest, inventory)
    for spoken, names in parts:
        rest = rest.replace(spoken, " , ")
        if len(names) == 1:
            matches.append(Match(names[0], spoken, "partial"))
        else:
            ambiguous.append((spoken, names))
    for spoken, certain in [*certain_ones, *((w, c) for w, c in _candidates(rest) if not c)]:
        found = _resolve(spoken, inventory, certain=certain)
        if isinstance(found, Match):
            matches.append(found)
        elif found:
            ambiguous.append((spoken, found))
        elif certain:
            unknown.append(spoken)
    taken = dict.fromkeys(matches)
    return Named(
        tuple(taken)[:_MAX_NAMES], tuple(dict.fromkeys(unknown))[:_MAX_NAMES], tuple(ambiguous)
    )


def _globs(text: str, inventory: Sequence[str]) -> list[Match]:
    """`thumbnail-*`: the few functions that a pattern stands for; a wide one names none of them."""
    found: list[Match] = []
    for token in re.finditer(r"(?<![\w*-])[\w-]*\*[\w*-]*", text):
        names = fnmatch.filter(inventory, token[0])
        if 1 <= len(names) <= _MAX_GLOB and len(token[0].strip("*-_")) >= _MIN_PART:
            found += [Match(name, token[0], "partial") for name in sorted(names)]
    return found


def _exact(text: str, inventory: Sequence[str]) -> list[Match]:
    by_fold = {name.casefold(): name for name in inventory}
    found: list[tuple[int, Match]] = []
    for match in _ARN.finditer(text):
        name = match[3]
        if name in inventory:
            found.append((match.start(), Match(name, name, "exact")))
    for token in re.finditer(r"[A-Za-z0-9][\w-]*", text):
        spoken = token[0].rstrip("-_")
        if spoken in inventory:
            found.append((token.start(), Match(spoken, spoken, "exact")))
        elif spoken.casefold() in by_fold and len(spoken) >= _MIN_PART:
            found.append((token.start(), Match(by_fold[spoken.casefold()], spoken, "spelled")))
        elif re.search(r"[-_]s$|'s$", spoken) and spoken[:-2] in inventory:
            found.append((token.start(), Match(spoken[:-2], spoken[:-2], "exact")))
    unique: dict[str, Match] = {}
    for _, read in sorted(found, key=lambda item: item[0]):
        unique.setdefault(read.name, read)
    return list(unique.values())


def _spelled(text: str, inventory: Sequence[str], taken: set[str]) -> list[Match]:
    """Names said with blanks or other separators: `checkout api` for `checkout-api`."""
    squeezed: dict[str, list[str]] = {}
    for name in inventory:
        if name not in taken and len(_squeeze(name)) >= _MIN_PART:
            squeezed.setdefault(_squeeze(name), []).append(name)
    tokens = list(re.finditer(r"[^\W_]+", text))
    found: list[Match] = []
    index = 0
    while index < len(tokens):
        for size in range(min(6, len(tokens) - index), 0, -1):
            last = tokens[index + size - 1]
            spoken = text[tokens[index].start() : last.end()]
            names = squeezed.get(_squeeze(spoken))
            if (
                names
                and len(names) == 1
                and not re.search(r"[^\w\s-]", spoken)
                and spoken.lower() not in NOT_NAMES
            ):
                found.append(Match(names[0], spoken, "spelled"))
                index += size - 1
                break
        index += 1
    return found


def _runs_of_parts(text: str, inventory: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Words that are whole parts of a few names: `the image resizer` of `image-resizer-prod`."""
    tokens = list(re.finditer(r"[A-Za-z0-9]+", text))
    found: list[tuple[str, tuple[str, ...]]] = []
    known = _index(tuple(inventory))
    index = 0
    while index < len(tokens):
        step = 1
        for size in range(min(4, len(tokens) - index), 0, -1):
            run = tokens[index : index + size]
            spoken = text[run[0].start() : run[-1].end()]
            if re.search(r"[^\w\s-]", spoken) or not _distinctive([token[0] for token in run]):
                continue
            names = known.get(tuple(token[0].casefold() for token in run), ())
            if not names:
                continue
            if size == 1 and not _pointed_at(text, run[0], alone=len(names) == 1):
                continue
            if 0 < len(names) <= _MAX_SHARED:
                found.append((spoken, names))
                step = size
                break
        index += step
    return found


@lru_cache(maxsize=8)
def _index(inventory: tuple[str, ...]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Runs of up to four whole parts of names -> the names that have them."""
    runs: dict[tuple[str, ...], set[str]] = {}
    for name in inventory:
        parts = [part.casefold() for part in _PARTS.split(name)]
        for size in range(1, 5):
            for start in range(len(parts) - size + 1):
                runs.setdefault(tuple(parts[start : start + size]), set()).add(name)
    return {run: tuple(sorted(names)) for run, names in runs.items()}


def _pointed_at(text: str, token: re.Match[str], *, alone: bool) -> bool:
    """Whether one word stands where a name stands: `the checkout function`, `how is checkout`."""
    after, before = text[token.end() :], text[: token.start()]
    if re.match(
        r"\s+(?:function|lambda|service|job|worker|handler|endpoint)\b", after, re.IGNORECASE
    ):
        return True
    if token[0].casefold() in _EVERYDAY:
        return False
    wanted = r"(?:\b(?:of|for|about|does|is|on|has|did|to|in|from|with|tune|was)(?:\s+(?:the|our|my))?|\b(?:the|our|my))\s+$"
    return alone and bool(re.search(wanted, before, re.IGNORECASE) or not before.strip())


def _distinctive(tokens: Sequence[str]) -> bool:
    """Whether the words can be a name: none is an everyday word of this trade."""
    stems = lexicon().known_stems
    return all(
        token.casefold() not in NOT_NAMES and stem(token.casefold()) not in stems
        for token in tokens
    ) and any(len(token) >= _MIN_PART for token in tokens)


def _candidates(text: str) -> list[tuple[str, bool]]:
    """Words that stand for a function name; True when they can hardly stand for anything else."""
    found: dict[str, bool] = {}
    for pattern, certain in (
        (_ARN, True),
        (_LOOKS_LIKE_NAME, True),
        (_QUOTED, False),
        (_CAMEL, True),
        (_SPOKEN, False),
        (_BEFORE, False),
    ):
        for match in pattern.finditer(text):
            spoken = match[3] if pattern is _ARN else match[1]
            if _INVERTED.search(spoken) or _ADJECTIVE.search(spoken):
                continue
            lowered = spoken.casefold()
            if _VARIABLE.fullmatch(spoken):
                continue
            if lowered in NOT_NAMES or _REGION.match(lowered) or len(spoken) < 3:  # noqa: PLR2004
                continue
            if not any(part not in NOT_NAMES for part in re.split(r"[-_]", lowered)):
                continue
            if not certain and lowered.isalpha() and stem(lowered) in lexicon().known_stems:
                continue
            if _PERCENTILE.match(lowered) or _PLAN.fullmatch(lowered):
                continue
            found[spoken] = found.get(spoken, False) or certain
    return list(found.items())


def _resolve(spoken: str, inventory: Sequence[str], *, certain: bool) -> Match | tuple[str, ...]:
    parts = [name for name in inventory if _contains(name, spoken)]
    if len(parts) == 1:
        return Match(parts[0], spoken, "partial")
    if parts:
        return tuple(sorted(parts))[:8]
    scored = process.extract(
        _squeeze(spoken), {name: _squeeze(name) for name in inventory}, scorer=fuzz.ratio, limit=2
    )
    if scored and scored[0][1] >= _FUZZY_CUTOFF and (certain or len(spoken) >= _MIN_PART):
        runner_up = scored[1][1] if len(scored) > 1 else 0
        if scored[0][1] - runner_up >= _FUZZY_MARGIN:
            return Match(str(scored[0][2]), spoken, "fuzzy")
        return tuple(str(key) for _, score, key in scored if score >= _FUZZY_CUTOFF)
    return ()


def _contains(name: str, spoken: str) -> bool:
    """Whether `spoken` is a run of whole parts of `name`: `checkout` of `checkout-api`."""
    parts, wanted = _PARTS.split(name), _PARTS.split(spoken)
    lowered, target = [part.casefold() for part in parts], [part.casefold() for part in wanted]
    size = len(target)
    return any(lowered[i : i + size] == target for i in range(len(lowered) - size + 1))
