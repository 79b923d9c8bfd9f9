"""Wishes to change something, read from a person's own words and from nothing else.

The planner proposes by them and the provenance gate permits by them, so both always agree.
A wish needs an instructing verb; a question, a supposition, a negation or quoted text is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from lambda_autotuner.agent.reading.quantities import seconds, sizes
from lambda_autotuner.agent.reading.speech import (
    after_refusal,
    instructing,
    is_deferred,
    is_refusal,
    own_words,
    refuses_all,
    stated_then_told,
)

WishKind = Literal["change", "tune", "rollback", "apply", "reject"]
Value = int | str | bool

_NEGATED = re.compile(
    r"\b(?:do not|don'?t|dont|never|without|not to|no need to|rather not|stop|cancel|avoid|refrain from|"
    r"not yet|nicht|nada)\b[^.;!?]{0,40}?\b(?:chang|set|appl|touch|updat|modif|increas|decreas|rais|lower|"
    r"roll|revert|undo|tun|measur|do it|execut|mak|mov|switch|proceed|chance|writ|deploy|migrat)\w*",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(set|change|update|modify|increase|decrease|raise|reduce|lower|bump|drop|switch|move|migrate|resize|"
    r"adjust|configure|give|put|make|double|halve|enable|disable|turn|cut|upgrade|downgrade|shrink|grow|scale|"
    r"convert|reconfigure|assign|allocate|limit|cap|reserve|remove|setze?|stelle?|ändere|erhöhe|senke|verringere|cambia|pon|sube|baja|aumenta|mets|mettez|passe|augmentez?|diminuez?|réduis(?:ez)?|règle|remember to set)\b",
    re.IGNORECASE,
)
_MORE_OR_LESS = re.compile(
    r"\W*(?:please |now |just |go ahead and )*(?:increase|decrease|raise|reduce|lower|bump|change|resize|upgrade|downgrade|shrink|adjust|cut|boost)\b",
    re.IGNORECASE,
)
_APPLY = re.compile(
    r"\b(apply|approve|roll ?out|implement|execute|carry out|go ahead|proceed|do it|make it so|ship it|confirm|"
    r"right-?size|follow|adopt|use)\b",
    re.IGNORECASE,
)
_RECOMMENDED = re.compile(
    r"\b(recommend\w*|suggest\w*|advice|advised|optimal|optimum|best|ideal|right-?siz\w*|proposed|you said|your proposal)\b",
    re.IGNORECASE,
)
_TUNE = re.compile(
    r"\b((?:power[- ]?)?tune|(?:run|start|do|perform|kick off|launch|execute)\b[^.?!]{0,30}\b(?:tuning|measurement|benchmark|experiment|power[- ]?tun\w*)|"
    r"measure|benchmark)\b",
    re.IGNORECASE,
)
_ROLLBACK = re.compile(
    r"\b(roll(?:ed)? ?back|rollback|undo|revert|restore|back out|put (?:it |that |everything )?back|zurücksetzen)\b",
    re.IGNORECASE,
)
_MASS = re.compile(
    r"\b(all|every|each|everything|everywhere|entire|whole account|fleet|them all|all of them|both of them|any function)\b",
    re.IGNORECASE,
)
_YES = re.compile(
    r"^\W*(?:yes|yep|yeah|ok(?:ay)?|sure|go ahead|do it|please do|approved?|confirm(?:ed)?|proceed|apply(?: it| that| the plan)?|make it so|ja|sí|oui|go for it|sounds good|lgtm)\b",
    re.IGNORECASE,
)
_PLAN_ID = re.compile(
    r"\b(?:plan|proposal)\s+([A-Za-z]*-?[A-Za-z0-9]*\d[A-Za-z0-9-]*)\b|\b((?:plan|prop|p|q)[-_][A-Za-z0-9-]{4,})\b",
    re.IGNORECASE,
)
_TIMEOUT = re.compile(r"\btime[ -]?out\b", re.IGNORECASE)
_ARCHITECTURE = re.compile(
    r"\b(arm64|aarch64|arm|graviton\d?|x86_64|x86-64|x86|intel|amd64)\b", re.IGNORECASE
)
_FROM_ARCHITECTURE = re.compile(
    r"\bfrom\s+(?:arm64|aarch64|arm|graviton\d?|x86_64|x86-64|x86|intel|amd64)\b", re.IGNORECASE
)
_STORAGE = re.compile(r"\b(?:ephemeral|/tmp|tmp|scratch|disk|storage)\b", re.IGNORECASE)
_RESERVED = re.compile(
    r"\breserve[d]?\b(?:\s+concurrency)?|\bconcurrency (?:limit|cap)\b|\b(?:limit|cap)\b[^.?!]{0,40}\bconcurren\w+",
    re.IGNORECASE,
)
_PROVISIONED = re.compile(r"\bprovisioned(?:\s+concurrency)\b", re.IGNORECASE)
_SNAPSTART = re.compile(r"\bsnap ?start\b", re.IGNORECASE)
_MEMORY = re.compile(
    r"\b(?:memory|ram|mem|memory size|speicher|memoria|mémoire|size)\b", re.IGNORECASE
)
_TO_NUMBER = re.compile(
    r"(?:\bto|=|:|\bat|\bwith|\bof|\bauf|\ba|\bà|->|→|\bis|\bbe|\bas)\s*(\d{1,3}(?:,\d{3})+|\d+)(?!\s*(?:%|percent|days?|hours?|weeks?|times))(?![\w.,]*\d)",
    re.IGNORECASE,
)
_FROM_SIZE = re.compile(r"\bfrom\s+\d[\d,.]*\s*(?:mb|gb|mib|gib)?", re.IGNORECASE)
_BY = re.compile(r"\bby\s+(\d+(?:\.\d+)?)\s*(%|percent|mb|mib|gb|gib)?", re.IGNORECASE)
_AT_MOST = re.compile(
    r"\b(?:at most|max(?:imum)?(?: of)?|up to|no more than|within|only|limit(?:ed)? to|not more than)\s+(\d{1,4})\s+(?:invocations?|calls|runs|samples)\b"
    r"|\b(\d{1,4})\s+(?:invocations?|calls|runs) (?:at most|max(?:imum)?)\b",
    re.IGNORECASE,
)
_TWICE_OR_HALF = re.compile(r"\b(?:double|twice|halve|half)\b", re.IGNORECASE)
_DOWN = re.compile(r"\b(?:decrease|reduce|lower|drop|cut|shrink|downgrade|halve)\b", re.IGNORECASE)
_UP = re.compile(r"\b(?:increase|raise|bump|boost|double|upgrade|grow)\b", re.IGNORECASE)
_BARE_TARGET = re.compile(
    r"\b(?:set|put|change|make|give|bump|raise|lower|reduce|increase|drop|move|switch|resize)\b[^.;]{0,40}?(?:\bto|=|->|→)\s*(\d{1,7})\s*(?:[.!;]|$|\bplease\b|\bthanks\b|\band\b|,)",
    re.IGNORECASE,
)
_TIMEOUT_CLAUSE = re.compile(
    r"\b(?:its |the |a )?time[ -]?out\b(?:\s+(?:of|to|at|is|should be|=|up|down|setting))*\s*\d[\d.]*\s*(?:s|sec\w*|min\w*|m|ms)?\b"
    r"|\b\d[\d.]*[ -]?(?:s|sec|secs|second|seconds|min|minute|minutes) time[ -]?out\b",
    re.IGNORECASE,
)
_MIN_MEMORY_MB = 128
_MAX_MEMORY_MB = 10_240
_MB_PER_GB = 1024
_MAX_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Relative:
    """A value said relative to what stands: `double` is factor 2, `by 256 MB` is plus 256."""

    factor: float = 1.0
    plus: float = 0.0

    def of(self, current: float) -> int:
        """The value that is meant when `current` stands now."""
        return round(current * self.factor + self.plus)


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish of a person to change something; the functions are read separately."""

    kind: WishKind
    values: tuple[tuple[str, Value], ...] = ()
    relative: tuple[tuple[str, Relative], ...] = ()
    recommended: bool = False
    plan_id: str | None = None
    everything: bool = False
    conflict: tuple[str, ...] = ()
    sizes_mb: tuple[int, ...] = ()
    unsaid: bool = False
    max_invocations: int | None = None
    instead: bool = False
    later: bool = False

    @property
    def explicit(self) -> bool:
        """Whether the wish says what to change to."""
        return bool(self.values or self.relative or self.recommended)


