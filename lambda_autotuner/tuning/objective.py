"""What "best" means. No objective depends on which sizes happen to be on the grid.

Power tuning's `balanced` divides by the largest cost and duration on the grid, so that adding a
size changes the answer; `Weighted` uses the logarithm instead, in which a unit cancels out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.pricing import FULL_PERCENT
from lambda_autotuner.tuning.units import finite


@dataclass(frozen=True, slots=True)
class LowestCost:
    """The lowest mean cost of an invocation."""

    def __str__(self) -> str:
        return "cost"


@dataclass(frozen=True, slots=True)
class FastestWithin:
    """The lowest mean duration among sizes at most `pct` percent above the lowest cost."""

    pct: float = 5.0

    def __post_init__(self) -> None:
        finite("pct", self.pct, minimum=0)

    def __str__(self) -> str:
        return f"fastest-within:{self.pct:g}%"


@dataclass(frozen=True, slots=True)
class CostUnderSlo:
    """The lowest mean cost among sizes whose duration percentile is under an SLO in ms."""

    percentile: float
    slo_ms: float

    def __post_init__(self) -> None:
        finite("slo_ms", self.slo_ms, minimum=0, exclusive=True)
        if not 0 < finite("percentile", self.percentile) < FULL_PERCENT:
            raise UsageError(f"A percentile is between 0 and 100, not {self.percentile!r}.")

    def __str__(self) -> str:
        return f"slo:p{self.percentile:g}<{self.slo_ms:g}ms"


@dataclass(frozen=True, slots=True)
class Weighted:
    """The lowest cost^w x duration^(1 - w), with w the weight of cost between 0 and 1.

    One percent of cost is worth (1 - w) / w percent of duration, whatever the grid.
    """

    cost_weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= finite("cost_weight", self.cost_weight) <= 1:
            raise UsageError(f"cost_weight is between 0 and 1, not {self.cost_weight!r}.")

    def __str__(self) -> str:
        return f"weighted:{self.cost_weight:g}"


Objective = LowestCost | FastestWithin | CostUnderSlo | Weighted

_NUMBER = r"(\d+(?:\.\d+)?)"
_WINDOW = re.compile(rf"fastest(?:[-_ ]?within)?(?:[:= ]*{_NUMBER}\s*%?)?")
_SLO = re.compile(
    rf"(?:cost[-_ ]?under[-_ ]?)?(?:slo[:= ]*)?p{_NUMBER}\s*[<:=]+\s*{_NUMBER}\s*(ms|s)?"
)
_WEIGHTED = re.compile(rf"(?:weighted|balanced)(?:[:= ]*{_NUMBER})?")
_MS_PER = {None: 1.0, "ms": 1.0, "s": 1000.0}


def parse_objective(text: str) -> Objective:
    """Read an objective as a person or a setting writes it.

    `cost`, `speed`, `balanced[:0.5]` (power tuning's names), `fastest-within:5%`,
    `slo:p95<800ms` and `weighted:0.7` are understood. `speed` is the lowest duration at any
    price, which is `weighted:0`.

    Raises:
        UsageError: The text is none of these.
    """
    wanted = text.strip().lower()
    if wanted in {"cost", "lowest-cost", "lowest_cost", "cheapest"}:
        return LowestCost()
    if wanted == "speed":
        return Weighted(0.0)
    if match := _WINDOW.fullmatch(wanted):
        return FastestWithin(float(match[1])) if match[1] else FastestWithin()
    if match := _WEIGHTED.fullmatch(wanted):
        return Weighted(float(match[1])) if match[1] else Weighted()
    if match := _SLO.fullmatch(wanted):
        return CostUnderSlo(float(match[1]), float(match[2]) * _MS_PER[match[3]])
    raise UsageError(
        f"Unknown objective {text!r}.",
        remedy="Use cost, speed, balanced:0.5, fastest-within:5%, slo:p95<800ms or weighted:0.7.",
    )
