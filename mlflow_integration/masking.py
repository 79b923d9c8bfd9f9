"""Secrets are taken out of everything that is shown to a model, stored or sent.

Three layers, from exact to general: tokens with a known shape (`masking_rules`), values that
stand behind a telling name (`password`, `Environment.Variables`), and unlabelled AWS secret
access keys, which are told from digests and paths by their mixture of characters.

Whatever cannot be masked is replaced as a whole: the module fails closed. It imports nothing
but the standard library, so that a tool can mask its output without loading MLflow.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mlflow_integration.masking_rules import (
    ASSIGNMENT,
    ASSIGNMENT_GATES,
    ENVIRONMENT_BLOCK,
    ENVIRONMENT_ENTRY,
    ENVIRONMENT_GATES,
    ENVIRONMENT_HEAD,
    LONG_WORD,
    RULES,
    TEXT_GATES,
    WORD_GATES,
    Rule,
    environment_value_is_plain,
    is_environment_key,
    is_sensitive_key,
    is_telling_value,
)

FAILED = "[masked:unreadable]"
_MAX_DEPTH = 40
_CANDIDATE = re.compile(r"[A-Za-z0-9/+]{40}")
_CANDIDATE_LENGTH = 40
_WORD = re.compile(r"[A-Za-z0-9/+=_-]")
_KEY = re.compile(r"[\w.-]")
_KEY_LENGTH = 60
_PREFIX = re.compile(r"\b(?:api|access|secret|private|session) \Z")
_PREFIX_LENGTH = 10
_REMEMBERED_LENGTH = 32_768
_REMEMBERED_TEXTS = 256
_MINIMUM_BITS = 4.25
_ARN_LENGTH = 300
_ARN_BEFORE = re.compile(r"\barn:aws[\w-]*:[^\s\"']*\Z")
_PASSED_THROUGH = (bool, int, float, type(None))


class MaskingError(ValueError):
    """A configured masking pattern cannot be compiled."""


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


@dataclass(frozen=True)
class Masker:
    """Masks values; `extra` are patterns of the user's own, applied to every text.

    Raises:
        MaskingError: From `Masker.with_patterns`, when a pattern is not a regular expression.
    """

    extra: tuple[re.Pattern[str], ...] = field(default=())
    _seen: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def with_patterns(cls, patterns: Iterable[str]) -> Masker:
        """Return a masker that also knows the given regular expressions."""
        compiled = []
        for pattern in patterns:
            try:
                compiled.append(re.compile(pattern))
            except re.error as error:
                raise MaskingError(
                    f"The masking pattern {pattern!r} is not a regular expression: {error}."
                ) from error
        return cls(tuple(compiled))

    def mask(self, value: Any) -> Any:
        """Return `value` without secrets; containers keep their types, objects become text."""
        try:
            return self._mask(value, 0)
        except Exception:  # noqa: BLE001 - failing closed: nothing unreadable may pass
            return FAILED

    def mask_text(self, text: str) -> str:
        """Return `text` without secrets; a JSON document inside is masked by its structure."""
        try:
            return self._mask_text(text, 0)
        except Exception:  # noqa: BLE001 - failing closed: nothing unreadable may pass
            return FAILED

    def is_clean(self, text: str) -> bool:
        """Say quickly whether no rule applies to `text`, so that it may pass as it is."""
        if len(text) > _REMEMBERED_LENGTH:
            return self._is_clean(text)
        # The same descriptions of tools and instructions come with every call of a model.
        found = self._seen.get(text)
        if found is None:
            found = self._is_clean(text)
            if len(self._seen) >= _REMEMBERED_TEXTS:
                self._seen.clear()
            self._seen[text] = found
        return found

    def _is_clean(self, text: str) -> bool:
        lowered = _lower(text)
        words = LONG_WORD.findall(lowered)
        if any(rule.pattern.search(text) for rule in _candidates_among(lowered, words)):
            return False
        if any(gate in lowered for gate in ENVIRONMENT_GATES) and ENVIRONMENT_HEAD.search(text):
            return False
        if any(pattern.search(text) for pattern in self.extra):
            return False
        if next(_assignments(text, lowered), None) is not None:
            return False
        longest = max(map(len, words), default=0)
        return longest < _CANDIDATE_LENGTH or _mask_candidates(text) == text

    def _mask(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return FAILED
        if isinstance(value, _PASSED_THROUGH):
            return value
        if isinstance(value, Mapping):
            return self._mask_mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self._mask(item, depth + 1) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, (bytes, bytearray)):
            value = bytes(value).decode("utf-8", "replace")
        if isinstance(value, str):
            return self._mask_text(value, depth)
        return self._mask_object(value, depth)

    def _mask_object(self, value: Any, depth: int) -> Any:
        dump: Callable[[], Any] | None = getattr(value, "model_dump", None)
        if callable(dump):
            return self._mask(dump(), depth + 1)
        return self._mask_text(str(value), depth + 1)

    def _mask_mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        masked: dict[Any, Any] = {}
        named = _named_value(value)
        for key, item in value.items():
            shown = self._mask_text(key, depth + 1) if isinstance(key, str) else key
            name = str(key)
            if is_environment_key(name) and isinstance(item, Mapping):
                masked[shown] = self._mask_environment(item, depth + 1)
            elif (is_sensitive_key(name) or (named and key in {"value", "Value"})) and (
                is_telling_value(item)
            ):
                masked[shown] = _replace_leaves(item, "named")
            else:
                masked[shown] = self._mask(item, depth + 1)
        return masked

    def _mask_environment(self, variables: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        masked: dict[Any, Any] = {}
        for key, item in variables.items():
            shown = self._mask_text(key, depth + 1) if isinstance(key, str) else key
            if isinstance(item, Mapping):
                masked[shown] = self._mask_environment(item, depth + 1)
            elif environment_value_is_plain(str(key), item):
                masked[shown] = item
            else:
                masked[shown] = _replace_leaves(item, "environment")
        return masked

    def _mask_text(self, text: str, depth: int) -> str:
        if not text or self.is_clean(text):
            return text
        stripped = text.lstrip()
        if stripped[:1] in {"{", "["} and depth <= _MAX_DEPTH:
            document = _parse(stripped)
            if document is not None:
                return json.dumps(self._mask(document, depth + 1), ensure_ascii=False, default=str)
        return self._mask_plain(text)

    def _mask_plain(self, text: str) -> str:
        lowered = _lower(text)
        for rule in _candidates_among(lowered, LONG_WORD.findall(lowered)):
            text = rule.pattern.sub(rule.replacement, text)
        if any(gate in lowered for gate in ENVIRONMENT_GATES):
            text = ENVIRONMENT_BLOCK.sub(_mask_environment_block, text)
        text = _mask_assignments(text)
        for pattern in self.extra:
            text = pattern.sub("[masked:custom]", text)
        return _mask_candidates(text)


def _candidates_among(lowered: str, words: list[str]) -> list[Rule]:
    """Return the rules that may apply: most need a literal in a long word, and those are few."""
    hits: set[str] = set()
    if words:
        joined = " ".join(words)
        for gate in WORD_GATES:
            if gate in joined:
                hits.add(gate)
    for gate in TEXT_GATES:
        if gate in lowered:
            hits.add(gate)
    return [rule for rule in RULES if not hits.isdisjoint(rule.gates)] if hits else []


def _lower(text: str) -> str:
    """Lower a text without moving its characters: some letters have longer lower-case forms."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
    return lowered


