"""The toolbox without a model: one call in, masked and bounded JSON out. Used by MCP.

There is no person's message here to check a wish against, so a write tool can at most leave a
proposal, which a person then decides about at a terminal; by default it is refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlflow_integration as tracing
from lambda_autotuner.agent.survey import survey
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools import catalogue
from lambda_autotuner.agent.tools.context import ToolContext, translated
from lambda_autotuner.workspace import Workspace
from mlflow_integration.masking import mask


@dataclass(frozen=True, slots=True)
class Called:
    """What a call gave."""

    data: Mapping[str, Any]
    failed: bool


def call_tool(
    workspace: Workspace, name: str, arguments: Mapping[str, Any], *, proposals: bool = False
) -> Called:
    """Call one tool of the catalogue by its name, old or new.

    Args:
        workspace: the account and the journal.
        name: the tool.
        arguments: its arguments; unknown ones are refused.
        proposals: whether write tools may leave a proposal.
    """
    with tracing.create_trace_context(
        name=name, span_type="TOOL", inputs=mask(dict(arguments))
    ) as span:
        try:
            data: Mapping[str, Any] = mask(_call(workspace, name, arguments, proposals=proposals))
            failed = False
        except ToolError as error:
            data, failed = mask(error.to_dict()), True
            span.set_error(error.code.value)
        span.set_outputs(data)
        return Called(data, failed)


def _call(
    workspace: Workspace, name: str, arguments: Mapping[str, Any], *, proposals: bool
) -> dict[str, Any]:
    tool, translated_arguments = catalogue().resolve(name, arguments)
    parsed = tool.parse(translated_arguments)
    if tool.kind == "write" and not proposals:
        raise ToolError(
            ErrorCode.REFUSED,
            f"{tool.name} proposes a change, and this server is read-only.",
            remedy="Start it with --proposals; a person then decides with `lambda-autotuner approve`.",
        )
    with translated(tool.name):
        seen = survey(workspace.account, json.dumps(dict(arguments), default=str))
        context = ToolContext(workspace, seen.inventory, seen.missing, "mcp", uuid.uuid4().hex)
        result = tool.run(context, parsed)
    gaps = [{"what": g.what, "reason": g.reason, "iam_action": g.iam_action} for g in result.gaps]
    source = {
        "tool": tool.name,
        "function": result.function,
        "window": result.window,
        "source": result.source,
    }
    found: dict[str, Any] = {**result.data, "citation": {k: v for k, v in source.items() if v}}
    return {**found, "could_not_see": gaps} if gaps else found


def bounded(data: Mapping[str, Any], limit: int) -> str:
    """JSON of at most `limit` characters, which says how to narrow it when it was cut."""
    text = json.dumps(data, ensure_ascii=False, default=str)
    if len(text) <= limit:
        return text
    cut = {
        "cut_after_characters": limit,
        "of_characters": len(text),
        "to_narrow": "ask for one function, a shorter window, a search term or a smaller limit",
        "beginning": text[: max(200, limit - 300)],
    }
    return json.dumps(cut, ensure_ascii=False)
