"""Which configuration to measure next, how often, and when to stop.

Ask and tell: the search never invokes, sleeps, prints or reads a clock. `ask` returns the probe
that is expected to save most for its share of the budget (the knowledge gradient), or why to stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.decision import Decision, Policy, choose, decide, leaning
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, Sample
from lambda_autotuner.tuning.failures import failing, nothing_ended_well
from lambda_autotuner.tuning.gradient import knowledge_gradient
from lambda_autotuner.tuning.lateness import meets_slo
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import CostUnderSlo, Objective
from lambda_autotuner.tuning.pricing import FULL_PERCENT, Rates, invocation_cost_usd
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.recommendation import Change, Recommendation
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.timeouts import Unproven, unproven
from lambda_autotuner.tuning.units import Architecture, architecture_name, finite
from lambda_autotuner.tuning.verdict import conclude, withheld
from lambda_autotuner.tuning.workload import Workload

_MAXIMUM_THROTTLED = 10
_FAILED_SIZES_TO_GIVE_UP = 4
_ENOUGH_AT_ONE_SIZE = 10
_ERRORS_TO_GIVE_UP = 6


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may spend. None is no limit.

    Attributes:
        invocations: Invocations, failed ones included.
        cost_usd: US dollars for invocations.
        seconds: Seconds of wall-clock time; the caller tells them with `tell(..., seconds=)`.
        relative_cost: Money in units of one invocation at the pick.
    """

    invocations: int | None = 25
    cost_usd: float | None = None
    seconds: float | None = None
    relative_cost: float | None = 28.0

    def __post_init__(self) -> None:
        for name in ("invocations", "cost_usd", "seconds", "relative_cost"):
            value = getattr(self, name)
            if value is not None:
                finite(name, value, minimum=0, exclusive=True)


