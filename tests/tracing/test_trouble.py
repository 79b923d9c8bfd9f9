"""Full disks, locked files, clocks that jump, forks and other people's autolog: by real means."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

import mlflow_integration as tracing
from mlflow_integration import pipeline
from mlflow_integration.backlog import Backlog
from mlflow_integration.delivery import Delivery
from mlflow_integration.probe_transport import retry_after
from mlflow_integration.retention import enforce_limits, report
from mlflow_integration.spool import list_segments
from mlflow_integration.testing import FaultyServer


def ask(question: str) -> str | None:
    with tracing.track_agent_execution(question) as execution:
        with tracing.create_trace_context("tool", "TOOL", "x" * 2000):
            pass
        execution.set_answer("a")
    return execution.trace_id


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        pipeline.shut_down()
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Leave no byte free."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 1024, 1):
            try:
                while file.write(bytes(size)):
                    continue
            except OSError:
                continue
    return ballast


def questions(traced) -> list[str]:
    return sorted(trace.info.request_preview for trace in traced.traces())


def test_a_disk_that_fills_up_costs_what_it_refuses_and_the_count_survives(
    small_disk, start, state, caplog, run_script, experiment
):
    database = f"sqlite:///{state / 'mlflow.db'}"
    code = """
        import sys
        sys.path.insert(0, sys.argv[4])
        import mlflow_integration as tracing
        from test_trouble import ask, fill
        from pathlib import Path
        place = Path(sys.argv[1])
        status = tracing.initialize_mlflow(
            state_dir=place / "state", tracking_uri=sys.argv[2], experiment=sys.argv[3],
            autolog=False,
        )
        assert status.enabled, status
        ask("before")
        ballast = fill(place)
        for number in range(5):
            ask(f"full {number}")
        ballast.unlink()
        ask("after")
        from mlflow_integration import pipeline
        print(sum(pipeline.current().recorder.writer.dropped.values()))
    """
    here = str(Path(__file__).parent)
    result = run_script(code, str(small_disk), database, experiment, here)
    lost = int(result.stdout)
    assert lost > 5
    assert result.stderr.count("No space left on device") == 1
    spool = small_disk / "state" / "spool"
    assert sum(report(spool)["dropped"].values()) == lost
    traced = start(database)
    traced.spool = spool
    delivered = traced.deliver()
    assert sum(delivered["dropped"].values()) == lost
    assert delivered["pending"] == {}
    assert {"before", "after"} <= set(questions(traced))
    # The process is gone and so are its files; the figure stays.
    assert not list(list_segments(spool))
    assert sum(report(spool)["dropped"].values()) == lost


def test_a_disk_that_is_full_at_the_start_is_told_and_used_when_it_has_space(
    small_disk, state, experiment
):
    ballast = fill(small_disk)
    status = pipeline.initialize_mlflow(
        state_dir=small_disk / "state", tracking_uri=f"sqlite:///{state / 'mlflow.db'}",
        experiment=experiment, autolog=False,
    )  # fmt: skip
    assert (status.enabled, status.recording, status.code) == (False, True, "spool")
    assert "no space left" in status.banner_lines()[3]
    ask("lost")
    ballast.unlink()
    ask("kept")
    backlog = Backlog(small_disk / "state" / "spool")
    backlog.refresh()
    assert len(backlog.traces) == 1


LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_database_that_another_program_has_locked_loses_nothing(start, state):
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(state / "mlflow.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "locked\n"
    try:
        began = time.monotonic()
        traced = start(timeout_seconds=2.0)
        ids = [ask(f"q{number}") for number in range(3)]
        assert time.monotonic() - began < 30
        assert all(ids)
        result = traced.deliver(3)
        assert result["pending"]["traces"] == 3
        assert result["rejected"] == {}
        (trouble,) = result["destinations"].values()
        assert "locked" in trouble["reason"]
    finally:
        holder.communicate()
    result = traced.deliver(60)
    assert result["pending"] == {}, result["destinations"]
    assert result["delivered"]["traces"] == result["delivered"]["runs"] == 3
    assert questions(traced) == ["q0", "q1", "q2"]


@pytest.mark.parametrize("jump", [-3600, 400 * 86400])
def test_a_clock_that_jumps_within_a_question(jump, start, server, monkeypatch):
    """Between begin and end; no negative time, and nothing that a back end would refuse."""
    import opentelemetry.sdk.trace as sdk

    real, shift = time.time_ns, [0]
    monkeypatch.setattr(sdk, "time_ns", lambda: real() + shift[0])
    monkeypatch.setattr(time, "time_ns", lambda: real() + shift[0])
    traced = start(server.url)
    with tracing.track_agent_execution("q") as execution:
        with tracing.create_trace_context("across", "TOOL"):
            shift[0] = jump * 1_000_000_000
        with tracing.create_trace_context("afterwards", "TOOL"):
            pass
        execution.set_answer("a")
    result = traced.deliver()
    assert (result["pending"], result["rejected"]) == ({}, {})
    (trace,) = traced.traces()
    assert trace.info.execution_duration >= 0
    assert len(trace.data.spans) == 3
    assert all(span.end_time_ns >= span.start_time_ns for span in trace.data.spans)
    (run,) = traced.runs("tags.success = 'True'")
    assert 0 <= run.data.metrics["execution_time_seconds"] < 60


def test_a_clock_that_jumps_ahead_and_back_drops_nothing_from_the_spool(traced):
    ask("q")
    pipeline.current().recorder.writer.close()
    backlog = Backlog(traced.spool)
    backlog.refresh()
    now, year = time.time(), 365 * 86400

    def look(at: float) -> int:
        return enforce_limits(backlog, limit_bytes=10**9, limit_days=14, now=at)

    assert look(now + year) == 0
    assert look(now) == 0
    assert look(now + year + 4000) == 0
    assert look(now + year + 4000 + 3601) > 0
    assert report(traced.spool)["dropped"]["traces"] == 1


def _in_child(number: int) -> str | None:
    return ask(f"child {number}")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_are_made_while_tracing(method, start, state, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{state / 'mlflow.db'}")
    monkeypatch.setenv("LAMBDA_AUTOTUNER_STATE_DIR", str(state))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    traced = start()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", traced.experiment)
    import test_trouble

    with tracing.track_agent_execution("parent") as execution:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            list(pool.map(test_trouble._in_child, range(6)))
        with tracing.create_trace_context("parent's own", "TOOL"):
            pass
        execution.set_answer("a")
    result = traced.deliver()
    assert (result["pending"], result["rejected"]) == ({}, {})
    spans = [span for trace in traced.traces() for span in trace.data.spans]
    assert len({span.span_id for span in spans}) == len(spans)
    asked = sorted(str(s.inputs["question"]) for s in spans if s.name == "agent")
    assert asked == [*(f"child {number}" for number in range(6)), "parent"]
    assert sum(span.span_type == "TOOL" for span in spans) == 7
    assert {trace.info.state.value for trace in traced.traces()} == {"OK"}


def test_a_span_that_a_forked_child_ends_after_the_trace_is_added(traced):
    with tracing.track_agent_execution("parent") as execution:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                with tracing.create_trace_context("late", "TOOL"):
                    os.read(reader, 1)
            finally:
                os._exit(0)
        execution.set_answer("a")
    first = traced.deliver()
    os.write(writer, b"x")
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    second = traced.deliver()
    (trace,) = traced.traces()
    assert trace.info.state.value == "OK"
    assert sorted(span.name for span in trace.data.spans) == ["agent", "late"]
    assert first["delivered"]["traces"] == second["delivered"]["traces"] == 1


def test_a_thread_that_outlives_its_question(traced):
    """MLflow closes a trace when its last span ends; until then it waits, and is not doubled."""
    going = threading.Event()

    def work() -> None:
        with tracing.create_trace_context("late", "TOOL"):
            going.wait(60)

    with tracing.track_agent_execution("parent") as execution:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        thread.start()
        time.sleep(0.2)
        execution.set_answer("a")
    assert traced.deliver(5)["pending"] == {"traces": 1}
    going.set()
    thread.join()
    result = traced.deliver()
    (trace,) = traced.traces()
    assert sorted(span.name for span in trace.data.spans) == ["agent", "late"]
    assert trace.info.state.value == "OK"
    assert result["delivered"]["traces"] == 1
    assert result["pending"] == {}


@pytest.mark.parametrize("when", ["before", "after", "both", "without spans of ours"])
def test_a_second_autolog_of_the_users_own_makes_no_second_span(when, start):
    import mlflow
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    from mlflow_integration.langchain import tracing_middleware

    class Model(GenericFakeChatModel):
        def bind_tools(self, *_: object, **__: object) -> Model:
            return self

    def add(a: int) -> int:
        """Add one."""
        return a + 1

    if when in {"before", "both"}:
        mlflow.langchain.autolog()
    traced = start(autolog=True)
    if when != "before":
        mlflow.langchain.autolog()
        mlflow.langchain.autolog(log_traces=True)
    calls = [
        {"name": "add", "args": {"a": n}, "id": f"c{n}", "type": "tool_call"} for n in range(3)
    ]
    answers = [AIMessage(content="", tool_calls=calls), AIMessage(content="done")]
    middleware = [] if when == "without spans of ours" else [tracing_middleware()]
    agent = create_agent(Model(messages=iter(answers)), [add], middleware=middleware)
    with tracing.track_agent_execution("q") as execution:
        agent.invoke({"messages": [("user", "hello")]})
        execution.set_answer("done")
    assert traced.deliver()["pending"] == {}
    (trace,) = traced.traces()
    tools = [span for span in trace.data.spans if span.span_type == "TOOL"]
    assert sorted(str(span.inputs) for span in tools) == [f"{{'a': {n}}}" for n in range(3)]
    assert sum(span.span_type == "CHAT_MODEL" for span in trace.data.spans) == 2


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_back_end_that_asks_to_be_left_alone_is(status, start, server):
    with FaultyServer("through", upstream=server.url) as faulty:
        traced = start(faulty.url)
        ask("q")
        pipeline.current().recorder.writer.close()
        faulty.mode, faulty.headers = status, [("Retry-After", "120")]
        delivery = Delivery(Backlog(traced.spool))
        delivery.run_once()
        (post,) = delivery.posts.values()
        assert post.trouble is not None
        post.trouble.retry_at = 0.0
        # The first answer came through MLflow, which keeps the header to itself.
        delivery.run_once()
        assert 100 < post.trouble.retry_at - time.monotonic() <= 120
        before = faulty.seen[status]
        for _ in range(5):
            delivery.run_once()
        assert faulty.seen[status] == before
        faulty.mode = "through"
    traced.uri = server.url


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), (" 0 ", 0, 0), ("date", 50, 60), ("past", 0, 0)],
)
def test_retry_after_is_seconds_or_a_date(header, low, high):
    now = datetime.now(UTC)
    dates = {"date": now + timedelta(seconds=59), "past": now - timedelta(days=1)}
    text = format_datetime(dates[header], usegmt=True) if header in dates else header
    found = retry_after(text)
    assert found is not None
    assert low <= found <= high


@pytest.mark.parametrize("header", [None, "", "soon", "-1", "1e9", "Fri, 99 Nov 2026"])
def test_a_retry_after_that_says_nothing(header):
    assert retry_after(header) is None
