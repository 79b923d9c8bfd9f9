"""What a person chose, from settings and options, in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.errors import UsageError
from lambda_autotuner.settings import Settings
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.objective import Objective, parse_objective
from lambda_autotuner.tuning.pricing import PriceBook, Rates
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import ARCHITECTURES, Architecture, architecture_name


@dataclass(frozen=True, slots=True)
class Choices:
    """What to look for, where, and what it may cost.

    Attributes:
        objective: What "best" means.
        minimum_mb: Smallest memory size to consider, in MB.
        maximum_mb: Largest one.
        step_mb: Grid of the sizes between them, in MB.
        sizes_mb: An explicit list instead of the grid.
        architectures: Which to consider; None is the one that the function has.
        tolerance_pct: What may be lost against the best, in percent.
        confidence: Mass of the credible intervals, 0.5..1.
        max_invocations: Most invocations of an active measurement.
        max_cost_usd: Most that they may cost together, in dollars.
        max_seconds: Longest that it may take, in seconds.
        window_days: How far back telemetry is read, in days.
        horizon_days: Time over which a measurement has to pay back, in days.
        savings_plan_discount_pct: Discount on duration, in percent.
        request_fee: Whether the price per request counts.
    """

    objective: Objective
    minimum_mb: int
    maximum_mb: int
    step_mb: int
    sizes_mb: tuple[int, ...] | None
    architectures: tuple[Architecture, ...] | None
    tolerance_pct: float
    confidence: float
    max_invocations: int
    max_cost_usd: float
    max_seconds: float
    window_days: float
    horizon_days: float
    savings_plan_discount_pct: float
    request_fee: bool

    @classmethod
    def from_settings(cls, settings: Settings) -> Choices:
        """The choices that the settings hold; guardrails narrow the sizes.

        Raises:
            UsageError: the objective cannot be read, or the guardrails leave no size.
        """
        tuning, rails = settings.tuning, settings.guardrails
        low = max(tuning.min_memory_mb, rails.min_memory_mb)
        high = min(tuning.max_memory_mb, rails.max_memory_mb)
        if low > high:
            raise UsageError(
                f"No memory size is left: tuning allows {tuning.min_memory_mb}..{tuning.max_memory_mb} "
                f"MB and the guardrails {rails.min_memory_mb}..{rails.max_memory_mb} MB."
            )
        return cls(
            objective=parse_objective(tuning.objective),
            minimum_mb=low,
            maximum_mb=high,
            step_mb=tuning.memory_step_mb,
            sizes_mb=None,
            architectures=None,
            tolerance_pct=tuning.tolerance_pct,
            confidence=tuning.confidence,
            max_invocations=tuning.max_invocations,
            max_cost_usd=tuning.max_cost_usd,
            max_seconds=tuning.max_seconds,
            window_days=tuning.window_days,
            horizon_days=tuning.horizon_days,
            savings_plan_discount_pct=tuning.savings_plan_discount_pct,
            request_fee=tuning.request_fee,
        )

    def with_sizes(self, sizes_mb: Sequence[int]) -> Choices:
        """The same for an explicit list of sizes.

        Raises:
            UsageError: a size outside the allowed range.
        """
        outside = [m for m in sizes_mb if not self.minimum_mb <= m <= self.maximum_mb]
        if outside:
            raise UsageError(
                f"Memory size {outside[0]} MB is outside {self.minimum_mb}..{self.maximum_mb} MB.",
                remedy="Widen tuning.min_memory_mb, tuning.max_memory_mb or the guardrails.",
            )
        return replace(self, sizes_mb=tuple(sorted(set(sizes_mb))))

    def architectures_for(self, current: Architecture) -> tuple[Architecture, ...]:
        """Architectures to consider, the function's own first."""
        wanted = self.architectures or (current,)
        return tuple(sorted(wanted, key=lambda name: name != current))

    def space_for(self, current: Configuration) -> Space:
        """Where the search may look for a function; its own size belongs to it where allowed."""
        architectures = self.architectures_for(current.architecture)
        if self.sizes_mb is not None:
            return Space(self.sizes_mb, architectures)
        grid = Space.range(self.minimum_mb, self.maximum_mb, step=self.step_mb)
        sizes = set(grid.sizes_mb)
        if self.minimum_mb <= current.memory_mb <= self.maximum_mb:
            sizes.add(current.memory_mb)
        return Space(tuple(sizes), architectures)

    def rates(self, region: str) -> dict[Architecture, Rates]:
        """Prices in a region, by architecture."""
        book = PriceBook.load()
        return {name: book.rates(region, name) for name in ARCHITECTURES}


def current_of(configuration: FunctionConfiguration) -> Configuration:
    """Memory size and architecture that a function has."""
    return Configuration(configuration.memory_mb, architecture_name(configuration.architecture))


def cheapest_rate(rates: Mapping[Architecture, Rates]) -> float:
    """The lowest price of a GB-second, in dollars."""
    return min(rate.gb_second_usd for rate in rates.values())
