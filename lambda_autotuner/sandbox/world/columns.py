"""Telemetry of a function as columns: the one source of its metrics and its logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.world.randomness import mix, mixed, uuid_text

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Unsigned = NDArray[np.uint64]

MINUTE_MS: Final = 60_000
_ARRAYS: Final = 13


@dataclass(frozen=True, slots=True)
class Columns:
    """One row is `weight` equal invocations (or throttled requests) in one minute, by time."""

    timestamp_ms: Integers
    weight: Integers
    duration_ms: Floats  # as REPORT prints it, to 0.01; nan for throttled rows
    billed_ms: Floats
    init_ms: Floats  # nan when warm
    memory_mb: Integers
    max_memory_mb: Integers
    outcome: NDArray[np.uint8]  # see Outcome
    version: Integers  # index into `versions`
    qualifier: Integers  # index into `qualifiers`
    architecture: NDArray[np.uint8]  # 0 x86_64, 1 arm64
    key: Unsigned
    environment: Integers
    versions: tuple[str, ...]
    qualifiers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.timestamp_ms)

    def where(self, chosen: NDArray[np.bool_] | Integers | slice) -> Columns:
        """Some of the rows."""
        return self._map(lambda array: array[chosen])

    def take(self, rows: Integers) -> Columns:
        """The rows with these indices, in their order."""
        return self._map(lambda array: array[rows])

    def _map(self, change: Callable[[Any], Any]) -> Columns:
        names = [field.name for field in fields(self)][:_ARRAYS]
        return replace(self, **{name: change(getattr(self, name)) for name in names})

    def expand(self) -> Columns:
        """Every single invocation: weight 1 everywhere, spread over the minute, by time."""
        if not len(self) or int(self.weight.max()) == 1:
            return self
        rows = np.repeat(np.arange(len(self)), self.weight)
        starts = np.cumsum(self.weight) - self.weight
        copy = np.arange(len(rows), dtype=np.int64) - starts[rows]
        many = self.where(rows)
        step = MINUTE_MS // np.maximum(self.weight, 1)[rows]
        time_ms = many.timestamp_ms + copy * step
        keys = np.where(copy == 0, many.key, mixed(many.key + copy.astype(np.uint64)))
        single = np.ones(len(rows), dtype=np.int64)
        order = np.argsort(time_ms, kind="stable")
        return replace(many, timestamp_ms=time_ms, weight=single, key=keys).take(order)


def request_id(key: int) -> str:
    """The request id of the invocation with this key."""
    return uuid_text(mix(key), mix(key ^ 1))


def request_ids(columns: Columns) -> list[str]:
    """The request id of each row."""
    return [request_id(int(key)) for key in columns.key]


def empty(versions: tuple[str, ...] = (), qualifiers: tuple[str, ...] = ()) -> Columns:
    """No rows."""
    floats, integers = np.zeros(0), np.zeros(0, dtype=np.int64)
    small = np.zeros(0, dtype=np.uint8)
    return Columns(
        integers, integers, floats, floats, floats, integers, integers, small, integers, integers,
        small, np.zeros(0, dtype=np.uint64), integers, versions=versions, qualifiers=qualifiers,
    )  # fmt: skip


def joined(parts: list[Columns]) -> Columns:
    """Rows of several tables as one, by time; names are brought together."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if not parts:
        return empty()
    if len(parts) == 1:
        return parts[0]
    versions = tuple(dict.fromkeys(name for part in parts for name in part.versions))
    qualifiers = tuple(dict.fromkeys(name for part in parts for name in part.qualifiers))
    arrays: dict[str, list[Any]] = {}
    for part in parts:
        to_version = np.array([versions.index(name) for name in part.versions] or [0])
        to_qualifier = np.array([qualifiers.index(name) for name in part.qualifiers] or [0])
        for field in fields(part)[:_ARRAYS]:
            values = getattr(part, field.name)
            if field.name == "version":
                values = to_version[values]
            elif field.name == "qualifier":
                values = to_qualifier[values]
            arrays.setdefault(field.name, []).append(values)
    order = np.argsort(np.concatenate(arrays["timestamp_ms"]), kind="stable")
    whole = {name: np.concatenate(values)[order] for name, values in arrays.items()}
    return Columns(**whole, versions=versions, qualifiers=qualifiers)
