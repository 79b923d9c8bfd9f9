"""Apply: the approved plan meets the account; everything it does is written down first."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import AutotunerError, RefusedError
from lambda_autotuner.journal import Journal, JournalError, Transition, UsedError
from lambda_autotuner.rollout.approval import decide, matching_rule, refuse_expired
from lambda_autotuner.rollout.executor import (
    Progress,
    Worker,
    do_all,
    dry_run,
    lock_of,
    make_worker,
    positions_of,
    undo_own,
)
from lambda_autotuner.rollout.guardrails import Finding
from lambda_autotuner.rollout.plan import AlteredPlanError, Plan, State, Strategy, read_plan
from lambda_autotuner.rollout.planning import refuse_blocked
from lambda_autotuner.rollout.preflight import preflight
from lambda_autotuner.rollout.steps import ConflictError
from lambda_autotuner.rollout.traffic_steps import apply_steps
from lambda_autotuner.settings import Settings
from mlflow_integration.masking import mask_text


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command left a plan.

    Attributes:
        state: where the plan stands now.
        message: one line for a person.
        calls: the exact calls of a dry run.
    """

    plan: Plan
    state: State
    message: str
    findings: tuple[Finding, ...] = ()
    calls: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "plan_id": self.plan.id,
            "title": self.plan.title,
            "state": str(self.state),
            "message": self.message,
            "findings": [finding.to_dict() for finding in self.findings],
            "calls": list(self.calls),
        }


class UndoneError(AutotunerError):
    """A plan failed on the way; everything it had done was undone."""


class LeftOpenError(AutotunerError):
    """A plan failed on the way and could not be undone yet; the next command goes on."""


