"""An evaluation as a real `mlflow server` keeps it, over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlflow_integration.testing import MlflowServer

ROOT = Path(__file__).resolve().parents[2]
ASKED = ("config-memory-1", "metrics-p99-1", "listing-count-1")
_FOREIGN = ("MLFLOW_", "AWS_", "LAMBDA_AUTOTUNER_", "DATABRICKS_", "OTEL_")


def _evaluate(server: str, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    environment |= {
        "MLFLOW_TRACKING_URI": server, "MLFLOW_EXPERIMENT_NAME": "evaluations",
        "MLFLOW_DISABLE_TELEMETRY": "true", "LAMBDA_AUTOTUNER_STATE_DIR": str(folder / "state"),
        "LAMBDA_AUTOTUNER_EVALUATION_RESULTS_DIR": str(folder / "results"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "run_synthetic_questions.py", "--ids", ",".join(ASKED), "--new"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next((folder / "results").iterdir()).name


def _settled(client, experiment: str):
    """The runs and traces, as soon as the delivery is through: the parent is finished last."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = client.search_runs([experiment])
        traces = client.search_traces([experiment])
        over = runs and all(run.info.status != "RUNNING" for run in runs)
        if over and len(traces) >= len(ASKED) and all(t.info.assessments for t in traces):
            return runs, traces
        time.sleep(0.5)
    raise AssertionError(f"not delivered: {len(runs)} runs, {len(traces)} traces")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_evaluation_stands_whole_in_a_real_server(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    with MlflowServer(tmp_path / "server") as server:
        name = _evaluate(server.url, tmp_path)
        client = MlflowClient(server.url)
        experiment = client.get_experiment_by_name("evaluations").experiment_id
        runs, traces = _settled(client, experiment)
        parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        children = {run.data.tags.get("question_id"): run for run in runs if run not in parents}
        # Nothing of the rehearsal, nothing twice.
        assert [run.info.run_name for run in parents] == [name]
        assert len(runs) == 1 + len(ASKED)
        assert set(children) == set(ASKED)
        assert sorted(trace.info.tags["question_id"] for trace in traces) == sorted(ASKED)
        parent = parents[0]
        assert parent.data.metrics["success_rate"] == 1.0
        assert parent.data.params["model"] == "offline"
        assert [item.dataset.name for item in parent.inputs.dataset_inputs]
        models = client.search_logged_models([experiment])
        assert [model.source_run_id for model in models] == [parent.info.run_id]
        assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {
            "results.jsonl", "report.html", "summary.json", "dataset",
        }  # fmt: skip
        for question, run in children.items():
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
            assert run.data.tags["success"] == "True"
            assert {"category", "difficulty", "group", "held_out", "safe"} <= set(run.data.tags)
            assert run.data.metrics["execution_time_seconds"] > 0
            assert run.data.metrics["response_length_chars"] > 0
            trace = next(t for t in traces if t.info.tags["question_id"] == question)
            assert trace.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
            assert {"safe", "failure", "success", "category", "evaluation_name"} <= set(
                trace.info.tags
            )
            named = {item.name for item in trace.info.assessments}
            assert {"success", "facts", "fact_1", "safe"} <= named
            assert len(trace.info.assessments) == len(named)
            assert len(trace.data.spans) > 1