@dataclass(frozen=True, slots=True)
class Probe:
    """Measure this configuration with so many warm invocations (cold ones come on top)."""

    memory_mb: int
    architecture: Architecture
    invocations: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Measuring is over.

    Attributes:
        reason: For a person.
        code: "settled", "invocations", "cost", "seconds", "not_worth_it", "failing", "throttled",
            "nothing_allowed".
    """

    reason: str
    code: str


class Search:
    """One search for the best configuration.

    Args:
        space: Where to look.
        objective: What to look for.
        rates: Prices of each architecture of the space.
        rng: Randomness; orders probes that are equally good.
        budget: What may be spent; evidence that is given does not count.
        current: The configuration in production, where there is one.
        evidence: What is known beforehand, from telemetry or an earlier search.
        workload: How the function is used.
        policy: How sure is sure enough.
        priors: Numbers learned once from data; the packaged ones by default.

    Raises:
        UsageError: There is no price for an architecture of the space.
    """

    def __init__(
        self,
        space: Space,
        objective: Objective,
        rates: Mapping[Architecture, Rates],
        rng: np.random.Generator,
        *,
        budget: Budget | None = None,
        current: Configuration | None = None,
        evidence: Evidence | None = None,
        workload: Workload | None = None,
        policy: Policy | None = None,
        priors: Priors | None = None,
    ) -> None:
        missing = [name for name in space.architectures if name not in rates]
        if missing:
            raise UsageError(f"No prices were given for {', '.join(missing)}.")
        self.space = space
        self.objective = objective
        self.budget = budget or Budget()
        self.current = current
        self.workload = workload or Workload()
        self.policy = policy or Policy()
        self._rates = rates
        self._rng = rng
        self._priors = priors
        self._evidence = evidence or Evidence()
        self._told: list[Sample] = []
        self._seconds = 0.0
        self._model: Model | None = None
        self._stopped: Stop | None = None

    @property
    def evidence(self) -> Evidence:
        """Everything known: what was given and what was told."""
        return self._evidence

    @property
    def spent_invocations(self) -> int:
        """Invocations told so far, without throttled ones."""
        return sum(s.outcome is not Outcome.THROTTLED for s in self._told)

    @property
    def spent_usd(self) -> float:
        """Price of the invocations told so far."""
        return sum(
            invocation_cost_usd(
                sample.charged_ms,
                sample.memory_mb,
                self._rates[sample.architecture],
                request_fee=self.workload.request_fee,
                ephemeral_mb=self.workload.ephemeral_mb,
            )
            for sample in self._told
            if sample.outcome is not Outcome.THROTTLED
        )

    @property
    def model(self) -> Model:
        """What the evidence says now; for a picture of the search under way."""
        if self._model is None:
            self._model = Model(self._evidence, self.workload, self._rates, self._priors)
        return self._model

    def tell(self, samples: Iterable[Sample], *, seconds: float = 0.0) -> None:
        """Add what was measured.

        Args:
            samples: Every invocation since the last call: cold, failed and throttled ones too.
            seconds: Wall-clock time that they took.

        Raises:
            UsageError: A sample's architecture has no price, or a number is not finite.
        """
        new = tuple(samples)
        for sample in new:
            if sample.architecture not in self._rates:
                raise UsageError(f"No prices were given for {sample.architecture}.")
        self._seconds += finite("seconds", seconds, minimum=0)
        self._told.extend(new)
        self._evidence = self._evidence.with_samples(new)
        self._model = None
        self._stopped = None

    def ask(self) -> Probe | Stop:
        """The next probe, or why to stop. Asking again without telling gives the same answer."""
        if self._stopped is None:
            answer = self._next()
            if isinstance(answer, Probe):
                return answer
            self._stopped = answer
        return self._stopped

    def recommendation(self, *, picture: bool = True) -> Recommendation:
        """What to do, from everything known; can be called at any time.

        Args:
            picture: Whether the answer carries the points of the curve and what would change it;
                without them it is several times faster, which progress after every `tell` may want.
        """
        answer = self.ask()
        found = conclude(
            self.model,
            self.space,
            self.objective,
            self.policy,
            current=self.current,
            spent=(self.spent_invocations, self.spent_usd),
            stopped=answer.reason if isinstance(answer, Stop) else None,
            picture=picture,
        )
        if isinstance(found, Change):
            proposed = found.proposed
            where = Configuration(proposed.memory_mb, architecture_name(proposed.architecture))
            lucky = self._lucky(where)
            return found if lucky is None else withheld(found, lucky)
        return found

    def _next(self) -> Probe | Stop:
        over = self._over_budget()
        if over is not None:
            return over
        if self.model.warm is None or not any(s.succeeded for s in self._evidence.summaries()):
            return self._first()
        again = self._warm_for_once()
        if again is not None:
            return again
        candidates = self._candidates()
        decision = decide(self.model, self.objective, candidates, self.policy)
        if decision is None:
            return self._rescue(candidates)
        return self._unproven(decision) or self._improve(decision)

    def _over_budget(self) -> Stop | None:
        budget = self.budget
        if budget.invocations is not None and self.spent_invocations >= budget.invocations:
            return Stop(f"The budget of {budget.invocations} invocations is used.", "invocations")
        if budget.cost_usd is not None and self.spent_usd >= budget.cost_usd:
            return Stop(f"The budget of ${budget.cost_usd:g} is used.", "cost")
        if budget.seconds is not None and self._seconds >= budget.seconds:
            return Stop(f"The budget of {budget.seconds:g} s is used.", "seconds")
        throttled = sum(s.outcome is Outcome.THROTTLED for s in self._told[-_MAXIMUM_THROTTLED:])
        if throttled >= _MAXIMUM_THROTTLED:
            return Stop(f"The last {throttled} invocations were throttled.", "throttled")
        return None

    def _candidates(self) -> tuple[Configuration, ...]:
        seen = [s.configuration.memory_mb for s in self._evidence.summaries()]
        if self.current is not None:
            seen.append(self.current.memory_mb)
        sizes = self.space.candidates(seen)
        return tuple(Configuration(m, a) for a in self.space.architectures for m in sizes)

    def _first(self) -> Probe | Stop:
        """Start at the smallest size that may run; climb while nothing succeeds."""
        tried = {s.configuration for s in self._evidence.summaries() if s.failed}
        if len(tried) >= _FAILED_SIZES_TO_GIVE_UP and not any(
            self._evidence.at(w.memory_mb, w.architecture).out_of_memory for w in tried
        ):
            return Stop(f"Every invocation failed, at {len(tried)} sizes.", "failing")
        climb = max((where.memory_mb for where in tried), default=0) * 2
        least = max(self.model.floor.triable_mb, climb)
        sizes = [m for m in self.space.sizes_mb if m >= least] or [self.space.sizes_mb[-1]]
        for architecture in self.space.architectures:
            where = Configuration(sizes[0], architecture)
            if where not in tried:
                return Probe(where.memory_mb, architecture, 1)
        return Stop("Every invocation failed, up to the largest allowed size.", "failing")

    def _warm_for_once(self) -> Probe | None:
        """The second invocation goes where the first one went, if that one was cold.

        A first invocation may take far longer than the next (`cold.py`). Until both are known at one size,
        all the others would be taken for what the function does whenever it is called. It is tried once:
        where the second one is cold as well no environment lives on, and where it fails the next may, too.
        """
        ran = [s for s in self._evidence.summaries() if s.succeeded]
        if len(ran) != 1 or not ran[0].cold_ms or ran[0].succeeded + ran[0].failed != 1:
            return None
        where = ran[0].configuration
        return Probe(where.memory_mb, where.architecture, 1)

    def _rescue(self, candidates: tuple[Configuration, ...]) -> Probe | Stop:
        """Nothing is known to meet the limits: measure what is likeliest to, before giving up."""
        chance = np.where(self.model.excluded(candidates), 0.0, 1.0)
        if isinstance(self.objective, CostUnderSlo):
            chance = chance * meets_slo(self.model, self.objective, candidates)
        best = candidates[int(np.argmax(chance))]
        likely = float(chance.max())
        if isinstance(self.objective, CostUnderSlo) and likely > 1 - self.policy.confidence:
            where = self._worth(leaning(self.model, candidates, int(np.argmax(chance))))
            if where is not None:
                return Probe(where.memory_mb, where.architecture, 1)
        seen = self._evidence.at(best.memory_mb, best.architecture)
        if likely > 1 - self.policy.confidence and seen.succeeded < _ENOUGH_AT_ONE_SIZE:
            return Probe(best.memory_mb, best.architecture, 1)
        largest = candidates[-1]
        summary = self._evidence.at(largest.memory_mb, largest.architecture)
        untried = summary.succeeded + summary.failed < self.policy.replicates
        if untried and largest not in failing(self._evidence):
            return Probe(largest.memory_mb, largest.architecture, 1)
        return Stop("No allowed size is likely to meet the limits.", "nothing_allowed")

    def _unproven(self, decision: Decision) -> Probe | None:
        """Halve the gap between a crash and the smallest size that ran, while it may pay."""
        floor = self.model.floor
        cost = decision.expected_cost
        limit = cost[decision.pick] * (1 - self.policy.tolerance_pct / FULL_PERCENT)
        gap = [
            where
            for index, where in enumerate(decision.configurations)
            if floor.triable_mb <= where.memory_mb < floor.memory_mb
            and where.architecture == decision.picked.architecture
            and cost[index] < limit
        ]
        if not gap:
            return None
        middle = gap[len(gap) // 2]
        return Probe(middle.memory_mb, middle.architecture, 1)

    def _improve(self, decision: Decision) -> Probe | Stop:
        pick = decision.picked
        left, money = self._invocations_left(), self._money(decision)
        affordable = money is None or float(decision.expected_cost[decision.pick]) <= money
        if decision.expected_loss * FULL_PERCENT <= self.policy.regret_pct:
            seen = self._evidence.at(pick.memory_mb, pick.architecture).succeeded
            if seen >= self.policy.replicates and self._lucky(pick) is None:
                unconfirmed = self._unconfirmed(decision) if affordable else None
                if unconfirmed is not None:
                    return unconfirmed
                loss = f"{decision.expected_loss:.2%}"
                return Stop(f"{pick} is expected to lose no more than {loss}.", "settled")
            if affordable:
                return self._once_more(pick)
        best = knowledge_gradient(
            self.model,
            self.objective,
            decision,
            money_usd=money,
            invocations=left,
            confidence=self.policy.confidence,
        )
        if best is None:
            return Stop("Nothing that is left to measure is affordable.", "cost")
        return self._once_more(decision.configurations[best.index])

    def _once_more(self, where: Configuration) -> Probe | Stop:
        """Measure a size once, unless it is where everything has failed so far, many times."""
        unseen = nothing_ended_well(self._evidence, where)
        errors = self._evidence.at(where.memory_mb, where.architecture).errors
        if unseen is not None and errors >= _ERRORS_TO_GIVE_UP:
            return Stop(unseen, "failing")
        return Probe(where.memory_mb, where.architecture, 1)

    def _lucky(self, pick: Configuration) -> Unproven | None:
        """Why the pick may only look good by luck, or never ended well, which more of it would show."""
        if pick == self.current:
            return None
        unseen = nothing_ended_well(self._evidence, pick)
        if unseen is not None:
            return Unproven(unseen, self._to_end_well())
        return unproven(self.model, pick, self.policy.confidence)

    def _to_end_well(self) -> int:
        """How many invocations it takes for as many to end well as are wanted of a pick."""
        errors = sum(sample.outcome is Outcome.ERROR for sample in self._told)
        well = sum(sample.outcome is Outcome.OK for sample in self._told)
        return math.ceil(self.policy.replicates * (well + errors + 1) / (well + 1))

    def _worth(self, decision: Decision) -> Configuration | None:
        """What to measure so that some size is known to meet the limit; None where nothing may."""
        best = knowledge_gradient(
            self.model,
            self.objective,
            decision,
            money_usd=self._money(decision),
            invocations=self._invocations_left(),
            confidence=self.policy.confidence,
        )
        return None if best is None else decision.configurations[best.index]

    def _unconfirmed(self, decision: Decision) -> Probe | None:
        """A size that a single invocation rules out: that one may have been an accident.

        What the others say without it decides whether it is worth a second one.
        """
        for summary in self._evidence.summaries():
            where = summary.configuration
            if summary.succeeded != 1 or summary.failed or where not in decision.configurations:
                continue
            others = Evidence(s for s in self._evidence if s.configuration != where)
            model = Model(others, self.workload, self._rates, self._priors)
            pair = (decision.picked, where)
            if model.warm is not None and choose(model, self.objective, pair, self.policy) == 1:
                return Probe(where.memory_mb, where.architecture, 1)
        return None

    def _invocations_left(self) -> int | None:
        if self.budget.invocations is None:
            return None
        return self.budget.invocations - self.spent_invocations

    def _money(self, decision: Decision) -> float | None:
        """US dollars that may still be spent."""
        limits = []
        if self.budget.cost_usd is not None:
            limits.append(self.budget.cost_usd)
        if self.budget.relative_cost is not None:
            limits.append(self.budget.relative_cost * float(decision.expected_cost[decision.pick]))
        return min(limits) - self.spent_usd if limits else None
