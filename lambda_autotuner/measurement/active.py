"""`tune`: size a function by invoking it, and leave the account as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from lambda_autotuner.aws.configuration import LATEST
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal.locks import BusyError
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement.cleanup import Sleep
from lambda_autotuner.measurement.copying import copy_stage
from lambda_autotuner.measurement.invoker import Invoker
from lambda_autotuner.measurement.journalling import Steps
from lambda_autotuner.measurement.options import Confirm, OnProgress, Options, Preview, Progress
from lambda_autotuner.measurement.passive import not_applicable, sized
from lambda_autotuner.measurement.payloads import EMPTY_EVENT, PayloadMix
from lambda_autotuner.measurement.previewing import preview as preview_of
from lambda_autotuner.measurement.previewing import worst_at_usd
from lambda_autotuner.measurement.repairing import lock_name, undo_open
from lambda_autotuner.measurement.results import Sized
from lambda_autotuner.measurement.stage import SizeRefusedError, Stage, version_stage
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.background import Background, read_background
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


def preview(
    account: Account,
    function: str,
    *,
    settings: Settings | None = None,
    choices: Choices | None = None,
    qualifier: str | None = None,
    payloads: PayloadMix | None = None,
    options: Options | None = None,
) -> Preview:
    """What `tune` would do and cost, without changing or invoking anything.

    Raises:
        MissingError: no such function or qualifier.
        AwsError: not allowed, or the account could not be asked.
    """
    choices = choices or Choices.from_settings(settings or Settings())
    background = read_background(account, function, choices, qualifier=qualifier)
    if not background.applicability.applies:
        raise RefusedError(background.applicability.reason)
    return preview_of(
        account,
        background,
        choices,
        options or Options(),
        payloads or PayloadMix([EMPTY_EVENT]),
        choices.rates(account.region),
    )


def tune(
    account: Account,
    journal: Journal,
    function: str,
    *,
    settings: Settings | None = None,
    choices: Choices | None = None,
    qualifier: str | None = None,
    payloads: PayloadMix | None = None,
    options: Options | None = None,
    confirm: Confirm | None = None,
    on_progress: OnProgress | None = None,
    sleep: Sleep = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Sized:
    """Size a function by invoking it at as few memory sizes as settle the question.

    Args:
        account: where the function is.
        journal: gets every step before it is done.
        function: name, `name:qualifier` or ARN.
        settings: what to look for, unless `choices` says so.
        choices: what to look for.
        qualifier: version or alias; without one, whatever carries the traffic.
        payloads: what to invoke with; an empty event without it.
        options: how to measure.
        confirm: asked once, with what is about to happen; without it, `options.agreed` decides
            where side effects are likely.
        on_progress: told what was measured and learned after every step.
        sleep: how to wait.
        clock: seconds of wall-clock time.

    Raises:
        MissingError: no such function (with the nearest names) or qualifier.
        RefusedError: it cannot be measured safely as asked, or nobody agreed.
        AwsError: not allowed, or the account failed; everything is restored all the same, now or
            by the next command.
    """
    choices = choices or Choices.from_settings(settings or Settings())
    options = options or Options()
    mix = payloads or PayloadMix([EMPTY_EVENT], seed=options.seed)
    background = read_background(account, function, choices, qualifier=qualifier)
    rates = choices.rates(account.region)
    if not background.applicability.applies:
        return sized(background, not_applicable(background, choices), rates)
    name = background.configuration.name
    with _only_one(journal, account, name):
        undo_open(account, journal, name, sleep=sleep)
        plan = preview_of(account, background, choices, options, mix, rates)
        _agree(plan, options, confirm)
        run_id = journal.new_run()
        _record(journal, account, name, "measurement.started", run_id, plan.to_dict())
        run = _Run(account, background, choices, options, rates, mix, on_progress, sleep, clock)
        steps = Steps(account, journal, run_id, name)
        try:
            with journal.hold_run(run_id), _stage(steps, background, options, sleep) as stage:
                answer = run.search_on(stage)
        finally:
            # Whatever an interrupted step left between its journal entry and its block.
            undo_open(account, journal, name, sleep=sleep)
        result = run.result(answer)
        _record(journal, account, name, "measurement.finished", run_id, _summary(result))
    return result


@contextmanager
def _only_one(journal: Journal, account: Account, function: str) -> Iterator[None]:
    try:
        with journal.hold(lock_name(account, function)):
            yield
    except BusyError as error:
        raise RefusedError(
            f"{function} is being measured by another command.",
            remedy="Wait until that one has ended.",
        ) from error


def _agree(plan: Preview, options: Options, confirm: Confirm | None) -> None:
    if plan.refusal:
        raise RefusedError(plan.refusal, remedy=plan.remedy)
    if options.agreed:
        return
    if confirm is not None:
        if not confirm(plan):
            raise RefusedError("Nobody agreed to invoking it, so nothing was changed or invoked.")
        return
    if plan.side_effects:
        raise RefusedError(
            f"Invoking {plan.function} may change something outside it: "
            f"{'; '.join(item.evidence for item in plan.side_effects)}.",
            remedy="Agree with --yes when the payload is harmless.",
        )


@contextmanager
def _stage(steps: Steps, background: Background, options: Options, sleep: Sleep) -> Iterator[Stage]:
    account = steps.account
    if options.where == "copy":
        with copy_stage(account, steps, background.qualifier, sleep=sleep) as stage:
            yield stage
        return
    latest = background.configuration
    if latest.version != LATEST:
        latest = get_function(account, latest.name)
    with version_stage(account, steps, latest, sleep=sleep) as stage:
        yield stage


def _record(
    journal: Journal,
    account: Account,
    function: str,
    kind: str,
    run_id: str,
    data: Mapping[str, object],
) -> None:
    journal.record(
        kind,
        account_id=account.account_id,
        region=account.region,
        function=function,
        data={"run_id": run_id, **data},
    )


def _summary(result: Sized) -> dict[str, object]:
    answer = result.answer
    return {
        "kind": answer.kind,
        "verdict": result.verdict,
        "invocations": answer.measurement.invocations,
        "cost_usd": answer.measurement.cost_usd,
    }


@dataclass
class _Run:
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
        floor = memory_floor(self.background.evidence, self.background.workload.memory_headroom)
        sizes = tuple(m for m in space.sizes_mb if m >= floor.memory_mb)
        if not sizes or len(sizes) == len(space.sizes_mb):
            return space
        self.notes.append(f"Sizes below {sizes[0]} MB are left out: {floor.reason}")
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
