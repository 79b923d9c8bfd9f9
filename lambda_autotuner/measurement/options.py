"""How a measurement is done, and what it would be before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lambda_autotuner.errors import UsageError
from lambda_autotuner.measurement.processors import Processors
from lambda_autotuner.measurement.side_effects import SideEffect
from lambda_autotuner.tuning.evidence import Configuration, Sample

MAXIMUM_CONCURRENCY = 50
Where = Literal["versions", "copy"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a measurement is done.

    Attributes:
        where: On versions of the function, or on a temporary copy of it.
        concurrency: Invocations under way at once, 1..50.
        sleep_between_ms: Pause after each invocation, in ms.
        processors: What runs before and after each invocation.
        allowed_errors: Names of error types that count as success.
        use_telemetry: Whether durations that production recorded count beside the invocations;
            None takes them only with recorded events, because any other event may be more or less
            work than production's. Volume, cold starts and memory in use count in any case.
        agreed: Whether a person has agreed to invoking a function with likely side effects.
        seed: Randomness of the search and of the payloads' order.
    """

    where: Where = "versions"
    concurrency: int = 1
    sleep_between_ms: float = 0.0
    processors: Processors = field(default_factory=Processors)
    allowed_errors: tuple[str, ...] = ()
    use_telemetry: bool | None = None
    agreed: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MAXIMUM_CONCURRENCY:
            raise UsageError(
                f"The concurrency must be between 1 and {MAXIMUM_CONCURRENCY}, not {self.concurrency}."
            )
        if not 0 <= self.sleep_between_ms <= 60_000:  # noqa: PLR2004 - a minute
            raise UsageError(
                f"The pause must be between 0 and 60,000 ms, not {self.sleep_between_ms!r}."
            )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What measuring will probably take.

    Attributes:
        usd: Dollars, the mean of the runs that were played.
        low_usd: Nineteen of twenty runs cost more.
        high_usd: Nineteen of twenty runs cost less.
        invocations: Invocations, the mean.
        most_invocations: The most that any run took.
    """

    usd: float
    low_usd: float
    high_usd: float
    invocations: int
    most_invocations: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a measurement would do, before anything is changed or invoked.

    Attributes:
        function: Which function.
        where: Where it would be measured.
        refusal: Why it would be refused as asked; empty when it would not.
        remedy: What to do about a refusal.
        sizes_mb: The sizes that the search may choose from.
        architectures: The architectures.
        max_invocations: Most invocations.
        forecast: What they will probably cost, and how many they will be; None where nobody
            asked or no duration was ever recorded.
        at_most_usd: What they can cost at most.
        side_effects: Reasons to ask a person first.
        payloads: Share of each payload.
        cautions: What a reader should know.
    """

    function: str
    current: Configuration
    where: Where
    refusal: str
    remedy: str
    sizes_mb: tuple[int, ...]
    architectures: tuple[str, ...]
    max_invocations: int
    forecast: Forecast | None
    at_most_usd: float
    side_effects: tuple[SideEffect, ...]
    payloads: Mapping[str, float]
    cautions: tuple[str, ...] = ()

    @property
    def likely_usd(self) -> float | None:
        """What the invocations will probably cost, in dollars; None unknown."""
        return self.forecast.usd if self.forecast else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "function": self.function,
            "current": str(self.current),
            "where": self.where,
            "refusal": self.refusal or None,
            "sizes_mb": list(self.sizes_mb),
            "architectures": list(self.architectures),
            "max_invocations": self.max_invocations,
            "likely_usd": self.likely_usd,
            "likely_low_usd": self.forecast.low_usd if self.forecast else None,
            "likely_high_usd": self.forecast.high_usd if self.forecast else None,
            "likely_invocations": self.forecast.invocations if self.forecast else None,
            "at_most_usd": self.at_most_usd,
            "side_effects": [
                {"kind": item.kind, "evidence": item.evidence} for item in self.side_effects
            ],
            "payloads": dict(self.payloads),
            "cautions": list(self.cautions),
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """What was just done and what was learned so far.

    Attributes:
        text: In words.
        where: The configuration that was measured; None for other news.
        samples: What the last step saw.
        invocations: Invocations so far.
        max_invocations: Most that there will be.
        spent_usd: What they cost so far, in dollars.
        leader: The pick so far; None before anything ran.
        expected_regret_pct: What choosing it now may lose, in percent; None before anything ran.
    """

    text: str
    where: Configuration | None = None
    samples: tuple[Sample, ...] = ()
    invocations: int = 0
    max_invocations: int = 0
    spent_usd: float = 0.0
    leader: Configuration | None = None
    expected_regret_pct: float | None = None


OnProgress = Callable[[Progress], None]
Confirm = Callable[[Preview], bool]
