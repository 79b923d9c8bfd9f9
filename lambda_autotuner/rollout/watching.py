"""Watch: look at a rollout, and promote, hold or roll back. Keeps no state of its own.

Each look reads everything from the account again, and how far a canary may be follows from how
long the account says it has run. So a watch that was interrupted goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambda_autotuner.aws.configuration import parse_http_date
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal import Journal, Transition
from lambda_autotuner.rollout.applying import Outcome
from lambda_autotuner.rollout.decision import Decision, Look, decide_from
from lambda_autotuner.rollout.executor import (
    Progress,
    Worker,
    do_step,
    lock_of,
    make_worker,
    refuse_foreign,
)
from lambda_autotuner.rollout.measures import observe
from lambda_autotuner.rollout.plan import DONE, WATCHED, Plan, State, Strategy, read_plan
from lambda_autotuner.rollout.rollback import (
    give_up_held,
    refuse_elsewhere,
    roll_back_held,
    settle_promotion,
)
from lambda_autotuner.rollout.steps import ConflictError, PublishStep, Where, is_final
from lambda_autotuner.rollout.traffic_steps import RouteBack, RouteStep, promote_step
from lambda_autotuner.settings import Settings


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look has led to."""

    outcome: Outcome
    look: Look | None
    weight: float | None = None

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to watch."""
        return self.outcome.state not in WATCHED

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.outcome.to_dict(),
            "look": self.look.to_dict() if self.look else None,
            "canary_weight": self.weight,
        }


def watch_plan(
    account: Account,
    journal: Journal,
    settings: Settings,
    plan_id: str,
    *,
    actor: str,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Watched:
    """Look once at a rollout and do what follows from it.

    Args:
        account: where the function is.
        journal: where the plan is.
        settings: the traffic minimum, the steps and the detection time.
        plan_id: id of the plan, or the start of it.
        actor: who watches.
        progress: is told about every call.
        sleep: how to wait for updates; for tests.

    Raises:
        UsageError: no such plan.
        RefusedError: the plan is not in a state to be watched.
        ConflictError: somebody else changed the function; nothing was touched.
        AwsError: the account refuses or does not answer; the next look goes on.
        BusyError: another process is at work on the function.
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
        if state.state in DONE:
            message = f"Plan {plan.id} is {state.state} already."
            return Watched(Outcome(plan, State(state.state), message), None)
        if state.state not in WATCHED:
            raise RefusedError(
                f"Plan {plan.id} is {state.state}: there is nothing to watch.",
                remedy="`lambda-autotuner history` shows what happened to it.",
            )
        conflict = _harmless_conflict(worker)
        return _look(worker, settings, state, actor, conflict)


def _harmless_conflict(worker: Worker) -> ConflictError | None:
    """What somebody else changed, when that does not keep the canary's traffic from going back.

    Raises:
        ConflictError: they changed the traffic itself, or there is no canary.
    """
    try:
        refuse_foreign(worker)
    except ConflictError as conflict:
        if worker.plan.strategy is not Strategy.CANARY:
            raise
        if RouteBack().position(worker.context).where is not Where.AFTER:
            raise
        return conflict
    return None


def _look(
    worker: Worker,
    settings: Settings,
    state: Transition,
    actor: str,
    conflict: ConflictError | None,
) -> Watched:
    plan, rollout = worker.plan, settings.rollout
    version = PublishStep().published(worker.context) if plan.alias else None
    seen = observe(
        worker.context.account,
        plan,
        version,
        baseline_hours=rollout.baseline_hours,
        changed_at=_changed_at(worker),
    )
    look = decide_from(plan, seen, rollout)
    worker.journal.record(
        "plan.look",
        plan_id=plan.id,
        account_id=plan.account_id,
        region=plan.region,
        function=plan.function,
        actor=actor,
        data=look.to_dict(),
    )
    if look.decision is Decision.ROLL_BACK and conflict is not None:
        return Watched(give_up_held(worker, state, actor, look.reason), look)
    if conflict is not None:
        raise conflict
    if look.decision is Decision.ROLL_BACK:
        return Watched(roll_back_held(worker, state, actor, look.reason), look)
    if state.state == State.VERIFYING:
        return _verify(worker, state, actor, look)
    return _canary(worker, settings, state, actor, look)


def _changed_at(worker: Worker) -> datetime | None:
    """When the account said that the last concurrency setting was changed; None when it was not."""
    for action in reversed(worker.journal.actions(worker.plan.id)):
        if action.step in {"reserved", "provisioned"} and action.phase == "apply":
            return parse_http_date(action.data.get("date")) or action.at
    return None


def _verify(worker: Worker, state: Transition, actor: str, look: Look) -> Watched:
    plan = worker.plan
    if look.decision is Decision.PROMOTE:
        worker.journal.transition(
            plan.id, State.VERIFIED, expected=state, actor=actor, data={"reason": look.reason}
        )
        return Watched(Outcome(plan, State.VERIFIED, f"Verified. {look.reason}"), look)
    return Watched(Outcome(plan, State.VERIFYING, look.reason), look)


def due_weight(plan: Plan, minutes: float, step_minutes: float) -> float | None:
    """The share that is due after so many minutes; None when every step has had its time."""
    index = int(minutes / step_minutes)
    return plan.canary_steps[index] if index < len(plan.canary_steps) else None


def _canary(
    worker: Worker, settings: Settings, state: Transition, actor: str, look: Look
) -> Watched:
    plan = worker.plan
    due = due_weight(plan, look.minutes, settings.rollout.step_minutes)
    if look.decision is Decision.PROMOTE and due is None:
        return _promote(worker, state, actor, look)
    weight = due if due is not None else plan.canary_steps[-1]
    if look.invocations > 0:
        do_step(worker, RouteStep(weight), "canary")
    message = f"{weight:.0%} of the traffic on the new version. {look.reason}"
    return Watched(Outcome(plan, State.CANARY, message), look, weight)


def _promote(worker: Worker, state: Transition, actor: str, look: Look) -> Watched:
    plan, journal = worker.plan, worker.journal
    data = {"reason": look.reason}
    state = journal.transition(plan.id, State.PROMOTING, expected=state, actor=actor, data=data)
    try:
        do_step(worker, promote_step(), "promote")
    except AwsError as error:
        if is_final(error):
            # Refused for good: the canary goes on as it was, and the reason is told.
            settle_promotion(worker, state)
        raise
    journal.transition(plan.id, State.PROMOTED, expected=state, actor=actor, data=data)
    message = f"Promoted: all of {plan.qualifier}'s traffic goes to the new version. {look.reason}"
    return Watched(Outcome(plan, State.PROMOTED, message), look)
