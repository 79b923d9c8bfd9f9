"""Metrics, log lines, Insights and invoke results tell the same about the same invocations."""

from __future__ import annotations

import base64
import datetime as dt
import re
import time

import numpy as np
import pytest
from botocore.exceptions import ClientError

from .conftest import processor_seconds

BUSY, QUIET = "image-resize", "etl-nightly-customers"
MINUTE = dt.timedelta(minutes=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)


def metric(cw, name, function, start, end, *stats, period=None, more=()):
    period = period or int((end - start).total_seconds())
    dimensions = [{"Name": "FunctionName", "Value": function}, *more]
    held = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
    queries = [
        {"Id": f"q{n}", "MetricStat": {"Metric": held, "Period": period, "Stat": stat}}
        for n, stat in enumerate(stats)
    ]
    found = cw.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )["MetricDataResults"]
    return [item["Values"] for item in found]


def insights(logs, function, start, end, text):
    query = logs.start_query(
        logGroupName=f"/aws/lambda/{function}",
        startTime=int(start.timestamp()),
        endTime=int(end.timestamp()) - 1,
        queryString=text,
    )["queryId"]
    reply = logs.get_query_results(queryId=query)
    assert reply["status"] == "Complete"
    return [{item["field"]: item["value"] for item in row} for row in reply["results"]]


def test_invocations_metrics_and_logs_agree_one_by_one(create, functions, connect):
    create("agree", MemorySize=256)
    reports, failed = [], 0
    for _ in range(12):
        reply = functions.invoke(FunctionName="agree", LogType="Tail", Payload=b"{}")
        failed += "FunctionError" in reply  # a made function fails now and then, as all do
        tail = base64.b64decode(reply["LogResult"]).decode()
        reports.append(next(line for line in tail.splitlines() if line.startswith("REPORT")))
    durations = [float(re.search(r"\tDuration: ([\d.]+) ms", line)[1]) for line in reports]
    logs, cw = connect("logs"), connect("cloudwatch")
    events = logs.filter_log_events(logGroupName="/aws/lambda/agree", filterPattern="REPORT")[
        "events"
    ]
    assert sorted(event["message"].strip() for event in events) == sorted(
        line.strip() for line in reports
    )
    start, end = now() - 5 * MINUTE, now() + 3 * MINUTE
    (sums, p90, worst, count) = metric(
        cw, "Duration", "agree", start, end, "Sum", "p90", "Maximum", "SampleCount"
    )
    assert count == [12.0]
    assert sums[0] == pytest.approx(sum(durations), rel=1e-9)
    assert p90[0] == pytest.approx(np.percentile(durations, 90), rel=1e-9)
    assert worst == [max(durations)]
    assert metric(cw, "Invocations", "agree", start, end, "Sum") == [[12.0]]
    errors, rate = metric(cw, "Errors", "agree", start, end, "Sum", "Average")
    assert (errors, rate) == ([float(failed)], [failed / 12])
    (row,) = insights(
        logs, "agree", start, end,
        'filter @type = "REPORT" | stats count(*) as n, sum(@duration) as s, pct(@duration, 90) as p, '
        "count(@initDuration) as cold, max(@memorySize) / 1000 / 1000 as mb",
    )  # fmt: skip
    cold = sum("Init Duration" in line for line in reports)
    assert (row["n"], row["cold"], row["mb"]) == ("12", str(cold), "256")
    assert float(row["s"]) == pytest.approx(sum(durations), abs=1e-4)
    assert float(row["p"]) == pytest.approx(np.percentile(durations, 90), abs=1e-4)


@pytest.mark.parametrize("function", [BUSY, "order-events-consumer", QUIET])
def test_generated_traffic_agrees_between_metrics_and_insights(connect, function):
    cw, logs = connect("cloudwatch"), connect("logs")
    end = now() - 10 * MINUTE
    start = end - 600 * MINUTE
    (invocations,) = metric(cw, "Invocations", function, start, end, "Sum")
    if not invocations:
        invocations = [0.0]
    rows = insights(
        logs, function, start, end,
        'filter @type = "REPORT" | stats count(*) as n, avg(@duration) as a, pct(@duration, 95) as p, '
        "max(@maxMemoryUsed) as m, sum(@billedDuration) as b",
    )  # fmt: skip
    counted = float(rows[0]["n"]) if rows else 0.0
    assert counted == invocations[0]
    if not counted:
        return  # nobody called it in this window, and both say so
    average, p95 = metric(cw, "Duration", function, start, end, "Average", "p95")
    assert float(rows[0]["a"]) == pytest.approx(average[0], abs=1e-4)
    assert float(rows[0]["p"]) == pytest.approx(p95[0], abs=1e-4)


