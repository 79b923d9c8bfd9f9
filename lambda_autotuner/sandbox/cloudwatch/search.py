"""SEARCH expressions: `{AWS/Lambda,FunctionName} MetricName="Duration" api`.

A schema in braces names a namespace and exactly the dimension names wanted. Terms match whole
tokens of any property, quoted ones the whole phrase, `Property=value` one property; AND is the
default, OR, NOT and parentheses work.

Source: Amazon CloudWatch User Guide, "CloudWatch search expression syntax".
"""

from __future__ import annotations

import re
from typing import Final

from lambda_autotuner.sandbox.cloudwatch.expression_parser import ExpressionError
from lambda_autotuner.sandbox.cloudwatch.recorded import Key
from lambda_autotuner.sandbox.cloudwatch.source import Source

MAX_FOUND: Final = 500
_SCHEMA: Final = re.compile(r"\s*\{([^{}]*)\}\s*")
_TOKEN: Final = re.compile(r'[A-Za-z_][\w.:]*\s*=\s*"[^"]*"|"[^"]*"|\(|\)|[^\s()]+')
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[A-Za-z]+")


def find(source: Source, text: str) -> list[Key]:
    """Metrics that a search text finds, at most 500.

    Raises:
        ExpressionError: the text is no search expression.
    """
    schema = _SCHEMA.match(text)
    namespace, wanted = None, None
    rest = text
    if schema is not None:
        parts = [part.strip().strip('"') for part in schema[1].split(",")]
        if not parts[0]:
            raise ExpressionError("A search schema must name a namespace")
        namespace, wanted = parts[0], set(parts[1:])
        rest = text[schema.end() :]
    condition = _Search(rest)
    found: list[Key] = []
    required = dict.fromkeys(sorted(wanted or ()))
    for key in source.list(namespace, condition.metric_name(), required):
        if wanted is not None and {name for name, _ in key[2]} != wanted:
            continue
        if condition.matches(key):
            found.append(key)
            if len(found) == MAX_FOUND:
                break
    return found


class _Search:
    """A parsed search text as a list of alternatives of required and forbidden terms."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.position = 0
        self.tree = self._either() if self.tokens else ("all",)
        if self.position < len(self.tokens):
            raise ExpressionError(f"Unexpected '{self.tokens[self.position]}' in search expression")

    def _peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _either(self) -> tuple[object, ...]:
        left = self._both()
        while self._peek() == "OR":
            self.position += 1
            left = ("or", left, self._both())
        return left

    def _both(self) -> tuple[object, ...]:
        left = self._one()
        while (token := self._peek()) is not None and token not in ("OR", ")"):
            if token == "AND":  # noqa: S105 - a word of the search language
                self.position += 1
            left = ("and", left, self._one())
        return left

    def _one(self) -> tuple[object, ...]:
        token = self._peek()
        self.position += 1
        if token is None:
            raise ExpressionError("The search expression ends too early")
        if token == "NOT":  # noqa: S105 - a word of the search language
            return ("not", self._one())
        if token == "(":  # noqa: S105
            inner = self._either()
            if self._peek() != ")":
                raise ExpressionError("A parenthesis is not closed in the search expression")
            self.position += 1
            return inner
        name, equals, value = token.partition("=")
        if equals and not token.startswith('"'):
            return ("property", name.strip(), value.strip())
        return ("term", token)

    def metric_name(self) -> str | None:
        """The one exact metric name that the search is about, if it is so plain."""
        node = self.tree
        stack = [node]
        while stack:
            node = stack.pop()
            if node[0] == "and":
                stack.extend(node[1:])  # type: ignore[arg-type]
            if node[0] == "property" and node[1] == "MetricName" and str(node[2])[:1] == '"':
                return str(node[2]).strip('"')
        return None

    def matches(self, key: Key) -> bool:
        return self._holds(self.tree, key)

    def _holds(self, node: tuple[object, ...], key: Key) -> bool:
        kind = node[0]
        if kind == "all":
            return True
        if kind == "not":
            return not self._holds(node[1], key)  # type: ignore[arg-type]
        if kind in ("and", "or"):
            sides = (self._holds(side, key) for side in node[1:])  # type: ignore[arg-type]
            return all(sides) if kind == "and" else any(sides)
        properties = {"Namespace": key[0], "MetricName": key[1], **dict(key[2])}
        if kind == "property":
            value = properties.get(str(node[1]))
            return value is not None and _matches(str(node[2]), value)
        texts = [*properties.values(), *(name for name, _ in key[2])]
        return any(_matches(str(node[1]), text) for text in texts)


def _matches(term: str, text: str) -> bool:
    """A quoted term is the whole value; a bare one matches whole tokens, case aside."""
    if term.startswith('"'):
        return term.strip('"') == text
    wanted = [word.lower() for word in _WORDS.findall(term)]
    held = [word.lower() for word in _WORDS.findall(text)]
    if not wanted:
        return False
    return term.lower() == text.lower() or all(word in held for word in wanted)
