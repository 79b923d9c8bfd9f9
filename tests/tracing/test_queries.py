"""Filters: the guide's as written, rewritten where MLflow refuses, a word where it is silent."""

from __future__ import annotations

import warnings

import pytest

import mlflow_integration as tracing
from mlflow_integration.errors import ConfigurationError
from mlflow_integration.queries import QueryWarning, rewrite_run_filter, rewrite_trace_filter


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("attributes.success = 'True'", "tags.success = 'True'"),
        ("attributes.success = True", "tags.success = 'True'"),
        ("tags.environment = 'production'", "tags.environment = 'production'"),
        ("tags.success = True", "tags.success = 'True'"),
        ("attributes.status = 'FINISHED'", "attributes.status = 'FINISHED'"),
        ("metrics.success = 1", "metrics.success = 1"),
        ("attributes.execution_time_seconds > 2", "metrics.execution_time_seconds > 2"),
        (
            "attributes.category = 'a' AND metrics.success = 0",
            "tags.category = 'a' AND metrics.success = 0",
        ),
        ("params.question LIKE '%OR%'", "params.question LIKE '%OR%'"),
        ("tags.`soft_failure.refusal` = 'True'", "tags.`soft_failure.refusal` = 'True'"),
        ("", ""),
    ],
)
def test_run_filters(written, asked):
    assert rewrite_run_filter(written).text == asked


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("attributes.success = 'True'", "tags.success = 'True'"),
        ("status = 'OK'", "status = 'OK'"),
        ("span.attributes.x = 'v'", "span.attributes.x LIKE '%v%'"),
        ("feedback.helpful = 'True'", "feedback.helpful = 'true'"),
        ("execution_time_ms > 5 AND tags.a = 1", "execution_time_ms > 5 AND tags.a = '1'"),
    ],
)
def test_trace_filters(written, asked):
    assert rewrite_trace_filter(written).text == asked


def test_or_is_refused_with_a_remedy():
    with pytest.raises(ConfigurationError, match="AND but not OR") as caught:
        rewrite_run_filter("tags.a = 'x' OR tags.b = 'y'")
    assert "IN (" in (caught.value.remedy or "")


def test_the_guides_queries_return_what_was_recorded(traced):
    tracing.set_run_tags({"environment": "production"})
    for number in range(3):
        with tracing.track_agent_execution(f"q{number}", category="basic") as execution:
            execution.set_answer("a")
            if number == 2:
                execution.set_error("wrong")
    traced.deliver()
    experiment = tracing.get_experiment_by_name(traced.experiment)
    runs = tracing.search_runs(
        experiment_ids=[experiment.experiment_id],
        filter_string="attributes.success = 'True'",
        order_by=["start_time DESC"],
    )
    assert list(runs["params.question"]) == ["q1", "q0"]
    assert len(tracing.search_runs(filter_string="tags.environment = 'production'")) == 3
    assert len(tracing.search_traces(filter_string="attributes.success = 'False'")) == 1
    assert len(tracing.search_runs(filter_string="attributes.success = 'False'")) == 1


def test_a_silent_zero_gets_a_warning_and_an_answer(traced):
    with (
        tracing.track_agent_execution("q"),
        tracing.create_trace_context("step", attributes={"colour": "red"}),
    ):
        pass
    traced.deliver()
    with pytest.warns(QueryWarning, match="finds nothing"):
        found = tracing.search_traces(filter_string="span.attributes.colour = 'red'")
    assert len(found) == 1
    assert "no field of a trace" in rewrite_trace_filter("colour = 'red'").notes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracing.search_traces(filter_string="tags.category = 'x'")


def test_a_missing_experiment_is_none(traced):
    assert tracing.get_experiment_by_name("never-made") is None


def test_set_experiment_makes_it_and_later_traces_go_there(traced):
    made = tracing.set_experiment(f"{traced.experiment}-other")
    with tracing.track_agent_execution("q"):
        pass
    traced.deliver()
    found = traced.client().search_traces(locations=[made.experiment_id])
    assert len(found) == 1


def test_switching_the_back_end_keeps_what_was_recorded_for_the_first(traced, server):
    with tracing.track_agent_execution("first"):
        pass
    tracing.set_tracking_uri(server.url)
    with tracing.track_agent_execution("second"):
        pass
    assert traced.deliver()["pending"] == {}
    assert [trace.info.request_preview for trace in traced.traces()] == ["first"]
    found = tracing.search_traces(return_type="list")
    assert [trace.info.request_preview for trace in found] == ["second"]
