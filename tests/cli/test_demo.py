from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from lambda_autotuner.cli import demo_story
from lambda_autotuner.cli.demo_change import Changed, NotVerifiedError
from lambda_autotuner.cli.door import Door
from lambda_autotuner.workspace import Workspace, prepare_state_dir, private_workspace

if TYPE_CHECKING:
    from lambda_autotuner.rollout import Plan, Watched

COMMAND = Path(sys.executable).with_name("lambda-autotuner")


def write_curves(path: Path) -> None:
    """Durations with a knee: processor time below 1,024 MB, waiting above."""
    rng = np.random.default_rng(3)
    rows = ["curve_set,curve,architecture,memory_mb,duration_ms"]
    for name, work in (("made-up-a", 900.0), ("made-up-b", 300.0)):
        for memory_mb in range(128, 3009, 128):
            share = min(memory_mb, 1024) / 1024
            mean = 40 + work / share**1.1
            rows += [
                f"made-up,{name},x86_64,{memory_mb},{value:.2f}"
                for value in mean * rng.lognormal(0, 0.03, 40)
            ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    curves = tmp_path / "curves.csv"
    write_curves(curves)
    hostile = {
        # Whatever stands in the environment, the demo stays in its own sandbox.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_PROFILE": "nobody",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "LAMBDA_AUTOTUNER_ACCOUNT": "aws",
        "LAMBDA_AUTOTUNER_REGION": "eu-west-3",
        # Nor does it mind what its folder is called, where it cannot write, or a plain terminal.
        "LAMBDA_AUTOTUNER_STATE_DIR": str(tmp_path / "my stäte ☂"),
        "HOME": "/nonexistent",
        "TERM": "dumb",
        "LC_ALL": "C",
        "COLUMNS": "40",
    }
    result = subprocess.run(
        [str(COMMAND), "demo", "--json", "--curves", str(curves)],
        cwd=tmp_path,
        env={**os.environ, **hostile},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["failed"] == []
    assert told["recommendation"]["recommendation"]["kind"] == "change"
    saving = told["recommendation"]["recommendation"]["saving_month_usd"]
    # The account's traffic is today's: on some days no function saves for sure what convinces.
    assert saving["low"] < saving["value"] < saving["high"]
    assert saving["value"] > 0
    in_words = f"${saving['value']:,.2f} a month (90 % sure: "
    assert in_words in result.stderr
    assert "OfflinePlanner [CHAT_MODEL]" in result.stderr, "the trace is shown as it was stored"
    assert "[1/25]" not in result.stderr, "progress is a live line; a pipe gets what was found"
    # A change that is undone is told too, and the next function has a picture of its own.
    assert len(result.stderr.splitlines()) < 120 + 60 * len(told["undone"])
    assert told["change"]["state"] in {"promoted", "verified"}
    assert told["trace_id"].startswith("tr-")
    assert len(told["measured"]) == 2
    for measured in told["measured"]:
        assert measured["regret_pct"] < 10
    page = Path(told["picture"]).read_text(encoding="utf-8")
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "")
    for command in ("chat", "scan", "ui"):
        assert f"lambda-autotuner {command}" in result.stderr


def test_a_missing_curves_file_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [str(COMMAND), "demo", "--curves", "nowhere.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 2
    assert "nowhere.csv does not exist" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("bad", [1, 2])
def test_a_change_that_traffic_speaks_against_is_undone_and_the_next_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    seen: list[str] = []
    # Chance decides whether a third function is worth a change; two nearly always are.
    monkeypatch.setattr(demo_story, "ATTEMPTS", 2)

    def watched(_door: Door, _workspace: Workspace, plan: Plan) -> Changed:
        seen.append(plan.title)
        if len(seen) <= bad:
            raise NotVerifiedError(f"{plan.title} was not kept: p95 is too slow")
        return Changed(plan, cast("Watched", SimpleNamespace(to_dict=dict)))

    monkeypatch.setattr(demo_story, "change_and_verify", watched)
    door = Door()
    prepare_state_dir(door.settings.state_dir)
    story = demo_story.Story(door, None)
    with private_workspace(door.settings) as workspace:
        planned, changed = story._improve(workspace, story._find(workspace))
    assert planned is not None
    assert len(seen) == len({title.split(":")[0] for title in seen})
    if bad < demo_story.ATTEMPTS:
        assert len(seen) == bad + 1
        assert story.undone == [f"{seen[0]} was not kept: p95 is too slow"]
        assert changed is not None
        assert changed.plan is planned.plan
        assert story.failed == []
    else:
        assert len(seen) == demo_story.ATTEMPTS
        assert changed is None
        assert story.failed == ["Change"]
