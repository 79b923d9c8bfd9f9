"""The command's verbs: traces, doctor, ui; and the guide's own blocks."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pandas as pd
import pytest
from click.testing import CliRunner

import mlflow_integration as tracing
from lambda_autotuner.cli.doctor import command as doctor
from lambda_autotuner.cli.traces import command as traces
from lambda_autotuner.errors import AutotunerError
from mlflow_integration.doctor import diagnose


@pytest.fixture
def recorded(start, monkeypatch, experiment):
    """Four questions, one of them failed, delivered."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    found = start()
    ids = []
    for number in range(4):
        with tracing.track_agent_execution(
            f"question {number}", category="hard" if number % 2 else "easy", model="offline"
        ) as execution:
            for _ in range(3 if number == 3 else 1):
                with tracing.create_trace_context("search", "TOOL", {"n": number}):
                    time.sleep(0.002)
            execution.set_answer("answer")
            if number == 3:
                execution.set_error("nothing found")
        ids.append(execution.trace_id)
    found.deliver()
    found.ids = ids
    return found


def run(*arguments: str, expect: int = 0) -> str:
    result = CliRunner().invoke(traces, list(arguments))
    assert result.exit_code == expect, result.output + repr(result.exception)
    return result.stdout


def test_list_as_text_json_csv_and_parquet(recorded, tmp_path):
    assert "question 3" in run("list")
    rows = json.loads(run("list", "--json"))
    assert [row["question"] for row in rows] == [f"question {n}" for n in (3, 2, 1, 0)]
    assert rows[0]["success"] is False
    assert rows[0]["looped"] is True
    failed = json.loads(run("list", "--json", "--filter", "attributes.success = 'False'"))
    assert len(failed) == 1
    csv_file, parquet = tmp_path / "t.csv", tmp_path / "t.parquet"
    run("list", "--csv", str(csv_file), "--parquet", str(parquet))
    assert list(pd.read_csv(csv_file)["category"]) == ["hard", "easy", "hard", "easy"]
    assert len(pd.read_parquet(parquet)) == 4


def test_stats_and_compare(recorded):
    figures = json.loads(run("stats", "--json"))
    assert figures["traces"] == 4
    assert figures["success_rate"] == 0.75
    assert figures["error_rate"] == 0.25
    assert figures["tool_calls"] == 6
    assert figures["repeated_calls"] == 2
    assert figures["loops"] == 1
    assert figures["tools"][0]["tool"] == "search"
    assert figures["total_tokens"] is None
    groups = json.loads(run("stats", "--by", "category", "--json"))
    assert {name: group["success_rate"] for name, group in groups.items()} == {
        "easy": 1.0,
        "hard": 0.5,
    }
    assert "success_rate" in run("stats")
    rows = json.loads(run("compare", "easy", "hard", "--json"))["figures"]
    (rate,) = [row for row in rows if row["figure"] == "success_rate"]
    assert rate["difference"] == -0.5


def test_show_draws_the_tree(recorded):
    text = run("show", recorded.ids[3])
    assert text.count("search") == 3
    assert "agent [AGENT]" in text
    assert "ERROR" in text


@pytest.mark.parametrize("verb", [["show"], ["rate"]])
def test_a_trace_that_nobody_knows_is_one_line_with_the_nearest(recorded, verb):
    known = recorded.ids[3]
    verdict = ["bad"] if verb == ["rate"] else []
    for asked in (f"{known}x", known[:12], known.removeprefix("tr-")[:9]):
        result = CliRunner().invoke(traces, [*verb, asked, *verdict])
        assert isinstance(result.exception, AutotunerError), result.output
        assert f"Did you mean {known}?" in str(result.exception)
        assert "traces list" in str(result.exception)
        assert "\n" not in str(result.exception)
    for asked in ("nonsense", "tr-" + "0" * 32, "", "a\nb"):
        result = CliRunner().invoke(traces, [*verb, asked, *verdict])
        assert isinstance(result.exception, AutotunerError), result.output
        assert result.exception.exit_code == 2
        assert "\n" not in str(result.exception)
    assert not recorded.backlog().operations