def test_counts_by_the_minute_and_single_lines_agree_with_the_metric(connect):
    cw, logs = connect("cloudwatch"), connect("logs")
    end = now() - 10 * MINUTE
    start = end - 10 * MINUTE
    (per_minute,) = metric(cw, "Invocations", BUSY, start, end, "Sum", period=60)
    rows = insights(
        logs,
        BUSY,
        start,
        end,
        'filter @type = "REPORT" | stats count(*) as n by bin(1m) as t | sort t',
    )
    assert [float(row["n"]) for row in rows] == per_minute
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{BUSY}",
        filterPattern='"REPORT RequestId"',
        startTime=int(start.timestamp() * 1000),
        endTime=int(end.timestamp() * 1000) - 1,
        PaginationConfig={"PageSize": 97},
    )
    events = [event for page in pages for event in page["events"]]
    assert len(events) == sum(per_minute)
    assert len({event["eventId"] for event in events}) == len(events)
    stamps = [event["timestamp"] for event in events]
    assert stamps == sorted(stamps)
    exact = insights(
        logs, BUSY, start, end, 'filter @type = "REPORT" | stats count_distinct(@requestId) as n'
    )
    assert float(exact[0]["n"]) == len(events)


def test_a_window_that_cuts_minutes_counts_what_its_lines_are(connect):
    logs = connect("logs")
    end = now() - 10 * MINUTE - dt.timedelta(seconds=19)
    start = end - 3 * MINUTE - dt.timedelta(seconds=24)
    report = 'filter @type = "REPORT" | stats '
    counted = float(insights(logs, BUSY, start, end, report + "count(*) as n")[0]["n"])
    single = float(
        insights(logs, BUSY, start, end, report + "count_distinct(@requestId) as n")[0]["n"]
    )
    lines = 0
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{BUSY}", filterPattern="REPORT",
        startTime=int(start.timestamp() * 1000), endTime=int(end.timestamp() * 1000) - 1,
    ):  # fmt: skip
        lines += len(page["events"])
    assert counted == single == lines > 200


def test_errors_in_lines_are_the_errors_of_the_metric(connect):
    cw, logs = connect("cloudwatch"), connect("logs")
    end = now() - 10 * MINUTE
    start = end - 1440 * MINUTE
    errors, share = metric(cw, "Errors", BUSY, start, end, "Sum", "Average")
    (row,) = insights(
        logs,
        BUSY,
        start,
        end,
        "filter @message like /\\[ERROR\\]|Task timed out|signal: killed/ | stats count(*) as n",
    )
    assert float(row["n"]) == errors[0] > 0
    assert 0 < share[0] < 0.05


def test_an_alias_and_its_versions_have_metrics_of_their_own(connect):
    cw = connect("cloudwatch")
    end = now() - 10 * MINUTE
    start = end - 600 * MINUTE
    function = "order-events-consumer"
    listed = cw.list_metrics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": function}],
    )["Metrics"]
    sets = [{item["Name"]: item["Value"] for item in each["Dimensions"]} for each in listed]
    assert {"FunctionName": function, "Resource": f"{function}:live"} in sets
    alias = [{"Name": "Resource", "Value": f"{function}:live"}]
    whole, named = (
        metric(cw, "Invocations", function, start, end, "Sum", more=more)[0] for more in ((), alias)
    )
    assert named == whole
    executed = [each["ExecutedVersion"] for each in sets if "ExecutedVersion" in each]
    parts = [
        metric(
            cw,
            "Invocations",
            function,
            start,
            end,
            "Sum",
            more=[*alias, {"Name": "ExecutedVersion", "Value": version}],
        )[0]
        for version in executed
    ]
    assert sum(part[0] for part in parts if part) == whole[0]
    latest = [{"Name": "Resource", "Value": f"{function}:no-such"}]
    assert metric(cw, "Invocations", function, start, end, "Sum", more=latest) == [[]]


def test_pages_of_a_busy_group_are_bounded_and_both_ways(connect, server):
    logs = connect("logs")
    group = f"/aws/lambda/{BUSY}"
    end_ms = int((now() - 10 * MINUTE).timestamp() * 1000)
    before = processor_seconds(server.pid) + time.process_time()
    first = logs.filter_log_events(
        logGroupName=group, startTime=end_ms - 14 * 86_400_000, endTime=end_ms, limit=50
    )
    newest = logs.filter_log_events(
        logGroupName=group, endTime=end_ms, limit=50, startFromHead=False
    )
    assert processor_seconds(server.pid) + time.process_time() - before < 5
    assert len(first["events"]) == len(newest["events"]) == 50
    assert first["events"][0]["timestamp"] < end_ms - 13 * 86_400_000
    stamps = [event["timestamp"] for event in newest["events"]]
    assert stamps == sorted(stamps, reverse=True)
    assert end_ms - stamps[0] < 60_000
    again = logs.filter_log_events(
        logGroupName=group,
        startTime=end_ms - 14 * 86_400_000,
        endTime=end_ms,
        limit=50,
        nextToken=first["nextToken"],
    )
    assert not {e["eventId"] for e in again["events"]} & {e["eventId"] for e in first["events"]}
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        logs.filter_log_events(
            logGroupName=group, filterPattern="other", nextToken=first["nextToken"]
        )


