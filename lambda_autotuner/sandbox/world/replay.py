"""Functions that behave as measured curves do (`sandbox serve --curves FILE`).

A file is CSV (also .gz) with the columns `curve_set,curve,architecture,memory_mb,duration_ms`,
one row a measured invocation; `curve_set` may be missing. An invocation draws one of the
durations that were measured at its size; between two measured sizes it draws the same quantile of
both and interpolates in the logarithms.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.errors import UsageError
from lambda_autotuner.sandbox.world.archetypes.base import Archetype
from lambda_autotuner.sandbox.world.law import Law
from lambda_autotuner.sandbox.world.randomness import normals, uniforms
from lambda_autotuner.sandbox.world.traffic import Traffic

Floats = NDArray[np.float64]
Unsigned = NDArray[np.uint64]

_COLUMNS: Final = ("curve", "architecture", "memory_mb", "duration_ms")
_ARCHITECTURES: Final = ("x86_64", "arm64")
_PICK, _MEMORY, _INIT = 301, 303, 305
_WORKING_SET_MB: Final = 60.0
_INIT_MS: Final = 250.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Measured durations of one function on one architecture, each size's sorted."""

    name: str
    architecture: str
    sizes_mb: tuple[int, ...]
    durations_ms: tuple[Floats, ...]

    def mean_duration_ms(self, memory_mb: int) -> float:
        """Mean duration; log-log interpolation between measured sizes, flat outside them."""
        index = self._exact(memory_mb)
        if index is not None:
            return float(self.durations_ms[index].mean())
        means = [math.log(float(each.mean())) for each in self.durations_ms]
        sizes = [math.log(size) for size in self.sizes_mb]
        return math.exp(float(np.interp(math.log(memory_mb), sizes, means)))

    def draw_ms(self, memory_mb: int, quantiles: Floats) -> Floats:
        """One duration per number in (0, 1)."""
        index = self._exact(memory_mb)
        if index is not None:
            return self._at(index, quantiles)
        right = int(np.searchsorted(self.sizes_mb, memory_mb))
        if right in {0, len(self.sizes_mb)}:
            return self._at(max(right - 1, 0), quantiles)
        low, high = self.sizes_mb[right - 1], self.sizes_mb[right]
        weight = math.log(memory_mb / low) / math.log(high / low)
        left_log = np.log(self._at(right - 1, quantiles))
        result: Floats = np.exp(
            left_log * (1 - weight) + np.log(self._at(right, quantiles)) * weight
        )
        return result

    def _exact(self, memory_mb: int) -> int | None:
        return self.sizes_mb.index(memory_mb) if memory_mb in self.sizes_mb else None

    def _at(self, index: int, quantiles: Floats) -> Floats:
        durations = self.durations_ms[index]
        picks = np.minimum((quantiles * len(durations)).astype(np.int64), len(durations) - 1)
        result: Floats = np.maximum(durations[picks], 0.01)
        return result


