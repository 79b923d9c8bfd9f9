"""Servers that are away: the run goes on, the exit is quick, nothing is lost, the cause is told."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlflow_integration as tracing
from mlflow_integration import pipeline
from mlflow_integration.probe import probe
from mlflow_integration.testing import DatabricksStandIn, FaultyServer, MlflowServer
from mlflow_integration.testing.listening import free_port
from mlflow_integration.worker import deliver_all

TOKEN = "dapi" + "0123456789abcdef" * 2
# The goal is 3 s on a machine of one's own; MLflow alone takes minutes.
ADDED_SECONDS = 6.0

# Two questions, timed without loading MLflow and LangChain, to the very end of the process.
TWO_QUESTIONS = """
import os, sys, time
import mlflow_integration as tracing
from mlflow_integration.loading import import_mlflow
import_mlflow(autolog=False)
began = time.time()
status = tracing.initialize_mlflow(state_dir=sys.argv[1], experiment=sys.argv[2], autolog=False)
for number in range(2):
    with tracing.track_agent_execution(f"q{number}") as execution:
        with tracing.create_trace_context("tool", "TOOL"):
            pass
        execution.set_answer("a")
print(began, status.enabled, status.code, flush=True)
"""


def ask_two(tmp_path: Path, state: Path, experiment: str, **variables: str) -> tuple[float, str]:
    """Run two questions in a process; return its seconds beyond loading MLflow, and the status."""
    import os

    script = tmp_path / "two.py"
    script.write_text(TWO_QUESTIONS)
    environment = {**os.environ, "MLFLOW_INTEGRATION_DELIVERY": "background", **variables}
    result = subprocess.run(
        [sys.executable, str(script), str(state), experiment],
        capture_output=True, text=True, timeout=60, check=True, env=environment,
    )  # fmt: skip
    ended = time.time()
    began, enabled, code = result.stdout.split()
    return ended - float(began), f"{enabled} {code}"


@pytest.fixture(scope="module")
def quiet_seconds(tmp_path_factory) -> float:
    """The same two questions with tracing switched off: what the machine itself takes today."""
    folder = tmp_path_factory.mktemp("quiet")
    seconds, _ = ask_two(folder, folder / "state", "x", MLFLOW_ENABLE_TRACING="false")
    return seconds


@pytest.mark.parametrize("mode", ["refusing", "503", "silent", "hangup"])
def test_a_server_that_is_away_costs_little_and_loses_nothing(
    mode, tmp_path, state, experiment, server, quiet_seconds
):
    with FaultyServer("503" if mode == "refusing" else mode, upstream=server.url) as faulty:
        address = faulty.url
        if mode == "refusing":
            address = f"http://127.0.0.1:{free_port()}"
        seconds, status = ask_two(tmp_path, state, experiment, MLFLOW_TRACKING_URI=address)
        assert status.startswith("False")
        assert seconds - quiet_seconds < ADDED_SECONDS, (mode, seconds, quiet_seconds)
        if mode == "refusing":
            with FaultyServer("through", upstream=server.url, port=int(address[-5:])):
                result = deliver_all(state / "spool", 60)
        else:
            faulty.mode = "through"
            faulty.released.set()
            result = deliver_all(state / "spool", 60)
    assert result["pending"] == {}, result
    assert_arrived(server.url, experiment, 2)


def assert_arrived(uri: str, experiment: str, count: int) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    traces = client.search_traces(locations=[found.experiment_id], max_results=500)
    assert len(traces) == count
    assert {trace.info.state.value for trace in traces} == {"OK"}
    assert len(client.search_runs([found.experiment_id], "tags.success = 'True'")) == count


def test_a_databricks_host_that_is_down(
    tmp_path, state, experiment, server, monkeypatch, quiet_seconds
):
    port = free_port()
    variables = {
        "MLFLOW_TRACKING_URI": "databricks",
        "DATABRICKS_HOST": f"http://127.0.0.1:{port}",
        "DATABRICKS_TOKEN": TOKEN,
    }
    seconds, status = ask_two(tmp_path, state, experiment, **variables)
    assert status == "False unreachable"
    assert seconds - quiet_seconds < ADDED_SECONDS, (seconds, quiet_seconds)
    text = "".join(p.read_text("utf-8", "replace") for p in state.rglob("*.jsonl"))
    assert TOKEN not in text
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with DatabricksStandIn(server.url, token=TOKEN, port=port) as workspace:
        result = deliver_all(state / "spool", 60)
        assert result["pending"] == {}, result
        assert len([key for key in workspace.objects if key.startswith("traces/")]) == 2


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        ("", "configuration", "DATABRICKS_TOKEN is not set"),
        ("wrong", "unauthorized", "rejected the credentials"),
        (f"{TOKEN}-expired", "unauthorized", "token has expired"),
        (f"{TOKEN}-powerless", "forbidden", "does not allow this"),
    ],
)
def test_refused_credentials_are_named_and_lose_nothing(
    token, code, words, start, server, monkeypatch
):
    with DatabricksStandIn(server.url, token=TOKEN) as workspace:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")
        monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", token)
        traced = start()
        assert (traced.status.enabled, traced.status.code) == (False, code)
        assert words in traced.status.banner_lines()[3]
        with tracing.track_agent_execution("q") as execution:
            execution.set_answer("a")
        result = traced.deliver(10)
        (trouble,) = result["destinations"].values()
        assert words in trouble["reason"]
        assert result["pending"]["traces"] == 1
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        result = traced.deliver(60)
        assert result["pending"] == {}, result
        assert workspace.objects


GUIDE_FILTER = "attributes.success = 'True'"
OWN_OF_EACH_RUN = frozenset(
    {
        "run_id", "experiment_id", "artifact_uri", "start_time", "end_time", "tags.trace_id",
        "tags.spool_id", "tags.execution_time_seconds", "metrics.execution_time_seconds",
    }
)  # fmt: skip


def ask_numbered(number: int) -> None:
    """One question; every twentieth has a run, every fortieth fails."""
    with tracing.track_agent_execution(
        f"q{number}", log_run=number % 20 == 0, category="even" if number % 40 else "odd",
        session_id=f"s{number % 3}", model="offline",
    ) as execution:  # fmt: skip
        execution.log_metrics(score=number / 7)
        execution.set_answer(f"answer {number}")
        if number % 40 == 0:
            execution.set_error("nothing found")


@pytest.mark.parametrize(
    "count", [pytest.param(400, id="400"), pytest.param(4000, id="4000", marks=pytest.mark.soak)]
)
def test_an_outage_in_the_middle_loses_and_doubles_nothing(count, start, server):
    with FaultyServer("through", upstream=server.url) as faulty:
        traced = start(faulty.url)
        for number in range(count):
            if number == count // 4:
                faulty.mode = "503"
            ask_numbered(number)
            if number == count // 2:
                assert traced.deliver(10)["pending"]
        began = time.monotonic()
        while count > 400 and time.monotonic() - began < 45:
            traced.deliver(1)
            time.sleep(1)
        faulty.mode = "through"
        result = traced.deliver(900)
        away = tracing.search_runs(filter_string=GUIDE_FILTER, order_by=["start_time ASC"])
    traced.uri = server.url
    assert result["pending"] == {}
    assert result["delivered"]["traces"] == count
    questions = [trace.info.request_preview for trace in traced.traces()]
    assert sorted(questions) == sorted(f"q{number}" for number in range(count))
    undisturbed = start(server.url, experiment=f"{traced.experiment}-undisturbed")
    for number in range(0, count, 20):
        ask_numbered(number)
    undisturbed.deliver(600)
    there = tracing.search_runs(filter_string=GUIDE_FILTER, order_by=["start_time ASC"])
    assert len(there) == len(away) == sum(number % 40 != 0 for number in range(0, count, 20))
    assert list(there.columns) == list(away.columns)
    # Field by field, but for what is new with every run: ids, times and places.
    same = [name for name in there if name not in OWN_OF_EACH_RUN]
    assert {"params.question", "tags.response", "metrics.score", "tags.category"} <= set(same)
    assert there[same].to_dict("records") == away[same].to_dict("records")


KILLED = """
import os, sys, time
import mlflow_integration as tracing
tracing.initialize_mlflow(state_dir=sys.argv[1], experiment=sys.argv[2], autolog=False)
log = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
print("ready", flush=True)
for number in range(20):
    with tracing.track_agent_execution(f"q{number}") as execution:
        for step in range(3):
            with tracing.create_trace_context(f"q{number}-step{step}", "TOOL"):
                time.sleep(0.001)
            os.write(log, f"q{number}-step{step}\\n".encode())
        execution.set_answer("a")
    os.write(log, f"q{number}\\n".encode())
