"""Where a function leans to, from its mean duration at one memory size, fast enough for thousands.

The law works on ratios, so two functions with the same memory size and nearly the same duration
lean alike: their answer is worked out once, and only the money is each function's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Sample
from lambda_autotuner.tuning.passive import recommend_passive
from lambda_autotuner.tuning.pricing import Rates
from lambda_autotuner.tuning.recommendation import Infeasible, Settled
from lambda_autotuner.tuning.search import Search
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.workload import Workload

# Durations within this factor of each other (as a natural logarithm) share one answer.
_STEP = 0.1
_WEIGHT = 1_000.0


@dataclass(frozen=True, slots=True)
class Leaning:
    """Where the evidence leans.

    Attributes:
        kind: Kind of the passive answer: "change", "keep", "need_more_data" or "infeasible".
        pick: The configuration it leans to; None where none is allowed.
        saving_share: Share of today's cost that it would save (negative: costs more).
        confidence: Probability that nothing allowed beats it by more than the tolerance.
        reason: Why.
    """

    kind: str
    pick: Configuration | None
    saving_share: float | None
    confidence: float | None
    reason: str


@dataclass
class Leanings:
    """Leanings by memory size and duration, worked out on first use."""

    choices: Choices
    rates: Mapping[Architecture, Rates]
    _known: dict[tuple[Configuration, int, int, int | None], Leaning] = field(default_factory=dict)

    def of(self, where: Configuration, mean_ms: float, timeout_seconds: int) -> Leaning:
        """The leaning of a function at a configuration with a mean duration in ms."""
        step = round(math.log(max(mean_ms, 0.1)) / _STEP)
        # A timeout matters only near the duration: far above it, all are alike.
        ratio = timeout_seconds * 1_000 / max(mean_ms, 0.1)
        near = min(6, int(math.log2(max(ratio, 1.0))))
        key = (where, step, near, None)
        if key not in self._known:
            typical_ms = math.exp(step * _STEP)
            self._known[key] = self._work_out(where, typical_ms, typical_ms * 2.0**near)
        return self._known[key]

    def _work_out(self, where: Configuration, mean_ms: float, timeout_ms: float) -> Leaning:
        evidence = Evidence(
            [
                Sample(
                    where.memory_mb,
                    where.architecture,
                    mean_ms,
                    source="metric",
                    weight=_WEIGHT,
                )
            ]
        )
        workload = Workload(
            request_fee=self.choices.request_fee,
            savings_plan_discount_pct=self.choices.savings_plan_discount_pct,
            timeout_ms=min(900_000.0, max(timeout_ms, mean_ms * 2.0)),
        )
        policy = Policy(self.choices.tolerance_pct, self.choices.confidence)
        space = self.choices.space_for(where)
        committed = recommend_passive(
            evidence,
            space,
            self.choices.objective,
            self.rates,
            current=where,
            workload=workload,
            policy=policy,
        )
        if isinstance(committed, Infeasible):
            return Leaning(committed.kind, None, None, None, " ".join(committed.violated))
        answer = (
            committed
            if isinstance(committed, Settled)
            else Search(
                space,
                self.choices.objective,
                self.rates,
                np.random.default_rng(0),
                current=where,
                evidence=evidence,
                workload=workload,
                policy=policy,
            ).recommendation()
        )
        if not isinstance(answer, Settled):
            return Leaning(committed.kind, None, None, None, " ".join(answer.reasons))
        name: Architecture = "arm64" if answer.proposed.architecture == "arm64" else "x86_64"
        return Leaning(
            kind=committed.kind,
            pick=Configuration(answer.proposed.memory_mb, name),
            saving_share=None if answer.saving_pct is None else answer.saving_pct.value / 100,
            confidence=answer.probability_best,
            reason=" ".join(getattr(committed, "missing", ()) or committed.reasons[:1]),
        )
