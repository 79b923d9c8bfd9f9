"""What recommending and tuning hand back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.telemetry import Telemetry
from lambda_autotuner.report.chart import Chart
from lambda_autotuner.report.from_answer import chart_of
from lambda_autotuner.sizing.choices import current_of
from lambda_autotuner.tuning.evidence import Evidence
from lambda_autotuner.tuning.pricing import Rates
from lambda_autotuner.tuning.recommendation import (
    MEMORY_FLOOR,
    Answer,
    Change,
    Infeasible,
    Interval,
    Keep,
    NeedMoreData,
    Settled,
)
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable(Answer):
    """Right-sizing by memory means nothing for this function, because of `reason`."""

    kind: ClassVar[str] = "not_applicable"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A recommendation for one function, with everything it rests on.

    Attributes:
        configuration: The version that the recommendation is about.
        qualifier: What was asked for or found to carry the traffic; None is `$LATEST`.
        answer: The engine's recommendation, or NotApplicable.
        evidence: Every sample.
        workload: How the function is used.
        rates: Prices by architecture.
        window: The telemetry's window; None where no telemetry was read.
        telemetry: Sums and percentiles over it.
        cautions: What a reader should know.
        active: Whether the function was invoked for it.
    """

    configuration: FunctionConfiguration
    qualifier: str | None
    answer: Answer
    evidence: Evidence
    workload: Workload
    rates: Mapping[Architecture, Rates]
    window: Window | None = None
    telemetry: Telemetry | None = None
    cautions: tuple[str, ...] = ()
    active: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> str:
        """Name of the function."""
        return self.configuration.name

    @property
    def verdict(self) -> str:
        """The recommendation in one sentence."""
        return verdict_of(self.answer, self.configuration)

    def chart(self) -> Chart:
        """The picture of it."""
        return chart_of(
            self.answer,
            function=self.function,
            verdict=self.verdict,
            evidence=self.evidence,
            rates=self.rates,
            current=current_of(self.configuration),
            request_fee=self.workload.request_fee,
            ephemeral_mb=self.workload.ephemeral_mb,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the answer's own, and what it rests on."""
        seen = Counter(
            (s.memory_mb, s.architecture, str(s.outcome), s.source, s.cold) for s in self.evidence
        )
        return {
            "function": self.function,
            "qualifier": self.qualifier,
            "version": self.configuration.version,
            "memory_mb": self.configuration.memory_mb,
            "architecture": self.configuration.architecture,
            "active": self.active,
            "verdict": self.verdict,
            "recommendation": self.answer.to_dict(),
            "invocations_per_month": self.workload.invocations_per_month,
            "cold_rate": self.workload.cold_rate,
            "window": self.window.to_dict() if self.window else None,
            "evidence": [
                {
                    "memory_mb": memory,
                    "architecture": name,
                    "outcome": outcome,
                    "source": source,
                    "cold": cold,
                    "samples": count,
                }
                for (memory, name, outcome, source, cold), count in sorted(seen.items())
            ],
            "cautions": list(self.cautions),
            **self.extra,
        }


def verdict_of(answer: Answer, configuration: FunctionConfiguration) -> str:
    """A recommendation in one sentence, with the money where it is known."""
    now = f"{configuration.memory_mb} MB {configuration.architecture}"
    match answer:
        case NotApplicable():
            return f"Does not apply: {answer.reason}"
        case Keep():
            return f"Keep {now}: nothing allowed is known to be better by more than the tolerance."
        case Change():
            target = f"{answer.proposed.memory_mb} MB {answer.proposed.architecture}"
            return f"Change {now} to {target}.{_too_small(answer, configuration)}{_money(answer)}"
        case NeedMoreData():
            more = (
                f" About {answer.invocations} invocations would settle it."
                if answer.invocations
                else ""
            )
            return f"Not enough evidence: {' '.join(answer.missing)}{more}"
        case Infeasible():
            return f"Nothing allowed meets what is asked: {' '.join(answer.violated)}"
    return answer.kind


def _too_small(answer: Settled, configuration: FunctionConfiguration) -> str:
    """Why today's size does not do, where it holds too little memory."""
    reasons = (
        f" {constraint.reason}"
        for constraint in answer.constraints
        if constraint.name == MEMORY_FLOOR and constraint.limit > configuration.memory_mb
    )
    return next(reasons, "")


def _money(answer: Settled) -> str:
    share, month = answer.saving_pct, answer.saving_month_usd
    if share is None:
        return ""
    amount = f"{abs(share.value):.1f} %"
    if share.value >= 0:
        text = f" It saves {amount} of the cost of an invocation"
    else:
        text = f" It costs {amount} more an invocation"
    if month is not None:
        text += f", ${abs(month.value):,.2f} a month ({_range(month)})"
    current = answer.current
    if current is not None and current.mean_ms.value > 0:
        faster = current.mean_ms.value / answer.proposed.mean_ms.value
        if faster >= 1.05:  # noqa: PLR2004 - below 5 % nobody notices
            text += f", and is {faster:.1f} times as fast"
        elif faster <= 0.95:  # noqa: PLR2004
            text += f", and takes {1 / faster:.1f} times as long"
    return text + "."


def _range(month: Interval) -> str:
    """What a month is believed to save or cost, in words: both ends on the side of the middle."""
    sign = 1 if month.value >= 0 else -1
    low, high = sorted((sign * month.low, sign * month.high))
    return f"{month.confidence * 100:g} % sure: {_dollars(low)} to {_dollars(high)}"


def _dollars(value: float) -> str:
    return f"-${-value:,.2f}" if round(value, 2) < 0 else f"${abs(value):,.2f}"