"""


@pytest.mark.parametrize(
    "moments", [pytest.param(20, id="20"), pytest.param(200, id="200", marks=pytest.mark.soak)]
)
def test_kill_at_random_moments_keeps_every_finished_span(moments, start, state, tmp_path):
    """Forked from one loaded process: loading MLflow for each moment would take minutes."""
    import os

    from mlflow import MlflowClient

    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    traced = start()
    with tracing.create_trace_context("load everything"):
        pass
    script = compile(KILLED, "killed", "exec")
    for moment in range(moments):
        log = tmp_path / f"log-{moment}"
        name = f"{traced.experiment}-{moment % 4}"
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(writer, 1)
            sys.argv = ["killed", str(state), name, str(log)]
            try:
                sys.stdout = os.fdopen(1, "w", closefd=False)
                exec(script, {"__name__": "__killed__"})  # noqa: S102 - our own text, above
            finally:
                os._exit(0)
        os.close(writer)
        os.read(reader, 5)
        time.sleep(rng.random() * 0.35)
        os.kill(pid, rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        os.waitpid(pid, 0)
        os.close(reader)
    result = traced.deliver(600)
    assert result["pending"] == {}
    assert not result["rejected"]
    finished = [
        line
        for moment in range(moments)
        if (tmp_path / f"log-{moment}").exists()
        for line in (tmp_path / f"log-{moment}").read_text().split()
    ]
    assert finished
    client = MlflowClient(traced.uri)
    names: list[str] = []
    states: list[str] = []
    for part in range(4):
        experiment = client.get_experiment_by_name(f"{traced.experiment}-{part}")
        if experiment is None:
            continue
        token = None
        while True:
            page = client.search_traces(
                locations=[experiment.experiment_id], max_results=500, page_token=token
            )
            for trace in page:
                states.append(trace.info.state.value)
                names += [s.name for s in trace.data.spans if s.name != "agent"]
                ids = [s.span_id for s in trace.data.spans]
                assert len(ids) == len(set(ids))
            token = page.token
            if not token:
                break
    assert set(states) <= {"OK", "ERROR"}
    lost = {n: finished.count(n) - names.count(n) for n in set(finished) if "step" in n}
    # A span may be on disk before the process could note that it had finished it: never fewer.
    assert all(missing <= 0 for missing in lost.values()), lost
    assert sum(-missing for missing in lost.values()) <= moments


def test_a_probe_ends_in_time_whatever_the_other_side_does(state):
    from mlflow_integration.environment import Destination

    with FaultyServer("silent") as faulty:
        # A probe without a limit of its own waits for minutes; a busy machine adds seconds to ours.
        began = time.monotonic()
        found = probe(Destination(faulty.url, "x"), {}, seconds=1.0)
        assert time.monotonic() - began < 9
        assert found.code == "timeout"
        assert "within" in (found.reason or "")


def test_a_foreign_otel_endpoint_takes_nothing_away(start, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    traced = start()
    assert any("OTEL_EXPORTER_OTLP_ENDPOINT" in notice for notice in traced.status.notices)
    assert any("LANGSMITH_TRACING" in notice for notice in traced.status.notices)
    with tracing.track_agent_execution("q"):
        pass
    traced.deliver()
    assert len(traced.traces()) == 1


def test_a_corrupt_database_is_told_and_costs_nothing(start, state):
    (state / "mlflow.db").write_bytes(b"this is no database" * 500)
    traced = start()
    assert (traced.status.enabled, traced.status.code) == (False, "database")
    with tracing.track_agent_execution("q"):
        pass
    assert traced.deliver(5)["pending"]["traces"] == 1
    (state / "mlflow.db").unlink()
    assert traced.deliver(60)["pending"] == {}
    assert len(traced.traces()) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    status = pipeline.initialize_mlflow(state_dir=blocked / "state", autolog=False)
    assert (status.enabled, status.recording, status.code) == (False, False, "spool")
    assert "cannot be written" in (status.reason or "")
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    assert execution.trace_id is None


def test_a_restarted_server_gets_what_was_kept(start, tmp_path, database_template):
    import shutil

    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(database_template, folder / "server.db")
    own = MlflowServer(folder)
    traced = start(own.url, timeout_seconds=2.0)
    assert traced.status.code == "unreachable"
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    with own:
        assert traced.deliver(60)["pending"] == {}
        assert len(traced.traces()) == 1
