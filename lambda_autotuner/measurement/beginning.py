"""How a measurement begins: where it may look, what it knows already, and what it may spend.

The measurement itself and the forecast of its price begin alike, so that the one says what the
other will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lambda_autotuner.measurement.options import Options
from lambda_autotuner.measurement.payloads import PayloadMix
from lambda_autotuner.sizing.background import Background
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Sample
from lambda_autotuner.tuning.objective import CostUnderSlo
from lambda_autotuner.tuning.observation import floor_of_the_spread, memory_floor
from lambda_autotuner.tuning.pricing import Rates, invocation_cost_usd
from lambda_autotuner.tuning.search import Budget, Probe, Search
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import MS_PER_SECOND, Architecture
from lambda_autotuner.tuning.workload import Workload

# One cold invocation and two warm ones.
_ANCHORS = 3
_LONGEST_INIT_MS = 10_000.0
"""INIT may take 10 s before Lambda starts it again inside the invocation (AWS documentation)."""


@dataclass(frozen=True)
class Beginning:
    """Everything that a search of one function starts from."""

    background: Background
    choices: Choices
    options: Options
    rates: Mapping[Architecture, Rates]
    mix: PayloadMix

    def space(self) -> tuple[Space, str]:
        """The allowed sizes that hold what production uses, and what was left out and why.

        Our own events may need less than production's largest.
        """
        space = self.choices.space_for(self.background.current)
        floor_mb, reason = production_floor(self.background)
        sizes = tuple(m for m in space.sizes_mb if m >= floor_mb)
        if not sizes or len(sizes) == len(space.sizes_mb):
            return space, ""
        note = f"Sizes below {sizes[0]} MB are left out: {reason}"
        return Space(sizes, space.architectures), note

    def search(
        self, space: Space, told: Iterable[Sample] = (), *, seed: int | None = None
    ) -> Search:
        """A search over a space that was told some samples already."""
        wanted = self.options.use_telemetry
        counts = self.mix.recorded if wanted is None else wanted
        search = Search(
            space,
            self.choices.objective,
            self.rates,
            np.random.default_rng(self.options.seed if seed is None else seed),
            budget=Budget(
                invocations=self.choices.max_invocations,
                cost_usd=self.choices.max_cost_usd,
                seconds=self.choices.max_seconds,
                # What measuring costs is limited in dollars, which a person can weigh.
                relative_cost=None,
            ),
            current=self.background.current,
            evidence=self.background.evidence if counts else Evidence(),
            workload=self.workload(),
            policy=Policy(
                tolerance_pct=self.choices.tolerance_pct, confidence=self.choices.confidence
            ),
        )
        before = list(told)
        if before:
            search.tell(before)
        return search

    def workload(self) -> Workload:
        """How the function is used, the mix of our events included."""
        shares = tuple(self.mix.shares.items()) if len(self.mix) > 1 else ()
        return replace(self.background.workload, payload_shares=shares)

    def anchor(self) -> Probe | None:
        """What to measure before anything else: today's size, where an SLO is at stake.

        Production's percentile there and our events' mean there tie the two together; without
        it, an SLO would be judged on whatever our events happen to weigh.
        """
        workload, current = self.background.workload, self.background.current
        if not isinstance(self.choices.objective, CostUnderSlo) or not workload.production_ms:
            return None
        if _ANCHORS * self.worst_at_usd(current) > self.choices.max_cost_usd:
            return None
        return Probe(current.memory_mb, current.architecture, _ANCHORS)

    def affordable(self, search: Search, where: Configuration, invocations: int) -> int:
        """How many invocations fit into the budgets even if each runs into its timeout."""
        left_usd = self.choices.max_cost_usd - search.spent_usd
        left = self.choices.max_invocations - search.spent_invocations
        return max(0, min(invocations, left, int(left_usd / self.worst_at_usd(where))))

    def worst_usd(self, space: Space) -> float:
        """The most that one invocation anywhere in a space can cost, in dollars."""
        return max(
            self.worst_at_usd(Configuration(space.sizes_mb[-1], name))
            for name in space.architectures
        )

    def worst_at_usd(self, where: Configuration) -> float:
        """The most that one invocation can cost: it runs into its timeout after the longest INIT."""
        configuration = self.background.configuration
        return invocation_cost_usd(
            configuration.timeout_seconds * MS_PER_SECOND + _LONGEST_INIT_MS,
            where.memory_mb,
            self.rates[where.architecture],
            ephemeral_mb=configuration.ephemeral_storage_mb,
        )


def production_floor(background: Background) -> tuple[int, str]:
    """The smallest size in MB that production's own memory use allows, and why.

    Our events show what they need themselves, not what production's largest need. Where
    production ran out of memory, and neither a larger size nor the spread over many invocations
    shows how much it takes, twice that size is the least that is worth trying.
    """
    evidence = background.evidence
    floor = memory_floor(evidence, background.workload.memory_headroom)
    crashed = max(
        (s.configuration.memory_mb for s in evidence.summaries() if s.out_of_memory), default=0
    )
    larger = any(s.succeeded and s.configuration.memory_mb > crashed for s in evidence.summaries())
    if crashed and not larger and floor_of_the_spread(evidence) is None:
        return 2 * crashed, f"Production ran out of memory at {crashed} MB."
    return floor.memory_mb, floor.reason
