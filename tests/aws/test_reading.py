"""Functions, metrics, logs, alarms and permissions of the real embedded account."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from lambda_autotuner.aws import ErrorCode, MissingError, functions, logs, telemetry
from lambda_autotuner.aws.alarms import dashboard_summary, list_alarms, list_dashboards
from lambda_autotuner.aws.concurrency import account_limits, get_concurrency
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.invocation import invoke
from lambda_autotuner.aws.metrics import MetricQuery, Window, get_metrics, latest_activity
from lambda_autotuner.aws.permissions import check_operations, check_permissions, function_arn
from lambda_autotuner.aws.reports import Outcome
from lambda_autotuner.errors import UsageError

BUSY = "product-search"
# Of a busy function the account would draw millions of invocations first.
STEADY = "loan-quote-snapstart"


def test_every_function_is_listed_once(account):
    names = [item.name for item in functions.list_functions(account)]
    assert len(names) == len(set(names)) >= 40
    assert BUSY in names
    assert [item.name for item in functions.list_functions(account, limit=3)] == names[:3]


def test_values_of_the_environment_stay_inside(account):
    secret = "s3cr3t-" + "value"
    account.call(
        "lambda",
        "UpdateFunctionConfiguration",
        FunctionName=BUSY,
        Environment={"Variables": {"TOKEN": secret}},
    )
    found = functions.get_function(account, BUSY)
    assert found.environment_names == ("TOKEN",)
    assert secret not in str(found.to_dict()) + repr(found)


@pytest.mark.parametrize("name", ["product-serch", "Product-Search", "productsearch"])
def test_a_wrong_name_brings_the_nearest_at_once(account, name):
    with pytest.raises(MissingError) as caught:
        functions.get_function(account, name)
    assert BUSY in caught.value.nearest
    assert account.account_id in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_wrong_qualifier_brings_the_aliases(account):
    with pytest.raises(MissingError) as caught:
        functions.get_function(account, BUSY, "staging")
    assert caught.value.nearest == ("live",)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "x" * 141, "../etc", "arn:aws:lambda:us-east-1:999999999999:function:x"],
)
def test_nonsense_is_refused_before_a_call(account, text):
    with pytest.raises(UsageError):
        functions.get_function(account, text)
    assert account.calls["lambda:GetFunctionConfiguration"] == 0


def test_versions_aliases_and_arns(account):
    found = functions.get_function(account, f"{BUSY}:live")
    assert found.version == functions.get_alias(account, BUSY, "live").version
    assert functions.get_function(account, found.arn).version == found.version
    assert functions.list_versions(account, BUSY)[0].version == "$LATEST"


def test_concurrency_and_limits(account):
    found = get_concurrency(account, "provisioned-login")
    assert [item.qualifier for item in found.provisioned] == ["live"]
    assert found.provisioned[0].status == "READY"
    assert account_limits(account).concurrent_executions >= 10


def test_five_hundred_series_go_in_one_call(account):
    names = functions.function_names(account)
    window = telemetry.window_for(account, BUSY, days=1)
    account.calls.clear()
    queries = [
        MetricQuery(metric, "Sum", 3600 * hours, name)
        for name in names
        for metric in ("Invocations", "Errors", "Throttles", "Duration")
        for hours in (6, 12, 24)
    ]
    found = get_metrics(account, [*queries, *queries], window)
    assert len(found) == len(queries)
    assert account.calls["cloudwatch:GetMetricData"] == math.ceil(len(queries) / 500)
    again = get_metrics(account, [queries[0]], window)[queries[0]]
    assert found[queries[0]].total() == again.total()


def test_the_points_of_a_call_are_bounded_too(account):
    end = telemetry.account_now(account)
    window = Window(end - timedelta(days=14), end)
    account.calls.clear()
    queries = [
        MetricQuery("Invocations", stat, 60, STEADY) for stat in ("Sum", "Average", "Maximum")
    ]
    queries += [MetricQuery("Errors", stat, 60, STEADY) for stat in ("Sum", "Average", "Maximum")]
    found = get_metrics(account, queries, window)
    assert account.calls["cloudwatch:GetMetricData"] >= 2
    hourly = MetricQuery("Invocations", "Sum", 3600, STEADY)
    total = get_metrics(account, [hourly], window)[hourly].total()
    assert found[queries[0]].total() == pytest.approx(total, rel=0.01)


def test_windows_end_where_the_account_was_last_alive(account, server):
    window = telemetry.window_for(account, BUSY, days=2)
    assert window.anchor == "last invocation"
    assert window.seconds == 2 * 86_400
    near = functions.get_function(account, BUSY).last_modified
    assert latest_activity(account, near, function=BUSY) == window.end
    idle = telemetry.function_telemetry(account, "nobody-calls-me")
    assert idle.invocations is None
    assert idle.reason
    assert idle.p95_duration_ms is None


def test_telemetry_fits_together(account):
    found = telemetry.function_telemetry(account, BUSY, days=1)
    assert found.invocations > 1_000
    assert found.mean_duration_ms == pytest.approx(
        found.duration_sum_ms / found.invocations, rel=0.02
    )
    assert found.p50_duration_ms < found.p95_duration_ms <= found.p99_duration_ms
    assert found.p99_duration_ms <= found.max_duration_ms
    assert 0 <= found.error_rate < 1
    assert found.to_dict()["window"]["anchor"] == "last invocation"


def test_reports_say_what_metrics_say(account):
    function = "report-generator-leaky"
    configuration = functions.get_function(account, function)
    found = telemetry.function_telemetry(account, function, days=1)
    reports, complete = logs.fetch_reports(
        account, configuration.log_group, found.window, limit=30_000, deadline_seconds=250
    )
    assert complete
    assert len(reports) == pytest.approx(found.invocations, abs=3)
    failed = sum(report.outcome is not Outcome.OK for report in reports)
    assert failed <= found.errors
    assert {report.memory_mb for report in reports} <= {128, 256, 512, 1024}


def test_log_search_is_bounded_and_says_so(account):
    group = functions.get_function(account, BUSY).log_group
    window = logs.log_window(account, group, days=0.01)
    found = logs.search_logs(account, group, window, limit=5)
    assert len(found.events) == 5
    assert not found.complete
    errors = logs.search_logs(account, group, window, pattern=logs.ERROR_PATTERN, limit=500)
    grouped = logs.group_errors(errors.events)
    assert sum(group.count for group in grouped) == len(errors.events)
    with pytest.raises(MissingError):
        logs.latest_event(account, "/aws/lambda/none")


def test_groups_forget_what_differs_from_call_to_call():
    one = "[ERROR] 2026-01-01T10:00:00.123Z 5f2c9c1e-0000-4000-8000-aaaaaaaaaaaa id=17 from 10.0.0.1:443"
    two = "[ERROR] 2026-02-03T11:30:00.999Z 00000000-1111-4222-8333-bbbbbbbbbbbb id=9 from 10.9.9.9:80"
    assert logs.pattern_of(one) == logs.pattern_of(two)
    assert logs.pattern_of(one) != logs.pattern_of(one.replace("ERROR", "WARN"))


def test_insights_count_what_is_there(account):
    group = functions.get_function(account, "report-generator-leaky").log_group
    window = logs.log_window(account, group, days=1)
    query = 'filter @type = "REPORT" | stats count(*) as n, max(@maxMemoryUsed) as used'
    found = logs.run_insights(account, [group], query, window)
    assert int(float(found.rows[0]["n"])) > 0
    with pytest.raises(AwsError) as caught:
        logs.run_insights(account, [group], "this is | | no query", window)
    assert caught.value.code is ErrorCode.INVALID


def test_alarms_and_dashboards(account):
    client = account.client("cloudwatch", purpose="write")
    dimensions = [{"Name": "FunctionName", "Value": BUSY}]
    client.put_metric_alarm(
        AlarmName="search-errors",
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=dimensions,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )
    row = ["AWS/Lambda", "Duration", "FunctionName", BUSY, {"stat": "p95"}]
    widgets = [
        {"type": "metric", "properties": {"title": "Latency", "metrics": [row]}},
        {"type": "log", "properties": {"query": "SOURCE '/aws/lambda/x' | fields @message"}},
        {"type": "text"},
    ]
    client.put_dashboard(DashboardName="search", DashboardBody=json.dumps({"widgets": widgets}))
    found = list_alarms(account, function=BUSY)
    assert "search-errors" in {alarm.name for alarm in found}
    assert all(BUSY in alarm.functions for alarm in found)
    assert "search" in {item.name for item in list_dashboards(account)}
    summary = dashboard_summary(account, "search")
    assert summary.widget_types == {"metric": 1, "log": 1, "text": 1}
    assert (summary.functions, summary.metrics) == ((BUSY,), ("AWS/Lambda Duration",))
    assert summary.log_groups == ("/aws/lambda/x",)
    with pytest.raises(MissingError) as caught:
        dashboard_summary(account, "no-such-dashboard")
    assert "search" in caught.value.nearest


def test_invoking_tells_everything(account):
    found = invoke(account, BUSY, b"{}", qualifier="live")
    assert found.outcome is Outcome.OK
    assert found.report.memory_mb == 512
    assert found.executed_version == functions.get_alias(account, BUSY, "live").version
    assert found.round_trip_ms > 0


def test_a_throttled_invocation_is_a_result(account):
    account.call(
        "lambda", "PutFunctionConcurrency", FunctionName=BUSY, ReservedConcurrentExecutions=0
    )
    found = invoke(account, BUSY)
    assert found.outcome is None
    assert found.throttled_reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_permissions_are_asked_or_said_to_be_unknown(account, server):
    arn = function_arn(account, BUSY)
    allowed = check_permissions(account, ["lambda:UpdateAlias", "lambda:UpdateAlias"], arn)
    assert [(item.action, item.allowed) for item in allowed] == [("lambda:UpdateAlias", True)]
    both = check_operations(account, [("lambda", "GetAlias"), ("logs", "GetQueryResults")], arn)
    assert [item.resource for item in both] == [arn, "*"]
    server.add_fault(kind="access-denied", service="iam")
    unknown = check_permissions(account, ["lambda:UpdateAlias"], arn)[0]
    assert unknown.allowed is None
    assert "iam:SimulatePrincipalPolicy" in unknown.reason
