"""The same story on every back end that is really running."""

from __future__ import annotations

import shutil

import pytest

import mlflow_integration as tracing
from mlflow_integration.testing import Collector, DatabricksStandIn

TOKEN = "dapi" + "f0e1d2c3b4a59687" * 2


def test_a_question_with_everything_arrives(story):
    assert story.status.enabled, story.status
    with tracing.track_agent_execution(
        "Which function is slow?", session_id="s1", category="basic", model="offline"
    ) as execution:
        with tracing.create_trace_context("fetch", "TOOL", {"name": "checkout"}) as span:
            span.set_outputs({"memory_mb": 512})
        execution.set_answer("checkout")
    with pytest.raises(ValueError, match="no such"), tracing.track_agent_execution("bad"):
        raise ValueError("no such function")
    tracing.log_assessment(execution.trace_id, "helpful", True, rationale="good")
    result = story.deliver()
    assert result["pending"] == {}, result
    assert result["rejected"] == {}, result
    traces = {
        trace.info.request_preview: trace for trace in tracing.search_traces(return_type="list")
    }
    good, bad = traces["Which function is slow?"], traces["bad"]
    assert good.info.state.value == "OK"
    assert bad.info.state.value == "ERROR"
    assert good.info.response_preview == "checkout"
    assert good.info.trace_metadata["mlflow.trace.session"] == "s1"
    tool = next(span for span in good.data.spans if span.span_type == "TOOL")
    assert tool.outputs == {"memory_mb": 512}
    assert [a.value for a in good.info.assessments] == [True]
    runs = tracing.search_runs(
        filter_string="attributes.success = 'True'", order_by=["start_time DESC"]
    )
    assert list(runs["params.question"]) == ["Which function is slow?"]
    assert runs["metrics.response_length_chars"][0] == 8
    assert len(tracing.search_runs(filter_string="attributes.success = 'False'")) == 1
    assert len(tracing.search_traces(filter_string="tags.category = 'basic'")) == 1
    experiment = tracing.get_experiment_by_name(story.experiment)
    assert experiment.experiment_id
    if story.uri == "databricks":
        assert experiment.name == f"/Users/me@example.com/{story.experiment}"


def test_a_collector_gets_the_same_masked_spans(start, monkeypatch):
    secret = "ghp" + "_" + "a1B2c3D4e5" * 4
    with Collector() as collector:
        monkeypatch.setenv("MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        traced = start()
        with tracing.track_agent_execution(f"use {secret}") as execution:
            with tracing.create_trace_context("tool", "TOOL"):
                pass
            execution.set_answer("a")
        traced.deliver()
        assert sorted(span.name for span in collector.spans) == ["agent", "tool"]
        assert all(secret.encode() not in body for body in collector.bodies)
    assert len(traced.traces()) == 1


def test_a_local_profile_names_the_workspace(start, server, monkeypatch, tmp_path):
    with DatabricksStandIn(server.url, token=TOKEN) as workspace:
        (tmp_path / "databrickscfg").write_text(
            f"[work]\nhost = {workspace.url}\ntoken = {TOKEN}\n", "utf-8"
        )
        traced = start("databricks://work")
        assert traced.status.enabled, traced.status
        with tracing.track_agent_execution("q") as execution:
            execution.set_answer("a")
        assert traced.deliver()["pending"] == {}
        assert len([key for key in workspace.objects if key.startswith("traces/")]) == 1


def test_user_and_password_in_the_address_are_not_stored(start, server, state):
    password = "pa55" + "w0rd-in-address"
    address = server.url.replace("http://", f"http://ann:{password}@")
    traced = start(address)
    assert traced.status.enabled, traced.status
    assert password not in traced.status.destination
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    assert password not in traced.spooled_text()
    assert traced.deliver()["pending"] == {}


def test_a_copied_database_is_complete(traced, tmp_path):
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    traced.deliver()
    copy = tmp_path / "copy.db"
    shutil.copy(traced.state / "mlflow.db", copy)
    assert copy.stat().st_size > 0
