"""Conditions on JSON messages: `{ $.level = "ERROR" && ($.took > 100 || $.user NOT EXISTS) }`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from lambda_autotuner.sandbox.logs.pattern_values import PatternError, comparison

Condition: TypeAlias = Callable[[Any], bool]

_TOKEN: Final = re.compile(
    r"\s*(?P<token>&&|\|\||!=|<=|>=|=|<|>|\(|\)"
    r"|\"(?:[^\"\\]|\\.)*\"|%(?:[^%\\]|\\.)*%"
    r"|\$(?:\.[\w\-:@]+|\.?\[\"[^\"]*\"\]|\.?\['[^']*'\]|\[\d+\]|\[\*\]|\.\*)+"
    r"|[^\s()&|=<>!]+)"
)
_STEP: Final = re.compile(
    r"\.([\w\-:@]+)|\.?\[\"([^\"]*)\"\]|\.?\['([^']*)'\]|\[(\d+)\]|(\[\*\]|\.\*)"
)
_COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")


def parse(text: str) -> Condition:
    """Read the inside of the braces.

    Raises:
        PatternError: it is no condition.
    """
    tokens: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise PatternError("Invalid filter pattern")
        tokens.append(match["token"])
        position = match.end()
    parser = _Parser(tokens)
    condition = parser.either()
    if parser.position < len(tokens):
        raise PatternError("Invalid filter pattern")
    return condition


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0

    def take(self) -> str:
        if self.position >= len(self.tokens):
            raise PatternError("Invalid filter pattern")
        self.position += 1
        return self.tokens[self.position - 1]

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def either(self) -> Condition:
        sides = [self.both()]
        while self.peek() == "||":
            self.position += 1
            sides.append(self.both())
        return sides[0] if len(sides) == 1 else lambda item: any(side(item) for side in sides)

    def both(self) -> Condition:
        sides = [self.one()]
        while self.peek() == "&&":
            self.position += 1
            sides.append(self.one())
        return sides[0] if len(sides) == 1 else lambda item: all(side(item) for side in sides)

    def one(self) -> Condition:
        token = self.take()
        if token == "(":  # noqa: S105 - a parenthesis
            inner = self.either()
            if self.take() != ")":
                raise PatternError("Invalid filter pattern")
            return inner
        if not token.startswith("$"):
            raise PatternError("Invalid filter pattern")
        steps = _steps(token)
        operator = self.take()
        if operator in _COMPARISONS:
            test = comparison(operator, self.take())
            if operator == "!=":
                return lambda item: bool(found := _select(item, steps)) and all(map(test, found))
            return lambda item: any(map(test, _select(item, steps)))
        return self.state(operator.upper(), steps)

    def state(self, operator: str, steps: list[str | int | None]) -> Condition:
        word = self.take().upper()
        if operator == "IS" and word in ("NULL", "TRUE", "FALSE"):
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[word]
            return lambda item: any(value is wanted for value in _select(item, steps))
        if operator == "NOT" and word == "EXISTS":
            return lambda item: not _select(item, steps)
        raise PatternError("Invalid filter pattern")


def _steps(selector: str) -> list[str | int | None]:
    """A selector's steps: names, indexes, and None for every member."""
    steps: list[str | int | None] = []
    for match in _STEP.finditer(selector, 1):
        name = match[1] or match[2] or match[3]
        steps.append(name if name is not None else int(match[4]) if match[4] else None)
    return steps


def _select(item: Any, steps: list[str | int | None]) -> list[Any]:
    """Every value that a selector finds."""
    found = [item]
    for step in steps:
        further: list[Any] = []
        for value in found:
            if isinstance(value, dict) and isinstance(step, str):
                further += [value[step]] if step in value else []
            elif isinstance(value, list) and isinstance(step, int):
                further += value[step : step + 1]
            elif step is None and isinstance(value, (list, dict)):
                further.extend(value if isinstance(value, list) else value.values())
        found = further
    return found
