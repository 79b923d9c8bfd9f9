"""Invocations that really happened, column by column."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum

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
    lines: tuple[str, ...] = ()


def _ints() -> array[int]:
    return array("q")


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class InvocationLog:
    """A growing table of invocations; names of versions and qualifiers are kept once."""

    names: list[str] = field(default_factory=list)
    timestamp_ms: array[int] = field(default_factory=_ints)
    outcome: array[int] = field(default_factory=_ints)
    version: array[int] = field(default_factory=_ints)
    qualifier: array[int] = field(default_factory=_ints)
    key: array[int] = field(default_factory=lambda: array("Q"))
    duration_ms: array[float] = field(default_factory=_floats)
    billed_ms: array[float] = field(default_factory=_floats)
    init_ms: array[float] = field(default_factory=_floats)
    memory_mb: array[int] = field(default_factory=_ints)
    max_memory_mb: array[int] = field(default_factory=_ints)
    arm: array[int] = field(default_factory=_ints)
    environment: array[int] = field(default_factory=_ints)
    concurrency: array[int] = field(default_factory=_ints)
    # Application lines of single invocations, by key (only those that have any)
    lines: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.timestamp_ms)

    def add(self, invocation: Invocation) -> None:
        """Append one invocation."""
        self.timestamp_ms.append(invocation.timestamp_ms)
        self.outcome.append(int(invocation.outcome))
        self.version.append(self._name(invocation.version))
        self.qualifier.append(self._name(invocation.qualifier))
        self.key.append(invocation.key)
        self.duration_ms.append(invocation.duration_ms)
        self.billed_ms.append(invocation.billed_ms)
        self.init_ms.append(float("nan") if invocation.init_ms is None else invocation.init_ms)
        self.memory_mb.append(invocation.memory_mb)
        self.max_memory_mb.append(invocation.max_memory_mb)
        self.arm.append(invocation.architecture == "arm64")
        self.environment.append(invocation.environment)
        self.concurrency.append(invocation.concurrency)
        if invocation.lines:
            self.lines[invocation.key] = invocation.lines

    def _name(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def age(self, delta_ms: int) -> None:
        """Let every invocation be older by `delta_ms`."""
        self.timestamp_ms = array("q", (time - delta_ms for time in self.timestamp_ms))

    def column(self, name: str) -> NDArray[np.generic]:
        """A copy of one column."""
        values: array[float] = getattr(self, name)
        return np.array(values)
