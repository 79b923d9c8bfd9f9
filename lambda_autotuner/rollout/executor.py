"""Carrying out steps: written down before, retried where that is safe, undone where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.journal import Journal
from lambda_autotuner.journal.locks import function_lock
from lambda_autotuner.rollout.plan import Plan
from lambda_autotuner.rollout.snapshot import Difference
from lambda_autotuner.rollout.steps import (
    ConflictError,
    Context,
    Position,
    SettleError,
    Step,
    Where,
    is_final,
)
from lambda_autotuner.rollout.traffic_steps import undo_steps
from mlflow_integration import create_trace_context
from mlflow_integration.masking import mask_text

Progress = Callable[[str], None]
ATTEMPTS = 6
_FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 10.0
# How long a call whose sender died may still be on its way before it counts as not sent.
_GRACE_SECONDS = 2.0
_SNAPSHOT_SECONDS = 900.0


@dataclass
class Worker:
    """What carrying out needs: where, for which plan, and who is told."""

    context: Context
    journal: Journal
    progress: Progress

    @property
    def plan(self) -> Plan:
        """The plan at hand."""
        return self.context.plan


def lock_of(plan: Plan) -> str:
    """The name of the lock that whoever carries this plan out holds."""
    return function_lock(plan.account_id, plan.region, plan.function)


def make_worker(
    account: Account,
    journal: Journal,
    plan: Plan,
    *,
    settle_seconds: float,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Worker:
    """A worker that knows what earlier runs of the same plan wrote down."""
    if "PublishedVersions" in {plan.snapshot["snapstart"], plan.after.get("snapstart")}:
        # A version with SnapStart is ready only when its snapshot is: that takes minutes.
        settle_seconds = max(settle_seconds, _SNAPSHOT_SECONDS)
    context = Context(account, plan, settle_seconds=settle_seconds, sleep=sleep)
    for action in journal.actions(plan.id):
        if action.step == "publish" and action.data.get("reused"):
            context.reused_version = str(action.data["version"])
        if action.step == "publish" and action.data.get("kept"):
            context.kept_version = str(action.data["kept"])
    return Worker(context, journal, progress or (lambda _: None))


def do_step(worker: Worker, step: Step, phase: str) -> None:
    """Take one step forward, however often it has to be sent; done at once when it is done already.

    Raises:
        ConflictError: somebody else changed what the step is about.
        SettleError: Lambda could not carry it out.
        AwsError: the account refuses, or does not answer for too long.
    """
    _drive(worker, step, phase, undo=False)
    step.verify(worker.context)


def undo_step(worker: Worker, step: Step, phase: str) -> None:
    """Take one step back; nothing when it was never taken.

    Raises:
        ConflictError: somebody else changed what the step is about.
        AwsError: the account refuses, or does not answer for too long.
    """
    _drive(worker, step, phase, undo=True)


def _drive(worker: Worker, step: Step, phase: str, *, undo: bool) -> None:
    wanted = Where.BEFORE if undo else Where.AFTER
    backoff = _FIRST_BACKOFF_SECONDS
    last: AutotunerError | None = None
    for _ in range(ATTEMPTS):
        position = step.position(worker.context)
        if position.where is wanted:
            return
        if position.where is Where.FOREIGN:
            raise ConflictError(worker.plan, position.found)
        try:
            _send(worker, step, phase, position, undo=undo)
        except AwsError as error:
            if is_final(error):
                raise
            last = error
            worker.progress(f"{step.name}: {error.code}, looking again")
            worker.context.sleep(backoff)
            backoff = min(_LONGEST_BACKOFF_SECONDS, backoff * 2)
            continue
        last = SettleError(f"{step.name} of plan {worker.plan.id} did not take effect.")
        worker.context.sleep(0 if backoff == _FIRST_BACKOFF_SECONDS else backoff)
        backoff = min(_LONGEST_BACKOFF_SECONDS, backoff * 2)
    if step.position(worker.context).where is wanted:
        return
    raise last or SettleError(f"{step.name} of plan {worker.plan.id} did not take effect.")


def _send(worker: Worker, step: Step, phase: str, position: Position, *, undo: bool) -> None:
    """One attempt, between its two journal records, while the function's lock is held for sure."""
    request = step.request(worker.context, position, undo=undo)
    operation = step.undo_operation if undo else step.operation
    action = worker.journal.begin_action(
        worker.plan.id, phase, step.name, f"lambda:{operation}", step.shown(request)
    )
    worker.progress(f"{'undoing ' if undo else ''}{step.name}: lambda:{operation}")
    try:
        with create_trace_context(
            name=f"rollout.{phase}.{step.name}",
            span_type="TOOL",
            inputs={"operation": f"lambda:{operation}", "request": step.shown(request)},
            attributes={"plan_id": worker.plan.id},
        ) as span:
            worker.journal.refuse_unheld(lock_of(worker.plan))
            result = step.run(worker.context, request, undo=undo)
            span.set_outputs(result)
    except AutotunerError as error:
        ambiguous = isinstance(error, AwsError) and error.ambiguous
        worker.journal.end_action(
            action, "unknown" if ambiguous else "failed", {"error": mask_text(error.message)}
        )
        if undo and isinstance(error, MissingError):
            return
        raise
    worker.journal.end_action(action, "done", result)


