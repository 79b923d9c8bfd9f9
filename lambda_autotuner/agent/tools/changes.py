"""Tools that propose: a change, a measurement, a roll-back. They record and end; people decide."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from lambda_autotuner.agent.answer import Proposal
from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.proposals import pending_proposals
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.context import ToolContext, rounded
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.tools.sizing import Objective
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.measurement import Options, preview
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.objective import parse_objective

PlanId = Annotated[str, Field(min_length=3, max_length=80)]
_HISTORY = 50


class PlanArguments(Arguments):
    """What to change; only what is given changes."""

    function: FunctionName
    memory_mb: int | None = Field(None, ge=128, le=10_240)
    timeout_seconds: int | None = Field(None, ge=1, le=900)
    architecture: Literal["x86_64", "arm64"] | None = None
    ephemeral_storage_mb: int | None = Field(None, ge=512, le=10_240)
    reserved_concurrency: int | None = Field(None, ge=0, le=100_000)
    provisioned_concurrency: int | None = Field(None, ge=0, le=100_000)
    snap_start: bool | None = None


class TuneArguments(Arguments):
    """What to measure; it costs invocations, so the price is shown and a person asked first."""

    function: FunctionName
    objective: Objective | None = None
    sizes_mb: tuple[Annotated[int, Field(ge=128, le=10_240)], ...] | None = Field(
        None, max_length=20
    )
    max_invocations: int | None = Field(None, ge=1, le=10_000)
    max_cost_usd: float | None = Field(None, gt=0, le=100)


class ApplyArguments(Arguments):
    """A plan that was made before."""

    plan_id: PlanId


class RollBackArguments(Arguments):
    """Which function's last change to take back."""

    function: FunctionName
    plan_id: PlanId | None = None


class HistoryArguments(Arguments):
    """Whose history."""

    function: FunctionName | None = None
    limit: int = Field(20, ge=1, le=200)


def _call_id(context: ToolContext, tool: str, arguments: Arguments) -> str:
    """The same wish in the same question is the same proposal, however often it is called."""
    body = f"{context.turn_id} {tool} {arguments.model_dump_json(exclude_none=True)}"
    return hashlib.sha256(body.encode()).hexdigest()[:24]


def _propose(
    context: ToolContext, tool: str, arguments: Arguments, proposal: Proposal, plan_id: str | None
) -> ToolResult:
    data = {key: value for key, value in asdict(proposal).items() if key != "id"}
    stored = context.workspace.journal.propose(
        context.thread,
        _call_id(context, tool, arguments),
        proposal.kind,
        plan_id=plan_id,
        data=data,
    )
    return _shown(replace(proposal, id=stored.id), plan_id)


def _shown(proposal: Proposal, plan_id: str | None) -> ToolResult:
    """A proposal as a tool shows it."""
    shown: dict[str, Any] = {
        "proposal_id": proposal.id, "plan_id": plan_id, "function": proposal.function, "summary": proposal.summary,
        "differences": [asdict(d) for d in proposal.differences], "price_usd": proposal.price_usd,
        "saving_usd_month": proposal.saving_usd_month, "warnings": list(proposal.warnings),
        "expires_at": proposal.expires_at, "command": proposal.command,
        "status": "waiting for a person's decision; nothing has been changed", **proposal.details,
    }  # fmt: skip
    return ToolResult(shown, function=proposal.function, source="journal", proposal=proposal)


def run_plan_change(context: ToolContext, arguments: PlanArguments) -> ToolResult:
    """Write a plan down, check it, and propose it."""
    from lambda_autotuner.agent.planning import plan_change

    name = context.function(arguments.function)
    values = arguments.model_dump(exclude_none=True, exclude={"function"})
    if not values:
        raise ToolError(ErrorCode.INVALID_ARGUMENTS, "No value to change was given.")
    proposal, plan_id = plan_change(context, name, values)
    return _propose(context, "plan_change", arguments, proposal, plan_id)


