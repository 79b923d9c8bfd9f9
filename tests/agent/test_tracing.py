"""One trace and one run a question, one TOOL span a call, the answer as the root's output."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = textwrap.dedent(
    """
    import json, sys
    from pathlib import Path
    import mlflow_integration as tracing
    from lambda_autotuner.agent import build_agent
    from lambda_autotuner.settings import load_settings

    settings = load_settings()
    status = tracing.initialize_mlflow(state_dir=settings.state_dir)
    assert status.enabled, status.reason
    with build_agent(settings=settings) as agent:
        answer = agent.ask("compare otp-sender and session-store", approve=lambda _: False)
    tracing.flush(timeout_seconds=40)
    import mlflow
    mlflow.set_tracking_uri(status.destination)
    trace = mlflow.get_trace(answer.trace_id)
    print(json.dumps({
        "spans": [[span.name, span.span_type] for span in trace.data.spans],
        "calls": [call.name for call in answer.tool_calls],
        "preview": trace.info.response_preview,
        "text": answer.text,
        "runs": len(tracing.search_runs(filter_string="attributes.success = 'True'")),
    }))
    """
)


@pytest.mark.slow
def test_a_question_is_one_trace_and_one_run(sandbox, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ENABLE_TRACING", raising=False)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", sandbox.endpoint_url)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_STATE_DIR", str(tmp_path / "state"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    kinds = [kind for _, kind in found["spans"]]
    assert kinds.count("AGENT") == 1
    assert sorted(name for name, kind in found["spans"] if kind == "TOOL") == sorted(found["calls"])
    assert kinds.count("CHAT_MODEL") == 2
    assert found["preview"][:40] == found["text"][:40]
    assert found["runs"] == 1
