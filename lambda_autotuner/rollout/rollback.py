"""Back to exactly what stood before, and the finishing of what a killed command left open."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import AutotunerError, RefusedError
from lambda_autotuner.journal import BusyError, Journal, Transition
from lambda_autotuner.rollout.applying import Outcome, applied_state
from lambda_autotuner.rollout.executor import (
    Progress,
    Worker,
    lock_of,
    make_worker,
    positions_of,
    refuse_foreign,
    undo_all,
    undo_own,
    wait_for_stray_calls,
)
from lambda_autotuner.rollout.plan import DONE, UNSETTLED, WATCHED, Plan, State, read_plan
from lambda_autotuner.rollout.steps import ConflictError, Where
from lambda_autotuner.rollout.traffic_steps import apply_steps, promote_step
from lambda_autotuner.settings import Settings
from mlflow_integration.masking import mask_text


def roll_back(
    account: Account,
    journal: Journal,
    settings: Settings,
    plan_id: str,
    *,
    actor: str,
    reason: str = "",
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Undo an applied plan.

    Raises:
        UsageError: no such plan.
        ConflictError: somebody else changed the function since; nothing was touched.
        RefusedError: there is nothing to roll back.
        AwsError: the account refuses or does not answer; the next command goes on.
    """
    plan = read_plan(journal.get_plan(plan_id))
    refuse_elsewhere(account, plan)
    worker = make_worker(
        account,
        journal,
        plan,
        settle_seconds=settings.rollout.settle_timeout_seconds,
        progress=progress,
        sleep=sleep,
    )
    with journal.hold(lock_of(plan)):
        state = journal.state(plan.id)
        if state.state not in {*WATCHED, *DONE}:
            raise RefusedError(
                f"Plan {plan.id} is {state.state}: there is nothing to roll back.",
                remedy="`lambda-autotuner history` shows what happened to it.",
            )
        return roll_back_held(worker, state, actor, reason)


def roll_back_held(worker: Worker, state: Transition, actor: str, reason: str) -> Outcome:
    """Roll back while the function's lock is held.

    Raises:
        ConflictError: somebody else changed the function since; nothing was touched.
        AwsError: the account refuses or does not answer; the next command goes on.
    """
    plan, journal = worker.plan, worker.journal
    refuse_foreign(worker)
    data = {"reason": mask_text(reason)}
    state = journal.transition(plan.id, State.ROLLING_BACK, expected=state, actor=actor, data=data)
    undo_all(worker, "rollback")
    journal.transition(plan.id, State.ROLLED_BACK, expected=state, actor=actor, data=data)
    message = f"Rolled back: {plan.function} is as before.{kept_words(worker)}"
    return Outcome(plan, State.ROLLED_BACK, f"{message} {reason}".strip())


def give_up_held(worker: Worker, state: Transition, actor: str, reason: str) -> Outcome:
    """Undo a change that does harm although somebody else changed the function meanwhile.

    Traffic goes back to what served it before; what somebody else changed is left alone.

    Raises:
        AwsError: the account refuses or does not answer; the next command goes on.
    """
    plan, journal = worker.plan, worker.journal
    data: dict[str, Any] = {"reason": mask_text(reason)}
    state = journal.transition(plan.id, State.ROLLING_BACK, expected=state, actor=actor, data=data)
    try:
        undo_own(worker, "rollback")
    except ConflictError as conflict:
        data["found"] = [item.to_dict() for item in conflict.found]
        journal.transition(plan.id, State.CONFLICT, expected=state, actor=actor, data=data)
        return Outcome(plan, State.CONFLICT, f"{reason} {conflict.message}")
    journal.transition(plan.id, State.ROLLED_BACK, expected=state, actor=actor, data=data)
    return Outcome(plan, State.ROLLED_BACK, f"Rolled back: {plan.function} is as before. {reason}")


def kept_words(worker: Worker) -> str:
    """What is said about a version that could not be deleted."""
    kept = worker.context.kept_version
    if kept is None or kept == worker.context.reused_version:
        return ""
    return f" Its version {kept} stays, since somebody else uses it."