def read_wish(text: str, *, pending: bool = False) -> Wish | None:
    """The wish in a person's message, or None when it asks, supposes, forbids or quotes.

    Args:
        text: the person's message, normalised.
        pending: whether a proposal of this conversation waits for a decision, which gives
            `yes` and `no` a meaning.
    """
    said = own_words(text)
    plan = _PLAN_ID.search(said)
    plan_id = (plan[1] or plan[2]) if plan else None
    if pending and (refusal := _read_refusal(said, plan)) is not None:
        return refusal if refusal.kind != "apply" else None
    if _NEGATED.search(said):
        return None
    if pending and _YES.match(said):
        return None if is_deferred(said) else Wish("apply", plan_id=plan_id)
    told = instructing(said)
    wish = _read_instruction(told, plan_id) if told else None
    if wish is None and (stated := stated_then_told(said)) is not None:
        told = said
        wish = _read_change(f"set {stated}", everything=bool(_MASS.search(stated)))
        wish = wish if wish is not None and (wish.explicit or wish.conflict) else None
    return replace(wish, later=True) if wish is not None and is_deferred(told) else wish


def _read_instruction(told: str, plan_id: str | None) -> Wish | None:
    everything = bool(_MASS.search(told))
    if _ROLLBACK.search(told):
        return Wish("rollback", plan_id=plan_id, everything=everything)
    change = _read_change(told, everything=everything)
    if change is not None:
        return change
    if _APPLY.search(told) and plan_id:
        return Wish("apply", plan_id=plan_id)
    if _APPLY.search(told) and _RECOMMENDED.search(told):
        return Wish("change", recommended=True, everything=everything)
    if _TUNE.search(told):
        tuned = _sizes_to_measure(told)
        most = _AT_MOST.search(told)
        return Wish(
            "tune", sizes_mb=tuned, everything=everything,
            max_invocations=int(most[1] or most[2]) if most else None,
        )  # fmt: skip
    return None


