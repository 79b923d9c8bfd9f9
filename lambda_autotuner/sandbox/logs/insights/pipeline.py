"""Runs a parsed Logs Insights query over a table of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.logs.insights import functions
from lambda_autotuner.sandbox.logs.insights.aggregates import Groups, aggregate
from lambda_autotuner.sandbox.logs.insights.columns import (
    Column,
    Floats,
    as_numbers,
    as_texts,
    as_truths,
    constant,
    objects,
    truths,
)
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
from lambda_autotuner.sandbox.logs.insights.syntax import AGGREGATES
from lambda_autotuner.sandbox.logs.insights.tokens import QueryError

# (field, rows of the loaded table) -> values of those rows
Loader: TypeAlias = Callable[[str, NDArray[np.int64]], Column]
DEFAULT_LIMIT: Final = 10_000
_SHOWN: Final = ("@timestamp", "@message")


@dataclass(slots=True)
class Table:
    """Rows of events; columns are loaded when a command first reads them.

    `index` are the rows of the loader's table that are left, in their present order.
    """

    loader: Loader
    index: NDArray[np.int64]
    weights: Floats
    columns: dict[str, Column] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows are left."""
        return len(self.index)

    def column(self, name: str) -> Column:
        """A field's values; missing everywhere when no event has it."""
        found = self.columns.get(name)
        if found is None:
            found = self.columns[name] = self.loader(name, self.index)
        return found

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Only some rows, in the order given."""
        return Table(
            self.loader,
            self.index[rows],
            self.weights[rows],
            {name: column.take(rows) for name, column in self.columns.items()},
        )


@dataclass(slots=True)
class Outcome:
    """What a query gives: names and columns in order, and the rows' weights."""

    names: list[str]
    columns: list[Column]
    table: Table
    matched: float
    aggregated: bool = False


def run(commands: Sequence[Command], table: Table, *, now_ms: int, limit: int | None) -> Outcome:
    """Run the commands in order.

    Raises:
        QueryError: a function is unknown or used wrongly.
    """
    return _Run(table, now_ms).all(commands, limit)


class _Run:
    def __init__(self, table: Table, now_ms: int) -> None:
        self.table = table
        self.now_ms = now_ms
        self.shown: list[str] = []
        self.aggregated = False
        self.sorted = False
        self.limited = False
        self.matched: float | None = None

    def all(self, commands: Sequence[Command], limit: int | None) -> Outcome:
        for command in commands:
            if not isinstance(command, (Filter, Fields, Parse)) and self.matched is None:
                self.matched = float(self.table.weights.sum())
            self.step(command)
        if self.matched is None:
            self.matched = float(self.table.weights.sum())
        if not self.sorted and not self.aggregated:
            order = np.argsort(-as_numbers(self.table.column("@timestamp")), kind="stable")
            self.table = self.table.take(order)
        if not self.limited or (limit is not None and limit < self.table.rows):
            self.table = self.table.take(np.arange(min(self.table.rows, limit or DEFAULT_LIMIT)))
        names = self.shown or list(_SHOWN)
        columns = [self.table.column(name) for name in names]
        return Outcome(names, columns, self.table, self.matched, self.aggregated)

    def step(self, command: Command) -> None:
        if isinstance(command, Filter):
            keep = as_truths(self.value(command.node))
            self.table = self.table.take(np.flatnonzero(keep))
        elif isinstance(command, Fields):
            for item in command.items:
                self.define(item)
                if item.name not in self.shown:
                    self.shown.append(item.name)
        elif isinstance(command, Display):
            self.shown = list(command.names)
        elif isinstance(command, Parse):
            self.parse(command)
        elif isinstance(command, Stats):
            self.stats(command)
        elif isinstance(command, Sort):
            self.sort(command)
        elif isinstance(command, Limit):
            self.limit(command)
        else:
            self.dedup(command)

    def limit(self, command: Limit) -> None:
        if not self.sorted and not self.aggregated:
            order = np.argsort(-as_numbers(self.table.column("@timestamp")), kind="stable")
            self.table = self.table.take(order)
            self.sorted = True
        self.limited = True
        self.table = self.table.take(np.arange(min(self.table.rows, command.count)))

    def define(self, item: Named) -> None:
        if not isinstance(item.node, Field) or item.aliased:
            self.table.columns[item.name] = self.value(item.node)

    def value(self, node: Node) -> Column:
        """The value of an expression in every row."""
        if isinstance(node, Constant):
            return constant(node.value, self.table.rows)
        if isinstance(node, Field):
            return self.table.column(node.name)
        if isinstance(node, Pattern):
            raise QueryError("a regular expression can only follow like or =~")
        if node.name == "bin":
            return self.bin(node)
        if node.name == "like":
            return self.like(node)
        if node.name in AGGREGATES:
            raise QueryError(f"function {node.name} can only be used in stats")
        return apply(
            node.name,
            [self.value(item) for item in node.arguments],
            self.table.rows,
            self.now_ms,
        )

    def bin(self, node: Call) -> Column:
        if len(node.arguments) != 1 or not isinstance(node.arguments[0], Constant):
            raise QueryError("bin needs a period such as 5m")
        period = node.arguments[0].value
        if isinstance(period, str) or period <= 0:
            raise QueryError("bin needs a period such as 5m")
        times = as_numbers(self.table.column("@timestamp"))
        return functions.floor_time(times, np.full(1, period))

    def like(self, node: Call) -> Column:
        column, pattern = self.value(node.arguments[0]), node.arguments[1]
        if isinstance(pattern, Pattern):
            return functions.like(column, pattern.regex)
        if isinstance(pattern, Constant) and isinstance(pattern.value, str):
            return functions.like(column, pattern.value)
        raise QueryError("like needs a string or a regular expression")

    def parse(self, command: Parse) -> None:
        texts = as_texts(self.value(command.source))
        search = command.regex.search
        found = [search(text) if text is not None else None for text in texts]
        groups = command.regex.groupindex
        for position, name in enumerate(command.names, 1):
            key: str | int = name if name in groups else position
            self.table.columns[name] = objects(
                [match[key] if match is not None else None for match in found]
            )

    def sort(self, command: Sort) -> None:
        rows = np.arange(self.table.rows)
        for node, descending in reversed(command.keys):
            column = self.value(node).take(rows)
            rows = rows[_order(column, descending=descending)]
        self.sorted = True
        self.table = self.table.take(rows)

    def dedup(self, command: Dedup) -> None:
        if not self.sorted and not self.aggregated:
            order = np.argsort(-as_numbers(self.table.column("@timestamp")), kind="stable")
            self.table = self.table.take(order)
            self.sorted = True
        keys = [as_texts(self.value(node)) for node in command.nodes]
        seen: set[tuple[str | None, ...]] = set()
        keep = []
        for row, key in enumerate(zip(*keys, strict=True)):
            if key not in seen:
                seen.add(key)
                keep.append(row)
        self.table = self.table.take(np.array(keep, np.int64))

    def stats(self, command: Stats) -> None:
        by = [self.value(item.node) for item in command.by]
        number, first = _grouped(by, self.table.rows)
        times = self.table.column("@timestamp") if not self.aggregated else None
        groups = Groups(
            number,
            len(first),
            self.table.weights,
            as_numbers(times) if times is not None else np.zeros(self.table.rows),
        )
        columns = {
            item.name: column.take(first) for item, column in zip(command.by, by, strict=True)
        }
        for item in command.items:
            columns[item.name] = self.over_groups(item.node, groups, columns)
        self.shown = [item.name for item in (*command.by, *command.items)]
        index = np.arange(len(first))
        self.table = Table(_nothing(), index, np.ones(len(first)), columns)
        self.aggregated = True
        self.sorted = False

    def over_groups(self, node: Node, groups: Groups, named: Mapping[str, Column]) -> Column:
        """An expression of aggregates and of what was named before, one value a group."""
        if isinstance(node, Field) and node.name in named:
            return named[node.name]
        if isinstance(node, Constant):
            return constant(node.value, groups.count)
        if isinstance(node, Call) and node.name in AGGREGATES:
            return aggregate(node.name, [self.value(item) for item in node.arguments], groups)
        if isinstance(node, Call):
            arguments = [self.over_groups(item, groups, named) for item in node.arguments]
            return apply(node.name, arguments, groups.count, self.now_ms)
        raise QueryError("stats can only use fields inside of aggregate functions")


