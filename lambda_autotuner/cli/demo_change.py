"""The demo's change: planned, agreed to under a sandbox-only policy, applied and verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambda_autotuner import rollout
from lambda_autotuner.cli.door import Door
from lambda_autotuner.errors import AutotunerError, RefusedError
from lambda_autotuner.measurement import Sized
from lambda_autotuner.rollout import Plan, State, Watched
from lambda_autotuner.tuning.recommendation import Change
from lambda_autotuner.workspace import Workspace

ACTOR = "demo"
POLICY = "the demo approves only the plan that it made itself, and only in a private sandbox"
# A smaller saving convinces nobody who sees the product for the first time.
WORTH_PCT = 5.0
# Canary steps of half an hour each, and as long again for a quiet function.
LOOKS = 16


class NotVerifiedError(AutotunerError):
    """The demo's change was not promoted."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that was made and verified."""

    plan: Plan
    watched: Watched

    @property
    def summary(self) -> str:
        """One line."""
        return f"{self.plan.title}; {self.watched.outcome.message}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"plan_id": self.plan.id, **self.watched.to_dict()}


@dataclass(frozen=True, slots=True)
class Planned:
    """A measured recommendation, and the plan that passed every guardrail."""

    sized: Sized
    answer: Change
    plan: Plan

    @property
    def saving_usd(self) -> float:
        """What it saves a month in dollars; 0 where the volume is unknown."""
        month = self.answer.saving_month_usd
        return 0.0 if month is None else month.value

    @property
    def convincing(self) -> bool:
        """Whether the saving is certain in sign and large enough to be worth a change."""
        share, month = self.answer.saving_pct, self.answer.saving_month_usd
        if share is None or month is None:
            return False
        return month.low > 0 and share.value >= WORTH_PCT


def draft(workspace: Workspace, function: str, **wanted: Any) -> Plan:
    """A plan in the private sandbox.

    Raises:
        RefusedError: a guardrail, or the state of the function, stands against it.
    """
    return rollout.make_plan(
        workspace.account, workspace.journal, workspace.settings, function, actor=ACTOR, **wanted
    ).plan


def change_and_verify(door: Door, workspace: Workspace, plan: Plan) -> Changed:
    """Take the demo's own plan through approval, canary and promotion.

    Raises:
        RefusedError: the workspace is not a private sandbox.
        NotVerifiedError: the change was rolled back, or there was not enough traffic.
    """
    if not workspace.private:
        raise RefusedError(f"Refused: {POLICY}.")
    account, journal, settings = workspace.account, workspace.journal, workspace.settings
    door.say(f"Plan {plan.id}: {plan.title}")
    rollout.decide(
        journal,
        plan.id,
        approved=True,
        actor=ACTOR,
        source="policy",
        plan_hash=plan.hash,
        reason=POLICY,
    )
    door.say(f"Approved: {POLICY}", style="dim")
    outcome = rollout.apply_plan(
        account,
        journal,
        settings,
        plan.id,
        actor=ACTOR,
        progress=lambda line: door.say(line, style="dim"),
    )
    door.say(outcome.message)
    return Changed(plan, _watch(door, workspace, plan))


def _watch(door: Door, workspace: Workspace, plan: Plan) -> Watched:
    """Let traffic come, look, and go on until it is decided."""
    for _ in range(LOOKS):
        workspace.advance(hours=workspace.settings.rollout.step_minutes / 60)
        watched = rollout.watch_plan(
            workspace.account, workspace.journal, workspace.settings, plan.id, actor=ACTOR
        )
        door.say(watched.outcome.message, style="dim")
        if watched.settled:
            break
    else:
        raise NotVerifiedError(f"{plan.title} is not decided yet: {watched.outcome.message}")
    if watched.outcome.state not in {State.PROMOTED, State.VERIFIED}:
        raise NotVerifiedError(f"{plan.title} was not kept: {watched.outcome.message}")
    return watched
