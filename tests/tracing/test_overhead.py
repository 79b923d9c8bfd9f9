"""What tracing costs is printed by `benchmarks/tracing.py`; here: that it measures what it says."""

from __future__ import annotations

import pytest

import benchmarks.tracing as benchmark
import mlflow_integration as tracing
from mlflow_integration.records import decode
from mlflow_integration.spool import list_segments


def test_a_question_of_the_benchmark_is_eleven_spans_on_disk_when_it_ends(traced):
    benchmark.ask(tracing.create_trace_context, 1)
    records = [
        decode(line)
        for path in list_segments(traced.spool)
        for line in path.read_bytes().splitlines()
    ]
    assert [record["k"] for record in records].count("span") == benchmark.SPANS
    assert [record["k"] for record in records].count("trace") == 1


def test_nothing_of_a_question_waits_for_another_thread(traced, monkeypatch):
    import threading

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a thread was started for a question")

    benchmark.ask(tracing.create_trace_context, 1)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    benchmark.ask(tracing.create_trace_context, 2)
    monkeypatch.undo()
    traced.deliver()
    assert len(traced.traces()) == 2


@pytest.mark.parametrize("text", ["data:image/png;base64,iVBORw0KGgo=", "plain"])
def test_content_stays_in_the_span_instead_of_being_uploaded_apart(text, traced):
    with tracing.create_trace_context("step", inputs={"picture": text}):
        pass
    traced.deliver()
    (trace,) = traced.traces()
    assert trace.data.spans[0].inputs == {"picture": text}
