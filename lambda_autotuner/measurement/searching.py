"""One search against one stage: ask, measure, tell, until the search has had enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lambda_autotuner.aws.session import Account
from lambda_autotuner.measurement.beginning import Beginning, production_floor
from lambda_autotuner.measurement.cleanup import Sleep
from lambda_autotuner.measurement.invoker import Invoker
from lambda_autotuner.measurement.options import OnProgress, Progress
from lambda_autotuner.measurement.passive import sized
from lambda_autotuner.measurement.results import Sized
from lambda_autotuner.measurement.stage import SizeRefusedError, Stage
from lambda_autotuner.tuning.evidence import Configuration, Outcome, Sample
from lambda_autotuner.tuning.recommendation import (
    MEMORY_FLOOR,
    Constraint,
    Infeasible,
    Recommendation,
    Settled,
)
from lambda_autotuner.tuning.search import Probe
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import Architecture

_ERRORS_TO_GIVE_UP = 3
_SAID = 160
_LATE_SIZES = 2


@dataclass
class Run:
    """One search against one stage."""

    account: Account
    beginning: Beginning
    on_progress: OnProgress | None
    sleep: Sleep
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.invoker = Invoker(self.account, self.beginning.mix, self.beginning.options, self.sleep)
        space, left_out = self.beginning.space()
        self.notes: list[str] = [left_out] if left_out else []
        self.search = self.beginning.search(space)

    def search_on(self, stage: Stage) -> Recommendation:
        """Ask, measure and tell until the search has had enough."""
        told: list[Sample] = []
        for note in self.notes:
            self._say(Progress(note))
        anchor = self.beginning.anchor()
        while isinstance(probe := anchor or self.search.ask(), Probe):
            anchor = None
            where = Configuration(probe.memory_mb, probe.architecture)
            count = self.beginning.affordable(self.search, where, probe.invocations)
            if count == 0:
                self.notes.append(
                    f"One more invocation at {where} could cost more than is left of "
                    f"${self.beginning.choices.max_cost_usd:g}."
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
        self.search = self.beginning.search(Space(sizes, self.search.space.architectures), told)

    def _payload_fails(self, told: list[Sample]) -> bool:
        """Whether the function itself rejects what it is given, whatever the size."""
        errors = sum(sample.outcome is Outcome.ERROR for sample in told)
        return errors >= _ERRORS_TO_GIVE_UP and errors == len(told)

    def _answer(self, told: list[Sample]) -> Recommendation:
        answer = self.search.recommendation()
        notes = (*self.notes, *answer.notes)
        if self.invoker.throttled:
            notes += (f"{self.invoker.throttled} requests were throttled and sent again.",)
        errors = sum(sample.outcome is Outcome.ERROR for sample in told)
        said = self.invoker.errors[-1] if self.invoker.errors else "no message"
        if 0 < errors < len(told):
            first, *_ = said.splitlines() or [said]
            notes += (
                f"{errors} of {len(told)} invocations failed, the last with {first[:_SAID]}; the others count.",
            )
        limits = tuple(self._limit(item) for item in answer.constraints)
        answer = replace(answer, notes=notes, constraints=limits)
        if isinstance(answer, Infeasible) and (text := self._always_late(told)):
            answer = replace(answer, violated=(*answer.violated, text))
        if told and errors == len(told):
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

    def _always_late(self, told: list[Sample]) -> str:
        """What to do where memory does not help against the timeout; empty where it may."""
        late = {s.memory_mb for s in told if s.outcome is Outcome.TIMEOUT}
        if len(late) < _LATE_SIZES or max(late) < max(s.memory_mb for s in told):
            return ""
        seconds = self.beginning.background.configuration.timeout_seconds
        return (
            f"It runs into its timeout of {seconds} s at sizes from {min(late)} to {max(late)} MB, so "
            "memory is not what it lacks: find out what it waits for, or raise the timeout, and "
            "measure again."
        )

    def _limit(self, limit: Constraint) -> Constraint:
        """Our events show what they need themselves; where production needs more, that counts."""
        floor_mb, reason = production_floor(self.beginning.background)
        if limit.name != MEMORY_FLOOR or floor_mb <= limit.limit or limit.value is None:
            return limit
        return replace(limit, limit=floor_mb, met=limit.value >= floor_mb, reason=reason)

    def result(self, answer: Recommendation) -> Sized:
        """The answer together with everything that was seen."""
        background = replace(self.beginning.background, evidence=self.search.evidence)
        return replace(sized(background, answer, self.beginning.rates), active=True)

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
                self.beginning.choices.max_invocations,
                self.search.spent_usd,
                leader,
                regret,
            )
        )

    def _say(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)


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
