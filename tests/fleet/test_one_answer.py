"""`ask` and `scan` say the same about the same account; the saving counts, not which size is best."""

from __future__ import annotations

import pytest

from lambda_autotuner import fleet
from lambda_autotuner.agent.direct import call_tool
from lambda_autotuner.fleet.leaning import Leanings
from lambda_autotuner.sandbox.process import SandboxProcess
from lambda_autotuner.settings import load_settings
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.workspace import open_workspace


def test_the_agents_ranking_is_the_scans(sandbox: SandboxProcess) -> None:
    settings = load_settings({"endpoint_url": sandbox.endpoint_url}, environ={})
    with open_workspace(settings) as workspace:
        arguments = {"sort_by": "savings", "limit": 10}
        called = call_tool(workspace, "scan_fleet", arguments)
        assert not called.failed
        rows = {r.function: r for r in fleet.scan(workspace.account, settings=settings).rows}
    told = called.data["functions"]
    assert len(told) >= 5
    for line in told:
        saving = rows[line["function"]].saving_month_usd
        assert saving is not None
        assert line["saving_usd_month"] == pytest.approx(saving, rel=0.01, abs=0.005)
        assert line["status"] == rows[line["function"]].status


def test_a_sure_saving_is_sure_although_the_best_size_is_not() -> None:
    choices = Choices.from_settings(load_settings({}, environ={}))
    leanings = Leanings(choices, choices.rates("us-east-1"))
    large = leanings.of(Configuration(3008), 400.0, 60)
    small = leanings.of(Configuration(512), 400.0, 60)
    assert large.pick is not None
    assert large.pick.memory_mb < 3008
    assert large.confidence is not None
    assert small.confidence is not None
    # Below 3,008 MB nearly everything is cheaper; around 512 MB it could go either way.
    assert large.confidence > 0.7
    assert small.confidence < large.confidence
