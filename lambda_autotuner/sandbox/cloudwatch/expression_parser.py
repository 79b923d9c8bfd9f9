"""The grammar of CloudWatch's metric math.

Operators, loosest first: OR, AND, comparisons, + and -, * and /, unary minus, ^.
Source: Amazon CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias


class ExpressionError(Exception):
    """The expression cannot be read or evaluated; the text says why."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a query, or a keyword of a function such as REPEAT or DESC."""

    value: str


@dataclass(frozen=True, slots=True)
class Operator:
    """A binary operator."""

    symbol: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negation:
    """A leading minus."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Function:
    """A function call; names are upper case."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of time series: [m1, m2]."""

    items: tuple[Node, ...]


Node: TypeAlias = "Number | Text | Name | Operator | Negation | Function | Array"

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<symbol>==|!=|<=|>=|&&|\|\||[-+*/^(),<>\[\]])"
    r"|(?P<bad>\S))"
)
_LEVELS: Final = (
    {"||": "||", "OR": "||"},
    {"&&": "&&", "AND": "&&"},
    {symbol: symbol for symbol in ("==", "!=", "<", "<=", ">", ">=")},
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/"},
)
_DEEPEST: Final = 60


def parse(source: str) -> Node:
    """Read one expression.

    Raises:
        ExpressionError: it is not metric math.
    """
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(source):
            kind = match.lastgroup
            if kind == "bad":
                raise ExpressionError(f"Unexpected character '{match['bad']}'")
            if kind is not None:
                self.tokens.append((kind, match[kind]))
        self.position = 0
        self.depth = 0

    def whole(self) -> Node:
        if not self.tokens:
            raise ExpressionError("The expression is empty")
        node = self.level(0)
        if self.position < len(self.tokens):
            raise ExpressionError(f"Unexpected token '{self.tokens[self.position][1]}'")
        return node

    def peek(self) -> tuple[str, str]:
        if self.position < len(self.tokens):
            return self.tokens[self.position]
        return ("end", "end of expression")

    def take(self, symbol: str) -> bool:
        if self.peek() == ("symbol", symbol):
            self.position += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.take(symbol):
            raise ExpressionError(f"Expected '{symbol}' but found '{self.peek()[1]}'")

    def level(self, number: int) -> Node:
        if number == len(_LEVELS):
            return self.unary()
        node = self.level(number + 1)
        while True:
            kind, text = self.peek()
            key = text.upper() if kind == "name" else text
            symbol = _LEVELS[number].get(key) if kind in ("symbol", "name") else None
            if symbol is None:
                return node
            self.position += 1
            node = Operator(symbol, node, self.level(number + 1))

    def unary(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ExpressionError("The expression is nested too deeply")
        try:
            if self.take("-"):
                return Negation(self.unary())
            if self.take("+"):
                return self.unary()
            return self.power()
        finally:
            self.depth -= 1

    def power(self) -> Node:
        base = self.atom()
        if self.take("^"):
            return Operator("^", base, self.unary())
        return base

    def atom(self) -> Node:
        kind, text = self.peek()
        self.position += 1
        if kind == "number":
            return Number(float(text))
        if kind == "text":
            return Text(re.sub(r"\\(.)", r"\1", text[1:-1]))
        if kind == "name":
            if self.take("("):
                return Function(text.upper(), self.items(")"))
            return Name(text)
        if text == "(" and kind == "symbol":
            node = self.level(0)
            self.expect(")")
            return node
        if text == "[" and kind == "symbol":
            return Array(self.items("]"))
        raise ExpressionError(f"Unexpected token '{text}'")

    def items(self, closing: str) -> tuple[Node, ...]:
        if self.take(closing):
            return ()
        found = [self.level(0)]
        while self.take(","):
            found.append(self.level(0))
        self.expect(closing)
        return tuple(found)


def names_in(node: Node) -> set[str]:
    """Every bare name in an expression: the queries it may depend on."""
    if isinstance(node, Name):
        return {node.value}
    if isinstance(node, Operator):
        return names_in(node.left) | names_in(node.right)
    if isinstance(node, Negation):
        return names_in(node.operand)
    if isinstance(node, (Function, Array)):
        parts = node.arguments if isinstance(node, Function) else node.items
        return set().union(*(names_in(part) for part in parts))
    return set()
