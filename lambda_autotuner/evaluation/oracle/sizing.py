"""Facts about the right size, from the sandbox's hidden law, which no API shows."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.evaluation.facts import Fact, Verdict, plain
from lambda_autotuner.evaluation.oracle.configuration import field
from lambda_autotuner.evaluation.oracle.costs import cost_usd
from lambda_autotuner.evaluation.oracle.registry import number_argument, oracle, text_argument
from lambda_autotuner.evaluation.oracle.witness import Witness
from lambda_autotuner.evaluation.quantities import find_quantities
from lambda_autotuner.evaluation.schema import FactSpec

SIZES_MB = tuple(range(128, 3009, 64))
_MEASURE_WORDS = (
    "measure", "tune", "tuning", "not enough", "needmoredata", "need more data", "more data", "cannot tell",
    "benchmark",
)  # fmt: skip
_RECOMMEND_WORDS = (
    "recommend", "suggest", "best", "optimal", "lowest cost", "cheapest", "change", "set ", "to ", "->", "\u2192",
    "keep", "right size", "pick", "proposed", "should",
)  # fmt: skip


@functools.cache
def truth_of(seed: int) -> Any:
    """The sandbox's out-of-band truth for a seed."""
    from lambda_autotuner.sandbox.truth import Truth

    return Truth(seed=seed)


def true_cost_usd(witness: Witness, name: str, memory_mb: int) -> float:
    """What an invocation at a size costs in truth, in US dollars."""
    architecture = field(witness.function(name), "architecture")
    function = truth_of(witness.seed).function(name)
    return cost_usd(
        architecture, memory_mb, 1.0, function.mean_duration_ms(memory_mb, architecture)
    )


@dataclass(frozen=True, slots=True)
class SoundSize(Fact):
    """A size that is stated as the pick must not be worse than the true best by more than a bound.

    An answer that keeps the current size is held to the same bound, unless it says that the
    evidence does not suffice and that it takes a measurement: that is honest from telemetry
    of a single size.
    """

    function: str
    current_mb: int
    cost_by_size: tuple[tuple[int, float], ...]
    bound_pct: float
    floor_mb: int

    @property
    def best_mb(self) -> int:
        """The size of the lowest true cost that does not run out of memory."""
        fitting = [(cost, size) for size, cost in self.cost_by_size if size >= self.floor_mb]
        return min(fitting)[1]

    @property
    def expected(self) -> str:
        """For a person to read."""
        return f"a size within {self.bound_pct:g} % of the true optimum ({self.best_mb} MB)"

    def statement(self) -> str:
        """A sentence that states the fact."""
        return f"Recommended memory size for {self.function}: change from {self.current_mb} MB to {self.best_mb} MB."

    def acceptable(self, size_mb: float) -> bool:
        """Whether a size is good enough, by the truth."""
        costs = dict(self.cost_by_size)
        nearest = min(costs, key=lambda size: abs(size - size_mb))
        best = costs[self.best_mb]
        return size_mb >= self.floor_mb and costs[nearest] <= best * (1 + self.bound_pct / 100)

    def check(self, text: str) -> Verdict:
        """Whether a text states the fact."""
        text = plain(text)
        sizes = [q.value for q in find_quantities(text) if q.dimension == "mb"]
        spoken = any(word in text for word in _RECOMMEND_WORDS)
        good = [size for size in sizes if self.acceptable(size) and size != self.current_mb]
        if spoken and good:
            return Verdict(ok=True)
        named = self.function.lower() in text
        if named and self.acceptable(self.current_mb) and self.current_mb in sizes:
            return Verdict(ok=True)
        if named and sizes and any(word in text for word in _MEASURE_WORDS):
            return Verdict(ok=True)
        return Verdict(ok=False, reason=f"states no {self.expected}, nor that it must be measured")


@oracle("sound_size", required=("function",), optional=("bound_pct",))
def sound_size(witness: Witness, spec: FactSpec) -> Fact:
    """A recommended size that the hidden law bears out, or an honest wish to measure."""
    name = text_argument(spec.args, "function")
    function = truth_of(witness.seed).function(name)
    costs = tuple((size, true_cost_usd(witness, name, size)) for size in SIZES_MB)
    return SoundSize(
        name,
        int(field(witness.function(name), "memory")),
        costs,
        number_argument(spec.args, "bound_pct", 10.0),
        int(function.out_of_memory_below_mb),
    )
