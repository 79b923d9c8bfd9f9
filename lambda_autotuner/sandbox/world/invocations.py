"""Invocations that really happened, column by column."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class Outcome(IntEnum):
    """How an invocation ended, as the columns of telemetry code it."""

    OK = 0
    ERROR = 1
    TIMEOUT = 2
    OUT_OF_MEMORY = 3
    THROTTLED = 4


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation; times in ms, `init_ms` None when warm."""

    timestamp_ms: int
    outcome: Outcome
    version: str
    qualifier: str
    key: int
    duration_ms: float = float("nan")
    billed_ms: float = float("nan")
    init_ms: float | None = None
    memory_mb: int = 0
    max_memory_mb: int = 0
    architecture: str = "x86_64"
    environment: int = 0
    concurrency: int = 1


_TYPES: Final = {
    "timestamp_ms": "q",
    "outcome": "q",
    "version": "q",
    "qualifier": "q",
    "key": "Q",
    "duration_ms": "d",
    "billed_ms": "d",
    "init_ms": "d",
    "memory_mb": "q",
    "max_memory_mb": "q",
    "arm": "q",
    "environment": "q",
    "concurrency": "q",
}


@dataclass(slots=True)
class InvocationLog:
    """A growing table of invocations; names of versions and qualifiers are kept once."""

    names: list[str] = field(default_factory=list)
    # Made with the first invocation: most functions of a large account are never invoked by hand.
    table: dict[str, array[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table["key"]) if self.table else 0

    def add(self, invocation: Invocation) -> None:
        """Append one invocation."""
        if not self.table:
            self.table = {name: array(code) for name, code in _TYPES.items()}
        init_ms = float("nan") if invocation.init_ms is None else invocation.init_ms
        row = (
            invocation.timestamp_ms,
            int(invocation.outcome),
            self._name(invocation.version),
            self._name(invocation.qualifier),
            invocation.key,
            invocation.duration_ms,
            invocation.billed_ms,
            init_ms,
            invocation.memory_mb,
            invocation.max_memory_mb,
            int(invocation.architecture == "arm64"),
            invocation.environment,
            invocation.concurrency,
        )
        for column, value in zip(self.table.values(), row, strict=True):
            column.append(value)

    def _name(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def age(self, delta_ms: int) -> None:
        """Let every invocation be older by `delta_ms`."""
        if self.table:
            times = self.table["timestamp_ms"]
            self.table["timestamp_ms"] = array("q", (time - delta_ms for time in times))

    def column(self, name: str) -> NDArray[Any]:
        """A copy of one column."""
        return np.array(self.table[name])

    def span_ms(self) -> tuple[int, int] | None:
        """Times of the first and the last invocation."""
        if not self.table:
            return None
        times = self.table["timestamp_ms"]
        return times[0], times[-1]

    def qualifiers(self) -> set[str]:
        """What callers named."""
        return (
            {self.names[index] for index in set(self.table["qualifier"])} if self.table else set()
        )
