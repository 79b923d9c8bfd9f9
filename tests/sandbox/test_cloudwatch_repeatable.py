"""The same seed, time and requests give the same answers; what is kept survives a restart."""

from __future__ import annotations

import json
import pickle

import boto3
import pytest
from botocore.config import Config

from lambda_autotuner.sandbox.process import start_private

NOW = 1_795_000_000  # epoch seconds


def tour(server) -> list[str]:
    """Requests to every service, and their bodies without transport headers."""
    said = []

    def client(service):
        return boto3.client(
            service,
            endpoint_url=server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="123456789012",
            aws_secret_access_key="x",
            config=Config(retries={"max_attempts": 0}),
        )

    def note(reply):
        held = dict(reply)
        held["ResponseMetadata"] = held["ResponseMetadata"]["RequestId"]
        said.append(json.dumps(held, default=str, sort_keys=True))

    cw, logs, iam = client("cloudwatch"), client("logs"), client("iam")
    names = {"Namespace": "AWS/Lambda", "MetricName": "Duration"}
    dimensions = [{"Name": "FunctionName", "Value": "image-resize"}]
    note(cw.list_metrics(**names))
    metric = {"Metric": {**names, "Dimensions": dimensions}, "Period": 300, "Stat": "p95"}
    note(
        cw.get_metric_data(
            MetricDataQueries=[{"Id": "a", "MetricStat": metric}],
            StartTime=NOW - 7200,
            EndTime=NOW,
        )
    )
    group = "/aws/lambda/image-resize"
    page = logs.filter_log_events(logGroupName=group, startTime=(NOW - 600) * 1000, limit=20)
    note(page)
    note(
        logs.filter_log_events(
            logGroupName=group, startTime=(NOW - 600) * 1000, limit=20, nextToken=page["nextToken"]
        )
    )
    query = logs.start_query(
        logGroupName=group, startTime=NOW - 3600, endTime=NOW,
        queryString="filter @type = 'REPORT' | sort @duration desc | limit 5 | fields @requestId, @duration",
    )  # fmt: skip
    note(query)
    note(logs.get_query_results(queryId=query["queryId"]))
    note(iam.create_user(UserName="u"))
    note(iam.create_access_key(UserName="u"))
    cw.put_metric_alarm(
        AlarmName="a", **names, Dimensions=dimensions, Statistic="Average", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    note(cw.describe_alarms())
    note(cw.describe_alarm_history())
    note(client("compute-optimizer").get_lambda_function_recommendations(maxResults=2))
    return said


def test_the_same_requests_get_the_same_bodies_and_ids():
    runs = []
    for _ in range(2):
        with start_private(now=NOW, seed=11) as server:
            runs.append(tour(server))
    assert runs[0] == runs[1]
    with start_private(now=NOW, seed=12) as server:
        assert tour(server) != runs[0]


def test_everything_that_is_kept_can_be_pickled_and_aged():
    from lambda_autotuner.sandbox.around.objects import ObjectStore, StoredObject
    from lambda_autotuner.sandbox.cloudwatch.alarm_book import Alarm, AlarmBook, HistoryItem
    from lambda_autotuner.sandbox.cloudwatch.recorded import RecordedMetrics
    from lambda_autotuner.sandbox.identity.state import AccessKey, IamState, Identity
    from lambda_autotuner.sandbox.logs.state import (
        GroupSettings,
        LogsState,
        StoredEvent,
        StoredStream,
    )

    metrics = RecordedMetrics()
    metrics.put(("ns", "m", ()), "Count").times.append(1_000_000)
    book = AlarmBook(
        {"a": Alarm("a", {"Period": 60}, 1_000_000)},
        [HistoryItem("a", "MetricAlarm", 1_000_000, "Action", "", {})],
    )
    stream = StoredStream("s", 1_000_000, [StoredEvent(1_000_000, 1, "x", 1_000_000)])
    logs = LogsState({"g": GroupSettings("g", 1_000_000, streams={"s": stream})})
    iam = IamState(
        users={"u": Identity("u", "/", "AIDA", 1_000_000)},
        keys={"k": AccessKey("k", "s", "u", 1_000_000)},
    )
    store = ObjectStore({"b": {"k": StoredObject(b"x", "text/plain", 1_000_000)}}, {"b": 1_000_000})
    for state in (metrics, book, logs, iam, store):
        again = pickle.loads(pickle.dumps(state))  # noqa: S301 - our own
        assert again == state
        state.age(1_000)
        assert again != state
        assert "1000000" not in repr(state).replace("999000", "")


@pytest.mark.parametrize("token", ["x", "bm9wZTo1", "", "f/1-1"])
def test_foreign_tokens_are_refused_or_ignored_but_never_a_fault(connect, token):
    def plain(service):
        return connect(service, parameter_validation=False)

    cw, logs, tags = plain("cloudwatch"), plain("logs"), plain("resourcegroupstaggingapi")
    calls = (
        lambda: cw.list_metrics(NextToken=token),
        lambda: cw.describe_alarms(NextToken=token),
        lambda: logs.describe_log_groups(nextToken=token),
        lambda: logs.filter_log_events(
            logGroupName="/aws/lambda/image-resize", nextToken=token, limit=1
        ),
        lambda: tags.get_resources(PaginationToken=token),
        lambda: plain("iam").list_users(Marker=token),
        lambda: plain("pricing").get_products(ServiceCode="AWSLambda", NextToken=token),
        lambda: plain("compute-optimizer").get_lambda_function_recommendations(
            nextToken=token, maxResults=1
        ),
    )
    for call in calls:
        try:
            status = call()["ResponseMetadata"]["HTTPStatusCode"]
        except Exception as error:  # noqa: BLE001 - whatever the client makes of a 4xx
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert status < 500
