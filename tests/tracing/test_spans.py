"""Spans and executions: what is recorded, and that nothing breaks when nothing is."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

import mlflow_integration as tracing
from mlflow_integration import pipeline


def example() -> int:
    """The guide's example, word for word."""
    from mlflow_integration import create_trace_context

    with create_trace_context(
        name="custom_operation",
        span_type="TOOL",
        inputs={"param": "value"},
        attributes={"custom_tag": "my_value", "environment": "production"},
    ):
        return 42


def test_importing_the_package_does_not_import_mlflow(repository):
    code = (
        "import sys; from mlflow_integration import create_trace_context;"
        "from mlflow_integration.masking import mask; mask({'a': 1});"
        "assert 'mlflow' not in sys.modules and 'langchain_core' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository)


def test_the_guides_example_runs_switched_off(start, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")
    status = start().status
    assert not status.recording
    assert example() == 42
    assert not list((pipeline.os.environ and start().state / "spool").glob("segments/*.jsonl"))


def test_the_guides_example_is_recorded(traced):
    assert example() == 42
    traced.deliver()
    (trace,) = traced.traces()
    (span,) = trace.data.spans
    assert (span.name, span.span_type) == ("custom_operation", "TOOL")
    assert span.inputs == {"param": "value"}
    assert span.get_attribute("custom_tag") == "my_value"
    assert span.get_attribute("environment") == "production"


def test_the_guides_example_runs_when_mlflow_is_broken(traced, monkeypatch):
    import mlflow

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(mlflow, "start_span", broken)
    assert example() == 42
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    assert execution.trace_id is None


def test_the_guides_example_runs_when_the_disk_refuses(traced, monkeypatch):
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    assert example() == 42
    monkeypatch.undo()
    found = pipeline.current()
    assert found is not None
    assert found.recorder.writer.dropped
    assert "No space left" in (found.recorder.writer.last_error or "")


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_leaves_as_it_is_and_is_recorded(traced, error):
    with (
        pytest.raises(type(error)),
        tracing.track_agent_execution("q"),
        tracing.create_trace_context("step", "TOOL"),
    ):
        raise error
    traced.deliver()
    (trace,) = traced.traces()
    assert trace.info.state.value == "ERROR"
    assert trace.info.tags["success"] == "False"
    assert trace.info.tags["error_type"] == type(error).__name__
    step = next(span for span in trace.data.spans if span.name == "step")
    assert step.status.status_code.value == "ERROR"
    event = step.events[0]
    assert event.attributes["exception.type"] == type(error).__name__
    assert "Traceback" in event.attributes["exception.stacktrace"]
    (run,) = traced.runs()
    assert run.info.status == "FAILED"
    artifacts = {item.path for item in traced.client().list_artifacts(run.info.run_id)}
    assert "error.txt" in artifacts


def test_one_question_is_one_trace_and_one_run_with_its_figures(traced):
    tracing.set_run_tags({"environment": "production", "version": "1.0.0", "team": "platform"})
    with tracing.track_agent_execution(
        "Which function is slow?",
        session_id="s-1",
        user="ann",
        model="offline",
        prompt_version="3",
        account="sandbox",
        region="us-east-1",
        workflow="ask",
        question_id="q7",
        category="metrics_analysis",
        difficulty="hard",
        tags={"extra": 1},
    ) as execution:
        tracing.annotate_span({"note": "here"}, more=2)
        execution.classify("refusal", "out of scope")
        execution.record_approval("apply", "rejected", arguments={"memory_mb": 512}, by="ann")
        execution.set_answer("checkout")
    traced.deliver()
    (trace,) = traced.traces()
    root = next(span for span in trace.data.spans if span.parent_id is None)
    assert root.span_type == "AGENT"
    assert root.outputs == {"answer": "checkout"}
    assert root.get_attribute("note") == "here"
    assert trace.info.response_preview == "checkout"
    tags, metadata = trace.info.tags, trace.info.trace_metadata
    expected = {
        "question_id": "q7", "category": "metrics_analysis", "difficulty": "hard",
        "model": "offline", "prompt_version": "3", "account": "sandbox", "region": "us-east-1",
        "workflow": "ask", "extra": "1", "success": "True", "environment": "production",
        "team": "platform", "soft_failure.refusal": "True", "approvals": "rejected",
        "response_length_chars": "8",
    }  # fmt: skip
    assert expected.items() <= tags.items()
    assert metadata["mlflow.trace.session"] == "s-1"
    assert metadata["mlflow.trace.user"] == "ann"
    assert any(span.name == "approval:apply" for span in trace.data.spans)
    (run,) = traced.runs("metrics.success = 1 and tags.environment = 'production'")
    assert run.data.metrics["response_length_chars"] == 8
    assert 0 <= run.data.metrics["execution_time_seconds"] < 30
    assert run.data.params["question"] == "Which function is slow?"
    assert run.data.tags["response"] == "checkout"
    assert metadata["mlflow.sourceRun"] == run.info.run_id


def test_a_conversation_is_one_trace_with_a_turn_each(traced):
    with tracing.track_agent_execution(name="conversation", session_id="c", log_run=False):
        for number in range(3):
            with tracing.track_agent_execution(f"turn {number}") as turn:
                turn.set_answer("ok")
    traced.deliver()
    (trace,) = traced.traces()
    agents = [span for span in trace.data.spans if span.span_type == "AGENT"]
    root = next(span for span in agents if span.parent_id is None)
    assert [span.parent_id for span in agents if span is not root] == [root.span_id] * 3
    assert len(traced.runs()) == 3


def test_a_failed_turn_fails_the_conversation(traced):
    with tracing.track_agent_execution(name="conversation", log_run=False):
        with tracing.track_agent_execution("good") as turn:
            turn.set_answer("ok")
        with pytest.raises(ValueError), tracing.track_agent_execution("bad"):  # noqa: PT011
            raise ValueError
    traced.deliver()
    (trace,) = traced.traces()
    assert trace.info.tags["success"] == "False"


def test_decorators_sync_and_async(traced):
    @tracing.track_agent_execution
    def answer(question: str) -> str:
        return question.upper()

    @tracing.track_agent_execution(category="x", name="named")
    async def later(text: str) -> str:
        await asyncio.sleep(0)
        with tracing.create_trace_context("inner"):
            await asyncio.sleep(0)
        return text[::-1]

    async def main() -> list[str]:
        return await asyncio.gather(*(later(f"q{n}") for n in range(5)))

    assert answer("why") == "WHY"
    assert asyncio.run(main()) == [f"q{n}"[::-1] for n in range(5)]
    traced.deliver()
    traces = traced.traces()
    assert len(traces) == 6
    assert {len(t.data.spans) for t in traces if t.info.request_preview != "why"} == {2}
    assert {t.info.response_preview for t in traces} == {"WHY", *(f"{n}q" for n in range(5))}
    assert len(traced.runs("tags.category = 'x'")) == 5


def test_threads_that_carry_their_context_nest(traced):
    with tracing.track_agent_execution("threads") as execution:

        def work(number: int) -> None:
            with tracing.create_trace_context(f"thread {number}", "TOOL"):
                pass

        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(work, number))
            for number in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        execution.set_answer("ok")
    traced.deliver()
    (trace,) = traced.traces()
    root = next(span for span in trace.data.spans if span.parent_id is None)
    tools = [span for span in trace.data.spans if span.span_type == "TOOL"]
    assert len(tools) == 40
    assert {span.parent_id for span in tools} == {root.span_id}


def test_an_evaluated_question_has_one_run_and_assessments(traced):
    with tracing.track_agent_execution("q", question_id="q1", category="basic") as execution:
        execution.set_answer("a")
    assert execution.trace_id is not None
    tracing.log_question_evaluation(
        question_id="q1",
        category="basic",
        difficulty="easy",
        question="q",
        response="a",
        success=False,
        execution_time_seconds=0.5,
        trace_id=execution.trace_id,
        scores={"citations": 0.5},
        rationale="no citation",
    )
    tracing.log_question_evaluation(
        question_id="q2",
        category="basic",
        difficulty="hard",
        question="other",
        response=None,
        success=False,
        execution_time_seconds=1.5,
        error=TimeoutError("too slow"),
    )
    traced.deliver()
    assert len(traced.runs()) == 2
    (first,) = traced.runs("tags.question_id = 'q1'")
    assert first.data.tags["success"] == "False"
    assert first.data.metrics["success"] == 0.0
    assert first.data.metrics["score.citations"] == 0.5
    (second,) = traced.runs("tags.error_type = 'TimeoutError'")
    assert second.data.tags["difficulty"] == "hard"
    (trace,) = traced.traces()
    assert {(a.name, a.value) for a in trace.info.assessments} == {
        ("success", False),
        ("citations", 0.5),
    }
    assert trace.info.tags["success"] == "False"


def test_feedback_is_an_assessment(traced):
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    assert tracing.log_assessment(execution.trace_id, "helpful", True, rationale="good one")
    traced.deliver()
    (trace,) = traced.traces()
    (found,) = trace.info.assessments
    assert (found.name, found.value, found.rationale) == ("helpful", True, "good one")
    assert found.source.source_type == "HUMAN"


def test_masking_survives_a_later_set_tracking_uri(traced, tmp_path, database_template):
    import shutil

    import mlflow

    other = tmp_path / "other.db"
    shutil.copy(database_template, other)
    mlflow.set_tracking_uri(f"sqlite:///{other}")
    secret = "AKIA" + "IOSFODNN7EXAMPL3"
    with tracing.track_agent_execution(f"use {secret}") as execution:
        execution.set_answer(secret)
    assert secret not in traced.spooled_text()
    traced.deliver()
    from mlflow.tracing.client import TracingClient

    client = TracingClient(f"sqlite:///{other}")
    experiment = client.store.get_experiment_by_name(traced.experiment)
    (trace,) = client.search_traces(locations=[experiment.experiment_id])
    assert secret not in trace.to_json()
    assert secret.encode() not in other.read_bytes()


def test_initialising_again_keeps_what_was_recorded(start):
    first = start()
    with tracing.track_agent_execution("one"):
        pass
    second = start()
    with tracing.track_agent_execution("two"):
        pass
    second.deliver()
    assert len(first.traces()) == 2


def test_a_raw_mlflow_user_is_recorded_and_masked_too(traced):
    import mlflow

    secret = "ghp_" + "a1B2c3D4e5" * 4

    @mlflow.trace
    def work(text: str) -> str:
        return text

    assert work(secret) == secret
    traced.deliver()
    (trace,) = traced.traces()
    assert secret not in trace.to_json()


def test_status_lines_are_the_guides():
    from mlflow_integration.status import TracingStatus

    good = TracingStatus(enabled=True, recording=True, destination="", experiment="")
    rule = "=" * 80
    assert good.banner_lines() == [
        rule, "Initializing MLflow Tracing...", rule, "✅ MLflow tracing enabled", rule,
    ]  # fmt: skip
    off = TracingStatus(
        enabled=False, recording=False, destination="", experiment="",
        reason="MLFLOW_ENABLE_TRACING=false",
    )  # fmt: skip
    assert off.banner_lines()[3] == ("⚠️ MLflow tracing not configured: MLFLOW_ENABLE_TRACING=false")
    away: Any = TracingStatus(
        enabled=False, recording=True, destination="", experiment="", reason="it is away",
        remedy="Traces are kept on disk.",
    )  # fmt: skip
    assert away.banner_lines()[3] == (
        "⚠️ MLflow tracing not configured: it is away. Traces are kept on disk."
    )
