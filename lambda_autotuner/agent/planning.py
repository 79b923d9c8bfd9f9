"""From a wish to a plan in the journal, and the proposal that shows it to a person."""

from __future__ import annotations

from typing import Any

from lambda_autotuner import rollout
from lambda_autotuner.agent.answer import Difference, Proposal
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.context import ToolContext, rounded
from lambda_autotuner.rollout import Plan, State
from lambda_autotuner.tuning.recommendation import Change

_FIELDS = {"snap_start": "snapstart"}
_UNDOABLE = frozenset({State.CANARY, State.VERIFYING, State.PROMOTED, State.VERIFIED})
_ACTOR = "agent"


def plan_change(
    context: ToolContext, function: str, values: dict[str, Any]
) -> tuple[Proposal, str]:
    """Plan a change, check it against guardrails, permissions and state, and write it down.

    Raises:
        RefusedError: a guardrail or the state of the function stands against it.
    """
    workspace = context.workspace
    changes = {_FIELDS.get(name, name): value for name, value in values.items()}
    if "snapstart" in changes:
        changes["snapstart"] = "PublishedVersions" if changes["snapstart"] else "None"
    draft = rollout.make_plan(
        context.account,
        workspace.journal,
        workspace.settings,
        function,
        changes=changes,
        recommendation=_basis(context, function, changes),
        actor=_ACTOR,
    )
    return _proposal(context, draft.plan), draft.plan.id


def _basis(context: ToolContext, function: str, changes: dict[str, Any]) -> Change | None:
    """The recommendation of this question that the change follows, if it does."""
    answer = context.known(f"recommendation {function}")
    if not isinstance(answer, Change) or set(changes) - {"memory_mb", "architecture"}:
        return None
    proposed = {
        "memory_mb": answer.proposed.memory_mb,
        "architecture": answer.proposed.architecture,
    }
    return answer if all(proposed[name] == value for name, value in changes.items()) else None


def propose_plan(context: ToolContext, plan_id: str) -> tuple[Proposal, str]:
    """The proposal to carry out a plan that exists; an id of a proposal stands for its plan.

    Raises:
        UsageError: no such plan.
        RefusedError: it was decided already, or has expired.
    """
    journal = context.workspace.journal
    waiting = next((p for p in journal.pending_proposals() if p.id == plan_id and p.plan_id), None)
    plan = rollout.read_plan(journal.get_plan(str(waiting.plan_id) if waiting else plan_id))
    state = journal.state(plan.id)
    if state.state not in {State.PLANNED, State.APPROVED}:
        raise ToolError(
            ErrorCode.REFUSED,
            f"Plan {plan.id} is {state.state} already.",
            remedy="Make a new plan for another change.",
        )
    return _proposal(context, plan), plan.id


def plan_roll_back(
    context: ToolContext, function: str, plan_id: str | None
) -> tuple[Proposal, str]:
    """The proposal to take back the last change of a function.

    Raises:
        ToolError: there is nothing to take back.
    """
    journal = context.workspace.journal
    for stored in journal.plans(function=function):
        plan = rollout.read_plan(stored)
        here = (plan.account_id, plan.region) == (
            context.account.account_id,
            context.account.region,
        )
        if (
            here
            and (plan_id is None or plan.id.startswith(plan_id))
            and journal.state(plan.id).state in _UNDOABLE
        ):
            differences = tuple(
                Difference(name, plan.after[name], plan.before[name]) for name in plan.after
            )
            proposal = Proposal(
                id="", kind="rollback", function=function,
                summary=f"Put back what stood before plan {plan.id} ({plan.title}).",
                differences=differences, command=f"lambda-autotuner rollback {plan.id}", details={"plan_id": plan.id},
            )  # fmt: skip
            return proposal, plan.id
    raise ToolError(
        ErrorCode.NOT_FOUND,
        f"The journal holds no applied change of {function} that could be taken back.",
        remedy="`lambda-autotuner history` shows what was done.",
    )


def _proposal(context: ToolContext, plan: Plan) -> Proposal:
    workspace = context.workspace
    findings = rollout.preflight(context.account, workspace.journal, workspace.settings, plan)
    blocking = [item for item in findings if item.severity == "block"]
    if blocking:
        raise ToolError(ErrorCode.REFUSED, blocking[0].message, remedy=blocking[0].remedy or None)
    saving = plan.expected.get("saving_month_usd") or {}
    p95 = _p95(plan)
    return Proposal(
        id="",
        kind="change",
        function=plan.function,
        summary=f"Plan {plan.id}: {plan.title} ({plan.strategy}).",
        differences=tuple(
            Difference(name, plan.before[name], value) for name, value in plan.after.items()
        ),
        saving_usd_month=rounded(saving.get("value"), 4),
        saving_interval_usd_month=(saving["low"], saving["high"]) if saving else None,
        warnings=(*(item.message for item in findings if item.severity != "block"), *plan.notes),
        expires_at=f"{plan.expires_at:%Y-%m-%d %H:%M} UTC",
        command=f"lambda-autotuner approve {plan.id} && lambda-autotuner apply {plan.id}",
        details={
            "plan_id": plan.id,
            "plan_hash": plan.hash,
            "iam_actions": list(plan.actions),
            "strategy": str(plan.strategy),
            **p95,
        },
    )


def _p95(plan: Plan) -> dict[str, Any]:
    found = {}
    for when in ("current", "proposed"):
        value = ((plan.expected.get(when) or {}).get("p95_ms") or {}).get("value")
        if value is not None:
            found[f"{when}_p95_ms"] = rounded(value, 1)
    return found
