"""One line a function, and how lines are ordered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What can be said about a function from what was read."""

    CHANGE = "change"
    KEEP = "keep"
    MEASURE = "measure"
    INFEASIBLE = "infeasible"
    NO_TRAFFIC = "no_traffic"
    NOT_APPLICABLE = "not_applicable"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One function of the account. None means unknown, never zero.

    Attributes:
        function: Name.
        status: `change` and `keep` rest on enough evidence; `measure` leans somewhere without.
        memory_mb: Memory size today.
        architecture: `x86_64` or `arm64`.
        runtime: Runtime identifier; None for images.
        invocations_per_month: Volume, from the window.
        month_usd: What it costs a month today, init of cold starts left out.
        mean_ms: Mean duration in ms.
        p95_ms: 95th percentile of the duration in ms.
        error_rate: Errors per invocation.
        proposed_mb: The size that the evidence leans to.
        saving_month_usd: What that would save a month (negative: costs more).
        confidence: How sure the saving is: the probability that the proposal costs less than today
            by more than the tolerance; for a proposal to stay, that nothing beats it by more.
        score_usd: Saving a month times confidence, which the ranking goes by.
        reason: Why this line says what it says.
    """

    function: str
    status: Status
    memory_mb: int
    architecture: str
    runtime: str | None
    invocations_per_month: float | None = None
    month_usd: float | None = None
    mean_ms: float | None = None
    p95_ms: float | None = None
    error_rate: float | None = None
    proposed_mb: int | None = None
    saving_month_usd: float | None = None
    confidence: float | None = None
    score_usd: float | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and CSV."""
        found = asdict(self)
        found["status"] = str(self.status)
        return found


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Most dollars a month times confidence first; lines without a figure last, by cost and name."""

    def key(row: Row) -> tuple[float, float, str]:
        score = -math.inf if row.score_usd is None else row.score_usd
        cost = -math.inf if row.month_usd is None else row.month_usd
        return (-score, -cost, row.function)

    return sorted(rows, key=key)


def total(rows: Sequence[Row], name: str) -> float | None:
    """Sum of a figure over the rows that have it; None where none has."""
    values = [getattr(row, name) for row in rows]
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
