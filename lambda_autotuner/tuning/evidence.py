"""What is known about a function: samples, kept as they were seen.

A sample that timed out or ran out of memory stays in the evidence as such. Nothing is swapped,
averaged away or dropped; what to do with a failed sample is decided where it is read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.units import (
    Architecture,
    architecture_name,
    billed_duration_ms,
    finite,
    memory_size,
)


class Outcome(StrEnum):
    """How one invocation ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True, order=True)
class Configuration:
    """One point of the search: a memory size on an architecture."""

    memory_mb: int
    architecture: Architecture = "x86_64"

    def __post_init__(self) -> None:
        memory_size(self.memory_mb)
        architecture_name(self.architecture)

    def __str__(self) -> str:
        return f"{self.memory_mb} MB {self.architecture}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One invocation as it was seen.

    Attributes:
        memory_mb: Configured memory size in MB.
        architecture: `x86_64` or `arm64`.
        duration_ms: Duration of the handler without init, in ms; for a timeout the time at which
            it was cut off, so the true duration is known to be longer.
        outcome: How it ended.
        billed_ms: Billed duration in ms where it was reported; None means that it follows from
            the duration (rounded up to 1 ms).
        init_ms: Init duration in ms of a cold start; None for a warm invocation.
        max_memory_used_mb: Max Memory Used in MB; None where it was not reported.
        payload: Name of the payload.
        source: "invocation", "report_line" or "metric".
        weight: How many invocations this sample stands for (a metric's average may stand for
            thousands); scatter inside it is unknown, so it never counts as replicates.
    """

    memory_mb: int
    architecture: Architecture
    duration_ms: float
    outcome: Outcome = Outcome.OK
    billed_ms: float | None = None
    init_ms: float | None = None
    max_memory_used_mb: int | None = None
    payload: str = "default"
    source: str = "invocation"
    weight: float = 1.0

    def __post_init__(self) -> None:
        memory_size(self.memory_mb)
        architecture_name(self.architecture)
        finite("duration_ms", self.duration_ms, minimum=0)
        finite("weight", self.weight, minimum=0, exclusive=True)
        for name in ("billed_ms", "init_ms", "max_memory_used_mb"):
            value = getattr(self, name)
            if value is not None:
                finite(name, value, minimum=0)

    @property
    def configuration(self) -> Configuration:
        """Where this sample was taken."""
        return Configuration(self.memory_mb, self.architecture)

    @property
    def cold(self) -> bool:
        """Whether the invocation had to start an environment first."""
        return self.init_ms is not None

    @property
    def charged_ms(self) -> float:
        """What is billed, in ms: reported, or duration (and init) rounded up to 1 ms.

        INIT counts since August 2025 for every kind of function; a throttled call is free.
        """
        if self.outcome is Outcome.THROTTLED:
            return 0.0
        if self.billed_ms is not None:
            return max(self.billed_ms, 1.0)
        return billed_duration_ms(self.duration_ms + (self.init_ms or 0.0))


@dataclass(frozen=True, slots=True)
class SizeSummary:
    """What the evidence says about one configuration.

    Counts are invocations; `warm_ms` are durations of successful warm invocations and `cold_ms`
    of successful cold ones without their init, which is in `init_ms`. `used_mb` is Max Memory Used
    of each successful one that told it.
    """

    configuration: Configuration
    warm_ms: tuple[float, ...] = ()
    warm_billed_ms: tuple[float, ...] = ()
    warm_weights: tuple[float, ...] = ()
    cold_ms: tuple[float, ...] = ()
    init_ms: tuple[float, ...] = ()
    timeouts_ms: tuple[float, ...] = ()
    out_of_memory: int = 0
    errors: int = 0
    throttled: int = 0
    max_memory_used_mb: int | None = None
    used_mb: tuple[float, ...] = ()

    @property
    def succeeded(self) -> int:
        """Invocations that ended well."""
        return len(self.warm_ms) + len(self.cold_ms)

    @property
    def failed(self) -> int:
        """Invocations that ended in an error, a timeout or out of memory."""
        return len(self.timeouts_ms) + self.out_of_memory + self.errors

    @property
    def mean_ms(self) -> float | None:
        """Weighted arithmetic mean of the warm durations in ms; None without any."""
        if not self.warm_ms:
            return None
        return float(np.average(self.warm_ms, weights=self.warm_weights))


class Evidence:
    """An immutable collection of samples, with what each configuration's samples add up to."""

    __slots__ = ("_samples", "_summaries")

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._samples = tuple(samples)
        for sample in self._samples:
            if not isinstance(sample, Sample):
                raise UsageError(f"Evidence is made of samples, not of {type(sample).__name__}.")
        self._summaries = _summarise(self._samples)

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples in the order in which they came."""
        return self._samples

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """Every configuration with at least one sample, ascending."""
        return tuple(sorted(self._summaries))

    def at(self, memory_mb: int, architecture: Architecture = "x86_64") -> SizeSummary:
        """What is known about one configuration (empty counts where nothing is)."""
        where = Configuration(memory_mb, architecture)
        return self._summaries.get(where, SizeSummary(where))

    def with_samples(self, samples: Iterable[Sample]) -> Evidence:
        """The same evidence and more."""
        return Evidence((*self._samples, *samples))

    def summaries(self) -> tuple[SizeSummary, ...]:
        """Summary of every configuration with at least one sample, ascending."""
        return tuple(self._summaries[where] for where in self.configurations)

    def invocations(self) -> int:
        """Samples that were paid for: everything but throttled calls."""
        return sum(s.outcome is not Outcome.THROTTLED for s in self._samples)

    def cold_rate(self) -> float | None:
        """Observed share of cold starts among telemetry; None where none was seen.

        Samples that we caused ourselves say nothing about production, so they do not count.
        """
        seen = [s for s in self._samples if s.source != "invocation" and s.weight == 1]
        if not seen:
            return None
        return sum(s.cold for s in seen) / len(seen)


@dataclass(slots=True)
class _Builder:
    warm: list[tuple[float, float, float]] = field(default_factory=list)
    cold: list[tuple[float, float]] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    out_of_memory: int = 0
    errors: int = 0
    throttled: int = 0
    used: list[float] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        if sample.max_memory_used_mb is not None and sample.outcome is Outcome.OK:
            self.used.append(sample.max_memory_used_mb)
        match sample.outcome:
            case Outcome.OK if sample.init_ms is not None:
                self.cold.append((sample.duration_ms, sample.init_ms))
            case Outcome.OK:
                self.warm.append((sample.duration_ms, sample.charged_ms, sample.weight))
            case Outcome.TIMEOUT:
                self.timeouts.append(sample.duration_ms)
            case Outcome.OUT_OF_MEMORY:
                self.out_of_memory += 1
            case Outcome.ERROR:
                self.errors += 1
            case Outcome.THROTTLED:
                self.throttled += 1

    def summary(self, where: Configuration) -> SizeSummary:
        return SizeSummary(
            where,
            warm_ms=tuple(duration for duration, _, _ in self.warm),
            warm_billed_ms=tuple(billed for _, billed, _ in self.warm),
            warm_weights=tuple(weight for _, _, weight in self.warm),
            cold_ms=tuple(duration for duration, _ in self.cold),
            init_ms=tuple(init for _, init in self.cold),
            timeouts_ms=tuple(self.timeouts),
            out_of_memory=self.out_of_memory,
            errors=self.errors,
            throttled=self.throttled,
            max_memory_used_mb=math.ceil(max(self.used)) if self.used else None,
            used_mb=tuple(self.used),
        )


def _summarise(samples: tuple[Sample, ...]) -> dict[Configuration, SizeSummary]:
    builders: defaultdict[Configuration, _Builder] = defaultdict(_Builder)
    for sample in samples:
        builders[sample.configuration].add(sample)
    return {where: builder.summary(where) for where, builder in builders.items()}