def _read_refusal(said: str, plan: re.Match[str] | None) -> Wish | None:
    """A no to what waits, alone or with something else in its place; None when it is neither."""
    bare = said if plan is None else re.sub(r"\s+", " ", said.replace(plan[0], " it "))
    if is_refusal(bare):
        plan_id = (plan[1] or plan[2]) if plan else None
        return Wish("reject", plan_id=plan_id, everything=refuses_all(said))
    if (rest := after_refusal(said)) is not None:
        # `no, make it 512`: what waits is refused, and something else is wished.
        other = read_wish(rest)
        return replace(other, instead=True) if other is not None else None
    return None


def _sizes_to_measure(text: str) -> tuple[int, ...]:
    """The sizes of a list such as `256, 512 and 1024 MB`, where only the last has its unit."""
    if not sizes(text):
        return ()
    bare = (int(found) for found in re.findall(r"(?<![\w.])(\d{3,5})(?![\w.]*\w)", text))
    listed = {size.memory_mb for size in sizes(text)}
    listed |= {
        value for value in bare if _MIN_MEMORY_MB <= value <= _MAX_MEMORY_MB and value % 64 == 0
    }
    return tuple(sorted(listed))


def _read_change(text: str, *, everything: bool) -> Wish | None:
    if not _CHANGE.search(text):
        return None
    values: dict[str, list[Value]] = {}
    relative: dict[str, Relative] = {}
    for name, value in _named_values(text):
        values.setdefault(name, []).append(value)
    if not values:
        relative = _relative(text)
    conflict = tuple(name for name, found in values.items() if len(set(found)) > 1)
    if relative and _UP.search(text) and _DOWN.search(text):
        # `increase and decrease it by 5 s`: whichever came first is no reading of it.
        relative, conflict = {}, tuple(relative)
    single = tuple((name, found[0]) for name, found in values.items() if name not in conflict)
    recommended = bool(_RECOMMENDED.search(text)) and not values and not relative
    if not (single or relative or conflict or recommended):
        attribute = _MEMORY.search(text) or _TIMEOUT.search(text)
        unsaid = bool(attribute and _MORE_OR_LESS.match(text))
        return Wish("change", everything=everything, unsaid=True) if unsaid else None
    return Wish(
        "change", values=single, relative=tuple(relative.items()), recommended=recommended,
        everything=everything, conflict=conflict,
    )  # fmt: skip


