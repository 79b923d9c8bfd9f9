"""Where in a text secrets stand: rules by their literals, assignments, values made by chance.

Looking is what costs, so it is done around literals and never at every character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from mlflow_integration.masking_disguises import continued, token_words
from mlflow_integration.masking_rules import (
    ASSIGNED,
    ASSIGNMENT,
    ASSIGNMENT_GATES,
    ENVIRONMENT_ENTRY,
    ENVIRONMENT_GATES,
    RULES,
    VARIABLE,
    Rule,
    environment_value_is_plain,
    is_random_variable,
    is_sensitive_key,
    is_telling_value,
)

_CANDIDATE = re.compile(r"(?<![A-Za-z0-9/+_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
CANDIDATE_LENGTH = 40
_KEY = re.compile(r"[\w.-]")
_KEY_LENGTH = 60
_PREFIX = re.compile(r"\b(?:api|access|secret|private|session) \Z")
_PREFIX_LENGTH = 10
_MINIMUM_BITS = 4.25
_ARN_LENGTH = 300
_ARN_BEFORE = re.compile(r"\barn:aws[\w-]*:[^\s\"']*\Z")
# Most literals stand in a run of token characters that is at least as long as this.
RUN_LENGTH = 12
# Of the others, those with an equals sign or a hook are asked for only where there is one.
_RULES = list(enumerate(RULES))
_IN_RUNS = [(gate, n) for n, rule in _RULES if rule.in_words for gate in rule.gates]
_IN_TEXT = [(g, n) for n, r in _RULES if not r.in_words and not r.folded for g in r.gates]
_IN_LOWERED = [
    (guard, [(gate, n) for n, r in _RULES if r.folded and r.guard == guard for gate in r.gates])
    for guard in sorted({rule.guard for rule in RULES if rule.folded})
]


def candidates_among(text: str, lowered: str, runs: list[str]) -> list[Rule]:
    """Return the rules that may apply: few texts hold one of their literals."""
    joined = " ".join(runs)
    hits = [number for gate, number in _IN_RUNS if gate in joined] if joined else []
    hits += [number for gate, number in _IN_TEXT if gate in text]
    for guard, gates in _IN_LOWERED:
        if guard in lowered:
            hits += [number for gate, number in gates if gate in lowered]
    return [RULES[number] for number in sorted(set(hits))] if hits else []


_LITERALS = tuple(
    {
        gate.lower()
        for gate in (*(gate for rule in RULES for gate in rule.gates), *ASSIGNMENT_GATES,
                     *ENVIRONMENT_GATES)
        if gate not in {"://", ":AA"}
    }
)  # fmt: skip


def is_harmless_word(word: str) -> bool:
    """Say whether no rule can have to do with a word: no literal, and too short for a key."""
    lowered = word.lower()
    if len(word) >= CANDIDATE_LENGTH or ("_" in word and word != lowered):
        return False
    return not any(literal in lowered for literal in _LITERALS)


def runs_of(text: str) -> list[str]:
    """Return the runs of token characters that are long enough for a secret."""
    return [word for word in token_words(text) if len(word) >= RUN_LENGTH]


def folded_spans(text: str, whole: str, places: list[int]) -> list[tuple[int, int, str]]:
    """Return where a known shape goes on behind a line's end, by places in `text`."""
    spans = []
    for rule in candidates_among(whole, lower(whole), runs_of(whole)):
        for found in rule.pattern.finditer(whole):
            start, end = places[found.start()], places[found.end() - 1] + 1
            if "\n" not in text[start:end] or "-----" in found[0]:
                continue
            first = text[start : text.index("\n", start)].rstrip("\\\r \t")
            if rule.pattern.fullmatch(first):
                # Whole already, perhaps; then only what looks like chance belongs to it.
                end = continued(text, start + len(first))
            if end:
                spans.append((start, end, rule.name))
    return spans


