"""Functions by what they have in common, and spans of the calendar: read, resolved and looked up."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_autotuner.agent.reading.conditions import read_conditions
from lambda_autotuner.agent.reading.question import read_question
from lambda_autotuner.agent.reading.spans import SPAN_PATTERN, read_span, read_spans
from lambda_autotuner.agent.tool_errors import ToolError
from lambda_autotuner.agent.tools.spans import span_window
from lambda_autotuner.aws.concurrency import get_concurrency
from lambda_autotuner.aws.functions import get_tags, list_functions

END = dt.datetime(2026, 11, 25, 15, 31, tzinfo=dt.UTC)  # a Wednesday


@pytest.mark.parametrize(("said", "start", "end"), [
    ("errors in October", "2026-10-01 00:00", "2026-11-01 00:00"), ("invocations on nov 23", "2026-11-23 00:00", "2026-11-24 00:00"),
    ("the 3rd of December", "2025-12-03 00:00", "2025-12-04 00:00"), ("cost in december", "2025-12-01 00:00", "2026-01-01 00:00"),
    ("errors on monday", "2026-11-23 00:00", "2026-11-24 00:00"), ("last friday", "2026-11-20 00:00", "2026-11-21 00:00"),
    ("calls on 2026-11-20", "2026-11-20 00:00", "2026-11-21 00:00"), ("from 2026-11-01 to 2026-11-07", "2026-11-01 00:00", "2026-11-08 00:00"),
    ("since november 10", "2026-11-10 00:00", "2026-11-25 15:31"), ("since October", "2026-10-01 00:00", "2026-11-25 15:31"),
    ("this month", "2026-11-01 00:00", "2026-11-25 15:31"), ("last month", "2026-10-01 00:00", "2026-11-01 00:00"),
    ("between 9 and 11 today", "2026-11-25 09:00", "2026-11-25 11:00"), ("p99 yday", "2026-11-24 00:00", "2026-11-25 00:00"),
    ("errors between 8am and noon yesterday", "2026-11-24 08:00", "2026-11-24 12:00"), ("cart-service errors, oct", "2026-10-01 00:00", "2026-11-01 00:00"),
    ("yesterday between 9am and 5pm", "2026-11-24 09:00", "2026-11-24 17:00"), ("im Oktober", "2026-10-01 00:00", "2026-11-01 00:00"),
])  # fmt: skip
def test_a_span_is_the_last_one_that_began_before_the_evidence_ends(said, start, end):
    span = read_span(said)
    assert span is not None
    assert re.fullmatch(SPAN_PATTERN, span)
    window = span_window(span, END)
    assert f"{window.start:%Y-%m-%d %H:%M}" == start
    assert f"{window.end:%Y-%m-%d %H:%M}" == end


@pytest.mark.parametrize("said", [
    "may I see the errors", "between 256 and 512 MB", "march costs", "last 3 days", "since yesterday", "from 512 to 1024", "is the second one fine",
    "sat down", "between 1 and 2 million calls", "p95 under 800 ms", "in 5 minutes",
])  # fmt: skip
def test_what_names_no_span_is_none(said):
    assert read_span(said) is None


@given(st.text(alphabet="abcdefghijmnorstuvy0123456789 -.:", max_size=60))
def test_any_text_is_read_and_every_span_resolves_or_is_refused(text):
    for span in (*read_spans(text), *filter(None, [read_span(text)])):
        assert re.fullmatch(SPAN_PATTERN, span)
        try:
            window = span_window(span, END)
        except ToolError:
            continue
        assert window.start < window.end <= END


@pytest.mark.parametrize(("said", "wanted"), [
    ("which functions have no DLQ", {("dead_letter", "absent", None)}), ("lambdas w/o a dead-letter queue", {("dead_letter", "absent", None)}),
    ("functions with reserved concurrency", {("reserved_concurrency", "present", None)}),
    ("functions whose reserved concurrency isn't set", {("reserved_concurrency", "absent", None)}),
    ("any function outside of a VPC with layers?", {("vpc", "absent", None), ("layers", "present", None)}),
    ("functions with zero errors and p99 above 3 s", {("errors", "=", 0.0), ("p99_duration_ms", ">", 3000.0)}),
    ("functions that cost between $5 and $20 a month", {("cost_usd_month", ">=", 5.0), ("cost_usd_month", "<=", 20.0)}),
    ("lambdas called more than 2 million times", {("invocations", ">", 2e6)}), ("functions with 1k+ errors", {("errors", ">=", 1000.0)}),
    ("functions with at most 10 errors but over 1,000,000 invocations", {("errors", "<=", 10.0), ("invocations", ">", 1e6)}),
    ("which functions take longer than 10 seconds on average", {("mean_duration_ms", ">", 10_000.0)}),
    ("functions with init over 2 s", {("mean_init_ms", ">", 2000.0)}), ("functions using under half of their memory", {("memory_used_pct", "<", 50.0)}),
    ("functions with an error rate of at least 0.5 %", {("error_rate_pct", ">=", 0.5)}),
    ("functions not deployed since september", {("last_modified", "before", "september")}),
    ("functions changed in the last 10 days", {("last_modified_days_ago", "<=", 10.0)}),
    ("functions not updated in 6 months", {("last_modified_days_ago", ">", 180.0)}),
    ("functions without an owner tag", {("tags", "absent", "owner")}), ("functions with more than 1 GB of /tmp", {("ephemeral_storage_mb", ">", 1024.0)}),
    ("functions with code over 50 MB", {("code_size_mb", ">", 50.0)}), ("which functions have no alarms", {("alarms", "absent", None)}),
    ("functions with timeout less than 10 seconds and memory over 512", {("timeout_seconds", "<", 10.0), ("memory_mb", ">", 512.0)}),
    ("functions under 128 MB used memory", {("max_memory_used_mb", "<", 128.0)}),
    ("functions that threw errors but less than 100", {("errors", "<", 100.0)}), ("functions we haven't touched in over 200 days", {("last_modified_days_ago", ">", 200.0)}),
    ("lambdas between 1 and 2 GB", {("memory_mb", ">=", 1024.0), ("memory_mb", "<=", 2048.0)}), ("functions that still run", {("invocations", ">", 0.0)}),
    ("error-free functions", {("errors", "=", 0.0)}),
])  # fmt: skip
def test_conditions_are_put_together_freely(said, wanted):
    found, _ = read_conditions(said)
    assert {(item.field, item.op, item.value) for item in found} == wanted


@pytest.mark.parametrize("said", [
    "is otp-sender in a VPC?", "which alarms are in alarm?", "list my functions", "what is reserved concurrency?", "overall error rate of all functions",
    "functions with more than 512 MB", "functions with a timeout over 5 minutes", "which functions are in alarm",
])  # fmt: skip
def test_what_is_no_condition_of_this_kind_is_left_to_others(said):
    assert read_question([said], ["otp-sender"]).conditions == ()


def _named(answer, tool):
    return next(call for call in answer.tool_calls if call.name == tool)


def test_the_functions_are_those_of_the_account(offline, shared_workspace):
    account = shared_workspace.account
    everything = tuple(list_functions(account))
    truths = {
        "which functions have no reserved concurrency?": {f.name for f in everything if get_concurrency(account, f.name).reserved is None},
        "which functions are in a VPC?": {f.name for f in everything if f.vpc_id},
        "which functions have a DLQ?": {f.name for f in everything if f.dead_letter_arn},
        "functions with x-ray tracing on": {f.name for f in everything if f.tracing == "Active"},
        "functions without env vars": {f.name for f in everything if not f.environment_names},
        "functions with more than 512 MB of tmp": {f.name for f in everything if f.ephemeral_storage_mb > 512},
        "functions changed in november": {f.name for f in everything if f.last_modified.year == 2026 and f.last_modified.month == 11},
        "python functions in a VPC": {f.name for f in everything if f.vpc_id and (f.runtime or "").startswith("python")},
    }  # fmt: skip
    for question, wanted in truths.items():
        answer = offline.ask(question)
        # Long lists are cut in the text and say so; the call itself holds all.
        shown = set(re.findall(r"^  - ([\w-]+):", answer.text, re.MULTILINE))
        assert shown == wanted or (len(wanted) > 40 and shown < wanted), question
        assert f"{len(wanted)} of {len(everything)} functions" in answer.text, question
        assert answer.unverified == ()


def test_what_was_seen_can_be_a_condition_and_a_group_is_summed(offline, shared_workspace):
    answer = offline.ask("which functions of the payments team cost more than $10 a month?")
    team = {
        f.name
        for f in list_functions(shared_workspace.account)
        if "payments" in get_tags(shared_workspace.account, f.arn).values()
    }
    rows = dict(re.findall(r"^  \d+\. ([\w-]+): \$([\d.]+) a month", answer.text, re.MULTILINE))
    assert rows
    assert set(rows) <= team
    assert all(float(value) > 10 for value in rows.values())
    assert answer.unverified == ()


def test_a_month_by_name_is_that_month(offline, shared_workspace):
    from lambda_autotuner.aws.metrics import MetricQuery, Window, get_metrics

    answer = offline.ask("how often was cart-service called in October?")
    query = MetricQuery("Invocations", "Sum", 3600, "cart-service")
    october = Window(
        dt.datetime(2026, 10, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    )
    truth = get_metrics(shared_workspace.account, [query], october)[query].total()
    assert f"{truth:,.0f} invocations" in answer.text


def test_a_future_span_is_refused_with_the_reason(offline):
    answer = offline.ask("errors of cart-service on 2027-05-01")
    assert "has not happened yet" in answer.text


def test_a_senseless_condition_is_refused(shared_workspace):
    from lambda_autotuner.agent.direct import call_tool

    for where in (
        [{"field": "vpc", "op": ">"}],
        [{"field": "cost_usd_month", "op": "in", "value": "october"}],
        [{"field": "color", "op": "="}],
    ):
        called = call_tool(shared_workspace, "scan_fleet", {"where": where})
        assert called.failed
        assert called.data["error"]["code"] == "invalid_arguments"


def test_the_worst_of_the_days_is_named_and_a_follow_up_asks_for_it(offline):
    offline.ask("webhook-dispatcher errors by day in the last week", session_id="days")
    answer = offline.ask("which day was worst?", session_id="days")
    days = {
        day: int(count.replace(",", ""))
        for day, count in re.findall(
            r"^  (2026-\d\d-\d\d): ([\d,]+) errors", answer.text, re.MULTILINE
        )
    }
    worst = max(days, key=days.__getitem__)
    assert f"highest errors was {worst}: {days[worst]:,}" in answer.text
    assert answer.unverified == ()


def test_two_days_are_set_beside_each_other(offline):
    answer = offline.ask("invocations of geo-lookup, mon vs sun")
    assert "monday" in answer.text
    assert "sunday" in answer.text
    assert [call.name for call in answer.tool_calls] == ["compare_periods"]
