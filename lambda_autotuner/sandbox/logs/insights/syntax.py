"""The grammar of Logs Insights: expressions and commands.

Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lambda_autotuner.sandbox.logs.insights.nodes import (
    Call,
    Command,
    Constant,
    Dedup,
    Display,
    Field,
    Fields,
    Filter,
    Limit,
    Named,
    Node,
    Parse,
    Pattern,
    Sort,
    Stats,
)
from lambda_autotuner.sandbox.logs.insights.tokens import QueryError, Token, split

AGGREGATES: Final = frozenset(
    ("avg", "count", "count_distinct", "max", "min", "pct", "stddev", "sum", "median",
     "earliest", "latest", "sortsfirst", "sortslast")
)  # fmt: skip
_UNITS_MS: Final = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
    "mo": 2_592_000_000, "q": 7_776_000_000, "y": 31_536_000_000,
    "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000,
    "sec": 1000, "min": 60_000, "hr": 3_600_000,
}  # fmt: skip
_COMPARISONS: Final = ("=", "==", "!=", "<", "<=", ">", ">=")
_MOST_COMMANDS: Final = 50
_DEEPEST: Final = 40
MAX_LIMIT: Final = 100_000


def parse(text: str) -> tuple[Command, ...]:
    """Read a query.

    Raises:
        QueryError: it is none; says why and where.
    """
    commands = []
    pieces = split(text)
    if len(pieces) > _MOST_COMMANDS:
        raise QueryError("too many commands in query", 0, len(text))
    for position, tokens in enumerate(pieces):
        if not tokens:
            raise QueryError("unexpected end of command, expected a command", 0, len(text))
        reader = _Reader(text, tokens)
        if position == 0 and tokens[0].text.upper() == "SOURCE":
            continue
        commands.append(reader.command())
    return tuple(commands)


class _Reader:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    def peek(self) -> Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def word(self) -> str:
        token = self.peek()
        return token.text.lower() if token is not None and token.kind == "name" else ""

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            end = self.tokens[-1].end
            raise QueryError("unexpected end of query", end, end)
        self.position += 1
        return token

    def symbol(self, text: str) -> bool:
        token = self.peek()
        if token is not None and token.kind == "symbol" and token.text == text:
            self.position += 1
            return True
        return False

    def keyword(self, *words: str) -> bool:
        if self.word() in words:
            self.position += 1
            return True
        return False

    def fail(self, token: Token | None = None) -> QueryError:
        token = token or self.peek()
        if token is None:
            end = self.tokens[-1].end
            return QueryError("unexpected end of query", end, end)
        line = self.text.count("\n", 0, token.start) + 1
        column = token.start - (self.text.rfind("\n", 0, token.start) + 1) + 1
        return QueryError(
            f"unexpected symbol found {token.text} at line {line} and position {column}",
            token.start,
            token.end,
        )

    def expect(self, text: str) -> None:
        if not self.symbol(text):
            raise self.fail()

    def command(self) -> Command:
        token = self.take()
        name = token.text.lower()
        readers: dict[str, Callable[[], Command]] = {
            "fields": self.fields, "display": self.display, "filter": self.filter,
            "parse": self.parse, "stats": self.stats, "sort": self.sort, "order": self.order,
            "limit": self.limit, "head": self.limit, "dedup": self.dedup,
        }  # fmt: skip
        if token.kind != "name" or name not in readers:
            raise self.fail(token)
        found = readers[name]()
        if self.peek() is not None:
            raise self.fail()
        return found

    def fields(self) -> Fields:
        return Fields(self.named_list())

    def named_list(self) -> tuple[Named, ...]:
        found = [self.named()]
        while self.symbol(",") or (self.peek() is not None and self.word() not in ("by", "as")):
            found.append(self.named())
        return tuple(found)

    def named(self) -> Named:
        first = self.peek()
        node = self.expression()
        start = first.start if first is not None else 0
        source = self.text[start : self.tokens[self.position - 1].end]
        if self.keyword("as"):
            return Named(node, self.take().text, aliased=True)
        return Named(node, node.name if isinstance(node, Field) else source)

    def display(self) -> Display:
        return Display(tuple(item.name for item in self.named_list()))

    def filter(self) -> Filter:
        return Filter(self.expression())

    def parse(self) -> Parse:
        source: Node = Field("@message")
        token = self.peek()
        if token is not None and token.kind == "name":
            source = self.atom()
        token = self.take()
        if token.kind == "regex":
            regex = compiled(token)
            names = tuple(regex.groupindex)
            if self.keyword("as"):
                names = self.name_list()
            elif not names:
                raise QueryError("parse needs named groups", token.start, token.end)
            return Parse(source, regex, names)
        if token.kind != "string":
            raise self.fail(token)
        if not self.keyword("as"):
            raise self.fail()
        names = self.name_list()
        if token.text.count("*") != len(names):
            raise QueryError(
                "the number of * in a glob must be the number of names", token.start, token.end
            )
        return Parse(source, _glob(token.text), names)

    def name_list(self) -> tuple[str, ...]:
        names = [self.take().text]
        while self.symbol(","):
            names.append(self.take().text)
        return tuple(names)

    def stats(self) -> Stats:
        items = self.named_list()
        by = self.named_list() if self.keyword("by") else ()
        known = {item.name for item in by}
        for item in items:
            # What was named before may be counted with: `max(a) as x, min(a) as y, x - y as span`.
            read = fields_of(item.node)
            named = bool(read) and read <= known
            known.add(item.name)
            if not named and not _aggregated(item.node):
                raise QueryError(f"stats needs aggregate functions, not {item.name}", 0, 0)
        return Stats(items, by)

    def order(self) -> Sort:
        if not self.keyword("by"):
            raise self.fail()
        return self.sort()

    def sort(self) -> Sort:
        self.keyword("by")
        keys = []
        while True:
            node = self.expression()
            descending = self.keyword("desc")
            if not descending:
                self.keyword("asc")
            keys.append((node, descending))
            if not self.symbol(","):
                return Sort(tuple(keys))

    def limit(self) -> Limit:
        token = self.take()
        if token.kind != "number" or not token.text.isdigit():
            raise self.fail(token)
        count = int(token.text)
        if not 0 < count <= MAX_LIMIT:
            raise QueryError(f"limit must be between 1 and {MAX_LIMIT}", token.start, token.end)
        return Limit(count)

    def dedup(self) -> Dedup:
        nodes = [self.expression()]
        while self.symbol(","):
            nodes.append(self.expression())
        return Dedup(tuple(nodes))

    # Expressions, loosest operator first.
    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fail()
        node = self.both()
        while self.keyword("or"):
            node = Call("or", (node, self.both()))
        self.depth -= 1
        return node

    def both(self) -> Node:
        node = self.negated()
        while self.keyword("and"):
            node = Call("and", (node, self.negated()))
        return node

    def negated(self) -> Node:
        if self.keyword("not"):
            return Call("not", (self.negated(),))
        return self.compared()

    def compared(self) -> Node:
        left = self.sum()
        while True:
            token = self.peek()
            if token is None:
                return left
            if token.kind == "symbol" and token.text in _COMPARISONS:
                self.position += 1
                name = "=" if token.text == "==" else token.text
                left = Call(name, (left, self.sum()))
            elif self.symbol("=~") or self.keyword("like"):
                left = Call("like", (left, self.pattern()))
            elif self.keyword("in"):
                left = Call("in", (left, *self.members()))
            elif self.word() == "not" and self._next_word() in ("like", "in"):
                self.position += 1
                inner = self.take().text.lower()
                arguments = (self.pattern(),) if inner == "like" else self.members()
                left = Call("not", (Call(inner, (left, *arguments)),))
            else:
                return left

    def _next_word(self) -> str:
        following = self.tokens[self.position + 1 : self.position + 2]
        return following[0].text.lower() if following else ""

    def pattern(self) -> Node:
        token = self.peek()
        if token is not None and token.kind == "regex":
            self.position += 1
            return Pattern(compiled(token))
        return self.sum()

    def members(self) -> tuple[Node, ...]:
        self.expect("[")
        found = [self.sum()]
        while self.symbol(","):
            found.append(self.sum())
        self.expect("]")
        return tuple(found)

    def sum(self) -> Node:
        node = self.product()
        while (token := self.peek()) is not None and token.kind == "symbol" and token.text in "+-":
            self.position += 1
            node = Call(token.text, (node, self.product()))
        return node

    def product(self) -> Node:
        node = self.power()
        while (token := self.peek()) is not None and token.kind == "symbol" and token.text in "*/%":
            self.position += 1
            node = Call(token.text, (node, self.power()))
        return node

    def power(self) -> Node:
        if self.symbol("-"):
            return Call("-", (Constant(0.0), self.power()))
        node = self.atom()
        if self.symbol("^"):
            return Call("^", (node, self.power()))
        return node

    def atom(self) -> Node:
        token = self.take()
        if token.kind in ("number", "duration"):
            return self.quantity(token)
        if token.kind == "string":
            return Constant(token.text)
        if token.kind == "symbol" and token.text == "(":
            node = self.expression()
            self.expect(")")
            return node
        if token.kind != "name":
            raise self.fail(token)
        return Call(token.text.lower(), self.arguments()) if self.symbol("(") else Field(token.text)

    def quantity(self, token: Token) -> Constant:
        """A number, or a duration such as 5m or 30minutes in milliseconds."""
        if token.kind == "number":
            following = self.peek()
            unit = self.word().rstrip("s")
            if unit in _UNITS_MS and following is not None and following.start == token.end:
                self.position += 1
                return Constant(float(token.text) * _UNITS_MS[unit])
            return Constant(float(token.text))
        digits = token.text.rstrip("abcdefghijklmnopqrstuvwxyz")
        return Constant(float(digits) * _UNITS_MS[token.text[len(digits) :]])

    def arguments(self) -> tuple[Node, ...]:
        if self.symbol(")"):
            return ()
        if self.symbol("*"):
            self.expect(")")
            return (Constant("*"),)
        found = [self.expression()]
        while self.symbol(","):
            found.append(self.expression())
        self.expect(")")
        return tuple(found)


def compiled(token: Token) -> re.Pattern[str]:
    """A regular expression; Java's named groups are Python's with a P.

    Raises:
        QueryError: it is none.
    """
    text = re.sub(r"\(\?<(?![=!])", "(?P<", token.text)
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise QueryError(f"invalid regular expression: {error}", token.start, token.end) from error


def _glob(text: str) -> re.Pattern[str]:
    """A glob: the shortest text for every star, the last one to the end when it ends the glob."""
    parts = [re.escape(part) for part in text.split("*")]
    last = "(.*)" if text.endswith("*") else "(.*?)"
    pattern = "(.*?)".join(parts[:-1]) + last + parts[-1] if len(parts) > 1 else parts[0]
    return re.compile(pattern, re.DOTALL)


def _aggregated(node: Node) -> bool:
    if isinstance(node, Call):
        return node.name in AGGREGATES or any(_aggregated(item) for item in node.arguments)
    return False


def fields_of(node: Node) -> set[str]:
    """Names of the fields that an expression reads."""
    if isinstance(node, Field):
        return {node.name}
    if isinstance(node, Call):
        own = {"@timestamp"} if node.name == "bin" else set()
        return own.union(*(fields_of(item) for item in node.arguments))
    return set()
