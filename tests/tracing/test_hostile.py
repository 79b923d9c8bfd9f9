"""Values that break a careless recorder: a megabyte, half a character, endless nesting, odd names."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mlflow_integration as tracing
from mlflow_integration import fitting
from mlflow_integration.backlog import Backlog
from mlflow_integration.masking import Masker
from mlflow_integration.spool import ack_path, list_segments

MEGABYTE = 1_000_000


def _nested(depth: int) -> Any:
    value: Any = {"leaf": 1}
    for _ in range(depth):
        value = {"deeper": value}
    return value


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


HOSTILE: dict[str, Any] = {
    "zero byte": "a\x00b",
    "controls": "".join(map(chr, range(32))) * 3,
    "half a character": "x\ud83d y \udfff",
    "megabyte": "m" * MEGABYTE,
    "long names": "n" * 50_000,
    "lines": "Ab1 \n" * 2_000,
    "megabyte of lines": "Ab1 \n" * (MEGABYTE // 5),
    "other scripts": "é名😀" * 1000,
    "binary": bytes(range(256)) * 100,
    "no number": float("nan"),
    "endless": float("inf"),
    "nested": _nested(3000),
    "large number": 10**400,
    "set": {1, 2, 3},
    "broken object": _Broken(),
    "empty": "",
    "numbers as keys": {1: 2, (1, 2): 3, None: 4},
    "path": "../../etc/x//y/.",
    "markup": "<script>alert(1)</script>",
}


def record(kind: str, value: Any) -> str:
    """Put a value into every place, and its text into every name."""
    # Thirty names of a megabyte each are a minute's work for everybody behind us.
    name = value if isinstance(value, str) and len(value) < MEGABYTE // 2 else kind
    with tracing.track_agent_execution(
        name, session_id=name, user=name, model=name, category=name, tags={name: name, "kind": kind}
    ) as execution:
        with tracing.create_trace_context(
            name, name, {"value": value, name: name}, {"value": value, name: value}
        ) as span:
            span.set_outputs(value)
            span.add_event(name, {"value": value, name: value})
            span.set_error(name)
        execution.classify(name, name)
        execution.record_approval(name, name, arguments={name: value}, reason=name, by=name)
        execution.log_metrics(**{name: value if isinstance(value, float) else 1.0})
        execution.set_answer(name)
        execution.set_error(ValueError(name))
    assert execution.trace_id is not None, kind
    tracing.log_assessment(execution.trace_id, name, name, rationale=name)
    tracing.set_trace_tags(execution.trace_id, {name: name, f"{name}!": name})
    run = tracing.log_agent_run(
        name, name, success=True, execution_time_seconds=float("inf"), error=name,
        tags={name: name}, params={name: name}, metrics={name: 1.0, f"{name}?": 2.0},
        artifacts={name: name, f"folder/{name}.txt": name},
    )  # fmt: skip
    assert run is not None, kind
    return execution.trace_id


def test_hostile_values_arrive_everywhere_and_nothing_is_refused(story):
    assert story.status.enabled, story.status
    ids = {kind: record(kind, value) for kind, value in HOSTILE.items()}
    result = story.deliver(300)
    assert result["pending"] == {}, result["destinations"]
    assert result["rejected"] == {}, (story.spool / "rejected.jsonl").read_text()[:3000]
    assert result["delivered"]["traces"] == len(HOSTILE)
    assert result["delivered"]["runs"] == 2 * len(HOSTILE)
    assert result["delivered"]["assessments"] == len(HOSTILE)
    found = {t.info.trace_id: t for t in tracing.search_traces(return_type="list")}
    assert set(found) == set(ids.values())
    for kind, trace_id in ids.items():
        trace = found[trace_id]
        assert trace.info.tags["kind"] == kind
        assert trace.info.state.value == "ERROR"
        assert len(trace.data.spans) == 3, kind
        assert len(trace.info.assessments) == 1, kind
    whole = found[ids["megabyte"]].data.spans
    assert any(span.outputs == HOSTILE["megabyte"] for span in whole)
    assert len(tracing.search_runs(filter_string="tags.kind LIKE '%'")) == len(HOSTILE)


def test_a_run_with_more_values_than_one_request_takes(story):
    many = {f"name {number}": number for number in range(1200)}
    tracing.log_agent_run(
        "q", "a", success=True, execution_time_seconds=1.0,
        tags=many, params=many, metrics={k: float(v) for k, v in many.items()},
    )  # fmt: skip
    result = story.deliver(120)
    assert result["rejected"] == {}
    (run,) = tracing.search_runs(output_format="list")
    assert run.data.metrics["name 1199"] == 1199.0
    assert run.data.params["name 1199"] == run.data.tags["name 1199"] == "1199"


def test_an_artifact_stays_below_its_run(traced):
    names = ["../../../escaped.txt", "/absolute.txt", "a/../../escaped.txt", "..", ""]
    tracing.log_agent_run(
        "q", "a", success=True, execution_time_seconds=1.0, artifacts=dict.fromkeys(names, "x")
    )
    assert traced.deliver()["rejected"] == {}
    (run,) = traced.runs()
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    written = set(traced.state.parent.rglob("*.txt"))
    assert written
    assert all(folder in path.parents for path in written), written


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a//b", "/a", "../a", "a/./b", "x" * 900, "a\nb", "ä?", "a/", "./", "soft.x"],
)
def test_names_are_what_mlflow_takes(name):
    from mlflow.utils.validation import _validate_metric, _validate_param, _validate_tag

    fitted = fitting.entity_name(name)
    _validate_metric(fitted, 1.0, 0, 0)
    _validate_param(fitted, "v")
    _validate_tag(fitted, "v")
    assert fitting.entity_name("score.tools/used: a-b_c") == "score.tools/used: a-b_c"
    assert len(fitting.named({name: 1, f"{name}?": 2, f"{name}!": 3})) == 3


def test_a_trace_over_several_segments_is_counted_once_and_never_cut(traced):
    """What is larger than a segment goes on in the next; the worker may end between two notes."""
    with tracing.track_agent_execution("large") as execution:
        for number in range(12):
            with tracing.create_trace_context(f"part {number}", inputs="y" * MEGABYTE):
                pass
        execution.set_answer("a")
    assert len(list(list_segments(traced.spool))) > 1
    result = traced.deliver()
    assert result["delivered"]["traces"] == 1
    assert len(traced.traces()[0].data.spans) == 13


@pytest.mark.parametrize("noted", [0, -1])
def test_a_worker_that_ends_between_two_notes_does_not_deliver_half_a_trace(noted, traced):
    with tracing.track_agent_execution("large", log_run=False) as execution:
        for number in range(10):
            with tracing.create_trace_context(f"part {number}", inputs="y" * MEGABYTE):
                pass
        execution.set_answer("a")
    segments = list(list_segments(traced.spool))
    assert len(segments) == 2
    covered = ",".join(f"{path.name}:{path.stat().st_size}" for path in segments)
    ack_path(segments[noted]).write_text(f"t:{execution.trace_id} trace delivered {covered}\n")
    backlog = Backlog(traced.spool)
    backlog.refresh()
    assert backlog.traces == {}
    result = traced.deliver()
    assert result["delivered"]["traces"] == 1
    assert result["pending"] == {}


def _texts(length: int) -> dict[str, str]:
    pieces = {
        "letters": "m", "lines": "Ab1c2\n", "blank lines": "a \n", "blanks": " ", "assignments":
        "password=hunter22 ", "quotes": "password='", "escapes": "\\u0041", "addresses":
        "https://a:b@c/ ", "schemes": "http://x:", "brackets": '{"a":', "keys": "A_B=1 ",
        "slashes": "\\", "encoded": "QWxhZGRpbjpvcGVuIHNlc2FtZQ ",
    }  # fmt: skip
    return {name: piece * (length // len(piece)) for name, piece in pieces.items()}


def test_masking_takes_time_in_proportion_to_length():
    """Four times the text may take eight times as long; a quadratic rule takes sixteen."""

    def seconds(text: str) -> float:
        began = time.thread_time()
        Masker().mask_text(text)
        return time.thread_time() - began

    short, long = _texts(250_000), _texts(MEGABYTE)
    slow = Counter()
    for name, text in long.items():
        ratio = min(seconds(text) for _ in range(2)) / max(seconds(short[name]), 0.01)
        slow[name] = round(ratio, 1)
    assert max(slow.values()) < 9, slow


@pytest.mark.parametrize(("depth", "kept"), [(3, True), (90, True), (101, False), (50_000, False)])
def test_what_nests_too_deep_for_a_back_end_goes_there_as_text(depth: int, *, kept: bool) -> None:
    wide = '{"wide": [' + ", ".join(['{"a": [1]}'] * 300) + "]}"
    deep = '{"d": ' * depth + "1" + "}" * depth
    attributes = fitting.span({"attributes": {"deep": deep, "wide": wide}})["attributes"]
    assert attributes["wide"] == wide
    assert attributes["deep"] == (deep if kept else json.dumps(f"nested deeper than 100: {deep}"))
