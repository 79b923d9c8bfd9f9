"""What a person is told: a change, to keep things, what is missing, or that nothing fits."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from lambda_autotuner.tuning.evidence import Configuration

MEMORY_FLOOR = "memory floor"
"""Name of the constraint that holds the smallest size that may be proposed."""


class Topic(StrEnum):
    """What an advice is about."""

    TIMEOUT = "timeout"
    CONCURRENCY = "concurrency"
    SNAPSTART = "snapstart"
    ARCHITECTURE = "architecture"
    MEMORY_PRESSURE = "memory_pressure"
    COLD_STARTS = "cold_starts"


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its credible interval, in the unit of the field that holds it."""

    value: float
    low: float
    high: float
    confidence: float = 0.9


@dataclass(frozen=True, slots=True)
class Outlook:
    """What to expect of one configuration.

    Attributes:
        memory_mb: Memory size in MB.
        architecture: `x86_64` or `arm64`.
        cost_usd: Mean cost of an invocation in US dollars, cold starts blended in.
        mean_ms: Mean warm duration in ms.
        p50_ms: Median of the warm duration in ms.
        p95_ms: 95th percentile of the warm duration in ms.
        p99_ms: 99th percentile of the warm duration in ms.
        month_usd: Cost of a month at the real volume; None where the volume is unknown.
        measured: Successful invocations at exactly this configuration.
    """

    memory_mb: int
    architecture: str
    cost_usd: Interval
    mean_ms: Interval
    p50_ms: Interval
    p95_ms: Interval
    p99_ms: Interval
    month_usd: Interval | None
    measured: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of the picture of cost and duration against memory."""

    memory_mb: int
    architecture: str
    cost_usd: Interval
    mean_ms: Interval
    tail_ms: float
    allowed: bool
    measured: int
    measured_ms: float | None
    measured_cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit, its value at the pick, and whether it is met with the wanted confidence.

    `met` is None where the evidence cannot tell.
    """

    name: str
    limit: float
    value: float | None
    unit: str
    met: bool | None
    probability: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A proposal beside memory, with its own evidence.

    `month_usd` is what it saves a month (negative: costs), None where that is unknown.
    """

    topic: Topic
    action: str
    evidence: str
    confidence: str
    setting: dict[str, Any] = field(default_factory=dict)
    month_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What finding out cost, and when it pays back.

    `payback_days` is None where nothing is saved or the volume is unknown.
    """

    invocations: int
    cost_usd: float
    payback_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every recommendation carries.

    Attributes:
        objective: What was looked for, as text that `parse_objective` reads.
        confidence: Mass of the credible intervals.
        reasons: Why this answer, and why not further.
        changes_answer: What would change it.
        constraints: Limits that were checked at the pick.
        advice: Timeout, concurrency, SnapStart and architecture.
        measurement: What it cost to find out.
        curve: The picture, ascending in memory.
        current: What to expect of the current configuration; None where it is not known.
        notes: Assumptions and unknowns that a reader should know.
    """

    kind: ClassVar[str] = "answer"
    objective: str
    confidence: float
    reasons: tuple[str, ...] = ()
    changes_answer: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    advice: tuple[Advice, ...] = ()
    measurement: Measurement = Measurement(0, 0.0, None)
    curve: tuple[CurvePoint, ...] = ()
    current: Outlook | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers are finite or None."""
        return {"kind": self.kind, **_plain(asdict(self))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Answer):
    """An answer with a pick.

    Attributes:
        proposed: What to expect of the pick.
        tied: Configurations that the evidence cannot tell from the pick within the tolerance,
            the pick among them, cheapest first.
        fastest_tied: The fastest of them.
        expected_regret_pct: Expected loss against the true best, percent of the objective.
        probability_best: Probability that no other allowed size beats the pick by more than the
            tolerance.
        saving_pct: Saving of the pick against the current configuration in percent of its cost
            (negative: costs more); None without a current one.
        saving_month_usd: The same in US dollars a month at the real volume.
        infrastructure: The lines for `sam`, `terraform` and `serverless`.
    """

    proposed: Outlook
    tied: tuple[Configuration, ...]
    fastest_tied: Configuration
    expected_regret_pct: float
    probability_best: float
    saving_pct: Interval | None
    saving_month_usd: Interval | None
    infrastructure: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Settled):
    """Change to the proposed configuration."""

    kind: ClassVar[str] = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Settled):
    """Keep the current configuration: nothing better by more than the tolerance is known."""

    kind: ClassVar[str] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedMoreData(Answer):
    """The evidence does not settle it.

    Attributes:
        missing: What is not known.
        invocations: About how many invocations would settle it; None where they would not help.
        cost_usd: About what those would cost in US dollars; None where unknown.
        sizes_mb: Memory sizes that they should be spent on first.
        leaning: The configuration that the evidence leans to, where there is any.
        leaning_saving_pct: Share of today's expected cost in percent that going there would save;
            None where there is no today among what is allowed.
    """

    kind: ClassVar[str] = "need_more_data"
    missing: tuple[str, ...]
    invocations: int | None
    cost_usd: float | None = None
    sizes_mb: tuple[int, ...] = ()
    leaning: Configuration | None = None
    leaning_saving_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible(Answer):
    """No allowed configuration meets what is asked.

    Attributes:
        violated: What cannot be met.
        nearest: The configuration that comes nearest; None where nothing ran at all.
    """

    kind: ClassVar[str] = "infeasible"
    violated: tuple[str, ...]
    nearest: Configuration | None = None


Recommendation = Change | Keep | NeedMoreData | Infeasible


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
