"""Scanning an account: few calls, honest lines, one order, and files that hold what was said."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner import fleet
from lambda_autotuner.aws.configuration import configuration_from
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.aws.policies import VERBS
from lambda_autotuner.aws.session import Account
from lambda_autotuner.fleet.export import table_rows, to_csv
from lambda_autotuner.fleet.judging import silent_row
from lambda_autotuner.fleet.leaning import Leanings
from lambda_autotuner.fleet.rows import Row, Status, ranked, total
from lambda_autotuner.fleet.scan import Scan
from lambda_autotuner.sandbox.process import SandboxProcess
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.applicability import judge
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning import Configuration, PriceBook

CHOICES = Choices.from_settings(Settings())


@pytest.fixture(scope="module")
def scanned(account: Account) -> Scan:
    return fleet.scan(account, settings=Settings(), deep=3)


def test_every_function_has_one_line(scanned: Scan, account: Account) -> None:
    names = sorted(function.name for function in list_functions(account))
    assert sorted(row.function for row in scanned.rows) == names
    assert all(row.reason for row in scanned.rows)


def test_the_calls_are_the_fewest_that_do(scanned: Scan) -> None:
    # Two pages, 60 + 4 series for each active one, and the logs of three functions.
    assert scanned.total_calls <= scanned.floor_calls * 1.05 + 1
    assert scanned.calls["lambda:ListFunctions"] == 2
    assert scanned.calls["logs:FilterLogEvents"] == 3


def test_every_call_stands_in_the_verbs_policy(scanned: Scan) -> None:
    declared = {f"{service}:{operation}" for service, operation in VERBS["scan"][0]}
    assert set(scanned.calls) <= declared


def test_the_order_is_dollars_times_confidence(scanned: Scan) -> None:
    scores = [row.score_usd for row in scanned.rows if row.score_usd is not None]
    assert scores == sorted(scores, reverse=True)
    for row in scanned.rows:
        if row.score_usd is not None:
            assert row.score_usd == pytest.approx(row.saving_month_usd * row.confidence)


def test_metrics_alone_never_commit(scanned: Scan) -> None:
    committed = [row for row in scanned.rows if row.status in {Status.CHANGE, Status.KEEP}]
    assert len(committed) <= 3
    measured = [row for row in scanned.rows if row.status is Status.MEASURE]
    assert measured
    assert all(row.month_usd and row.mean_ms and row.invocations_per_month for row in measured)
    # No metric holds memory in use, so a smaller size is never named without the logs.
    named = [row for row in measured if row.proposed_mb and row.proposed_mb < row.memory_mb]
    assert len(named) <= 3


def test_a_row_whose_logs_were_read_still_says_what_is_at_stake(scanned: Scan) -> None:
    read = [row for row in scanned.rows if row.proposed_mb is not None]
    assert read
    for row in read:
        assert row.saving_month_usd is not None, row
        assert row.score_usd is not None, row
        if row.proposed_mb == row.memory_mb:
            assert row.saving_month_usd == pytest.approx(0, abs=0.01)
    # Most of the money stands in the lines that were looked at most closely.
    assert max(row.saving_month_usd or 0 for row in read) > 5


def test_functions_without_traffic_say_so(scanned: Scan) -> None:
    silent = {row.function: row for row in scanned.rows if row.status is Status.NO_TRAFFIC}
    assert "nobody-calls-me" in silent
    row = silent["nobody-calls-me"]
    assert row.month_usd is None
    assert row.score_usd is None
    assert "Nobody invoked it" in row.reason


def test_money_agrees_with_the_metrics(scanned: Scan) -> None:
    row = next(row for row in scanned.rows if row.function == "image-resize")
    gb_seconds = row.invocations_per_month * row.mean_ms / 1000 * row.memory_mb / 1024
    fee = row.invocations_per_month * 2e-7
    assert row.month_usd == pytest.approx(gb_seconds * 1.66667e-5 + fee, rel=0.01)


def test_json_is_finite_and_csv_holds_every_line(scanned: Scan) -> None:
    document = json.loads(json.dumps(scanned.to_dict(), allow_nan=False))
    assert document["functions"] == len(scanned.rows)
    assert sum(document["by_status"].values()) == len(scanned.rows)
    read = list(csv.DictReader(io.StringIO(to_csv(scanned.rows))))
    assert [line["function"] for line in read] == [row.function for row in scanned.rows]
    unknown = next(line for line in read if line["status"] == "no_traffic")
    assert unknown["month_usd"] == ""


def test_an_account_that_may_not_be_read(account: Account, sandbox: SandboxProcess) -> None:
    sandbox.add_fault(kind="access-denied", operation="GetMetricData", account=account.account_id)
    try:
        with pytest.raises(AwsError, match="cloudwatch:GetMetricData"):
            fleet.scan(account, settings=Settings(), deep=0)
    finally:
        sandbox.clear_faults()


def test_logs_that_may_not_be_read_do_not_end_a_scan(
    account: Account, sandbox: SandboxProcess
) -> None:
    sandbox.add_fault(kind="access-denied", operation="FilterLogEvents", account=account.account_id)
    try:
        found = fleet.scan(account, settings=Settings(), deep=2)
    finally:
        sandbox.clear_faults()
    assert sum("logs could not be read" in row.reason for row in found.rows) == 2


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "FunctionName": "f",
        "MemorySize": 512,
        "Runtime": "python3.13",
        "Role": "arn:aws:iam::123456789012:role/plain",
        "Architectures": ["x86_64"],
        "State": "Active",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "applies", "words"),
    [
        (
            {
                "CapacityProviderConfig": {
                    "LambdaManagedInstancesCapacityProviderConfig": {
                        "CapacityProviderArn": "arn:aws:lambda:us-east-1:123456789012:cp:x"
                    }
                }
            },
            False,
            "Managed Instances",
        ),
        ({"State": "Failed", "StateReason": "no image"}, False, "no image"),
        ({"PackageType": "Image", "Runtime": None}, True, "container image"),
        ({"Role": "arn:aws:iam::123456789012:role/lambda-edge-rewrite"}, True, "Lambda@Edge"),
        ({"DurableConfig": {"ExecutionTimeout": 60}}, True, "durable"),
        ({}, True, ""),
    ],
)
def test_where_sizing_does_not_apply(changes: dict[str, Any], *, applies: bool, words: str) -> None:
    found = judge(configuration_from(raw(**changes)))
    assert found.applies == applies
    assert words in " ".join((found.reason, *found.cautions))
    row = silent_row(configuration_from(raw(**changes)), None)
    assert row.status is (Status.NO_TRAFFIC if applies else Status.NOT_APPLICABLE)


def test_edge_and_durable_functions_are_not_measured() -> None:
    assert judge(configuration_from(raw(DurableConfig={"ExecutionTimeout": 60}))).not_measurable
    assert judge(configuration_from(raw(Role="arn:aws:iam::1:role/edgelambda"))).not_measurable


def test_alike_functions_share_one_answer_and_keep_their_own_money() -> None:
    leanings = Leanings(CHOICES, PriceBook.load().all_rates("us-east-1"))
    one = leanings.of(Configuration(1024), 100.0, 30)
    assert leanings.of(Configuration(1024), 100.4, 30) is one
    assert leanings.of(Configuration(1024), 200.0, 30) is not one
    assert one.pick is not None
    assert 0 <= (one.confidence or 0) <= 1


rows = st.builds(
    Row,
    function=st.text("abc", min_size=1, max_size=4),
    status=st.just(Status.MEASURE),
    memory_mb=st.just(128),
    architecture=st.just("x86_64"),
    runtime=st.none(),
    month_usd=st.none() | st.floats(0, 1e6),
    score_usd=st.none() | st.floats(-1e6, 1e6),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(rows, max_size=12), st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_account(
    found: list[Row], random: Any
) -> None:
    shuffled = found[:]
    random.shuffle(shuffled)
    assert ranked(found) == ranked(shuffled) or len({r.function for r in found}) < len(found)
    known = [row.score_usd for row in ranked(found) if row.score_usd is not None]
    assert known == sorted(known, reverse=True)


def test_unknown_is_never_zero() -> None:
    row = Row("f", Status.NO_TRAFFIC, 128, "x86_64", None)
    assert total([row], "month_usd") is None
    assert table_rows([row])[0][5] == "-"
    assert total([row, replace(row, month_usd=2.0)], "month_usd") == 2.0


def test_a_name_that_a_spreadsheet_would_run_stays_text() -> None:
    row = Row("f", Status.MEASURE, 128, "x86_64", None, reason="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in to_csv([row])
