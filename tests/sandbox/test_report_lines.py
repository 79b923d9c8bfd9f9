"""What an invocation writes: in the tail and in the log group, as text and as JSON."""

from __future__ import annotations

import base64
import json
import math
import re
import time

import pytest

from lambda_autotuner.aws.reports import parse_report
from lambda_autotuner.sandbox.functions import failures

from .conftest import settle


def invoke(functions, name, **extra):
    answer = functions.invoke(FunctionName=name, LogType="Tail", Payload=b"{}", **extra)
    return answer, base64.b64decode(answer["LogResult"]).decode()


def messages(connect, name, request_id):
    """The events of one invocation, and what its environment wrote just before."""
    logs = connect("logs")
    now = int(time.time() * 1000)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{name}", startTime=now - 120_000
    )
    found = [event["message"] for page in pages for event in page["events"]]
    mine = [i for i, message in enumerate(found) if request_id in message]
    return found[max(0, mine[0] - 2) : mine[-1] + 1]


def test_a_new_environment_says_which_runtime_it_has(functions, connect):
    answer, tail = invoke(functions, "nobody-calls-me")
    written = messages(connect, "nobody-calls-me", answer["ResponseMetadata"]["RequestId"])
    assert re.fullmatch(
        r"INIT_START Runtime Version: python:3\.9\.v\d+\tRuntime Version ARN: "
        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n",
        written[0],
    )
    assert "".join(written[1:]) == tail  # a tail begins with START
    answer, _ = invoke(functions, "nobody-calls-me")
    warm = messages(connect, "nobody-calls-me", answer["ResponseMetadata"]["RequestId"])
    assert not any("INIT_START" in message for message in warm[2:])


def test_a_traced_function_reports_its_trace(functions, connect):
    functions.update_function_configuration(
        FunctionName="nobody-calls-me", TracingConfig={"Mode": "Active"}
    )
    settle(functions, "nobody-calls-me")
    _, tail = invoke(functions, "nobody-calls-me")
    found = re.search(
        r"\t\nXRAY TraceId: (1-[0-9a-f]{8}-[0-9a-f]{24})\tSegmentId: ([0-9a-f]{16})\t"
        r"Sampled: true\t\n$",
        tail,
    )
    assert found
    logs = connect("logs")
    now = int(time.time())
    query = logs.start_query(
        logGroupName="/aws/lambda/nobody-calls-me", startTime=now - 600, endTime=now + 1,
        queryString='filter @type = "REPORT" | fields @xrayTraceId, @xraySegmentId',
    )["queryId"]  # fmt: skip
    row = {
        item["field"]: item["value"] for item in logs.get_query_results(queryId=query)["results"][0]
    }
    assert (row["@xrayTraceId"], row["@xraySegmentId"]) == found.groups()


def test_a_restore_is_billed_in_part(functions, connect):
    # Billed duration = the handler's, rounded up, and the billed part of the restore.
    answer, tail = invoke(functions, "loan-quote-snapstart", Qualifier="live")
    line = tail.splitlines()[-1]
    figures = dict(re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+) (?:ms|MB)", line))
    assert "Init Duration" not in figures
    part = int(figures["Billed Restore Duration"])
    assert 0 < part < float(figures["Restore Duration"])
    assert int(figures["Billed Duration"]) == math.ceil(float(figures["Duration"])) + part
    written = messages(connect, "loan-quote-snapstart", answer["ResponseMetadata"]["RequestId"])
    assert written[0].startswith("RESTORE_START Runtime Version: java:21.v")
    assert written[1] == f"RESTORE_REPORT Restore Duration: {figures['Restore Duration']} ms\n"
    logs = connect("logs")
    now = int(time.time())
    query = logs.start_query(
        logGroupName="/aws/lambda/loan-quote-snapstart", startTime=now - 300, endTime=now + 1,
        queryString='filter @message like /Restore Duration/ and @type = "REPORT" | stats count(*) '
        "as n, count(@initDuration) as inits, max(@duration) as d",
    )["queryId"]  # fmt: skip
    row = {
        item["field"]: item["value"] for item in logs.get_query_results(queryId=query)["results"][0]
    }
    assert int(row["n"]) >= 1
    assert int(row["inits"]) == 0
    # $LATEST has no snapshot.
    _, tail = invoke(functions, "loan-quote-snapstart")
    assert "\tInit Duration: " in tail.splitlines()[-1]


