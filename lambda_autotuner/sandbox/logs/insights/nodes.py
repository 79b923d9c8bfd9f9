"""What a parsed Logs Insights query is made of: expressions and commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a string, or a duration in milliseconds."""

    value: float | str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression."""

    regex: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator; `name` is lower case or the operator's symbol."""

    name: str
    arguments: tuple[Node, ...]


Node: TypeAlias = "Field | Constant | Pattern | Call"


@dataclass(frozen=True, slots=True)
class Named:
    """An expression and what its column is called."""

    node: Node
    name: str
    aliased: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """`fields a, b / 2 as c`."""

    items: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Display:
    """`display a, b`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`filter <condition>`."""

    node: Node


@dataclass(frozen=True, slots=True)
class Parse:
    """`parse field "glob * " as a` or `parse field /(?<a>...)/`."""

    source: Node
    regex: re.Pattern[str]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """`stats count(*) as n by bin(5m)`."""

    items: tuple[Named, ...]
    by: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """`sort a desc, b`."""

    keys: tuple[tuple[Node, bool], ...]  # descending?


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit n`."""

    count: int


@dataclass(frozen=True, slots=True)
class Dedup:
    """`dedup a, b`."""

    nodes: tuple[Node, ...]


Command: TypeAlias = "Fields | Display | Filter | Parse | Stats | Sort | Limit | Dedup"