def test_a_stream_reads_forwards_and_backwards_to_the_same_events(connect):
    logs = connect("logs")
    group = f"/aws/lambda/{BUSY}"
    # Yesterday's: today's has next to nothing in it just after midnight.
    yesterday = (now() - 1440 * MINUTE).strftime("%Y/%m/%d")
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=yesterday, limit=5)[
        "logStreams"
    ][4]
    place = {"logGroupName": group, "logStreamName": stream["logStreamName"]}
    end = stream["firstEventTimestamp"] + 20 * 60_000

    def read(*, forward):
        found, token = [], None
        while True:
            more = {"nextToken": token} if token else {"startFromHead": forward}
            page = logs.get_log_events(**place, **more, endTime=end, limit=400)
            found = found + page["events"] if forward else page["events"] + found
            following = page["nextForwardToken" if forward else "nextBackwardToken"]
            if following == token:
                return found
            token = following

    onward, back = read(forward=True), read(forward=False)
    assert len(onward) > 400
    assert onward == back
    assert all(event["timestamp"] >= stream["firstEventTimestamp"] for event in onward)


def test_a_deleted_group_comes_back_empty_of_the_past(connect):
    logs = connect("logs")
    group = f"/aws/lambda/{BUSY}"
    logs.delete_log_group(logGroupName=group)
    end_ms = int(time.time() * 1000)
    try:
        events = logs.filter_log_events(logGroupName=group, startTime=end_ms - 3_600_000)["events"]
    except logs.exceptions.ResourceNotFoundException:
        events = []
    assert not [event for event in events if event["timestamp"] < end_ms - 5_000]


def test_retention_takes_old_events_away(connect):
    logs = connect("logs")
    group = f"/aws/lambda/{BUSY}"
    old = int(time.time() * 1000) - 3 * 86_400_000
    window = {"logGroupName": group, "startTime": old, "endTime": old + 60_000, "limit": 5}
    assert logs.filter_log_events(**window)["events"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert not logs.filter_log_events(**window)["events"]
    assert (
        logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 1
    )


def test_time_travel_ages_alarms_metrics_and_logs(connect, server, account_id):
    cw, logs = connect("cloudwatch"), connect("logs")
    cw.put_metric_data(Namespace="ns", MetricData=[{"MetricName": "m", "Value": 7.0}])
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    stamp = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": stamp, "message": "hello"}]
    )
    server.advance(86_400, account_id=account_id)
    day_ago = now() - 1440 * MINUTE
    points = cw.get_metric_statistics(
        Namespace="ns", MetricName="m", Period=600, Statistics=["Sum"],
        StartTime=day_ago - 5 * MINUTE, EndTime=day_ago + 5 * MINUTE,
    )["Datapoints"]  # fmt: skip
    assert [point["Sum"] for point in points] == [7.0]
    (event,) = logs.filter_log_events(logGroupName="/g")["events"]
    assert event["timestamp"] == stamp - 86_400_000


def test_an_alarm_follows_a_functions_metric_and_writes_history(connect, server, account_id):
    cw = connect("cloudwatch")
    cw.put_metric_alarm(
        AlarmName="slow", Namespace="AWS/Lambda", MetricName="Duration", ExtendedStatistic="p90",
        Dimensions=[{"Name": "FunctionName", "Value": BUSY}], Period=60, EvaluationPeriods=3,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=["arn:aws:sns:us-east-1:1:t"],
    )  # fmt: skip
    assert cw.describe_alarms()["MetricAlarms"][0]["StateValue"] == "INSUFFICIENT_DATA"
    server.advance(600, account_id=account_id)
    (alarm,) = cw.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert alarm["StateReason"].startswith("Threshold Crossed: 3 datapoints [")
    kinds = [
        item["HistoryItemType"]
        for item in cw.describe_alarm_history(AlarmName="slow")["AlarmHistoryItems"]
    ]
    assert sorted(kinds) == ["Action", "ConfigurationUpdate", "StateUpdate"]