def run_tune_function(context: ToolContext, arguments: TuneArguments) -> ToolResult:
    """Say what a measurement would do and cost, and propose it."""
    name = context.function(arguments.function)
    choices = tuning_choices(context.workspace.settings, arguments.model_dump(exclude_none=True))
    found = preview(context.account, name, choices=choices, options=Options(agreed=True))
    if found.refusal and "--copy" in found.remedy:
        # What cannot be measured in place is measured on a temporary copy, which the person is told.
        found = preview(
            context.account, name, choices=choices, options=Options(where="copy", agreed=True)
        )
    if found.refusal:
        raise ToolError(ErrorCode.REFUSED, found.refusal, remedy=found.remedy)
    command = f"lambda-autotuner tune {name}" + (" --copy" if found.where == "copy" else "")
    if arguments.objective:
        command += f" --objective '{arguments.objective}'"
    details = {
        "max_invocations": found.max_invocations, "likely_usd": rounded(found.likely_usd, 6),
        "at_most_usd": rounded(found.at_most_usd, 6), "where": found.where,
        "smallest_mb": min(found.sizes_mb), "largest_mb": max(found.sizes_mb),
        "arguments": arguments.model_dump(exclude_none=True),
    }  # fmt: skip
    proposal = Proposal(
        id="", kind="measurement", function=name,
        summary=f"Measure {name} with at most {found.max_invocations} invocations"
        + (" of a temporary copy, which is removed afterwards." if found.where == "copy" else " and restore it afterwards."),
        price_usd=rounded(found.at_most_usd, 4),
        warnings=tuple(f"{item.kind}: {item.evidence}" for item in found.side_effects) + tuple(found.cautions),
        command=command, details=details,
    )  # fmt: skip
    return _propose(context, "tune_function", arguments, proposal, None)


def tuning_choices(settings: Settings, arguments: dict[str, Any]) -> Choices:
    """Settings narrowed by what a person said."""
    choices = Choices.from_settings(settings)
    if arguments.get("objective"):
        choices = replace(choices, objective=parse_objective(arguments["objective"]))
    if arguments.get("sizes_mb"):
        choices = choices.with_sizes(list(arguments["sizes_mb"]))
    if arguments.get("max_invocations"):
        choices = replace(
            choices, max_invocations=min(choices.max_invocations, arguments["max_invocations"])
        )
    if arguments.get("max_cost_usd"):
        choices = replace(
            choices, max_cost_usd=min(choices.max_cost_usd, arguments["max_cost_usd"])
        )
    return choices


def run_apply_change(context: ToolContext, arguments: ApplyArguments) -> ToolResult:
    """Show a proposal that waits again, or propose to carry out a plan that was made elsewhere."""
    from lambda_autotuner.agent.planning import propose_plan

    for waiting in pending_proposals(context.workspace, None):
        if arguments.plan_id in {waiting.id, waiting.details.get("plan_id")}:
            return _shown(waiting, waiting.details.get("plan_id"))
    proposal, plan_id = propose_plan(context, arguments.plan_id)
    return _propose(context, "apply_change", arguments, proposal, plan_id)


def run_roll_back(context: ToolContext, arguments: RollBackArguments) -> ToolResult:
    """Propose to put back exactly what stood before the last change."""
    from lambda_autotuner.agent.planning import plan_roll_back

    name = context.function(arguments.function)
    proposal, plan_id = plan_roll_back(context, name, arguments.plan_id)
    return _propose(context, "roll_back", arguments, proposal, plan_id)


def run_get_history(context: ToolContext, arguments: HistoryArguments) -> ToolResult:
    """What was planned, done and seen."""
    name = context.function(arguments.function) if arguments.function else None
    journal = context.workspace.journal
    entries = journal.entries(function=name, limit=_HISTORY)
    waiting = [
        p for p in journal.pending_proposals() if name is None or p.data.get("function") == name
    ]
    shown = [
        {
            "time": f"{entry.at:%Y-%m-%d %H:%M} UTC",
            "what": entry.kind,
            "function": entry.function,
            "plan_id": entry.plan_id,
        }
        for entry in entries[: arguments.limit]
    ]
    pending = [f"{p.id} ({p.data.get('summary', p.kind)})" for p in waiting[:10]]
    return ToolResult(
        {"function": name, "count": len(entries), "entries": shown, "pending": pending},
        function=name,
        source="journal",
    )


TOOLS = (
    Tool("plan_change", "Propose a change of a function's memory, timeout, architecture, storage or concurrency. Records a proposal; a person decides.", PlanArguments, run_plan_change, kind="write", iam_actions=("lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration")),
    Tool("tune_function", "Propose to measure a function by invoking it at a few memory sizes; the price is shown first. Records a proposal; a person decides.", TuneArguments, run_tune_function, kind="write", iam_actions=("lambda:GetFunctionConfiguration", "lambda:InvokeFunction")),
    Tool("apply_change", "Propose to carry out a plan made before, by its id.", ApplyArguments, run_apply_change, kind="write", function_argument=None, iam_actions=()),
    Tool("roll_back", "Propose to put back what stood before the last change of a function.", RollBackArguments, run_roll_back, kind="write", iam_actions=()),
    Tool("get_history", "What was planned, changed and measured, and which proposals wait.", HistoryArguments, run_get_history, reach="account", iam_actions=()),
)  # fmt: skip
