"""The conversation: questions in plain words, answers that can be traced, changes that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambda_autotuner.agent.agent import Agent
    from lambda_autotuner.agent.answer import (
        Answer,
        Citation,
        Decision,
        Gap,
        Proposal,
        ToolCallRecord,
        Usage,
    )
    from lambda_autotuner.agent.building import build_agent

__all__ = [
    "Agent",
    "Answer",
    "Citation",
    "Decision",
    "Gap",
    "Proposal",
    "ToolCallRecord",
    "Usage",
    "build_agent",
]


_LATE = {
    "Agent": "lambda_autotuner.agent.agent",
    "build_agent": "lambda_autotuner.agent.building",
}


def __getattr__(name: str) -> Any:
    """Import on first use: LangChain takes more than a second."""
    import importlib

    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    if name in __all__:
        return getattr(importlib.import_module("lambda_autotuner.agent.answer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
