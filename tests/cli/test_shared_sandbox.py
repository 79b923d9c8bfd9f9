from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("lambda-autotuner")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env={**os.environ, "MLFLOW_ENABLE_TRACING": "false"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    run("sandbox", "stop", cwd=tmp_path)


def test_every_verb_means_the_same_sandbox(folder: Path) -> None:
    """What one verb started, `sandbox status`, `advance` and `stop` find."""
    planned = run("plan", "fraud-scoring", "--memory", "768", "--json", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    found = json.loads(run("sandbox", "status", "--json", cwd=folder).stdout)
    assert found["endpoint_url"].startswith("http://127.0.0.1:")
    aged = run("sandbox", "advance", "30m", cwd=folder)
    assert aged.returncode == 0, aged.stderr
    assert run("sandbox", "stop", cwd=folder).returncode == 0
    again = run("sandbox", "advance", "30m", cwd=folder)
    assert again.returncode == 4


def test_a_change_goes_from_plan_to_rollback(folder: Path) -> None:
    planned = run("plan", "fraud-scoring", "--memory", "768", "--json", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)["id"]
    refused = run("apply", plan, cwd=folder)
    assert refused.returncode == 3, refused.stderr
    assert run("approve", plan, "--yes", cwd=folder).returncode == 0
    applied = run("apply", plan, cwd=folder)
    assert applied.returncode == 0, applied.stderr
    assert run("apply", plan, cwd=folder).returncode == 3
    run("sandbox", "advance", "30m", cwd=folder)
    watched = run("watch", plan, "--once", cwd=folder)
    assert watched.returncode in {0, 1}, watched.stderr
    back = run("rollback", plan, cwd=folder)
    assert back.returncode in {0, 3}, back.stderr
    history = run("history", cwd=folder)
    assert plan in history.stdout
