from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_autotuner.cli.main import cli, run
from lambda_autotuner.evaluation.records import RESULTS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")
    return tmp_path


def saved(folder: Path, name: str, make_result, *, digest: str = "d", successes: int = 40) -> Path:
    from datetime import UTC, datetime

    from lambda_autotuner.evaluation.records import RunFolder, RunPlan

    plan = RunPlan("s", digest, {}, ("q",), 1, name, {})
    run_folder = RunFolder.create(folder / name, plan, datetime(2026, 3, 11, tzinfo=UTC))
    for number in range(40):
        run_folder.append(make_result(f"q-{number}", success=number < successes))
    return run_folder.path


@pytest.mark.timeout(200)
def test_the_thin_door_prints_the_guides_block_and_completes(folder, repository) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "run_synthetic_questions.py"), "--ids", "config-memory-1,listing-count-1"],
        cwd=folder, env={**os.environ, "MLFLOW_ENABLE_TRACING": "false"}, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rule = "=" * 80
    block = [rule, "Initializing MLflow Tracing...", rule,
             "⚠️ MLflow tracing not configured: MLFLOW_ENABLE_TRACING=false", rule]  # fmt: skip
    assert done.stdout.splitlines()[:5] == block
    (results,) = (folder / "evaluation_results").glob(f"*/{RESULTS}")
    assert len(results.read_text().splitlines()) == 2
    assert {path.name for path in results.parent.iterdir()} >= {
        "results.jsonl",
        "summary.json",
        "report.html",
        "run.json",
    }


@pytest.mark.timeout(200)
def test_json_is_data_alone_and_a_closed_gate_exits_with_1(folder, capsys) -> None:
    (folder / "gate.yaml").write_text(
        "minimum_success_rate: 1.0\nslowest_question_seconds: 0.000001\n"
    )
    code = run(cli, ["evaluate", "--ids", "config-memory-1", "--json", "--gate", "gate.yaml"])
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert data["overall"]["questions"] == 1
    assert data["gate"]["passed"] is False
    assert code == 1
    assert "Initializing MLflow Tracing" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--ids", "config-memory-11"], "config-memory-1"),
        (["evaluate", "--category", "costs"], "cost_analysis"),
        (["evaluate", "--questions", "none.yaml"], "does not exist"),
        (["evaluate", "--set", "evaluation.concurency=2"], "evaluation.concurrency"),
        (["evaluate", "--set", "evaluation.concurrency"], "KEY=VALUE"),
        (["evaluate", "--gate", "none.yaml"], "cannot be read"),
        (["evaluate", "--baseline", "none", "--ids", "config-memory-1"], "no evaluation run"),
        (["compare", "a", "b"], "no evaluation run"),
        (["questions", "check", "none.yaml"], "does not exist"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(folder, capsys, arguments, message) -> None:
    code = run(cli, arguments)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2
    assert error.startswith("error: ")
    assert message in error


def test_compare_reads_folders_and_writes_a_page(folder, capsys, make_result) -> None:
    a = saved(folder, "a", make_result)
    b = saved(folder, "b", make_result, successes=25)
    assert run(cli, ["compare", str(a), str(b), "--json", "--page", "page.html"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["reading"] == "worse"
    assert len(data["broken"]) == 15
    assert "<html" in (folder / "page.html").read_text()
    other = saved(folder, "c", make_result, digest="other")
    assert run(cli, ["compare", str(a), str(other)]) == 2
    assert "different suites" in capsys.readouterr().err


def test_compare_without_mlflow_says_so(folder, capsys) -> None:
    assert run(cli, ["compare", "a", "b", "--from", "mlflow"]) == 4
    assert "MLflow cannot be read" in capsys.readouterr().err


def test_questions_are_listed_and_started(folder, capsys) -> None:
    assert run(cli, ["questions", "list", "--shown", "--category", "cold_starts", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed
    assert all(
        not question["held_out"] and question["category"] == "cold_starts" for question in listed
    )
    assert run(cli, ["questions", "new", "mine.yaml"]) == 0
    assert run(cli, ["questions", "check", "mine.yaml", "--static"]) == 0
    assert run(cli, ["questions", "new", "mine.yaml"]) == 2
    (folder / "mine.yaml").write_text(
        (folder / "mine.yaml").read_text().replace("oracle: memory", "oracle: memmory")
    )
    assert run(cli, ["questions", "check", "mine.yaml", "--static"]) == 1
    assert "memory" in capsys.readouterr().out


@pytest.mark.timeout(200)
def test_questions_of_ones_own_are_verified(folder, capsys) -> None:
    assert run(cli, ["questions", "new", "mine.yaml"]) == 0
    assert run(cli, ["questions", "check", "mine.yaml", "--json"]) == 0
    out = capsys.readouterr().out
    data = json.loads(out[out.index('{\n  "questions"') :])
    assert data["oracle"]["passed"] == 1
    assert data["baits"]["null"]["caught"] == 1
