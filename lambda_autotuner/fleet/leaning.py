"""Where a function leans to, from its mean duration at one memory size, fast enough for thousands.

The law works on ratios, so two functions with the same memory size and nearly the same duration
lean alike: their answer is worked out once, and only the money is each function's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from scipy.special import ndtr

from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Decision, Policy, decide
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Sample
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.pricing import FULL_PERCENT, Rates
from lambda_autotuner.tuning.sharing import SharedPosteriors
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.workload import Workload

# Durations within this factor of each other (as a natural logarithm) share one answer.
_STEP = 0.1
_WEIGHT = 1_000.0
# The mass within one standard deviation.
_ONE_SIGMA = 0.6826894921370859


@dataclass(frozen=True, slots=True)
class Leaning:
    """Where the evidence leans.

    Attributes:
        pick: The configuration it leans to; None where none is allowed.
        saving_share: Share of today's cost that it would save (negative: costs more).
        confidence: Probability that going there saves more than the tolerance; where it is where
            the function is already, that nothing allowed beats it by more than that.
        reason: Why there is no pick; empty where there is one.
    """

    pick: Configuration | None
    saving_share: float | None
    confidence: float | None
    reason: str


@dataclass
class Leanings:
    """Leanings by memory size and duration, worked out on first use."""

    choices: Choices
    rates: Mapping[Architecture, Rates]
    _known: dict[tuple[Configuration, int, int], Leaning] = field(default_factory=dict)
    _posteriors: SharedPosteriors = field(default_factory=SharedPosteriors)

    def of(self, where: Configuration, mean_ms: float, timeout_seconds: int) -> Leaning:
        """The leaning of a function at a configuration with a mean duration in ms."""
        step = round(math.log(max(mean_ms, 0.1)) / _STEP)
        # A timeout matters only near the duration: far above it, all are alike.
        ratio = timeout_seconds * 1_000 / max(mean_ms, 0.1)
        near = min(6, int(math.log2(max(ratio, 1.0))))
        key = (where, step, near)
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
        model = Model(evidence, workload, self.rates, posterior=self._posteriors)
        candidates = tuple(
            Configuration(memory_mb, name)
            for name in space.architectures
            for memory_mb in space.candidates((where.memory_mb,))
        )
        decision = decide(model, self.choices.objective, candidates, policy)
        if decision is None:
            return Leaning(None, None, None, "No allowed size meets what is asked.")
        share = None
        if where in candidates:
            today = decision.expected_cost[candidates.index(where)]
            share = float(1 - decision.expected_cost[decision.pick] / today)
        return Leaning(
            pick=decision.picked,
            saving_share=share,
            confidence=_sure(model, where, decision, self.choices),
            reason="",
        )


def _sure(model: Model, where: Configuration, decision: Decision, choices: Choices) -> float:
    """How sure the saving is. Which of several good sizes is the best one does not matter to it."""
    if decision.picked == where:
        return decision.probability_best
    low, high = model.log_cost_change(where, decision.picked, _ONE_SIGMA)
    spread = max((high - low) / 2, 1e-9)
    least = math.log1p(-choices.tolerance_pct / FULL_PERCENT)
    return float(ndtr((least - (low + high) / 2) / spread))