def apply(name: str, arguments: Sequence[Column], rows: int, now_ms: int) -> Column:
    """An operator or a function."""
    if name in ("and", "or"):
        left, right = (as_truths(item) for item in arguments)
        return truths(left & right if name == "and" else left | right)
    if name == "not":
        return truths(~as_truths(arguments[0]))
    if name in ("=", "!=", "<", "<=", ">", ">="):
        return functions.compare(name, arguments)
    if name in ("+", "-", "*", "/", "%", "^"):
        return functions.arithmetic(name, arguments)
    if name == "in":
        return functions.member(arguments)
    return functions.call(name, arguments, rows, now_ms)


def _nothing() -> Loader:
    return lambda _, index: Column(np.full(len(index), np.nan))


def _order(column: Column, *, descending: bool) -> NDArray[np.int64]:
    """Stable order of a column; what is missing comes last."""
    values = as_numbers(column)
    if column.numeric or not np.isnan(values).any():
        ranks = -values if descending else values
        order: NDArray[np.int64] = np.argsort(ranks, kind="stable")
        return order
    texts = as_texts(column)
    held = [row for row, text in enumerate(texts) if text is not None]
    held.sort(key=lambda row: texts[row] or "", reverse=descending)
    missing = [row for row, text in enumerate(texts) if text is None]
    return np.array(held + missing, np.int64)


def _grouped(by: Sequence[Column], rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group number of every row, and the first row of every group, in order of appearance."""
    if not by:
        return np.zeros(rows, np.int64), np.zeros(1 if rows else 0, np.int64)
    codes = np.zeros(rows, np.int64)
    for column in by:
        if column.numeric:
            _, own = np.unique(column.values.astype(np.float64), return_inverse=True)
        else:
            texts = ["\x00" if text is None else text for text in as_texts(column)]
            _, own = np.unique(np.array(texts, np.str_), return_inverse=True)
        _, codes = np.unique(
            codes * (int(own.max(initial=0)) + 1) + own.reshape(-1), return_inverse=True
        )
        codes = codes.reshape(-1)
    _, first, number = np.unique(codes, return_index=True, return_inverse=True)
    appearance = np.argsort(first, kind="stable")
    rank = np.empty(len(first), np.int64)
    rank[appearance] = np.arange(len(first))
    return rank[number.reshape(-1)], first[appearance].astype(np.int64)