def test_what_waits_in_the_spool_can_be_rated_before_it_is_delivered(start, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = start("http://127.0.0.1:9", timeout_seconds=1.0)
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    run("rate", str(execution.trace_id), "good")
    run("rate", "tr-" + "a" * 32, "good")
    assert len([o for o in found.backlog().operations.values() if o.kind == "assessment"]) == 2
    result = CliRunner().invoke(traces, ["rate", "my-trace", "good"])
    assert "There is no trace" in str(result.exception)


def test_what_traces_hold_is_neither_markup_nor_a_formula_nor_a_command(
    start, monkeypatch, experiment, tmp_path
):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    found = start()
    texts = [
        "=HYPERLINK('http://x')",
        "+1",
        "-2",
        "@SUM(A1)",
        "\t=1",
        "[/red]",
        "[bold]x",
        "\x1b]0;y\x07",
    ]
    for text in texts:
        with tracing.track_agent_execution(text, category=text) as execution:
            with tracing.create_trace_context(text, "TOOL"):
                pass
            execution.set_answer(text)
            execution.set_error(text)
    found.deliver()
    csv_file = tmp_path / "t.csv"
    output = run("list", "--csv", str(csv_file)) + run("stats", "--by", "category") + run("stats")
    output += run("compare", "[/red]", "tags.category = '[bold]x'")
    for text in texts:
        assert f"trace_id {text}" not in output
    assert "[/red]" in output
    assert "\x1b" not in output
    rows = csv_file.read_text("utf-8").splitlines()
    assert len(rows) >= len(texts)
    for cell in (
        pd.read_csv(csv_file, keep_default_na=False)[["question", "answer", "category", "tools"]]
        .to_numpy()
        .ravel()
    ):
        assert not str(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    shown = run("show", str(execution.trace_id))
    assert "\x1b" not in shown


def test_tail_as_json_is_one_object_a_line(recorded, monkeypatch):
    import lambda_autotuner.cli.traces as module

    def arrive(_: float) -> None:
        for text in ("one", "two"):
            with tracing.track_agent_execution(text) as execution:
                execution.set_answer("a")
        recorded.deliver()

    monkeypatch.setattr(module.time, "sleep", arrive)
    lines = run("tail", "--count", "2", "--json").splitlines()
    assert [json.loads(line)["question"] for line in lines] == ["one", "two"]


def test_nothing_to_show_is_said(recorded):
    nothing = ["--filter", "tags.category = 'nope'"]
    assert run("list", *nothing).strip() == "No traces."
    assert "No traces." in run("stats", "--by", "model", *nothing)
    assert json.loads(run("list", "--json", *nothing)) == []
    result = CliRunner().invoke(traces, ["list", "--filter", "success = 'True'"])
    assert "did you mean tags.success" in result.stderr
    assert ".py:" not in result.stderr


def test_rate_and_sync(recorded):
    run("rate", recorded.ids[0], "bad", "--comment", "not helpful")
    recorded.deliver()
    rows = json.loads(run("list", "--json"))
    assert rows[-1]["ratings"] == ["helpful=False"]
    result = json.loads(run("sync", "--json"))
    assert result["pending"] == {}
    assert result["delivered"]["traces"] == 4


def test_sync_says_what_waits_when_the_server_is_away(start, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = start("http://127.0.0.1:9", timeout_seconds=1.0)
    with tracing.track_agent_execution("q"):
        pass
    assert found.backlog().traces
    result = CliRunner().invoke(traces, ["sync", "--seconds", "3"])
    assert result.exit_code == 4, result.output
    assert "cannot be reached" in result.output


def test_tail_shows_what_arrives(recorded, monkeypatch):
    import lambda_autotuner.cli.traces as module

    def arrive(_: float) -> None:
        with tracing.track_agent_execution("just now") as execution:
            execution.set_answer("a")
        recorded.deliver()

    monkeypatch.setattr(module.time, "sleep", arrive)
    assert "just now" in run("tail", "--count", "1")


def test_doctor_is_content_with_a_good_set_up(recorded):
    checks = {check.name: check for check in diagnose(recorded.state)}
    assert checks["masking"].outcome == "ok"
    assert checks["schema"].outcome == "ok"
    assert checks["test trace"].outcome == "ok", checks["test trace"]
    assert not [check for check in checks.values() if check.outcome == "failed"]


def test_doctor_names_the_hop_and_the_remedy(state, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result = CliRunner().invoke(doctor, ["--tracing-only", "--json"])
    assert result.exit_code == 1
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert rows["dns"]["outcome"] == "ok"
    assert rows["tcp"]["outcome"] == "failed"
    assert "cannot be reached" in rows["tcp"]["detail"]
    assert rows["tcp"]["remedy"]
    assert rows["test trace"]["outcome"] == "skipped"


def test_doctor_knows_a_newer_schema(state):
    import sqlite3

    connection = sqlite3.connect(state / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.commit()
    connection.close()
    checks = {check.name: check for check in diagnose(state, write=False)}
    assert checks["schema"].outcome == "failed"
    assert "newer MLflow" in checks["schema"].detail


def test_ui_serves_the_local_file_and_knows_a_port_in_use(recorded, tmp_path):
    script = "from lambda_autotuner.cli import main; main()"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-c", script, "ui", "--port", str(port), "--no-sync"],
            capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
        )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert "in use" in result.stderr
    process = subprocess.Popen(
        [sys.executable, "-c", script, "ui", "--port", "0", "--no-sync", "--json"],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    try:
        output = ""
        while "}" not in output:
            line = process.stdout.readline()
            assert line, "the server ended"
            output += line
        url = json.loads(output)["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 130


def guide_blocks(repository, language: str) -> list[str]:
    text = (repository / "docs" / "tracing.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_python_block_of_the_guide_runs(repository, recorded, tmp_path):
    blocks = guide_blocks(repository, "python")
    assert len(blocks) >= 7
    text = "\n".join(blocks).replace("lambda-autotuner-agent", recorded.experiment)
    assert "search_traces" in text
    for number, block in enumerate(blocks):
        code = block.replace("lambda-autotuner-agent", recorded.experiment)
        # Plain MLflow, where the guide shows it, reads from our store as well.
        exec(compile(code, f"guide block {number}", "exec"), {})  # noqa: S102 - our own guide


def test_every_command_of_the_guide_exists_and_runs(repository, recorded, tmp_path):
    commands = [
        line
        for block in guide_blocks(repository, "bash")
        for line in block.splitlines()
        if line.startswith("lambda-autotuner traces")
    ]
    assert len(commands) >= 5
    import shlex

    for line in commands:
        arguments = shlex.split(line)[2:]
        run(*arguments)
    assert (tmp_path / "failed.csv").exists()