def apply_plan(
    account: Account,
    journal: Journal,
    settings: Settings,
    plan_id: str,
    *,
    actor: str,
    dry: bool = False,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Carry out an approved plan, up to its first canary step.

    Args:
        account: where the function is.
        journal: where the plan and the approval are.
        settings: guardrails, approval policy and rollout.
        plan_id: id of the plan, or the start of it.
        actor: who applies.
        dry: only say which calls would be made.
        progress: is told about every call.
        sleep: how to wait; for tests.

    Raises:
        UsageError: no such plan.
        RefusedError: not approved, expired, used, altered, or a check stands against it.
        UndoneError: it failed on the way and everything is as before.
        LeftOpenError: it failed on the way and undoing did, too; the next command goes on.
        BusyError: another process is at work on the function.
    """
    plan = read_plan(journal.get_plan(plan_id))
    worker = make_worker(
        account,
        journal,
        plan,
        settle_seconds=settings.rollout.settle_timeout_seconds,
        progress=progress,
        sleep=sleep,
    )
    if dry:
        return _dry_run(worker, settings)
    with journal.hold(lock_of(plan)):
        findings = _ready(worker, settings, actor)
        _rehearse(worker)
        state = journal.state(plan.id)
        state = journal.transition(plan.id, State.APPLYING, expected=state, actor=actor)
        return _carry_out(worker, state, actor, tuple(findings))


def _dry_run(worker: Worker, settings: Settings) -> Outcome:
    plan = worker.plan
    state = State(worker.journal.state(plan.id).state)
    findings = preflight(worker.context.account, worker.journal, settings, plan)
    refuse_blocked([item for item in findings if item.check in {"account", "revision"}])
    calls = dry_run(worker, apply_steps(plan))
    return Outcome(plan, state, "Nothing was changed.", tuple(findings), tuple(calls))


def _ready(worker: Worker, settings: Settings, actor: str) -> list[Finding]:
    """Everything that must hold before the first write.

    Raises:
        RefusedError: with the reason and the remedy.
    """
    plan, journal = worker.plan, worker.journal
    account = worker.context.account
    state = journal.state(plan.id)
    if state.state == State.PLANNED and (account.account_id, account.region) == (
        plan.account_id,
        plan.region,
    ):
        _approve_by_policy(worker, settings)
        state = journal.state(plan.id)
    if state.state == State.PLANNED:
        raise RefusedError(
            f"Plan {plan.id} is not approved.",
            remedy=f"Agree to it with `lambda-autotuner approve {plan.id}`.",
        )
    if state.state != State.APPROVED:
        raise UsedError(
            f"Plan {plan.id} is {state.state} already (since {state.at:%Y-%m-%d %H:%M:%S} UTC).",
            remedy="Make a new plan for another change.",
        )
    approval = journal.approval(plan.id)
    if approval is None or not approval.approved or approval.plan_hash != plan.hash:
        raise AlteredPlanError(
            f"The approval of plan {plan.id} is not for this plan: the hash differs.",
            remedy="Make a new plan.",
        )
    refuse_expired(journal, plan, journal.now())
    findings = preflight(account, journal, settings, plan)
    refused = [item for item in findings if item.severity in {"block", "later"}]
    if refused:
        journal.record(
            "plan.refused",
            plan_id=plan.id,
            account_id=plan.account_id,
            region=plan.region,
            function=plan.function,
            actor=actor,
            data={"findings": [item.to_dict() for item in refused]},
        )
    refuse_blocked(findings, severities=("block", "later"))
    return findings


def _rehearse(worker: Worker) -> None:
    """Make every read that the steps need: what fails or surprises does so before any write.

    Raises:
        ConflictError: the account is not as the plan found it.
        AwsError: something that the steps must read cannot be read.
    """
    positions = positions_of(worker, apply_steps(worker.plan))
    found = [item for position in positions for item in position.found]
    if found:
        raise ConflictError(worker.plan, tuple(found))


def _approve_by_policy(worker: Worker, settings: Settings) -> None:
    rule = matching_rule(worker.context.account, settings.approval, worker.plan)
    if rule is not None:
        worker.progress(f"approved by policy: {rule}")
        decide(
            worker.journal,
            worker.plan.id,
            approved=True,
            actor=f"policy {rule}",
            source="policy",
            plan_hash=worker.plan.hash,
            reason=rule,
        )


def _carry_out(
    worker: Worker, state: Transition, actor: str, findings: tuple[Finding, ...]
) -> Outcome:
    plan, journal = worker.plan, worker.journal
    try:
        do_all(worker, apply_steps(plan), "apply")
    except AutotunerError as error:
        raise undo_after(worker, state, error, actor) from error
    except KeyboardInterrupt as stop:
        # A second Ctrl-C stops this, too; then the next command undoes it.
        interrupted = AutotunerError("it was interrupted")
        worker.progress(undo_after(worker, state, interrupted, actor).message)
        raise stop from None
    reached = applied_state(plan)
    journal.transition(plan.id, reached, expected=state, actor=actor)
    return Outcome(plan, reached, applied_message(plan), findings)


def applied_state(plan: Plan) -> State:
    """Where a plan stands once all its steps are taken."""
    return State.CANARY if plan.strategy is Strategy.CANARY else State.VERIFYING


def applied_message(plan: Plan) -> str:
    """What applying has led to, in one line."""
    if plan.strategy is Strategy.CANARY:
        share = plan.canary_steps[0] if plan.canary_steps else 1.0
        return f"Applied: {share:.0%} of {plan.qualifier}'s traffic goes to the new version."
    return "Applied: all traffic meets the change. Watch it with `lambda-autotuner watch`."


def undo_after(
    worker: Worker, state: Transition, error: AutotunerError, actor: str
) -> AutotunerError:
    """Undo what a failed apply has done, and say in which state that left things.

    Args:
        worker: at work on the plan.
        state: the plan's state as this process moved it.
        error: what went wrong.
        actor: who applies.
    """
    plan, journal = worker.plan, worker.journal
    reason = mask_text(error.message)
    worker.progress(f"failed: {reason}; undoing")
    try:
        undo_own(worker, "undo")
        journal.transition(
            plan.id, State.UNDONE, expected=state, actor=actor, data={"reason": reason}
        )
    except ConflictError as conflict:
        data = {"reason": reason, "found": [item.to_dict() for item in conflict.found]}
        journal.transition(plan.id, State.CONFLICT, expected=state, actor=actor, data=data)
        return conflict
    except AutotunerError as second:
        return _left_open(worker, reason, second, actor)
    undone = UndoneError(
        f"Plan {plan.id} failed and was undone, everything is as before: {reason}",
        remedy=error.remedy,
    )
    undone.exit_code = error.exit_code
    return undone


def _left_open(worker: Worker, reason: str, second: AutotunerError, actor: str) -> AutotunerError:
    plan = worker.plan
    # The journal may be what failed; its last record says that the plan is under way.
    with suppress(JournalError):
        worker.journal.record(
            "plan.left_open",
            plan_id=plan.id,
            account_id=plan.account_id,
            region=plan.region,
            function=plan.function,
            actor=actor,
            data={"reason": reason, "undo": mask_text(second.message)},
        )
    left = LeftOpenError(
        f"Plan {plan.id} failed ({reason}) and could not be undone yet: {second.message}",
        remedy="The next command goes on undoing it; `lambda-autotuner history` shows it.",
    )
    left.exit_code = second.exit_code
    return left
