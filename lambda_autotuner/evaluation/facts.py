"""What an answer must state, and whether a text states it. No model is asked."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from lambda_autotuner.evaluation.labels import contradicted
from lambda_autotuner.evaluation.quantities import Dimension, agrees, find_quantities

_BEFORE, _AFTER = 200, 120
_LONGEST_BLOCK = 3_000
_NOTHING = re.compile(
    r"\b(?:no|none|nothing|zero|never|not any|without|n/a|0|isn't|not|doesn't|don't|aren't|hasn't|haven't)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"\*\*|__|`")


def plain(text: str) -> str:
    """A text without emphasis marks and typographic variants, in lower case."""
    text = _MARKUP.sub("", text)
    for odd, simple in (
        ("\u2019", "'"), ("\u2010", "-"), ("\u2011", "-"), ("\u2013", "-"), ("\u00a0", " "),
    ):  # fmt: skip
        text = text.replace(odd, simple)
    return text.lower()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a fact was stated, and if not, why the scorer thinks so."""

    ok: bool
    reason: str = ""


class Fact(ABC):
    """One thing that is true of the account at the time of the question."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """For a person to read."""

    @abstractmethod
    def statement(self) -> str:
        """A sentence that states the fact: what the oracle agent answers."""

    @abstractmethod
    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""


@dataclass(frozen=True, slots=True)
class Number(Fact):
    """A measured or configured value.

    Attributes:
        label: what it is, in words.
        value: in the unit of `dimension`.
        dimension: ms, mb, usd, percent or count.
        tolerance_pct: relative difference that is tolerated.
        tolerance_abs: absolute difference that is tolerated; the wider of both counts.
        near: one of these words must stand close to the value.
        subject: the function it belongs to, when the answer is about several.
        others: the other functions, where a subject's passage ends.
        low: lower end when any value of a range is right.
        high: upper end of it.
        kind: what the label beside the value must not contradict, see `labels`.
    """

    label: str
    value: float
    dimension: Dimension
    tolerance_pct: float = 2.0
    tolerance_abs: float = 0.0
    near: tuple[str, ...] = ()
    subject: str | None = None
    others: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    kind: str | None = None

    @property
    def expected(self) -> str:
        """For a person to read."""
        of = f" of {self.subject}" if self.subject else ""
        return f"{self.label}{of}: {self._written(self.value)}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        near = f" ({self.near[0]})" if self.near else ""
        subject = f"{self.subject}: " if self.subject else ""
        return f"{subject}{self.label}{near} is {self._written(self.value)}."

    def _written(self, value: float) -> str:
        digits = f"{value:,.0f}" if value == round(value) or abs(value) >= 1e4 else f"{value:.4g}"  # noqa: PLR2004 - where decimals stop helping
        if "e" in digits:
            digits = f"{value:.10f}".rstrip("0")
        unit = {"ms": " ms", "mb": " MB", "percent": " %", "usd": "", "count": ""}[self.dimension]
        return f"{'$' if self.dimension == 'usd' else ''}{digits}{unit}"

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        if self.subject is None:
            return self._check_in(text)
        verdict = Verdict(ok=False, reason=f"{self.subject} is not named")
        for passage in passages(text, self.subject.lower(), [o.lower() for o in self.others]):
            verdict = self._check_in(passage)
            if verdict.ok:
                return verdict
        return verdict

    def _check_in(self, text: str) -> Verdict:
        allowance = max(self.tolerance_abs, abs(self.value) * self.tolerance_pct / 100)
        matched_far = mislabelled = False
        found = list(find_quantities(text))
        for place, quantity in enumerate(found):
            if not self._matches(quantity.value, quantity.dimension) and not agrees(
                quantity, self.value, self.dimension, allowance
            ):
                continue
            if self.kind is not None and contradicted(text, found, place, self.kind):
                mislabelled = True
                continue
            if not self.near or _has_near(text, quantity.start, quantity.end, self.near):
                return Verdict(ok=True)
            matched_far = True
        if matched_far:
            return Verdict(ok=False, reason=f"the value stands away from {'/'.join(self.near)}")
        if mislabelled:
            return Verdict(ok=False, reason=f"{self.expected} stands under another label")
        if self.value == 0 and _none_said(text, self.near):
            return Verdict(ok=True)
        return Verdict(ok=False, reason=f"{self.expected} is not stated")

    def _matches(self, value: float, dimension: Dimension | None) -> bool:
        if self.low is None or self.high is None or dimension not in {None, self.dimension}:
            return False
        return self.low <= abs(value) <= self.high


@dataclass(frozen=True, slots=True)
class Names(Fact):
    """A set of names: all of them, and none of the others that exist."""

    label: str
    names: tuple[str, ...]
    universe: tuple[str, ...] = ()
    extra: int = 0
    at_least: int | None = None

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"{self.label}: {', '.join(self.names) or 'none'}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        if not self.names:
            return f"{self.label}: none, there are no such entries."
        return f"{self.label}: {', '.join(self.names)}."

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        missing = [name for name in self.names if not mentions(text, name)]
        needed = len(self.names) if self.at_least is None else self.at_least
        if len(self.names) - len(missing) < needed:
            return Verdict(ok=False, reason=f"not named: {', '.join(missing[:5])}")
        allowed = {name.lower() for name in self.names}
        wrong = [n for n in self.universe if n.lower() not in allowed and mentions(text, n)]
        if len(wrong) > self.extra:
            return Verdict(ok=False, reason=f"wrongly named: {', '.join(wrong[:5])}")
        if not self.names and not _NOTHING.search(text):
            return Verdict(ok=False, reason="does not say that there are none")
        return Verdict(ok=True)


@dataclass(frozen=True, slots=True)
class Ranking(Fact):
    """The first names of an order. Neighbours that are practically tied may change places.

    Attributes:
        label: what is ranked.
        names: the right order.
        values: what they are ranked by, in the same order.
        universe: every name that could be mentioned.
        tie_pct: relative difference below which two are tied.
    """

    label: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    universe: tuple[str, ...]
    top: int = 1
    tie_pct: float = 2.0

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"{self.label}: {', '.join(self.names[: self.top])}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        return f"{self.label}, in order: {', '.join(self.names[: self.top])}."

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        found = {name: first_mention(text, name) for name in self.universe}
        order = sorted((n for n in self.universe if found[n] >= 0), key=lambda name: found[name])
        stated = order[: self.top]
        if len(stated) < self.top:
            return Verdict(ok=False, reason=f"{len(stated)} of {self.top} are named")
        value = dict(zip(self.names, self.values, strict=True))
        for position, name in enumerate(stated):
            right = self.values[position]
            margin = abs(right) * self.tie_pct / 100
            if name not in value or abs(value[name] - right) > margin:
                return Verdict(
                    ok=False,
                    reason=f"place {position + 1} is {name}, should be {self.names[position]}",
                )
        return Verdict(ok=True)


@dataclass(frozen=True, slots=True)
class Choice(Fact):
    """Which of several it is: the winner stands first in a sentence with a word for winning."""

    label: str
    winner: str
    losers: tuple[str, ...]
    more: tuple[str, ...]
    less: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"{self.label}: {self.winner}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        return f"{self.winner} is {self.more[0]} ({self.label})."

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        for sentence in sentences(text):
            places = {n: first_mention(sentence, n) for n in (self.winner, *self.losers)}
            named = sorted((n for n in places if places[n] >= 0), key=lambda name: places[name])
            if not named:
                continue
            if named[0] == self.winner and _any_word(sentence, self.more):
                return Verdict(ok=True)
            if named[0] != self.winner and self.winner in named and _any_word(sentence, self.less):
                return Verdict(ok=True)
        return Verdict(ok=False, reason=f"no sentence says that it is {self.winner}")


@dataclass(frozen=True, slots=True)
class Words(Fact):
    """Text that must appear: one of the alternatives, near one of some words when given."""

    label: str
    alternatives: tuple[str, ...]
    near: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"{self.label}: {self.alternatives[0]}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        near = f" ({self.near[0]})" if self.near else ""
        return f"{self.label}{near}: {self.alternatives[0]}."

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        for alternative in self.alternatives:
            wanted = plain(alternative)
            edges = (
                r"(?<!\w)" if wanted[:1].isalnum() else "",
                r"(?!\w)" if wanted[-1:].isalnum() else "",
            )
            for match in re.finditer(edges[0] + re.escape(wanted) + edges[1], text):
                if not self.near or _has_near(text, match.start(), match.end(), self.near):
                    return Verdict(ok=True)
        return Verdict(ok=False, reason=f"does not say {' or '.join(self.alternatives[:4])!r}")


@dataclass(frozen=True, slots=True)
class Absent(Fact):
    """That there is none of something, said in one clause with its name.

    `no reservation` states it; `reserves 100, none provisioned` does not.
    """

    label: str
    things: tuple[str, ...]

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"no {self.label}"

    def statement(self) -> str:
        """A sentence that states the fact."""
        return f"It has no {self.label}."

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        for clause in re.split(r"[,;.!?\n]|\band\b|\bbut\b", plain(text)):
            if _any_word(clause, self.things) and (_NOTHING.search(clause) or "null" in clause):
                return Verdict(ok=True)
        return Verdict(ok=False, reason=f"does not say that there is no {self.label}")


def first_mention(text: str, name: str) -> int:
    """Position of a whole name in a text in lower case, or -1."""
    match = re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w]|-\w)", text)
    return match.start() if match else -1


def mentions(text: str, name: str) -> bool:
    """Whether a text in lower case holds a whole name."""
    return first_mention(text, name) >= 0


def sentences(text: str) -> list[str]:
    """Sentences and lines; a full stop inside a number or a name ends nothing."""
    return [part for part in re.split(r"\n+|(?<=[.!?;])\s+", text) if part.strip()]


def passages(text: str, subject: str, others: Sequence[str]) -> list[str]:
    """The parts of a text that speak of one function among several.

    What follows its name up to another's; what precedes it only when nothing numeric follows.
    """
    found = sorted(
        (match.start(), match.end(), name == subject)
        for name in (subject, *others)
        for match in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w]|-\w)", text)
    )
    parts: list[str] = []
    for position, (start, end, is_subject) in enumerate(found):
        if not is_subject:
            continue
        following = next((f[0] for f in found[position + 1 :] if not f[2]), len(text))
        own = _own_part(text[end:following])
        if any(True for _ in find_quantities(own)):
            parts.append(text[start:end] + own)
        else:
            preceding = next((f[1] for f in reversed(found[:position]) if not f[2]), 0)
            parts.append(text[preceding:following])
    return parts


def _own_part(text: str) -> str:
    """`... and 1024 MB for` belongs to the name that follows."""
    if not re.search(r"\b(?:for|on|of|in)\s+$", text):
        return text
    quantities = list(find_quantities(text))
    return text[: quantities[-1].start] if quantities else text


def _has_near(text: str, start: int, end: int, words: Sequence[str]) -> bool:
    """One of the words stands in the same block of lines, or shortly before or after."""
    block_start = text.rfind("\n\n", 0, start) + 1
    block_end = text.find("\n\n", end)
    block_end = len(text) if block_end < 0 else block_end
    if block_end - block_start > _LONGEST_BLOCK:
        block_start, block_end = start - _BEFORE, end + _AFTER
    low, high = min(block_start, start - _BEFORE), max(block_end, end + _AFTER)
    return _any_word(text[max(0, low) : high], words)


def _any_word(text: str, words: Sequence[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(plain(word))}", text) for word in words)


def _none_said(text: str, near: Sequence[str]) -> bool:
    """`no errors`, `has not been throttled`: zero in words, near what is counted."""
    return any(
        _NOTHING.search(sentence) and (not near or _any_word(sentence, near))
        for sentence in sentences(text)
    )
