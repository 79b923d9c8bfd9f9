"""CloudWatch Logs filter patterns: terms, JSON conditions, space-delimited fields, regex.

Source: Amazon CloudWatch Logs User Guide, "Filter pattern syntax".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from lambda_autotuner.sandbox.logs import json_patterns
from lambda_autotuner.sandbox.logs.pattern_values import PatternError, comparison, compiled

Matcher: TypeAlias = Callable[[str], bool]

_TERM: Final = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)*)%|([^\s"]+))')
_MAX_LENGTH: Final = 1024
_CHANGING: Final = re.compile(r"[0-9a-f.:TZ+-]+")
_FIELD: Final = re.compile(r"\s*([\w.\-$]+)?\s*(?:(!=|<=|>=|=|<|>)\s*(.+?))?\s*\Z", re.DOTALL)


def matcher(pattern: str | None) -> Matcher | None:
    """A test of messages; None for a pattern that every message meets.

    Raises:
        PatternError: the pattern cannot be read.
    """
    text = (pattern or "").strip()
    if not text:
        return None
    if len(text) > _MAX_LENGTH:
        raise PatternError("Invalid filter pattern")
    if text.startswith("{"):
        return _json_matcher(text)
    if text.startswith("["):
        return _fields_matcher(text)
    return _terms_matcher(text)


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms must all appear, `-term` must not; with nothing but `?term`s, any of them does.

    Attributes:
        required: What every message must meet.
        excluded: What none may meet.
        optional: What at least one must meet where nothing else is asked for.
        words: Words of which a message must have all, or one where all are `?term`s.
    """

    required: tuple[Matcher, ...]
    excluded: tuple[Matcher, ...]
    optional: tuple[Matcher, ...]
    words: tuple[str, ...]

    @property
    def any_word(self) -> bool:
        """Whether one of the words is enough."""
        return bool(self.optional) and not self.required and not self.excluded

    def __call__(self, message: str) -> bool:
        """Whether a message meets the pattern."""
        if self.any_word:
            return any(test(message) for test in self.optional)
        required = all(test(message) for test in self.required)
        return required and not any(test(message) for test in self.excluded)

    def never_in(self, like: str) -> bool:
        """Whether no message can meet the pattern that differs from `like` only in ids and numbers.

        Ids, numbers and times are made of the characters of `_CHANGING`; a part of a word that has
        none of them comes from the text that stays.
        """
        missing = [
            any(part not in like for part in _CHANGING.split(word) if part) for word in self.words
        ]
        if self.any_word:
            return len(self.words) == len(self.optional) and all(missing)
        return any(missing)


def _terms_matcher(text: str) -> Matcher:
    required: list[Matcher] = []
    excluded: list[Matcher] = []
    optional: list[Matcher] = []
    words: dict[str, list[str]] = {"": [], "-": [], "?": []}
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            raise PatternError("Invalid filter pattern")
        position = match.end()
        sign, quoted, regex, bare = match.groups()
        if regex is not None:
            test = _searching(compiled(regex))
        else:
            word = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            if quoted is None and re.search(r"[{}\[\]()]", word):
                raise PatternError("Invalid character(s) in term")
            test = _containing(word)
            words[sign].append(word)
        {"": required, "-": excluded, "?": optional}[sign].append(test)
        while position < len(text) and text[position].isspace():
            position += 1
    only_optional = optional and not required and not excluded
    known = words["?"] if only_optional else words[""]
    return Terms(tuple(required), tuple(excluded), tuple(optional), tuple(known))


def _containing(word: str) -> Matcher:
    return lambda message: word in message


def _searching(regex: re.Pattern[str]) -> Matcher:
    return lambda message: regex.search(message) is not None


def _json_matcher(text: str) -> Matcher:
    if not text.endswith("}"):
        raise PatternError("Invalid filter pattern")
    condition = json_patterns.parse(text[1:-1])

    def test(message: str) -> bool:
        if "{" not in message:
            return False
        try:
            document: Any = json.loads(message)
        except ValueError:
            return False
        return isinstance(document, dict) and condition(document)

    return test


def _fields_matcher(text: str) -> Matcher:
    """`[ip, user, ..., status=4*, size > 100]` against words, quoted strings and brackets."""
    if not text.endswith("]"):
        raise PatternError("Invalid filter pattern")
    parts = [part.strip() for part in _split(text[1:-1], ",")]
    gap = parts.index("...") if "..." in parts else None
    if parts.count("...") > 1:
        raise PatternError("Invalid filter pattern")
    tests = [None if part == "..." else _field_test(part) for part in parts]

    def test(message: str) -> bool:
        words = _words(message)
        if gap is None:
            if len(words) != len(tests):
                return False
            pairs = list(zip(tests, words, strict=True))
        else:
            tail = len(tests) - gap - 1
            if len(words) < gap + tail:
                return False
            pairs = list(zip(tests[:gap], words[:gap], strict=True))
            if tail:
                pairs += list(zip(tests[-tail:], words[-tail:], strict=True))
        return all(check is None or check(word) for check, word in pairs)

    return test


def _field_test(part: str) -> Callable[[str], bool]:
    """One field's condition, with && and || between comparisons of the same field."""
    alternatives = []
    for alternative in _split(part, "||"):
        conditions = []
        for condition in _split(alternative, "&&"):
            match = _FIELD.match(condition)
            if match is None:
                raise PatternError("Invalid filter pattern")
            if match[2] is not None:
                conditions.append(comparison(match[2], match[3]))
        alternatives.append(conditions)

    def test(word: str) -> bool:
        return any(all(check(word) for check in conditions) for conditions in alternatives)

    return test


def _words(message: str) -> list[str]:
    """Fields of a message: words, and what stands in quotes or brackets as one field."""
    found = re.findall(r'"[^"]*"|\[[^\]]*\]|\S+', message.strip())
    return [word[1:-1] if word[0] in '"[' and len(word) > 1 else word for word in found]


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quotes and regexes."""
    parts, start, index, closing = [], 0, 0, ""
    while index < len(text):
        char = text[index]
        if closing:
            closing = "" if char == closing else closing
        elif char in '"%':
            closing = char
        elif text.startswith(separator, index):
            parts.append(text[start:index])
            index += len(separator)
            start = index
            continue
        index += 1
    return [*parts, text[start:]]
