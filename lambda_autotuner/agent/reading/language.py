"""Words to concepts.

Normalised text, a lexicon that forgives inflection and typing errors, and a nearest-neighbour
vote over example wordings for what the lexicon does not name.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml
from rapidfuzz.distance import DamerauLevenshtein

MAX_CHARACTERS = 6_000
"""A question is planned from its first and last characters up to this many; what a person asks
stands there, and a pasted log must not cost seconds."""

_WORD = re.compile(r"[^\W_]+(?:['./_-][^\W_]+)*|\$")
_ZERO_WIDTH = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0xFEFF, 0x00AD])
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "es", "ed", "s", "e")
_MIN_STEM = 3
_TYPO_LENGTH = 5
_LONG_TYPO_LENGTH = 9
_PHRASE_WORDS = 5
_NEIGHBOURS = 5


def normalise(text: str) -> str:
    """`text` in one spelling: compatibility forms, no invisible characters, single blanks."""
    if len(text) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        text = f"{text[:half]} {text[-half:]}"
    plain = unicodedata.normalize("NFKC", text).translate(_ZERO_WIDTH)
    plain = "".join(ch if ch.isprintable() else " " for ch in plain)
    plain = plain.replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", '"')
    return re.sub(r"\s+", " ", plain).strip()


def storable(text: str, limit: int) -> str:
    """Text that every store and wire takes: at most `limit` characters, no halves of characters."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def words(text: str) -> list[str]:
    """The words of normalised text in lower case; a hyphenated or dotted name is one word."""
    return _WORD.findall(text.casefold())


def stem(word: str) -> str:
    """A crude stem: enough to let `costs`, `costing` and `cost` meet."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
            return word[: -len(suffix)]
    return word


@dataclass(frozen=True)
class Aspect:
    """One thing a question can be about, the concepts that name it and the tools that answer it."""

    name: str
    concepts: frozenset[str]
    tools: tuple[str, ...]


class Lexicon:
    """The concepts, aspects and example wordings of `data/prompts/planner.yaml`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._phrases: dict[tuple[str, ...], set[str]] = {}
        for concept, entries in document["concepts"].items():
            for entry in entries:
                key = tuple(stem(word) for word in words(normalise(entry)))
                self._phrases.setdefault(key, set()).add(concept)
        self._vocabulary = sorted({word for key in self._phrases if len(key) == 1 for word in key})
        self._ordinary = frozenset(str(document.get("ordinary", "")).split())
        self.known_stems = frozenset(word for key in self._phrases for word in key)
        self.aspects = tuple(
            Aspect(name, frozenset(entry["any"]), tuple(entry["tools"]))
            for name, entry in document["aspects"].items()
        )
        self.examples: tuple[tuple[str, str], ...] = tuple(
            (intent, wording)
            for intent, wordings in document["examples"].items()
            for wording in wordings
        )
        self._documents = [(intent, self._features(wording)) for intent, wording in self.examples]
        frequency = Counter(feature for _, bag in self._documents for feature in bag)
        total = len(self._documents)
        self._idf = {name: math.log((1 + total) / (1 + n)) + 1 for name, n in frequency.items()}
        self._vectors = [(intent, self._weigh(bag)) for intent, bag in self._documents]

    def concepts(self, text: str) -> dict[str, int]:
        """Concept -> position of its first word, longest phrase first; typing errors forgiven."""
        spoken = words(text)
        stems = [stem(word) for word in spoken]
        found: dict[str, int] = {}
        covered = [False] * len(stems)
        for size in range(_PHRASE_WORDS, 0, -1):
            for start in range(len(stems) - size + 1):
                if any(covered[start : start + size]):
                    continue
                hit = self._phrases.get(tuple(stems[start : start + size]))
                if hit:
                    covered[start : start + size] = [True] * size
                    for concept in hit:
                        found.setdefault(concept, start)
        for position, word in enumerate(stems):
            if not covered[position]:
                near = self._nearest_word(spoken[position], word)
                for concept in self._phrases[(near,)] if near else ():
                    found.setdefault(concept, position)
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @lru_cache(maxsize=4_096)  # noqa: B019 - one lexicon a process
    def _nearest_word(self, spoken: str, word: str) -> str | None:
        """The one vocabulary word that `word` is a typing error of, if there is just one."""
        if min(len(spoken), len(word) + 1) < _TYPO_LENGTH or not spoken.isalpha():
            return None
        if spoken in self._ordinary or spoken.removesuffix("s") in self._ordinary:
            return None
        allowed = 1 if len(spoken) < _LONG_TYPO_LENGTH else 2
        best: list[str] = []
        for candidate in self._vocabulary:
            if len(candidate) < _TYPO_LENGTH - 1 or candidate[0] != word[0]:
                continue
            distance = DamerauLevenshtein.distance(word, candidate, score_cutoff=allowed)
            if distance <= allowed:
                if distance < allowed:
                    best, allowed = [], distance
                best.append(candidate)
        concepts = {frozenset(self._phrases[(name,)]) for name in best}
        return best[0] if len(concepts) == 1 else None

    def _features(self, text: str) -> Counter[str]:
        plain = normalise(text).casefold()
        bag: Counter[str] = Counter()
        for concept in self.concepts(plain):
            bag[f"c:{concept}"] += 3
        for word in words(plain):
            bag[f"w:{stem(word)}"] += 1
        padded = f" {plain} "
        for index in range(len(padded) - 3):
            bag[f"g:{padded[index : index + 4]}"] += 0.2  # type: ignore[assignment]
        return bag

    def _weigh(self, bag: Mapping[str, float]) -> dict[str, float]:
        rare = max(self._idf.values()) if self._idf else 1.0
        weighted = {name: count * self._idf.get(name, rare) for name, count in bag.items()}
        norm = math.sqrt(sum(value * value for value in weighted.values())) or 1.0
        return {name: value / norm for name, value in weighted.items()}

    def vote(self, text: str) -> list[tuple[str, float]]:
        """Intents by the summed cosine of the five nearest example wordings, best first."""
        query = self._weigh(self._features(text))
        scored = sorted(
            ((_dot(query, vector), intent) for intent, vector in self._vectors), reverse=True
        )[:_NEIGHBOURS]
        votes: Counter[str] = Counter()
        for score, intent in scored:
            votes[intent] += score  # type: ignore[assignment]
        return [(intent, float(score)) for intent, score in votes.most_common()]


def _dot(left: Mapping[str, float], right: Mapping[str, float]) -> float:
    small, large = (left, right) if len(left) < len(right) else (right, left)
    return sum(value * large.get(name, 0.0) for name, value in small.items())


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon of the package, read once a process."""
    text = (resources.files("lambda_autotuner") / "data" / "prompts" / "planner.yaml").read_text(
        encoding="utf-8"
    )
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Lexicon(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, chosen for speed


def any_word(text: str, candidates: Iterable[str]) -> bool:
    """Whether one of the words or phrases stands in `text`, on word boundaries, case ignored."""
    return any(
        re.search(rf"(?<!\w){re.escape(candidate)}(?!\w)", text, re.IGNORECASE)
        for candidate in candidates
    )