def replace_spans(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """Return `text` with each span (start, end, name) replaced."""
    pieces: list[str] = []
    done = 0
    for start, end, name in sorted(spans):
        if start >= done:
            pieces += [text[done:start], f"[masked:{name}]"]
            done = end
    return "".join([*pieces, text[done:]])


def variables(text: str) -> Iterator[tuple[int, int]]:
    """Yield where values stand that only chance can have made, behind names in capitals."""
    if "_" not in text or ("=" not in text and ":" not in text):
        return
    for found in VARIABLE.finditer(text):
        if is_random_variable(found["key"], found["value"]):
            yield found.span("value")


def lower(text: str) -> str:
    """Lower a text without moving its characters: some letters have longer lower-case forms."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
    return lowered


def assignments(text: str, lowered: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand that are assigned to telling names.

    Looks only around the literals that such names contain. An opening bracket after the name
    is a secret too; it is masked by structure, so its span is empty.
    """
    spots: set[int] = set()
    for gate in ASSIGNMENT_GATES:
        spot = lowered.find(gate)
        while spot >= 0:
            spots.add(spot)
            spot = lowered.find(gate, spot + 1)
    done = 0
    for spot in sorted(spots):
        if spot < done:
            continue
        start = spot
        while start > done and spot - start < _KEY_LENGTH and _KEY.match(text[start - 1]):
            start -= 1
        prefix = _PREFIX.search(lowered, max(done, start - _PREFIX_LENGTH), start)
        named = ASSIGNMENT.match(text, prefix.start() if prefix else start)
        if named is None or not is_sensitive_key(named["key"]) or _within_arn(text, start):
            continue
        found = ASSIGNED.match(text, named.end())
        if found is None:
            continue
        group = found.lastgroup
        if group is None:
            yield found.end(), found.end()
        elif is_telling_value(found[group]):
            end = continued(text, found.end(group)) if group == "bare" else 0
            done = end or found.end(group)
            yield found.start(group), done


def mask_assignments(text: str) -> str:
    """Return `text` without the values that are assigned to telling names."""
    pieces: list[str] = []
    done = 0
    for start, end in assignments(text, lower(text)):
        if end > start:
            pieces += [text[done:start], "[masked:named]"]
            done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _within_arn(text: str, position: int) -> bool:
    """`arn:...:secret:name` is an address, not an assignment."""
    if position == 0 or text[position - 1] != ":":
        return False
    return bool(_ARN_BEFORE.search(text, max(0, position - _ARN_LENGTH), position))


def mask_environment_block(found: re.Match[str]) -> str:
    """Return a matched block of environment variables without their values."""

    def entry(match: re.Match[str]) -> str:
        if environment_value_is_plain(match["key"], match["value"]):
            return match[0]
        start, end = match.start("value") - match.start(), match.end("value") - match.start()
        return f"{match[0][:start]}[masked:environment]{match[0][end:]}"

    return found["head"] + ENVIRONMENT_ENTRY.sub(entry, found["body"]) + found["tail"]


def mask_candidates(text: str) -> str:
    """Return `text` without unlabelled AWS secret access keys."""
    return _CANDIDATE.sub(
        lambda found: "[masked:aws-secret-key]" if _looks_like_aws_secret(found[0]) else found[0],
        text,
    )


def _looks_like_aws_secret(text: str) -> bool:
    """Tell 40 random base64 characters from a digest, a path, a sentence or an identifier."""
    kinds = (
        any(c.islower() for c in text),
        any(c.isupper() for c in text),
        any(c.isdigit() for c in text),
    )
    if not all(kinds):
        return False
    counts = {c: text.count(c) for c in set(text)}
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    if bits < _MINIMUM_BITS:
        return False
    # A path of words changes between kinds of characters rarely, a random key all the time.
    changes = sum(_kind(a) != _kind(b) for a, b in pairwise(text))
    return changes >= len(text) // 3


def _kind(character: str) -> int:
    if character.islower():
        return 0
    if character.isupper():
        return 1
    return 2 if character.isdigit() else 3
