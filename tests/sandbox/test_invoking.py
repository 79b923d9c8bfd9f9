"""Invoke: what it says, what it costs, when it is refused."""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from lambda_autotuner.sandbox.process import start_private
from lambda_autotuner.sandbox.truth import Truth

from .conftest import make_client, settle

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>[0-9a-f-]{36})\tDuration: (?P<duration>\d+\.\d\d) ms\t"
    r"Billed Duration: (?P<billed>\d+) ms\tMemory Size: (?P<size>\d+) MB\t"
    r"Max Memory Used: (?P<used>\d+) MB\t(?:Init Duration: (?P<init>\d+\.\d\d) ms\t)?"
    r"(?:Status: timeout\t|Status: error\tError Type: Runtime.OutOfMemory\t)?\n"
)


def invoke(functions: Any, name: str, **params: Any) -> tuple[dict[str, Any], re.Match[str]]:
    answer = functions.invoke(FunctionName=name, LogType="Tail", **params)
    answer["Payload"] = answer["Payload"].read()
    answer["Log"] = b64decode(answer["LogResult"]).decode()
    match = REPORT.search(answer["Log"])
    assert match is not None, answer["Log"]
    return answer, match


def test_the_report_line_has_awss_form_and_bills_init(functions):
    cold, report = invoke(functions, "geo-lookup", Payload=b"{}")
    assert cold["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == report["id"]
    assert f"START RequestId: {report['id']} Version: $LATEST\n" in cold["Log"]
    assert f"END RequestId: {report['id']}\n" in cold["Log"]
    assert int(report["billed"]) == math.ceil(float(report["duration"]) + float(report["init"]))
    warm, report = invoke(functions, "geo-lookup", Payload=b"{}")
    assert report["init"] is None
    assert int(report["billed"]) == math.ceil(float(report["duration"]))
    assert warm["StatusCode"] == 200
    assert "FunctionError" not in warm


def test_durations_follow_the_law_at_every_size(functions):
    truth = Truth().function("crypto-settlement")
    for memory_mb in (128, 512, 1769):
        functions.update_function_configuration(
            FunctionName="crypto-settlement", MemorySize=memory_mb
        )
        settle(functions, "crypto-settlement")
        seen = [
            float(report["duration"])
            for _ in range(40)
            for answer, report in [invoke(functions, "crypto-settlement")]
            if "FunctionError" not in answer
        ]
        assert np.median(seen) == pytest.approx(truth.mean_duration_ms(memory_mb), rel=0.05)


def test_a_timeout_is_told_as_aws_tells_it(functions):
    seen = [invoke(functions, "timeout-loop") for _ in range(40)]
    late = [(answer, report) for answer, report in seen if "Status: timeout" in answer["Log"]]
    assert late
    answer, report = late[0]
    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 3.00 seconds" in json.loads(answer["Payload"])["errorMessage"]
    assert "Task timed out after 3.00 seconds" in answer["Log"]
    assert float(report["duration"]) == 3000.0
    # The environment is lost, so the invocation after it starts a new one.
    for (before, _), (_, following) in pairwise(seen):
        assert ("Status: timeout" in before["Log"]) == (following["init"] is not None)


def test_too_little_memory_kills(functions):
    functions.update_function_configuration(FunctionName="s3-virus-scan", MemorySize=1024)
    settle(functions, "s3-virus-scan")
    answer, report = invoke(functions, "s3-virus-scan")
    assert answer["FunctionError"] == "Unhandled"
    assert "signal: killed" in json.loads(answer["Payload"])["errorMessage"]
    assert report["used"] == "1024"
    assert "Error Type: Runtime.OutOfMemory" in answer["Log"]


def test_an_application_error_carries_its_stack(functions):
    for _ in range(400):
        answer = functions.invoke(FunctionName="gdpr-eraser")
        if "FunctionError" in answer:
            break
    body = json.loads(answer["Payload"].read())
    assert body["errorType"] == "EraseIncomplete"
    assert body["stackTrace"]


def test_events_and_dry_runs_answer_at_once(functions):
    assert functions.invoke(FunctionName="geo-lookup", InvocationType="Event")["StatusCode"] == 202
    dry = functions.invoke(FunctionName="geo-lookup", InvocationType="DryRun")
    assert dry["StatusCode"] == 204


@pytest.mark.parametrize(
    ("payload", "status", "code"),
    [
        (b"{not json", 400, "InvalidRequestContentException"),
        (b'"' + b"x" * 6_291_456 + b'"', 413, "RequestTooLargeException"),
    ],
)
def test_bad_payloads_are_refused(functions, payload, status, code):
    with pytest.raises(ClientError) as caught:
        functions.invoke(FunctionName="geo-lookup", Payload=payload)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"]["Code"] == code


def test_alias_weights_are_routed(functions):
    seen = [
        functions.invoke(FunctionName="graphql-gateway", Qualifier="live")["ExecutedVersion"]
        for _ in range(400)
    ]
    share = seen.count("7") / len(seen)
    assert set(seen) == {"6", "7"}
    # 0.1 with 400 draws: five standard deviations are 0.075.
    assert abs(share - 0.1) < 0.075


def test_who_waits_for_the_answer_gets_the_warm_environment(functions):
    # Each takes about five accounted seconds and is answered at once: they must not overlap.
    inits = [invoke(functions, "crypto-settlement")[1]["init"] for _ in range(8)]
    assert inits[0] is not None
    assert inits[1:] == [None] * 7


def test_what_overlaps_needs_environments_and_reservations_are_the_limit(server, account_id):
    clients = [make_client(server, "lambda", account_id) for _ in range(6)]
    try:
        clients[0].put_function_concurrency(
            FunctionName="crypto-settlement", ReservedConcurrentExecutions=3
        )

        for client in clients:
            client.get_account_settings()  # each has its connection: six callers, not one

        def one(client: Any) -> str:
            try:
                client.invoke(FunctionName="crypto-settlement")["Payload"].read()
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                return f"{status} {error.response['Reason']}"
            return "served"

        with ThreadPoolExecutor(6) as pool:
            outcomes = list(pool.map(one, clients))
        assert outcomes.count("served") == 3
        assert outcomes.count("429 ReservedFunctionConcurrentInvocationLimitExceeded") == 3
    finally:
        for client in clients:
            client.close()


def test_zero_reserved_concurrency_stops_a_function(functions):
    functions.put_function_concurrency(FunctionName="geo-lookup", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        functions.invoke(FunctionName="geo-lookup")
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    # An event is accepted all the same: it waits, and may be dropped later.
    assert functions.invoke(FunctionName="geo-lookup", InvocationType="Event")["StatusCode"] == 202
    functions.delete_function_concurrency(FunctionName="geo-lookup")
    functions.invoke(FunctionName="geo-lookup")


def test_snapstart_restores_instead_of_initialising(functions):
    answer = functions.invoke(FunctionName="loan-quote-snapstart", Qualifier="live", LogType="Tail")
    log = b64decode(answer["LogResult"]).decode()
    assert "Restore Duration: " in log
    assert "Init Duration" not in log


def test_provisioned_environments_start_warm(functions):
    _, report = invoke(functions, "provisioned-login", Qualifier="live")
    assert report["init"] is None


def test_the_same_requests_give_the_same_bodies_and_ids():
    def run() -> list[str]:
        found = []
        with start_private(seed=11, now=1_790_000_000) as process:
            client = make_client(process, "lambda", "123456789012")
            metrics = make_client(process, "cloudwatch", "123456789012")
            logs = make_client(process, "logs", "123456789012")
            steps = [
                client.list_functions,
                lambda: metrics.list_metrics(Namespace="AWS/Lambda"),
                lambda: metrics.get_metric_statistics(
                    Namespace="AWS/Lambda",
                    MetricName="Duration",
                    Dimensions=[{"Name": "FunctionName", "Value": "image-resize"}],
                    StartTime=1_790_000_000 - 86_400,
                    EndTime=1_790_000_000,
                    Period=3600,
                    ExtendedStatistics=["p95"],
                ),
                logs.describe_log_groups,
                lambda: logs.filter_log_events(
                    logGroupName="/aws/lambda/exchange-rates",
                    startTime=1_790_000_000_000 - 86_400_000,
                ),
                lambda: client.invoke(FunctionName="image-resize", LogType="Tail"),
                lambda: client.update_function_configuration(
                    FunctionName="image-resize", MemorySize=640
                ),
                lambda: client.create_alias(
                    FunctionName="checkout-api", Name="x", FunctionVersion="2"
                ),
                lambda: client.invoke(FunctionName="checkout-api", Qualifier="x", LogType="Tail"),
            ]
            for step in steps:
                answer = step()
                answer["ResponseMetadata"]["HTTPHeaders"].pop("date")
                if "Payload" in answer:
                    answer["Payload"] = answer["Payload"].read()
                found.append(repr(answer))
            for each in (client, metrics, logs):
                each.close()
        return found

    first, second = run(), run()
    assert first == second
    assert "640" in first[6]


def test_pace_makes_it_real_time():
    import time

    with start_private(pace=1.0) as process:
        client = make_client(process, "lambda", "123456789012")
        client.invoke(FunctionName="chat-webhook")
        started = time.monotonic()
        answer = client.invoke(FunctionName="chat-webhook", LogType="Tail")
        took_ms = (time.monotonic() - started) * 1000
        match = REPORT.search(b64decode(answer["LogResult"]).decode())
        client.close()
    assert match is not None
    assert took_ms >= float(match["duration"])