@pytest.fixture
def json_function(functions):
    functions.update_function_configuration(
        FunctionName="nobody-calls-me", LoggingConfig={"LogFormat": "JSON"}
    )
    settle(functions, "nobody-calls-me")
    return "nobody-calls-me"


def test_the_json_format(functions, connect, json_function):
    answer, tail = invoke(functions, json_function)
    documents = [json.loads(line) for line in tail.splitlines()]
    assert [document["type"] for document in documents] == ["platform.start", "platform.report"]
    rid = answer["ResponseMetadata"]["RequestId"]
    assert documents[0]["record"] == {"requestId": rid, "version": "$LATEST"}
    record = documents[-1]["record"]
    assert list(record) == ["requestId", "metrics", "status"]
    metrics = record["metrics"]
    assert metrics["billedDurationMs"] == math.ceil(
        metrics["durationMs"] + metrics["initDurationMs"]
    )
    report = parse_report(tail)
    assert report is not None
    assert report.billed_ms == metrics["billedDurationMs"]
    written = messages(connect, json_function, rid)
    assert json.loads(written[0])["type"] == "platform.initStart"
    assert "".join(written[1:]) == tail
    logs = connect("logs")
    now = int(time.time())
    query = logs.start_query(
        logGroupName=f"/aws/lambda/{json_function}", startTime=now - 300, endTime=now + 1,
        queryString='filter type = "platform.report" | stats max(record.metrics.durationMs) as d',
    )["queryId"]  # fmt: skip
    rows = logs.get_query_results(queryId=query)["results"]
    assert float(rows[0][0]["value"]) == metrics["durationMs"]


def test_log_levels_leave_lines_out(functions, json_function):
    functions.update_function_configuration(
        FunctionName=json_function,
        LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"},
    )
    settle(functions, json_function)
    assert invoke(functions, json_function)[1] == ""
    functions.update_function_configuration(
        FunctionName=json_function,
        LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
    )
    settle(functions, json_function)
    _, tail = invoke(functions, json_function)
    kinds = [json.loads(line)["type"] for line in tail.splitlines()]
    assert kinds == ["platform.start", "platform.runtimeDone", "platform.report"]


def test_history_keeps_the_format_that_it_had(functions, connect):
    answer, _ = invoke(functions, "nobody-calls-me")
    time.sleep(0.05)
    functions.update_function_configuration(
        FunctionName="nobody-calls-me", LoggingConfig={"LogFormat": "JSON"}
    )
    settle(functions, "nobody-calls-me")
    written = messages(connect, "nobody-calls-me", answer["ResponseMetadata"]["RequestId"])
    assert written[-1].startswith("REPORT RequestId: ")


@pytest.mark.parametrize(
    ("runtime", "line", "members"),
    [
        (
            "python3.12",
            "[ERROR] ValueError: Invalid request\nTraceback (most",
            {"stackTrace", "requestId"},
        ),
        ("nodejs20.x", "ERROR\tInvoke Error \t{", {"trace"}),
        (
            "java21",
            "Invalid request: java.lang.IllegalArgumentException\njava.lang",
            {"stackTrace"},
        ),
        (
            "provided.al2023",
            '{"errorMessage":"Invalid request","errorType":"errorString"}\n',
            set(),
        ),
    ],
)
def test_each_runtime_tells_of_failures_in_its_own_words(runtime, line, members):
    assert line in failures.log_text(None, runtime, "rid", "2026-11-22T10:00:00.000Z")
    body = failures.payload(None, runtime, "rid")
    assert set(body) == {"errorType", "errorMessage"} | members


def test_failures_of_every_kind_of_function_can_be_read(connect):
    logs = connect("logs")
    now = int(time.time() * 1000)
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/")
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    failed = [
        logs.filter_log_events(
            logGroupName=group, startTime=now - 600_000, filterPattern="ERROR", limit=5
        )["events"]
        for group in groups
    ]
    assert sum(map(bool, failed)) > 5
