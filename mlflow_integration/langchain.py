"""LangChain: one TOOL span a tool call, with what autolog misses.

MLflow's autolog records the graph and the model calls. Its TOOL spans read OK when an error was
handled, are missing for unknown tools, fail on an approval, and are not current while the tool
runs. So the middleware opens the TOOL span around the call, and the recorder folds autolog's
span for the same call into it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware

from mlflow_integration.execution import active_execution
from mlflow_integration.spans import OpenSpan, SpanHandle

_logger = logging.getLogger(__name__)
TOOL_CALL_ATTRIBUTE = "tool_call.id"
_MAX_ERROR = 2000


class TracingMiddleware(AgentMiddleware[Any, Any]):
    """Opens exactly one TOOL span around each tool call, sync and async."""

    name = "mlflow_tracing"

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Trace one call."""
        with _open(request) as span:
            try:
                result = handler(request)
            except BaseException as error:
                _note_exception(span, error)
                raise
            _note_result(span, request, result)
            return result

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Trace one call."""
        with _open(request) as span:
            try:
                result = await handler(request)
            except BaseException as error:
                _note_exception(span, error)
                raise
            _note_result(span, request, result)
            return result


def tracing_middleware() -> TracingMiddleware:
    """Return the middleware for `create_agent(middleware=[tracing_middleware(), ...])`.

    Put it first, so that guards and approvals inside are seen as part of the call.
    """
    return TracingMiddleware()


class _ToolSpan:
    """Leaves out the record of an interrupt as a failure: an approval is not an error."""

    def __init__(self, request: Any) -> None:
        call = request.tool_call
        self._open = OpenSpan(
            str(call.get("name")),
            "TOOL",
            call.get("args"),
            {TOOL_CALL_ATTRIBUTE: str(call.get("id"))},
        )

    def __enter__(self) -> SpanHandle:
        return self._open.__enter__()

    def __exit__(self, *_: object) -> None:
        # Errors are noted by the wrapper, which can tell an interrupt from a failure.
        self._open.__exit__(None, None, None)


def _open(request: Any) -> _ToolSpan:
    return _ToolSpan(request)


def _is_interrupt(error: BaseException) -> bool:
    return any(kind.__name__ in {"GraphInterrupt", "GraphBubbleUp"} for kind in type(error).mro())


def _note_exception(span: SpanHandle, error: BaseException) -> None:
    execution = active_execution()
    if _is_interrupt(error):
        span.set_attribute("tool_call.outcome", "waiting_for_approval")
        span.set_outputs({"waiting_for": "approval"})
        if execution is not None:
            execution.tag(waiting_for_approval=True)
        return
    span.record_exception(error)
    span.set_attribute("tool_call.outcome", "error")


def _note_result(span: SpanHandle, request: Any, result: Any) -> None:
    try:
        content = getattr(result, "content", None)
        span.set_outputs(result if content is None else content)
        if getattr(result, "status", None) != "error":
            span.set_attribute("tool_call.outcome", "ok")
            return
        kind = "unknown_tool" if request.tool is None else "tool_error_handled"
        span.set_attribute("tool_call.outcome", kind)
        span.set_error(str(content)[:_MAX_ERROR])
        execution = active_execution()
        if execution is not None:
            execution.classify(kind, str(request.tool_call.get("name")))
    except Exception:
        _logger.debug("the tool call's outcome could not be recorded", exc_info=True)