def do_all(worker: Worker, steps: Sequence[Step], phase: str) -> None:
    """Take steps in order; the first that fails ends it (undoing is the caller's)."""
    for step in steps:
        do_step(worker, step, phase)


def undo_all(worker: Worker, phase: str) -> None:
    """Go back to exactly what stood before the plan.

    Looks at everything before it touches anything: when somebody else changed the function
    since, nothing is undone.

    Raises:
        ConflictError: with the differences.
        AwsError: the account refuses, or does not answer for too long.
    """
    refuse_foreign(worker)
    for step in undo_steps(worker.plan):
        undo_step(worker, step, phase)


def refuse_foreign(worker: Worker) -> None:
    """Refuse to go on where somebody else changed what the plan is about.

    Raises:
        ConflictError: with the differences.
    """
    found = [item for it in positions_of(worker, undo_steps(worker.plan)) for item in it.found]
    if found:
        raise ConflictError(worker.plan, tuple(found))


def undo_own(worker: Worker, phase: str) -> None:
    """Go back as far as nobody else is concerned.

    For changes that have to be undone although somebody else changed the function meanwhile:
    traffic goes back and the plan's version is deleted, and what somebody else changed stays.

    Raises:
        ConflictError: with what was left alone; everything else is undone.
        AwsError: the account refuses, or does not answer for too long.
    """
    left: list[Difference] = []
    for step in undo_steps(worker.plan):
        try:
            undo_step(worker, step, phase)
        except ConflictError as conflict:
            left += [item for item in conflict.found if item not in left]
    if left:
        raise ConflictError(worker.plan, tuple(left), undone=True)


def positions_of(worker: Worker, steps: Sequence[Step]) -> list[Position]:
    """Where the account stands, step by step."""
    return [step.position(worker.context) for step in steps]


def wait_for_stray_calls(worker: Worker, steps: Sequence[Step]) -> None:
    """Give a call whose sender died the time to arrive, when the journal knows of one."""
    actions = worker.journal.actions(worker.plan.id)
    open_steps = {action.step for action in actions if action.outcome in {None, "unknown"}}
    if not open_steps:
        return
    waited, pause = 0.0, 0.1
    watched = [step for step in steps if step.name in open_steps]
    first = [position.where for position in positions_of(worker, watched)]
    while waited < _GRACE_SECONDS:
        worker.context.sleep(pause)
        waited += pause
        pause *= 2
        if [position.where for position in positions_of(worker, watched)] != first:
            return


def dry_run(worker: Worker, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The exact calls that the steps would make; what only a call can tell stands in brackets."""
    calls: list[dict[str, Any]] = []
    for step in steps:
        position = step.position(worker.context)
        if position.where is Where.AFTER:
            continue
        if not position.detail.get("version"):
            detail = {**position.detail, "version": "<the published version>"}
            position = Position(position.where, position.revision_id, position.found, detail)
        request = dict(step.shown(step.request(worker.context, position, undo=False)))
        if calls and step.name in {"architecture", "publish"} and "RevisionId" in request:
            request["RevisionId"] = "<the revision after the call before>"
        calls.append({"operation": f"lambda:{step.operation}", "request": request})
    return calls