def _parse(text: str) -> Any:
    """Return the JSON or Python literal that `text` is, or None."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _named_value(value: Mapping[Any, Any]) -> bool:
    """Say whether `{"Name": "DB_PASSWORD", "Value": ...}` names a secret."""
    for label in ("name", "Name", "key", "Key"):
        name = value.get(label)
        if isinstance(name, str) and is_sensitive_key(name):
            return True
    return False


def _replace_leaves(value: Any, kind: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_leaves(item, kind) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replace_leaves(item, kind) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return f"[masked:{kind}]"


def _assignments(text: str, lowered: str) -> Iterator[tuple[int, int]]:
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
        start = spot
        while start > done and spot - start < _KEY_LENGTH and _KEY.match(text[start - 1]):
            start -= 1
        prefix = _PREFIX.search(lowered, max(done, start - _PREFIX_LENGTH), start)
        found = ASSIGNMENT.match(text, prefix.start() if prefix else start)
        if spot < done or found is None or not is_sensitive_key(found["key"]):
            continue
        if _within_arn(text, start):
            continue
        group = next((n for n in ("double", "single", "bare") if found[n] is not None), None)
        if group is None:
            yield found.end(), found.end()
        elif is_telling_value(found[group]):
            yield found.span(group)
            done = found.end(group)


def _mask_assignments(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in _assignments(text, _lower(text)):
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


def _mask_environment_block(found: re.Match[str]) -> str:
    def entry(match: re.Match[str]) -> str:
        if environment_value_is_plain(match["key"], match["value"]):
            return match[0]
        start, end = match.start("value") - match.start(), match.end("value") - match.start()
        return f"{match[0][:start]}[masked:environment]{match[0][end:]}"

    return found["head"] + ENVIRONMENT_ENTRY.sub(entry, found["body"]) + found["tail"]


def _mask_candidates(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for found in _CANDIDATE.finditer(text):
        start, end = found.span()
        if start < position:
            continue
        before = text[start - 1] if start else ""
        after = text[end] if end < len(text) else ""
        bounded = not (before and _WORD.match(before)) or before == "="
        if bounded and not (after and _WORD.match(after)) and _looks_like_aws_secret(found[0]):
            pieces += [text[position:start], "[masked:aws-secret-key]"]
            position = end
    pieces.append(text[position:])
    return "".join(pieces)


_DEFAULT = Masker()


def mask(value: Any) -> Any:
    """Return `value` without secrets (see `Masker.mask`), with the built-in rules."""
    return _DEFAULT.mask(value)


def mask_text(text: str) -> str:
    """Return `text` without secrets (see `Masker.mask_text`), with the built-in rules."""
    return _DEFAULT.mask_text(text)
