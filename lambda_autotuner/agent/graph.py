"""The loop itself: LangChain's agent with our guard around model and tools."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import StructuredTool

from lambda_autotuner.agent.catalogue import Tool
from lambda_autotuner.agent.finishing import finish
from lambda_autotuner.agent.guard import Guard
from lambda_autotuner.agent.prompts import read_prompt
from lambda_autotuner.agent.providers import Choice, is_offline
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools import catalogue
from lambda_autotuner.agent.tools.context import translated
from lambda_autotuner.agent.turn import ToolResult, Turn
from lambda_autotuner.agent.writing.compose import compose
from mlflow_integration.langchain import tracing_middleware
from mlflow_integration.masking import mask

_KEPT = 8
_OFFLINE = object()
_graphs: OrderedDict[tuple[int, int], tuple[Any, Any, Any]] = OrderedDict()
_lock = threading.Lock()


def compile_graph(choice: Choice, fallback: Choice | None, checkpointer: Any) -> Any:
    """The loop for a model; compiled once, because it holds nothing of one question or agent."""
    model = _OFFLINE if is_offline(choice.name) else choice.model
    other = fallback.model if fallback else None
    key = (id(model), id(other))
    with _lock:
        # The models are kept beside the graph, so that an id cannot be given out again meanwhile.
        kept = _graphs.get(key)
        if kept is None:
            kept = _graphs[key] = (_compile(choice, other), model, other)
            while len(_graphs) > _KEPT:
                _graphs.popitem(last=False)
    return kept[0] if checkpointer is None else kept[0].copy({"checkpointer": checkpointer})


async def _execute(tool: Tool, arguments: Any, turn: Turn) -> ToolResult:
    def run() -> ToolResult:
        with translated(tool.name):
            return tool.run(turn.toolbox, arguments)

    needed = tool.iam_actions[:1]
    if needed and needed[0] in turn.toolbox.missing:
        raise ToolError(
            ErrorCode.FORBIDDEN,
            f"{tool.name} is not allowed here.",
            details={"iam_actions": list(needed)},
        )
    result: ToolResult = await turn.runtime.blocking(run)
    return result


def _compile(choice: Choice, fallback: Any) -> Any:
    guard = Guard(
        catalogue(),
        _execute,
        compose,
        finish,
        mask,
        fallback=fallback,
        finish_required=choice.finish_required,
    )
    offline = is_offline(choice.name)
    return create_agent(
        choice.model,
        tools=[] if offline else [_declare(tool) for tool in catalogue()],
        system_prompt=None if offline else read_prompt("system.md"),
        middleware=[tracing_middleware(), guard],
        context_schema=Turn,
        name="lambda-autotuner",
    )


def _declare(tool: Tool) -> StructuredTool:
    """A tool as a model is told about it; the guard runs it, never LangChain."""

    def unreachable(**_: Any) -> str:
        raise RuntimeError("tools run inside the guard")

    return StructuredTool(
        name=tool.name, description=tool.description, args_schema=tool.arguments, func=unreachable
    )
