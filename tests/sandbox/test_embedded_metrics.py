"""Log events in the embedded metric format are metrics, too."""

from __future__ import annotations

import datetime as dt
import json
import time

import pytest


def write(logs, *documents):
    logs.create_log_group(logGroupName="emf")
    logs.create_log_stream(logGroupName="emf", logStreamName="s")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName="emf", logStreamName="s",
        logEvents=[{"timestamp": now, "message": item if isinstance(item, str) else json.dumps(item)}
                   for item in documents],
    )  # fmt: skip


def embedded(namespace="My", dimensions=None, **members):
    directive = {
        "Namespace": namespace,
        "Dimensions": [["service"], ["service", "stage"]] if dimensions is None else dimensions,
        "Metrics": [{"Name": "latency", "Unit": "Milliseconds"}],
    }
    stamp = int(time.time() * 1000) - 120_000
    return {"_aws": {"Timestamp": stamp, "CloudWatchMetrics": [directive]}, **members}


def test_each_set_of_dimensions_gets_the_values(connect):
    metrics = connect("cloudwatch")
    write(connect("logs"), embedded(service="a", stage="prod", latency=[3, 5.5]))
    listed = metrics.list_metrics(Namespace="My")["Metrics"]
    assert sorted(len(item["Dimensions"]) for item in listed) == [1, 2]
    now = dt.datetime.now(dt.UTC)
    found = metrics.get_metric_statistics(
        Namespace="My", MetricName="latency", Dimensions=[{"Name": "service", "Value": "a"}],
        StartTime=now - dt.timedelta(minutes=10), EndTime=now + dt.timedelta(minutes=2),
        Period=60, Statistics=["Sum", "SampleCount"],
    )["Datapoints"]  # fmt: skip
    assert [(item["Sum"], item["SampleCount"], item["Unit"]) for item in found] == [
        (8.5, 2.0, "Milliseconds")
    ]


@pytest.mark.parametrize(
    "document",
    [
        embedded(service="a"),  # no value
        embedded(service="a", latency="fast"),
        embedded(service="a", stage="b", latency=10**400),
        embedded(service="a", stage="b", latency=1)
        | {"_aws": embedded()["_aws"] | {"Timestamp": 10**30}},
        embedded(service="a", latency=float("nan")),
        embedded(latency=1),  # a dimension without a value
        embedded(namespace="AWS/Lambda", service="a", stage="b", latency=1),
        embedded(namespace=7, service="a", stage="b", latency=1),
        embedded(dimensions="service", service="a") | {"_aws": {"CloudWatchMetrics": "x"}},
        '{"_aws": {"CloudWatchMetrics": [',
        '{"_aws": [], "x": "\\"CloudWatchMetrics\\""}',
    ],
)
def test_anything_else_is_a_log_event_only(connect, document):
    logs, metrics = connect("logs"), connect("cloudwatch")
    write(logs, document)
    assert len(logs.get_log_events(logGroupName="emf", logStreamName="s")["events"]) == 1
    assert not [
        item
        for item in metrics.list_metrics()["Metrics"]
        if not item["Namespace"].startswith("AWS/")
    ]


def test_whole_numbers_of_json_print_as_they_stand(connect):
    logs = connect("logs")
    write(logs, {"code": 7, "took": 1.5})
    now = int(time.time())
    query = logs.start_query(
        logGroupName="emf", startTime=now - 60, endTime=now + 5,
        queryString="fields code, took | filter code > 5",
    )["queryId"]  # fmt: skip
    row = logs.get_query_results(queryId=query)["results"][0]
    assert [item["value"] for item in row[:2]] == ["7", "1.5"]


def test_resources_are_listed_only_when_they_were_called(connect, functions):
    metrics = connect("cloudwatch")

    def resources():
        pages = metrics.get_paginator("list_metrics").paginate(
            Namespace="AWS/Lambda", MetricName="Duration",
            Dimensions=[{"Name": "FunctionName", "Value": "checkout-api"}],
        )  # fmt: skip
        sets = [item["Dimensions"] for page in pages for item in page["Metrics"]]
        return {d["Value"] for dims in sets for d in dims if d["Name"] == "Resource"}

    assert resources() == {"checkout-api:live"}
    functions.invoke(FunctionName="checkout-api")
    assert resources() == {"checkout-api:live", "checkout-api"}


def test_a_service_that_is_not_there_says_so_in_a_shape_that_clients_read(connect):
    queues = connect("sqs")
    with pytest.raises(queues.exceptions.ClientError) as caught:
        queues.list_queues()
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