def _named_values(text: str) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    rest = _FROM_SIZE.sub(" ", text)
    if not _BY.search(rest):
        attribute = "ephemeral_storage_mb" if _STORAGE.search(rest) else "memory_mb"
        if attribute == "ephemeral_storage_mb" and _MEMORY.search(rest.replace("storage size", "")):
            attribute = (
                "memory_mb" if rest.lower().find("memory") < _first(_STORAGE, rest) else attribute
            )
        found += [(attribute, size.memory_mb) for size in sizes(rest)]
    found += _timeout(rest)
    found += _concurrency(rest)
    target = _FROM_ARCHITECTURE.sub(" ", rest)
    for match in _ARCHITECTURE.finditer(target):
        spoken = match[1].lower()
        arm = spoken.startswith(("arm", "aarch", "graviton"))
        found.append(("architecture", "arm64" if arm else "x86_64"))
    if _SNAPSTART.search(rest):
        off = re.search(r"\b(?:disable|off|without|remove)\b", rest, re.IGNORECASE)
        found.append(("snap_start", not off))
    plain = _TIMEOUT_CLAUSE.sub(" ", rest)
    if (
        not any(name == "memory_mb" for name, _ in found)
        and _MEMORY.search(plain)
        and not _STORAGE.search(plain)
        and not _BY.search(plain)
        and all(name == "timeout_seconds" for name, _ in found)
    ):
        found += [
            ("memory_mb", int(match[1].replace(",", "")))
            for match in _TO_NUMBER.finditer(plain)
            if int(match[1].replace(",", "")) >= 1
        ]
    if not found and not _TIMEOUT.search(rest) and not _BY.search(rest):
        found += [
            ("memory_mb", value)
            for match in _TO_NUMBER.finditer(rest)
            if (value := int(match[1].replace(",", ""))) >= _MIN_MEMORY_MB and value % 64 == 0
        ]
    if not found and not _TIMEOUT.search(rest) and (bare := _BARE_TARGET.search(rest)):
        # A size that Lambda does not have is still the person's: the plan refuses it by its limit.
        found.append(("memory_mb", int(bare[1])))
    return found


def _first(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    return match.start() if match else len(text)


def _timeout(text: str) -> list[tuple[str, Value]]:
    match = _TIMEOUT.search(text)
    if match is None:
        return []
    after = text[match.end() :]
    value = seconds(after)
    if value is None:
        value = seconds(text)
    if value is None and (bare := _TO_NUMBER.search(after)):
        value = float(bare[1])
    return [] if value is None else [("timeout_seconds", round(value))]


def _concurrency(text: str) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    for pattern, name in (
        (_PROVISIONED, "provisioned_concurrency"),
        (_RESERVED, "reserved_concurrency"),
    ):
        match = pattern.search(text)
        if match is None or (name == "reserved_concurrency" and _PROVISIONED.search(text)):
            continue
        number = (
            _TO_NUMBER.search(match[0])
            or _TO_NUMBER.search(text[match.end() :])
            or re.search(r"\b(\d+)\b(?!\s*(?:mb|gb|s\b))", text[match.end() :])
        )
        if number:
            found.append((name, int(number[1].replace(",", ""))))
    return found


def _relative(text: str) -> dict[str, Relative]:
    attribute = "timeout_seconds" if _TIMEOUT.search(text) else "memory_mb"
    named = _MEMORY.search(text) or attribute == "timeout_seconds"
    other = _STORAGE.search(text) or _RESERVED.search(text) or _PROVISIONED.search(text)
    if not named and (other or not _TWICE_OR_HALF.search(text)):
        return {}
    if said := _TWICE_OR_HALF.search(text):
        return {attribute: Relative(factor=2.0 if said[0].lower() in {"double", "twice"} else 0.5)}
    match = _BY.search(text)
    if match is None:
        return {}
    sign = -1 if _DOWN.search(text) else 1
    unit = (match[2] or "").lower()
    amount = float(match[1])
    if unit in {"%", "percent"}:
        return {attribute: Relative(factor=1 + sign * amount / 100)}
    return {attribute: Relative(plus=sign * amount * (_MB_PER_GB if unit.startswith("g") else 1))}
