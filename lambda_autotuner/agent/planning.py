"""From a wish to a plan in the journal, and the proposal that shows it to a person."""

from __future__ import annotations

from typing import Any

from lambda_autotuner.agent.answer import Difference, Proposal
from lambda_autotuner.agent.tools.context import ToolContext


def plan_change(context: ToolContext, function: str, values: dict[str, Any]) -> tuple[Proposal, str | None]:
    """Plan a change and check it.

    Raises:
        RefusedError: a guardrail stands in the way.
    """
    configuration = context.configuration(function)
    differences = tuple(Difference(name, getattr(configuration, name, None), value) for name, value in values.items())
    return Proposal(id="", kind="change", function=function, summary=f"Plan for {function}", differences=differences), None


def propose_plan(context: ToolContext, plan_id: str) -> tuple[Proposal, str]:
    """The proposal to carry out a plan that exists."""
    raise NotImplementedError


def plan_roll_back(context: ToolContext, function: str, plan_id: str | None) -> tuple[Proposal, str]:
    """The proposal to take a plan back."""
    raise NotImplementedError
