"""LangChain: as many TOOL spans as tool calls and as many traces as questions, however called."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool

import mlflow_integration as tracing
from mlflow_integration.langchain import tracing_middleware


class _Model(GenericFakeChatModel):
    def bind_tools(self, *_: Any, **__: Any) -> _Model:
        return self


class _HandleErrors(AgentMiddleware[Any, Any]):
    """What the agent does: a tool's error becomes a message for the model."""

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        try:
            return handler(request)
        except ValueError as error:
            return _error(request, error)

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except ValueError as error:
            return _error(request, error)


def _error(request: Any, error: Exception) -> ToolMessage:
    return ToolMessage(
        content=f"failed: {error}",
        tool_call_id=request.tool_call["id"],
        status="error",
        name=request.tool_call["name"],
    )


@tool
def add(a: int, b: int) -> int:
    """Add."""
    with tracing.create_trace_context("inside"):
        return a + b


@tool
async def later(a: int, b: int) -> int:
    """Add, after a while."""
    with tracing.create_trace_context("inside"):
        await asyncio.sleep(0.005)
        return a + b


@tool
def boom(a: int) -> int:
    """Fail."""
    raise ValueError(f"no {a}")


def _calls(name: str, count: int) -> list[Any]:
    return [
        {"name": name, "args": {"a": n, "b": 1}, "id": f"{name}-{n}", "type": "tool_call"}
        for n in range(count)
    ]


def _agent(calls: list[Any]) -> Any:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    answers = [
        AIMessage(content="", tool_calls=calls, usage_metadata=usage),
        AIMessage(content="done", usage_metadata=usage),
    ]
    return create_agent(
        _Model(messages=iter(answers)),
        [add, later, boom],
        middleware=[tracing_middleware(), _HandleErrors()],
    )


_QUESTION = {"messages": [("user", "hello")]}


def _tools(trace: Any) -> list[Any]:
    return [span for span in trace.data.spans if span.span_type == "TOOL"]


def _nested_rightly(trace: Any) -> None:
    """Each inner span hangs below a TOOL span, each TOOL span below a `tools` node."""
    by_id = {span.span_id: span for span in trace.data.spans}
    tools = _tools(trace)
    inside = [span for span in trace.data.spans if span.name.startswith("inside")]
    parents = [span.parent_id for span in inside]
    assert len(set(parents)) == len(parents)
    assert set(parents) <= {span.span_id for span in tools}
    for span in tools:
        assert by_id[span.parent_id].name.startswith("tools"), by_id[span.parent_id].name
    roots = [span for span in trace.data.spans if span.parent_id is None]
    assert [span.span_type for span in roots] == ["AGENT"]


@pytest.fixture
def agent_traced(start):
    return start(autolog=True)


def test_sync_parallel_calls(agent_traced):
    with tracing.track_agent_execution("q") as execution:
        result = _agent(_calls("add", 5)).invoke(_QUESTION)
        execution.set_answer(result["messages"][-1].content)
    agent_traced.deliver()
    (trace,) = agent_traced.traces()
    assert len(_tools(trace)) == 5
    assert {span.outputs for span in _tools(trace)} == {str(n + 1) for n in range(5)}
    _nested_rightly(trace)
    assert trace.info.response_preview == "done"
    models = [span for span in trace.data.spans if span.span_type == "CHAT_MODEL"]
    assert len(models) == 2
    assert trace.info.token_usage["total_tokens"] == 30


def test_async_parallel_calls_of_sync_and_async_tools(agent_traced):
    async def main() -> None:
        async with tracing.track_agent_execution("q") as execution:
            result = await _agent(_calls("later", 4) + _calls("add", 3)).ainvoke(_QUESTION)
            execution.set_answer(result["messages"][-1].content)

    asyncio.run(main())
    agent_traced.deliver()
    (trace,) = agent_traced.traces()
    assert len(_tools(trace)) == 7
    _nested_rightly(trace)


def test_forty_calls_in_parallel(agent_traced):
    async def main() -> None:
        async with tracing.track_agent_execution("q") as execution:
            await _agent(_calls("later", 40)).ainvoke(_QUESTION)
            execution.set_answer("done")

    asyncio.run(main())
    agent_traced.deliver()
    (trace,) = agent_traced.traces()
    assert len(_tools(trace)) == 40
    _nested_rightly(trace)


def test_forty_questions_in_parallel_threads_and_tasks(agent_traced):
    def ask(number: int) -> None:
        with tracing.track_agent_execution(f"thread {number}") as execution:
            _agent(_calls("add", 2)).invoke(_QUESTION)
            execution.set_answer("done")

    async def aask(number: int) -> None:
        async with tracing.track_agent_execution(f"task {number}") as execution:
            await _agent(_calls("later", 2)).ainvoke(_QUESTION)
            execution.set_answer("done")

    async def main() -> None:
        await asyncio.gather(*(aask(number) for number in range(20)))

    with ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(contextvars.Context().run, ask, number) for number in range(20)]
        for job in jobs:
            job.result()
    asyncio.run(main())
    agent_traced.deliver(120)
    traces = agent_traced.traces()
    assert len(traces) == 40
    assert {len(_tools(trace)) for trace in traces} == {2}
    assert len(agent_traced.runs()) == 40
    for trace in traces:
        _nested_rightly(trace)


def test_handled_errors_and_unknown_tools_are_classified(agent_traced):
    calls = [
        *_calls("boom", 1),
        {"name": "nope", "args": {}, "id": "n", "type": "tool_call"},
        *_calls("add", 1),
    ]
    with tracing.track_agent_execution("q") as execution:
        _agent(calls).invoke(_QUESTION)
        execution.set_answer("done")
    agent_traced.deliver()
    (trace,) = agent_traced.traces()
    outcomes = {span.name: span.get_attribute("tool_call.outcome") for span in _tools(trace)}
    assert outcomes == {"boom": "tool_error_handled", "nope": "unknown_tool", "add": "ok"}
    states = {span.name: span.status.status_code.value for span in _tools(trace)}
    assert states == {"boom": "ERROR", "nope": "ERROR", "add": "OK"}
    assert trace.info.tags["soft_failures"] == "tool_error_handled,unknown_tool"
    found = agent_traced.client().search_traces(
        locations=[agent_traced.experiment_id()],
        filter_string="tags.`soft_failure.unknown_tool` = 'True'",
    )
    assert len(found) == 1
