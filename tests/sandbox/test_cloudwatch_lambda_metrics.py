"""The AWS/Lambda metrics: which there are, by which dimensions, and that they add up."""

from __future__ import annotations

import datetime as dt

import pytest

MINUTE = dt.timedelta(minutes=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)


@pytest.fixture
def read(connect):
    """One value (or None) of a metric over the last ten hours but ten minutes."""
    cw = connect("cloudwatch")
    end = now() - 10 * MINUTE

    def reader(name, stat="Sum", *, minutes=600, **dimensions):
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        held = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": named}
        (result,) = cw.get_metric_data(
            MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": held, "Period": minutes * 60, "Stat": stat}}],
            StartTime=end - minutes * MINUTE, EndTime=end,
        )["MetricDataResults"]  # fmt: skip
        return result["Values"][0] if result["Values"] else None

    return reader


@pytest.fixture
def listed(functions):
    pages = functions.get_paginator("list_functions").paginate()
    return [item["FunctionName"] for page in pages for item in page["Functions"]]


def test_throttled_requests_are_no_invocations(read, functions, listed):
    throttled = [
        name
        for name in listed
        if functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        and (read("Throttles", FunctionName=name) or 0) > 0
    ]
    assert throttled, "the catalogue has a function that its reserved concurrency throttles"
    name = throttled[0]
    assert read("Invocations", FunctionName=name) == read(
        "Duration", "SampleCount", FunctionName=name
    )
    assert read("Throttles", "SampleCount", FunctionName=name) == (
        read("Invocations", FunctionName=name) + read("Throttles", FunctionName=name)
    )
    reserved = functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
    assert read("ConcurrentExecutions", "Maximum", FunctionName=name) <= reserved


def test_errors_average_to_the_error_rate(read):
    errors, rate = (
        read("Errors", FunctionName="image-resize"),
        read("Errors", "Average", FunctionName="image-resize"),
    )
    assert rate == pytest.approx(
        errors / read("Invocations", FunctionName="image-resize"), rel=1e-9
    )


def test_provisioned_concurrency_takes_its_share_and_spills_the_rest(read, functions, listed):
    found = [
        (name, config["FunctionArn"].rsplit(":", 1)[1])
        for name in listed
        for config in functions.list_provisioned_concurrency_configs(FunctionName=name)[
            "ProvisionedConcurrencyConfigs"
        ]
    ]
    assert found, "the catalogue has a function with provisioned concurrency"
    name, qualifier = found[0]
    alias = {"FunctionName": name, "Resource": f"{name}:{qualifier}"}
    served = read("ProvisionedConcurrencyInvocations", **alias) or 0
    spilled = read("ProvisionedConcurrencySpilloverInvocations", **alias) or 0
    whole = read("Invocations", **alias)
    assert served > 0
    assert served + spilled == pytest.approx(whole, rel=0.01)
    assert 0 < read("ProvisionedConcurrencyUtilization", "Maximum", **alias) <= 1


def test_the_account_is_the_sum_of_its_functions(read, listed):
    parts = [read("Invocations", minutes=30, FunctionName=name) for name in listed]
    assert read("Invocations", minutes=30) == sum(part for part in parts if part)
    assert read("ConcurrentExecutions", "Maximum", minutes=30) >= max(
        read("ConcurrentExecutions", "Maximum", minutes=30, FunctionName=name) or 0
        for name in listed
    )


def test_a_metric_that_is_not_there_is_empty_and_not_an_error(read):
    assert read("Invocations", FunctionName="no-such-function") is None
    assert read("NoSuchMetric", FunctionName="image-resize") is None
    assert read("Invocations", FunctionName="image-resize", Other="x") is None
    assert read("Invocations", Resource="image-resize") is None


def test_listing_pages_and_filters(connect, listed):
    cw = connect("cloudwatch")
    pages = list(cw.get_paginator("list_metrics").paginate(Namespace="AWS/Lambda"))
    metrics = [
        (item["MetricName"], tuple((d["Name"], d["Value"]) for d in item["Dimensions"]))
        for page in pages
        for item in page["Metrics"]
    ]
    assert len(pages) > 1
    assert all(len(page["Metrics"]) <= 500 for page in pages)
    assert len(metrics) == len(set(metrics))
    one = cw.list_metrics(
        Namespace="AWS/Lambda", MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": "image-resize"}, {"Name": "Resource"}],
    )["Metrics"]  # fmt: skip
    assert {len(item["Dimensions"]) for item in one} == {2}
    assert set(metrics) >= {
        ("Errors", tuple((d["Name"], d["Value"]) for d in item["Dimensions"])) for item in one
    }
    named = {dict(dimensions).get("FunctionName") for _, dimensions in metrics}
    assert "nobody-calls-me" not in named
    assert "image-resize" in named <= {None, *listed}


def test_search_finds_functions_and_metric_math_totals_them(connect):
    cw = connect("cloudwatch")
    end = now() - 10 * MINUTE
    reply = cw.get_metric_data(
        MetricDataQueries=[
            {"Id": "all", "Expression": "SEARCH('{AWS/Lambda,FunctionName} MetricName=\"Invocations\"', 'Sum', 3600)",
             "ReturnData": False},
            {"Id": "total", "Expression": "SUM(all)"},
            {"Id": "top", "Expression": "SORT(all, SUM, DESC, 3)"},
            {"Id": "images", "Expression": "SEARCH('{AWS/Lambda,FunctionName} MetricName=\"Invocations\" image', 'Sum', 3600)"},
        ],
        StartTime=end - 60 * MINUTE, EndTime=end,
    )["MetricDataResults"]  # fmt: skip
    top = [item for item in reply if item["Id"] == "top"]
    assert len(top) == 3
    assert sum(top[0]["Values"]) >= sum(top[1]["Values"]) >= sum(top[2]["Values"])
    (total,) = [item for item in reply if item["Id"] == "total"]
    assert total["Values"][0] >= sum(item["Values"][0] for item in top)
    assert "image-resize" in [item["Label"] for item in reply if item["Id"] == "images"]


@pytest.mark.shared
def test_metrics_of_an_invocation_are_those_that_aws_recorded(
    shared_dir, create, functions, connect
):
    import json

    recorded = json.loads(
        (shared_dir / "aws-recorded" / "test_cloudwatch_metrics.snapshot.json").read_text()
    )
    (case,) = [
        value for key, value in recorded.items() if key.endswith("test_lambda_invoke_successful")
    ]
    wanted = case["recorded-content"]["get-metric-data"]
    create("recorded")
    assert functions.invoke(FunctionName="recorded")["ExecutedVersion"] == "$LATEST"
    held = {"Namespace": "AWS/Lambda", "MetricName": "Invocations",
            "Dimensions": [{"Name": "FunctionName", "Value": "recorded"}]}  # fmt: skip
    reply = connect("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m1", "MetricStat": {"Metric": held, "Period": 600, "Stat": "Sum"}}],
        StartTime=now() - 5 * MINUTE, EndTime=now() + 5 * MINUTE,
    )  # fmt: skip
    assert reply["Messages"] == wanted["Messages"]
    (mine,), (theirs,) = reply["MetricDataResults"], wanted["MetricDataResults"]
    assert {**mine, "Timestamps": 0} == {**theirs, "Timestamps": 0}
