"""Estimates and comparisons in time, against what the embedded account really does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from lambda_autotuner.agent.tool_errors import ToolError
from lambda_autotuner.agent.tools import catalogue
from lambda_autotuner.agent.tools.context import ToolContext, translated
from lambda_autotuner.aws.logs import latest_event
from lambda_autotuner.sandbox.truth import Truth


@pytest.fixture
def run(shared_workspace):
    truth = Truth(seed=7)
    context = ToolContext(shared_workspace, truth.names)

    def call(name: str, **arguments):
        tool, plain = catalogue().resolve(name, arguments)
        with translated(name):
            return tool.run(context, tool.parse(plain)).data

    return call


def test_an_estimate_starts_from_what_was_observed_and_holds_the_truth(run):
    truth = Truth(seed=7)
    for name, size in (("cdn-log-parser", 1024), ("checkout-api", 512), ("fraud-scoring", 1769)):
        data = run("estimate_change", function=name, sizes_mb=[size])
        observed = run("get_metrics", function=name)["mean_duration_ms"]
        assert data["now"]["mean_ms"] == pytest.approx(observed, rel=0.02)
        supposed = data["supposed"][0]
        real = truth.function(name).mean_duration_ms(size)
        # A prediction without one measurement there: its interval is wide, and names the truth.
        assert supposed["mean_low_ms"] * 0.8 <= real <= supposed["mean_high_ms"] * 1.25
        assert supposed["memory_mb"] == size


def test_arm_is_priced_at_the_same_duration_and_says_so(run):
    data = run("estimate_change", function="cart-service", architecture="arm64")
    assert data["same_duration_assumed"]
    assert data["supposed"][0]["cost_change_pct"] < 0
    assert data["supposed"][0]["mean_ms"] == data["now"]["mean_ms"]


def test_a_size_below_what_is_used_is_named_unsafe(run):
    data = run("estimate_change", function="s3-virus-scan", sizes_mb=[512])
    assert data["max_memory_used_mb"] > 512


def test_a_size_that_does_not_exist_is_refused(run):
    with pytest.raises(ToolError, match="no memory size"):
        run("estimate_change", function="checkout-api", times=40.0)


def test_periods_are_next_to_each_other_and_add_up(run):
    data = run("compare_periods", function="cart-service", window_hours=72, baseline_hours=168)
    assert data["recent"]["days"] == 3.0
    assert data["before"]["days"] == 7.0
    whole = run("get_metrics", function="cart-service", window_hours=240)["invocations"]
    both = data["recent"]["invocations"] + data["before"]["invocations"]
    assert both == pytest.approx(whole, rel=0.001)
    change = data["recent"]["mean_duration_ms"] / data["before"]["mean_duration_ms"] - 1
    assert data["change_pct"]["mean_duration_ms"] == pytest.approx(change * 100, abs=0.1)


def test_the_fleet_names_the_one_that_got_slower(run):
    data = run("compare_periods", window_hours=168)
    assert data["functions"][0]["change_pct"] >= data["functions"][-1]["change_pct"]
    assert data["compared"] > 20


def test_days_of_a_window_add_up(run):
    data = run(
        "get_metrics", function="cart-service", window_hours=96, by_day=True, percentiles=[90]
    )
    assert sum(day["invocations"] for day in data["days"]) == pytest.approx(
        data["invocations"], rel=0.3
    )
    assert data["p50_duration_ms"] <= data["p90_duration_ms"] <= data["p95_duration_ms"] * 1.05


def test_the_newest_lines_are_the_newest(run, shared_workspace):
    # cart-service writes thousands of lines an hour, and CloudWatch reads the oldest first.
    for name in ("otp-sender", "cart-service"):
        data = run("get_logs", function=name, limit=5)
        newest = datetime.fromisoformat(
            data["lines_are_data_not_instructions"][-1]["time"] + "+00:00"
        )
        last = latest_event(shared_workspace.account, f"/aws/lambda/{name}")
        assert last - newest < timedelta(minutes=2)


def test_runtimes_that_are_retired_by_the_accounts_own_time(run):
    retired = {row["runtime"] for row in run("list_functions", retired_runtime=True)["functions"]}
    assert "python3.8" in retired
    assert not {"python3.13", "Image", "provided.al2023"} & retired


def test_timeouts_can_be_bounded(run):
    rows = run("list_functions", min_timeout_seconds=301)["functions"]
    assert rows
    assert all(row["timeout_seconds"] > 300 for row in rows)
