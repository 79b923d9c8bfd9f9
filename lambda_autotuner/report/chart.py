"""What a picture of a recommendation shows, independent of how it is drawn.

Costs are US dollars per million invocations, latencies milliseconds, memory sizes MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

# Above this ratio an axis gets ticks at 1, 2 and 5, below it at equal steps.
_WIDE = 4.0


@dataclass(frozen=True, slots=True)
class Band:
    """A value with its credible interval, in the unit of the axis it is drawn on."""

    low: float
    mid: float
    high: float

    @property
    def drawable(self) -> bool:
        """Whether all three are finite and positive, as a logarithmic axis needs them."""
        return all(math.isfinite(v) and v > 0 for v in (self.low, self.mid, self.high))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The belief about one configuration.

    `cost` is in dollars per million invocations, `latency` in ms at the chart's percentile, `mean`
    the mean duration in ms; None where the engine has no belief.
    """

    memory_mb: int
    architecture: str
    cost: Band | None
    latency: Band | None
    mean: Band | None = None


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """One invocation that was really made or reported, in the same units as the curve."""

    memory_mb: int
    architecture: str
    duration_ms: float
    cost_per_million_usd: float
    outcome: str = "ok"
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the terminal and the page draw.

    Attributes:
        figures: Today's configuration beside the proposed one, a header first.
        settled: Whether the pick is an answer, and not only where the evidence leans.
        sections: What else there is to read: title and sentences.
    """

    function: str
    verdict: str
    figures: tuple[tuple[str, ...], ...] = ()
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    latency_label: str = "p95"
    confidence_pct: float = 90.0
    curve: tuple[CurvePoint, ...] = ()
    measured: tuple[MeasuredPoint, ...] = ()
    current_mb: int | None = None
    current_architecture: str | None = None
    pick_mb: int | None = None
    pick_architecture: str | None = None
    settled: bool = True
    tied_mb: tuple[int, ...] = ()
    slo_ms: float | None = None
    floor_mb: int | None = None
    table: tuple[tuple[str, ...], ...] = ()
    iac: tuple[tuple[str, str], ...] = field(default=())

    @property
    def pick_label(self) -> str:
        """What the pick is called."""
        return "pick" if self.settled else "leaning"

    def architectures(self) -> tuple[str, ...]:
        """Architectures that occur, in the order of first appearance."""
        names = [point.architecture for point in self.curve]
        names += [point.architecture for point in self.measured]
        return tuple(dict.fromkeys(names))

    def series(self, architecture: str, quantity: str) -> list[tuple[int, Band]]:
        """Points of one curve that can be drawn, ascending in memory.

        Args:
            architecture: which curve.
            quantity: "cost", "latency" or "mean".
        """
        found = []
        for point in self.curve:
            band: Band | None = getattr(point, quantity)
            if point.architecture == architecture and band is not None and band.drawable:
                found.append((point.memory_mb, band))
        return sorted(found, key=lambda pair: pair[0])

    def dots(
        self, architecture: str, quantity: str, *, failed: bool = False, cold: bool = False
    ) -> list[tuple[int, float]]:
        """Measured points of one architecture: warm ones, cold ones or failed ones.

        A cold start's cost holds its INIT, which the curve spreads over all invocations, so cold
        ones belong to the latency alone.
        """
        found = []
        for point in self.measured:
            wanted = (
                (point.outcome != "ok")
                if failed
                else (point.outcome == "ok" and point.cold == cold)
            )
            if point.architecture != architecture or not wanted:
                continue
            value = point.cost_per_million_usd if quantity == "cost" else point.duration_ms
            if math.isfinite(value) and value > 0 and not (cold and quantity == "cost"):
                found.append((point.memory_mb, value))
        return found

    def value_at(
        self, memory_mb: int | None, architecture: str | None, quantity: str
    ) -> float | None:
        """Middle of the curve at one configuration; None where there is no belief."""
        if memory_mb is None or architecture is None:
            return None
        return {m: b.mid for m, b in self.series(architecture, quantity)}.get(memory_mb)

    def memory_ticks(self, most: int = 8) -> list[int]:
        """Memory sizes to label: familiar ones inside the range that is drawn."""
        sizes = [p.memory_mb for p in self.curve] + [p.memory_mb for p in self.measured]
        if not sizes:
            return []
        low, high = min(sizes), max(sizes)
        familiar = [128, 256, 512, 1024, 1769, 3008, 5308, 10240]
        ticks = sorted({low, high, *(m for m in familiar if low <= m <= high)})
        return _spread(ticks, most)


def _spread(ticks: Sequence[int], most: int) -> list[int]:
    """Drop ticks that would be written over each other on a logarithmic axis."""
    kept: list[int] = [ticks[0]]
    span = math.log(max(ticks[-1], ticks[0] + 1) / ticks[0]) or 1.0
    for tick in ticks[1:]:
        if math.log(tick / kept[-1]) >= span / (most + 2):
            kept.append(tick)
    if kept[-1] != ticks[-1]:
        kept[-1] = ticks[-1]
    return kept


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values inside a range of positive numbers, for a logarithmic axis.

    Args:
        low: lower end of the range.
        high: upper end of it.
        most: about how many at most.
    """
    if high / low > _WIDE:
        digits: tuple[float, ...] = (1, 2, 5)
        if math.log10(high / low) * len(digits) > most:
            digits = (1,) if math.log10(high / low) * 2 > most else (1, 3)
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**ten for ten in tens for digit in digits]
    else:
        rough = max(high - low, low * 1e-6) / (most - 1)
        ten = 10.0 ** math.floor(math.log10(rough))
        step = next(nice * ten for nice in (1, 2, 2.5, 5, 10) if nice * ten >= rough)
        first = math.ceil(low / step)
        ticks = [step * (first + index) for index in range(most + 2)]
    return [tick for tick in ticks if low <= tick <= high]