def refuse_elsewhere(account: Account, plan: Plan) -> None:
    """Refuse a plan for another account or region.

    Raises:
        RefusedError: this is not where the plan belongs.
    """
    here = (account.account_id, account.region)
    if here != (plan.account_id, plan.region):
        raise RefusedError(
            f"Plan {plan.id} is for account {plan.account_id} in {plan.region}; "
            f"this is {here[0]} in {here[1]}.",
            remedy="Choose the account with --account, --profile and --region.",
        )


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the look at an unfinished plan has found and done."""

    plan_id: str
    function: str
    was: str
    state: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {
            "plan_id": self.plan_id,
            "function": self.function,
            "was": self.was,
            "state": self.state,
            "message": self.message,
        }


def reconcile(
    account: Account,
    journal: Journal,
    settings: Settings,
    *,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Reconciled]:
    """Finish what commands that died left open in this account and region.

    An interrupted apply is undone unless all of its steps had been taken; an interrupted rollback
    goes on; an interrupted promotion counts as what the alias says. Plans that a living process
    is at work on are left alone, and so is everything while the account is read-only.

    Returns:
        What was found and done, plan by plan.
    """
    found = []
    for stored, state in journal.unsettled_plans():
        if (stored.account_id, stored.region) != (account.account_id, account.region):
            continue
        try:
            plan = read_plan(stored)
            with journal.hold(lock_of(plan)):
                now = journal.state(plan.id)
                if now.state not in UNSETTLED:
                    continue
                worker = make_worker(
                    account,
                    journal,
                    plan,
                    settle_seconds=settings.rollout.settle_timeout_seconds,
                    progress=progress,
                    sleep=sleep,
                )
                found.append(_reconcile_one(worker, now))
        except BusyError:
            continue
        except AutotunerError as error:
            message = f"could not be finished: {error}"
            found.append(Reconciled(stored.id, stored.function, state.state, state.state, message))
    return found


def _reconcile_one(worker: Worker, state: Transition) -> Reconciled:
    plan = worker.plan
    if not worker.context.account.writes_allowed:
        message = "was interrupted; the account is read-only, so that nothing is done about it"
        return Reconciled(plan.id, plan.function, state.state, state.state, message)
    wait_for_stray_calls(worker, apply_steps(plan))
    if state.state == State.PROMOTING:
        return settle_promotion(worker, state)
    if state.state == State.APPLYING:
        where = [position.where for position in positions_of(worker, apply_steps(plan))]
        if all(item is Where.AFTER for item in where):
            return _close(worker, state, applied_state(plan), "all its steps had been taken")
    reached = State.ROLLED_BACK if state.state == State.ROLLING_BACK else State.UNDONE
    try:
        undo_own(worker, "reconcile")
    except ConflictError as conflict:
        return _close(worker, state, State.CONFLICT, conflict.message)
    message = f"it was undone; everything is as before.{kept_words(worker)}"
    return _close(worker, state, reached, message.rstrip("."))


def settle_promotion(worker: Worker, state: Transition) -> Reconciled:
    """One call decides a promotion: it happened or it did not."""
    position = promote_step().position(worker.context)
    if position.where is Where.AFTER:
        return _close(worker, state, State.PROMOTED, "all traffic goes to the new version")
    if position.where is Where.BEFORE and position.detail.get("route") != _untouched(worker.plan):
        return _close(worker, state, State.CANARY, "the canary goes on")
    message = ConflictError(worker.plan, position.found).message
    return _close(worker, state, State.CONFLICT, message)


def _untouched(plan: Plan) -> str:
    return f"version {plan.alias.version}" if plan.alias else ""


def _close(worker: Worker, state: Transition, reached: State, message: str) -> Reconciled:
    plan = worker.plan
    worker.journal.transition(
        plan.id,
        reached,
        expected=state,
        actor="reconciliation",
        data={"found": message, "was": state.state},
    )
    return Reconciled(plan.id, plan.function, state.state, reached, message)
