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
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow_integration.masking_disguises import (
    ENCODED_LENGTH,
    decoded_words,
    token_words,
    unescaped,
    unfolded,
)
from mlflow_integration.masking_rules import (
    ENVIRONMENT_BLOCK,
    ENVIRONMENT_GATES,
    ENVIRONMENT_HEAD,
    environment_value_is_plain,
    is_environment_key,
    is_random_variable,
    is_sensitive_key,
    is_telling_value,
)
from mlflow_integration.masking_spots import (
    CANDIDATE_LENGTH,
    RUN_LENGTH,
    assignments,
    candidates_among,
    folded_spans,
    is_harmless_word,
    lower,
    mask_assignments,
    mask_candidates,
    mask_environment_block,
    replace_spans,
    runs_of,
    variables,
)

FAILED = "[masked:unreadable]"
_MAX_DEPTH = 40
_MAX_DISGUISES = 3
_REMEMBERED_LENGTH = 32_768
_REMEMBERED_TEXTS = 256
_REMEMBERED_WORDS = 20_000
_PASSED_THROUGH = (bool, int, float, type(None))


class MaskingError(ValueError):
    """A configured masking pattern cannot be compiled."""


@dataclass(frozen=True)
class Masker:
    """Masks values; `extra` are patterns of the user's own, applied to every text.

    Raises:
        MaskingError: From `Masker.with_patterns`, when a pattern is not a regular expression.
    """

    extra: tuple[re.Pattern[str], ...] = field(default=())
    _seen: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)
    _harmless: set[str] = field(default_factory=set, repr=False, compare=False)

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

    def is_plain_name(self, key: str) -> bool:
        """Say whether a value named `key` may be shown when the value itself is clean."""
        return (
            not is_sensitive_key(key)
            and not is_environment_key(key)
            and not key.isupper()
            and self.is_clean(key)
        )

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

    def _is_clean(self, text: str, depth: int = 0) -> bool:
        words = token_words(text)
        if not self._is_harmless(text, words) and not self._passes(text, words):
            return False
        if any(pattern.search(text) for pattern in self.extra):
            return False
        return depth >= _MAX_DISGUISES or not self._is_disguised(text, words, depth)

    def _is_harmless(self, text: str, words: list[str]) -> bool:
        """Say whether no word of `text` holds any literal of a rule: most words come again."""
        if "://" in text or ":AA" in text:
            return False
        fresh = set(words).difference(self._harmless)
        if not fresh:
            return True
        if not all(map(is_harmless_word, fresh)):
            return False
        if len(self._harmless) > _REMEMBERED_WORDS:
            self._harmless.clear()
        self._harmless.update(fresh)
        return True

    def _passes(self, text: str, words: list[str]) -> bool:
        lowered, runs = lower(text), [word for word in words if len(word) >= RUN_LENGTH]
        if any(rule.pattern.search(text) for rule in candidates_among(text, lowered, runs)):
            return False
        if any(gate in lowered for gate in ENVIRONMENT_GATES) and ENVIRONMENT_HEAD.search(text):
            return False
        if next(assignments(text, lowered), None) is not None:
            return False
        if next(variables(text), None) is not None:
            return False
        return max(map(len, runs), default=0) < CANDIDATE_LENGTH or mask_candidates(text) == text

    def _is_disguised(self, text: str, words: list[str], depth: int) -> bool:
        """Say whether a secret shows only when escapes, base64 or folded lines are undone."""
        plain = unescaped(text)
        if plain is not None and not self._is_clean(plain, depth + 1):
            return True
        encoded = [word for word in words if len(word) >= ENCODED_LENGTH]
        if any(not self._is_clean(inner, depth + 1) for _, inner in decoded_words(encoded)):
            return True
        whole = unfolded(text)
        return whole is not None and bool(folded_spans(text, *whole))

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
            elif is_random_variable(name, item):
                masked[shown] = "[masked:environment]"
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

    def _mask_plain(self, text: str, depth: int = 0) -> str:
        whole = unfolded(text)
        if whole is not None:
            text = replace_spans(text, folded_spans(text, *whole))
        lowered = lower(text)
        for rule in candidates_among(text, lowered, runs_of(text)):
            text = rule.pattern.sub(rule.replacement, text)
        if any(gate in lowered for gate in ENVIRONMENT_GATES):
            text = ENVIRONMENT_BLOCK.sub(mask_environment_block, text)
        text = mask_assignments(text)
        text = replace_spans(text, [(*span, "environment") for span in variables(text)])
        for pattern in self.extra:
            text = pattern.sub("[masked:custom]", text)
        text = mask_candidates(text)
        return self._mask_disguised(text, depth) if depth < _MAX_DISGUISES else text

    def _mask_disguised(self, text: str, depth: int) -> str:
        for word, inner in decoded_words(runs_of(text)):
            if not self._is_clean(inner, depth + 1):
                text = text.replace(word, "[masked:encoded]")
        plain = unescaped(text)
        if plain is not None and not self._is_clean(plain, depth + 1):
            # What was escaped is shown plainly now, without the secret.
            return self._mask_plain(plain, depth + 1)
        return text


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


_DEFAULT = Masker()


def mask(value: Any) -> Any:
    """Return `value` without secrets (see `Masker.mask`), with the built-in rules."""
    return _DEFAULT.mask(value)


def mask_text(text: str) -> str:
    """Return `text` without secrets (see `Masker.mask_text`), with the built-in rules."""
    return _DEFAULT.mask_text(text)
