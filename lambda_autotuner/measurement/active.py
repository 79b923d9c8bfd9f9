"""`tune`: size a function by invoking it, and leave the account as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lambda_autotuner.aws.configuration import LATEST
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal.locks import BusyError
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement.beginning import Beginning
from lambda_autotuner.measurement.cleanup import Sleep
from lambda_autotuner.measurement.copying import copy_stage
from lambda_autotuner.measurement.journalling import Steps
from lambda_autotuner.measurement.options import Confirm, OnProgress, Options, Preview
from lambda_autotuner.measurement.passive import not_applicable, sized
from lambda_autotuner.measurement.payloads import EMPTY_EVENT, PayloadMix
from lambda_autotuner.measurement.previewing import preview as preview_of
from lambda_autotuner.measurement.repairing import lock_name, undo_open
from lambda_autotuner.measurement.results import Sized
from lambda_autotuner.measurement.searching import Run
from lambda_autotuner.measurement.stage import Stage, version_stage
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.background import Background, read_background
from lambda_autotuner.sizing.choices import Choices


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
    options = options or Options()
    mix = payloads or PayloadMix([EMPTY_EVENT], seed=options.seed)
    return preview_of(
        account, Beginning(background, choices, options, choices.rates(account.region), mix)
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
        beginning = Beginning(background, choices, options, rates, mix)
        # What it will cost is worked out for somebody who is asked.
        plan = preview_of(account, beginning, priced=confirm is not None and not options.agreed)
        _agree(plan, options, confirm)
        run_id = journal.new_run()
        _record(journal, account, name, "measurement.started", run_id, plan.to_dict())
        run = Run(account, beginning, on_progress, sleep, clock)
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
