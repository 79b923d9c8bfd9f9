"""Delivery: once each, whatever is repeated, cut off, damaged or begun by several processes."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter

import pytest

import mlflow_integration as tracing
from mlflow_integration import pipeline
from mlflow_integration.assembly import assemble
from mlflow_integration.backlog import Backlog
from mlflow_integration.records import decode, encode
from mlflow_integration.retention import enforce_limits, report
from mlflow_integration.spool import ack_path, list_segments


def record(count: int = 3) -> list[str]:
    """Record questions with a tool call each."""
    found = []
    for number in range(count):
        with tracing.track_agent_execution(f"q{number}", category="basic") as execution:
            with tracing.create_trace_context("tool", "TOOL", {"n": number}):
                pass
            execution.set_answer(str(number))
        found.append(str(execution.trace_id))
    return found


def test_delivering_everything_again_changes_nothing(traced, tmp_path):
    ids = record()
    tracing.log_assessment(ids[0], "helpful", True)
    tracing.set_trace_tags(ids[0], {"late": "yes"})
    copy = tmp_path / "copy"
    pipeline.current().recorder.writer.close()
    shutil.copytree(traced.spool, copy)
    first = traced.deliver()
    before = sorted(
        (t.info.trace_id, t.info.state.value, len(t.data.spans)) for t in traced.traces()
    )
    runs = sorted(run.info.run_id for run in traced.runs())
    # As if the worker had been killed after sending and before noting that it had sent.
    for path in (copy / "segments").glob("*.jsonl"):
        shutil.copy(path, traced.spool / "segments" / f"9{path.name}")
        intents = [n for n in path.read_text().splitlines() if '"do":"start"' in n]
        lines = [f"i:{decode(line.encode())['id']} intent" for line in intents]
        ack_path(traced.spool / "segments" / f"9{path.name}").write_text("\n".join(lines) + "\n")
    traced.deliver()
    after = sorted(
        (t.info.trace_id, t.info.state.value, len(t.data.spans)) for t in traced.traces()
    )
    assert after == before
    assert sorted(run.info.run_id for run in traced.runs()) == runs
    (rated,) = [t for t in traced.traces() if t.info.trace_id == ids[0]]
    assert len(rated.info.assessments) == 1
    assert rated.info.tags["late"] == "yes"
    assert first["delivered"] == {
        "traces": 3, "runs": 3, "run_updates": 6, "artifacts": 3, "assessments": 1, "trace_tags": 1,
    }  # fmt: skip


def test_counts_add_up_to_what_was_recorded(traced):
    record(5)
    waiting = report(traced.spool)
    assert waiting["pending"]["traces"] == 5
    assert waiting["pending"]["runs"] == 5
    done = traced.deliver()
    assert done["pending"] == {}
    assert done["delivered"]["traces"] == 5
    assert done["delivered"]["runs"] == 5
    assert report(traced.spool)["delivered"] == done["delivered"]
    assert list(list_segments(traced.spool)) in ([], list(list_segments(traced.spool)))


def test_files_of_the_spool_are_private(traced):
    record(1)
    traced.deliver()
    record(1)
    for path in traced.spool.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_damaged_line_costs_only_itself(traced):
    record(4)
    pipeline.current().recorder.writer.close()
    (path,) = list_segments(traced.spool)
    lines = path.read_bytes().splitlines(keepends=True)
    broken = next(n for n, line in enumerate(lines) if b'"name":"tool"' in line)
    lines[broken] = lines[broken][:40] + b"#" + lines[broken][41:]
    lines.insert(3, b"\x00\xff not a record\n")
    path.write_bytes(b"".join(lines) + b"0123 half a li")
    result = traced.deliver()
    traces = traced.traces()
    assert len(traces) == 4
    assert Counter(len(trace.data.spans) for trace in traces) == {2: 3, 1: 1}
    assert result["damaged"] == {"records": 3}


def test_a_file_that_is_no_spool_file_is_left_alone(traced):
    record(1)
    odd = traced.spool / "segments" / "0-odd.jsonl"
    odd.write_bytes(b"hello\n" * 3)
    newer = traced.spool / "segments" / "1-newer.jsonl"
    newer.write_bytes(encode({"k": "segment", "schema": 99, "destination": {}, "to": "x"}))
    traced.deliver()
    assert len(traced.traces()) == 1
    assert odd.exists()
    assert newer.exists()


def test_what_a_dead_process_left_open_is_closed_with_the_reason(traced, run_script):
    code = """
        import os, sys
        import mlflow_integration as tracing
        tracing.initialize_mlflow(state_dir=sys.argv[1], experiment=sys.argv[2], autolog=False)
        with tracing.track_agent_execution("unfinished", category="basic", session_id="s9"):
            with tracing.create_trace_context("outer"):
                with tracing.create_trace_context("finished", "TOOL"):
                    pass
                os.kill(os.getpid(), 9)
    """
    run_script(code, str(traced.state), traced.experiment, check=False)
    result = traced.deliver()
    assert result["pending"] == {}
    (trace,) = traced.traces()
    assert trace.info.state.value == "ERROR"
    assert trace.info.tags["closed_reason"] == "the process ended before the trace did"
    assert trace.info.tags["category"] == "basic"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s9"
    assert trace.info.request_preview == "unfinished"
    names = {span.name: span for span in trace.data.spans}
    assert set(names) == {"agent", "finished"}
    assert names["finished"].parent_id == names["agent"].span_id
    (run,) = traced.runs()
    assert run.info.status == "KILLED"
    assert run.data.tags["success"] == "False"


def test_a_finished_trace_is_never_turned_into_a_crashed_one(traced):
    (trace_id,) = record(1)
    traced.deliver()
    found = pipeline.current()
    found.recorder.record_open(trace_id, None, name="late", tags={}, metadata={}, question=None)
    writer = found.recorder.writer
    writer.close()
    # As if the process had died: its lock is gone.
    os.close(writer._producer[1])
    writer._producer = None
    result = traced.deliver()
    assert result["pending"] == {}
    (trace,) = traced.traces()
    assert trace.info.state.value == "OK"


def test_a_live_process_s_open_trace_waits(traced):
    with tracing.track_agent_execution("open"):
        with tracing.create_trace_context("tool"):
            pass
        result = traced.deliver(5)
        assert result["pending"]["traces"] == 1
    traced.deliver()
    (trace,) = traced.traces()
    assert trace.info.state.value == "OK"
    assert len(trace.data.spans) == 2


def test_a_record_that_is_refused_is_set_aside_and_the_rest_goes_on(traced):
    tracing.log_assessment("tr-" + "0" * 32, "helpful", True)
    record(2)
    result = traced.deliver()
    assert result["delivered"]["traces"] == 2
    assert result["rejected"] == {"assessments": 1}
    lines = (traced.spool / "rejected.jsonl").read_bytes().splitlines()
    assert decode(lines[0])["destination"]["experiment"] == traced.experiment
    assert decode(lines[1])["k"] == "assessment"


def test_several_processes_share_a_spool(traced, run_script):
    code = """
        import os, sys
        import mlflow_integration as tracing
        tracing.initialize_mlflow(state_dir=sys.argv[1], experiment=sys.argv[2], autolog=False)
        for number in range(6):
            pid = os.fork() if number < 3 else 0
            if number >= 3 or pid == 0:
                with tracing.track_agent_execution(f"{os.getpid()} {number}") as execution:
                    execution.set_answer("x")
            if number < 3 and pid == 0:
                os._exit(0)
        for _ in range(3):
            os.wait()
    """
    run_script(code, str(traced.state), traced.experiment)
    record(2)
    traced.deliver()
    assert len(traced.traces()) == 8
    assert len(traced.runs()) == 8


def test_the_spool_is_bounded_by_size_and_age_and_counts_what_it_drops(traced):
    record(3)
    pipeline.current().recorder.writer.close()
    record(2)
    pipeline.current().recorder.writer.close()
    first, second = list_segments(traced.spool)
    backlog = Backlog(traced.spool)
    backlog.refresh()
    limit = second.stat().st_size + 10
    assert enforce_limits(backlog, limit_bytes=limit, limit_days=14) > 0
    assert not first.exists()
    assert report(traced.spool)["dropped"]["traces"] == 3
    os.utime(second, (0, 0))
    now = time.time()
    assert enforce_limits(backlog, limit_bytes=10**9, limit_days=14, now=now) == 0
    assert enforce_limits(backlog, limit_bytes=10**9, limit_days=14, now=now + 3601) > 0
    counts = report(traced.spool)
    assert counts["dropped"]["traces"] == 5
    assert counts["dropped"]["runs"] == 5
    assert counts["pending"] == {}


def test_a_full_disk_loses_only_what_it_refuses(traced, monkeypatch):
    record(1)
    real = os.write
    state = {"full": True}

    def write(fd: int, data: bytes) -> int:
        if state["full"] and b'"k"' in data:
            real(fd, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    record(1)
    state["full"] = False
    record(1)
    monkeypatch.undo()
    traced.deliver()
    assert sorted(t.info.request_preview for t in traced.traces()) == ["q0", "q0"]


@pytest.mark.parametrize("seed", range(5))
def test_spans_arrive_in_any_order_and_twice(seed):
    rng = random.Random(seed)
    spans = [
        {
            "k": "span",
            "s": {
                "span_id": f"s{n}", "parent_span_id": f"s{n - 1}" if n else None, "name": f"n{n}",
                "start_time_unix_nano": n, "end_time_unix_nano": 9, "attributes": {},
            },
        }
        for n in range(6)
    ]  # fmt: skip
    shuffled = spans + spans[:2]
    rng.shuffle(shuffled)
    closed = {"info": {"state": "OK", "trace_metadata": {
        "mlflow.trace.sizeStats": json.dumps({"num_spans": 9})}}}  # fmt: skip
    trace = assemble("tr-1", shuffled, None, closed)
    assert {span["span_id"] for span in trace.spans} == {f"s{n}" for n in range(6)}
    assert len(trace.spans) == 6
    stats = json.loads(trace.info["trace_metadata"]["mlflow.trace.sizeStats"])
    assert stats["num_spans"] == 6
