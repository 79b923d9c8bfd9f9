"""Curves of duration against memory size, as they were measured."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.units import Architecture, Floats, architecture_name, memory_size

COLUMNS = ("curve_set", "curve", "architecture", "memory_mb", "duration_ms")


@dataclass(frozen=True)
class Curve:
    """One function's measured durations.

    Attributes:
        family: Set that the curve belongs to; priors are refitted without it.
        name: Name of the curve.
        architecture: Architecture on which it was measured.
        sizes_mb: Measured memory sizes in MB, ascending.
        durations_ms: For each size, every measured duration in ms.
    """

    family: str
    name: str
    architecture: Architecture
    sizes_mb: tuple[int, ...]
    durations_ms: tuple[Floats, ...]

    def true_cost(self) -> Floats:
        """Mean of memory x billed duration per size (MB x ms), shape (M,)."""
        billed = [np.maximum(np.ceil(values), 1.0).mean() for values in self.durations_ms]
        costs: Floats = np.asarray(self.sizes_mb) * np.asarray(billed)
        return costs

    def true_latency(self) -> Floats:
        """Mean duration per size in ms, shape (M,)."""
        return np.asarray([values.mean() for values in self.durations_ms])


def load_curves(path: Path) -> list[Curve]:
    """Read a file in the format of `curves.csv.gz`, compressed or not.

    Raises:
        UsageError: The file cannot be read, or a line is not what it should be; the message names
            the line.
    """
    rows: defaultdict[tuple[str, str, str], defaultdict[int, list[float]]]
    rows = defaultdict(lambda: defaultdict(list))
    try:
        with (
            gzip.open(path, "rt", newline="")
            if _compressed(path)
            else path.open(newline="", encoding="utf-8") as handle
        ):
            reader = csv.DictReader(handle)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"{path}: the column {missing[0]!r} is missing.")
            for row in reader:
                family, name, memory, duration = _row(row, f"{path}: line {reader.line_num}")
                rows[family, name, row["architecture"]][memory].append(duration)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as curves: {error}.") from error
    if not rows:
        raise UsageError(f"{path} holds no curve.")
    return [_curve(key, sizes) for key, sizes in rows.items()]


def _compressed(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def _row(row: dict[str, str], where: str) -> tuple[str, str, int, float]:
    try:
        architecture_name(row["architecture"])
        memory = memory_size(int(row["memory_mb"]))
        duration = float(row["duration_ms"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: memory_mb and duration_ms must be numbers.") from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    if not math.isfinite(duration) or duration < 0:
        raise UsageError(f"{where}: duration_ms must be finite and not negative.")
    if not row["curve_set"] or not row["curve"]:
        raise UsageError(f"{where}: curve_set and curve must have a name.")
    return row["curve_set"], row["curve"], memory, duration


def _curve(key: tuple[str, str, str], sizes: dict[int, list[float]]) -> Curve:
    family, name, architecture = key
    ordered = sorted(sizes)
    return Curve(
        family,
        name,
        architecture_name(architecture),
        tuple(ordered),
        tuple(np.asarray(sizes[size]) for size in ordered),
    )
