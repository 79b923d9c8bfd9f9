"""Carrying out what a person decided: outside the model, once, through rollout and measurement."""

from __future__ import annotations

from typing import Literal

from lambda_autotuner import measurement, rollout
from lambda_autotuner.agent.answer import Decision, Proposal
from lambda_autotuner.agent.proposals import proposal_of
from lambda_autotuner.agent.tools.changes import tuning_choices
from lambda_autotuner.agent.tools.sizing import recommendation_data
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.rollout import State
from lambda_autotuner.workspace import Workspace

Source = Literal["cli", "chat", "mcp", "python"]


def carry_out(
    workspace: Workspace,
    proposal_id: str,
    *,
    approved: bool,
    actor: str,
    reason: str = "",
    source: Source = "python",
) -> Decision:
    """Write the one decision about a proposal and, when it is a yes, do what was proposed.

    Raises:
        UsageError: no such proposal.
        RefusedError: it was decided already, has expired, or what stands in the account forbids it.
        AwsError: the account refuses or does not answer.
    """
    journal = workspace.journal
    proposal = proposal_of(journal.get_proposal(proposal_id))
    journal.decide_proposal(proposal_id, approved=approved, actor=actor, reason=reason)
    if not approved:
        if proposal.kind == "change":
            _reject_plan(workspace, proposal, actor, source, reason)
        return Decision(
            proposal_id,
            approved=False,
            executed=False,
            text=f"Rejected: {proposal.summary} Nothing was changed.",
        )
    if proposal.kind == "measurement":
        return _measure(workspace, proposal)
    if proposal.kind == "rollback":
        return _roll_back(workspace, proposal, actor, reason)
    return _apply(workspace, proposal, actor, source, reason)


def _plan_id(proposal: Proposal) -> str:
    return str(proposal.details["plan_id"])


def _reject_plan(
    workspace: Workspace, proposal: Proposal, actor: str, source: Source, reason: str
) -> None:
    plan_id = _plan_id(proposal)
    if workspace.journal.state(plan_id).state == State.PLANNED:
        rollout.decide(
            workspace.journal, plan_id, approved=False, actor=actor, source=source, reason=reason
        )


def _apply(
    workspace: Workspace, proposal: Proposal, actor: str, source: Source, reason: str
) -> Decision:
    journal, plan_id = workspace.journal, _plan_id(proposal)
    if journal.state(plan_id).state == State.PLANNED:
        rollout.decide(
            journal, plan_id, approved=True, actor=actor, source=source,
            plan_hash=proposal.details.get("plan_hash"), reason=reason,
        )  # fmt: skip
    outcome = rollout.apply_plan(
        workspace.account, journal, workspace.settings, plan_id, actor=actor
    )
    text = f"{outcome.message} Next: lambda-autotuner watch {plan_id}"
    return Decision(proposal.id, approved=True, executed=True, text=text, details=outcome.to_dict())


def _roll_back(workspace: Workspace, proposal: Proposal, actor: str, reason: str) -> Decision:
    outcome = rollout.roll_back(
        workspace.account,
        workspace.journal,
        workspace.settings,
        _plan_id(proposal),
        actor=actor,
        reason=reason,
    )
    return Decision(
        proposal.id, approved=True, executed=True, text=outcome.message, details=outcome.to_dict()
    )


def _measure(workspace: Workspace, proposal: Proposal) -> Decision:
    arguments = dict(proposal.details.get("arguments") or {})
    where: Literal["versions", "copy"] = (
        "copy" if proposal.details.get("where") == "copy" else "versions"
    )
    sized = measurement.tune(
        workspace.account,
        workspace.journal,
        proposal.function,
        choices=tuning_choices(workspace.settings, arguments),
        options=measurement.Options(where=where, agreed=True),
    )
    if not sized.active:
        raise RefusedError(f"{proposal.function} was not measured: {sized.verdict}")
    data = recommendation_data(sized)
    spent = sized.answer.measurement
    text = (
        f"Measured {proposal.function} with {spent.invocations} invocations for ${spent.cost_usd:.6f}; it is as it was before. "
        f"{sized.verdict}"
    )
    if data.get("command"):
        text += f" Next: {data['command']}"
    return Decision(proposal.id, approved=True, executed=True, text=text, details=data)