@dataclass(frozen=True, slots=True)
class Curves:
    """All curves of a file."""

    curves: tuple[Curve, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """A function's behaviour out of its curves, one per architecture that was measured."""

    curves: dict[str, Curve]

    def _curve(self, architecture: str) -> Curve:
        return self.curves.get(architecture) or next(iter(self.curves.values()))

    def durations_ms(
        self,
        memory_mb: int,
        architecture: str,
        keys: Unsigned,
        times_ms: Floats,
        payload_scale: Floats,
    ) -> Floats:
        """Measured durations, drawn anew."""
        del times_ms, payload_scale  # what was measured has neither drift nor payloads
        return self._curve(architecture).draw_ms(memory_mb, uniforms(keys, _PICK))

    def memory_used_mb(self, memory_mb: int, keys: Unsigned, payload_scale: Floats) -> Floats:
        """The curves tell nothing about memory: a small constant."""
        del memory_mb, payload_scale
        result: Floats = _WORKING_SET_MB * (1 + 0.02 * normals(keys, _MEMORY))
        return result

    def inits_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """The curves tell nothing about init: an ordinary one."""
        del memory_mb, architecture
        result: Floats = _INIT_MS * np.exp(0.1 * normals(keys, _INIT))
        return result

    def firsts_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """The curves tell nothing about first invocations: like the others."""
        del memory_mb, architecture
        return np.zeros(len(keys))

    def mean_duration_ms(self, memory_mb: int, architecture: str) -> float:
        """The mean of what was measured."""
        return self._curve(architecture).mean_duration_ms(memory_mb)

    def out_of_memory_below_mb(self) -> int:
        """Nothing is known to run out of memory."""
        return math.ceil(_WORKING_SET_MB)


def read_curves(path: Path) -> Curves:
    """Read a file of measured invocations.

    Raises:
        UsageError: the file is missing, has other columns, or holds a value that is no duration.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The curves in {path} cannot be read: {error}.",
            remedy="Give a CSV file with curve, architecture, memory_mb and duration_ms.",
        ) from error
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(
            f"The curves in {path} lack the column {missing[0]!r}.",
            remedy=f"The columns are {', '.join(_COLUMNS)}.",
        )
    cells: dict[tuple[str, str], dict[int, list[float]]] = {}
    for line, row in enumerate(reader, start=2):
        key, memory_mb, duration_ms = _row(path, line, row)
        cells.setdefault(key, {}).setdefault(memory_mb, []).append(duration_ms)
    return Curves(tuple(_curve(key, sizes) for key, sizes in sorted(cells.items())), str(path))


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[tuple[str, str], int, float]:
    try:
        memory_mb, duration_ms = int(row["memory_mb"]), float(row["duration_ms"])
    except (ValueError, TypeError):
        memory_mb, duration_ms = 0, math.nan
    architecture = row["architecture"]
    sound = memory_mb > 0 and duration_ms >= 0 and math.isfinite(duration_ms)
    if not sound or architecture not in _ARCHITECTURES or not row["curve"]:
        raise UsageError(
            f"Line {line} of {path} is no measurement: {dict(row)}.",
            remedy="A size in MB, a finite duration in ms, and x86_64 or arm64.",
        )
    return (row["curve"], architecture), memory_mb, duration_ms


def _curve(key: tuple[str, str], sizes: dict[int, list[float]]) -> Curve:
    ordered = sorted(sizes)
    return Curve(
        name=key[0],
        architecture=key[1],
        sizes_mb=tuple(ordered),
        durations_ms=tuple(np.sort(np.array(sizes[size], dtype=np.float64)) for size in ordered),
    )


def function_name(curve: str) -> str:
    """A name that Lambda accepts for a curve."""
    return re.sub(r"[^a-zA-Z0-9-_]", "-", curve)[:64]


def replayed(curves: Curves) -> Iterator[tuple[Archetype, Replay]]:
    """A function for each curve; it also knows the other architecture where that was measured."""
    by_name = {(curve.name, curve.architecture): curve for curve in curves.curves}
    for curve in curves.curves:
        sides = {curve.architecture: curve}
        for other in _ARCHITECTURES:
            twin = by_name.get((curve.name, other)) or by_name.get(
                (curve.name.replace(curve.architecture, other), other)
            )
            if twin is not None:
                sides.setdefault(other, twin)
        if curve.architecture == "arm64" and (curve.name, "x86_64") in by_name:
            continue  # one function with two architectures, not two of the same name
        yield _archetype(curve), Replay(sides)


def _archetype(curve: Curve) -> Archetype:
    middle = curve.sizes_mb[len(curve.sizes_mb) // 2]
    return Archetype(
        name=function_name(curve.name),
        about=f"Replays measured durations of {curve.name}.",
        law=Law(io_ms=1.0, cpu_ms=1.0),
        traffic=Traffic(120_000, "flat", "", 0, error_rate=0.0),
        memory_mb=middle,
        timeout_s=900,
        architecture=curve.architecture,
        owner="replay",
    )
