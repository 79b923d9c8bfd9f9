"""One search against one stage: ask, measure, tell, until the search has had enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lambda_autotuner.aws.session import Account
from lambda_autotuner.measurement.cleanup import Sleep
from lambda_autotuner.measurement.invoker import Invoker
from lambda_autotuner.measurement.options import OnProgress, Options, Progress
from lambda_autotuner.measurement.passive import sized
from lambda_autotuner.measurement.payloads import PayloadMix
from lambda_autotuner.measurement.previewing import worst_at_usd
from lambda_autotuner.measurement.results import Sized
from lambda_autotuner.measurement.stage import SizeRefusedError, Stage
from lambda_autotuner.sizing.background import Background
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, Sample
from lambda_autotuner.tuning.observation import memory_floor
from lambda_autotuner.tuning.pricing import Rates
from lambda_autotuner.tuning.recommendation import Infeasible, Recommendation, Settled
from lambda_autotuner.tuning.search import Budget, Probe, Search
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import Architecture

_ERRORS_TO_GIVE_UP = 3


@dataclass
class Run:
    """One search against one stage."""

    account: Account
    background: Background
    choices: Choices
    options: Options
    rates: Mapping[Architecture, Rates]
    mix: PayloadMix
    on_progress: OnProgress | None
    sleep: Sleep
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.invoker = Invoker(self.account, self.mix, self.options, self.sleep)
        self.notes: list[str] = []
        self.search = self._search(self._space(), [])

    def _space(self) -> Space:
        """The allowed sizes that hold what production uses, whatever our own events need."""
        space = self.choices.space_for(self.background.current)
        floor_mb, reason = production_floor(self.background)
        sizes = tuple(m for m in space.sizes_mb if m >= floor_mb)
        if not sizes or len(sizes) == len(space.sizes_mb):
            return space
        self.notes.append(f"Sizes below {sizes[0]} MB are left out: {reason}")
        return Space(sizes, space.architectures)

    def _search(self, space: Space, told: list[Sample]) -> Search:
        wanted = self.options.use_telemetry
        counts = self.mix.recorded if wanted is None else wanted
        known = self.background.evidence if counts else Evidence()
        search = Search(
            space,
            self.choices.objective,
            self.rates,
            np.random.default_rng(self.options.seed),
            budget=Budget(
                invocations=self.choices.max_invocations,
                cost_usd=self.choices.max_cost_usd,
                seconds=self.choices.max_seconds,
                # What measuring costs is limited in dollars, which a person can weigh.
                relative_cost=None,
            ),
            current=self.background.current,
            evidence=known,
            workload=self.background.workload,
            policy=Policy(
                tolerance_pct=self.choices.tolerance_pct, confidence=self.choices.confidence
            ),
        )
        if told:
            search.tell(told)
        return search

    def search_on(self, stage: Stage) -> Recommendation:
        """Ask, measure and tell until the search has had enough."""
        told: list[Sample] = []
        for note in self.notes:
            self._say(Progress(note))
        while isinstance(probe := self.search.ask(), Probe):
            where = Configuration(probe.memory_mb, probe.architecture)
            count = self._affordable(where, probe.invocations)
            if count == 0:
                self.notes.append(
                    f"One more invocation at {where} could cost more than is left of "
                    f"${self.choices.max_cost_usd:g}."
                )
                break
            start = self.clock()
            try:
                place = stage.place(where)
            except SizeRefusedError as error:
                self._shrink(error, where, told)
                continue
            samples = self.invoker.measure(where, place, count)
            told += samples
            self.search.tell(samples, seconds=max(0.0, self.clock() - start))
            self._tell(where, tuple(samples))
            if self._payload_fails(told):
                break
        return self._answer(told)

    def _affordable(self, where: Configuration, invocations: int) -> int:
        """How many invocations fit into the budgets even if each runs into its timeout."""
        left_usd = self.choices.max_cost_usd - self.search.spent_usd
        worst = worst_at_usd(where, self.background, self.rates)
        left = self.choices.max_invocations - self.search.spent_invocations
        return max(0, min(invocations, left, int(left_usd / worst)))

    def _shrink(self, error: SizeRefusedError, where: Configuration, told: list[Sample]) -> None:
        """Go on below the size that the account refuses.

        Raises:
            SizeRefusedError: nothing is left below it.
        """
        limit = error.maximum_mb or where.memory_mb - 1
        sizes = tuple(m for m in self.search.space.sizes_mb if m <= limit)
        if not sizes:
            raise error
        self.notes.append(f"The account allows no more than {limit} MB, so that is where it ends.")
        self._say(Progress(self.notes[-1]))
        self.search = self._search(Space(sizes, self.search.space.architectures), told)

    def _payload_fails(self, told: list[Sample]) -> bool:
        """Whether the function itself rejects what it is given, whatever the size."""
        errors = sum(sample.outcome is Outcome.ERROR for sample in told)
        return errors >= _ERRORS_TO_GIVE_UP and errors == len(told)

    def _answer(self, told: list[Sample]) -> Recommendation:
        answer = self.search.recommendation()
        notes = (*self.notes, *answer.notes)
        if self.invoker.throttled:
            notes += (f"{self.invoker.throttled} requests were throttled and sent again.",)
        answer = replace(answer, notes=notes)
        if told and all(sample.outcome is Outcome.ERROR for sample in told):
            said = self.invoker.errors[-1] if self.invoker.errors else "no message"
            failing = (
                f"The function failed in all {len(told)} invocations, so its duration means "
                f"nothing. It said: {said}. Give it an event that it accepts (--payload)."
            )
            answer = Infeasible(
                objective=answer.objective,
                confidence=answer.confidence,
                notes=notes,
                measurement=answer.measurement,
                violated=(failing,),
            )
        return answer

    def result(self, answer: Recommendation) -> Sized:
        """The answer together with everything that was seen."""
        background = replace(self.background, evidence=self.search.evidence)
        return replace(sized(background, answer, self.rates), active=True)

    def _tell(self, where: Configuration, samples: tuple[Sample, ...]) -> None:
        if self.on_progress is None:
            return
        answer = self.search.recommendation()
        leader, regret = None, None
        if isinstance(answer, Settled):
            name: Architecture = "arm64" if answer.proposed.architecture == "arm64" else "x86_64"
            leader = Configuration(answer.proposed.memory_mb, name)
            regret = answer.expected_regret_pct
        self._say(
            Progress(
                _words(where, samples),
                where,
                samples,
                self.search.spent_invocations,
                self.choices.max_invocations,
                self.search.spent_usd,
                leader,
                regret,
            )
        )

    def _say(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)


def production_floor(background: Background) -> tuple[int, str]:
    """The smallest size in MB that production's own memory use allows, and why.

    Our events show what they need themselves, not what production's largest need. Where
    production ran out of memory, and no larger size shows how much it takes, twice that size is
    the least that is worth trying.
    """
    evidence = background.evidence
    floor = memory_floor(evidence, background.workload.memory_headroom)
    crashed = max(
        (s.configuration.memory_mb for s in evidence.summaries() if s.out_of_memory), default=0
    )
    larger = any(s.succeeded and s.configuration.memory_mb > crashed for s in evidence.summaries())
    if crashed and not larger:
        return 2 * crashed, f"Production ran out of memory at {crashed} MB."
    return floor.memory_mb, floor.reason


def _words(where: Configuration, samples: tuple[Sample, ...]) -> str:
    parts = []
    for sample in samples:
        text = f"{sample.duration_ms:,.0f} ms"
        if sample.outcome is not Outcome.OK:
            text = f"{sample.outcome.replace('_', ' ')} after {text}"
        elif sample.init_ms is not None:
            text += f" (cold, init {sample.init_ms:,.0f} ms)"
        parts.append(text)
    return f"{where}: {', '.join(parts)}"
