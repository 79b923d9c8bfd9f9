"""What the recorded tests about lists, dashboards, streams, rules and detectors did, by their names."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any


def act(actor: Any) -> None:
    """All of them, in one fresh account."""
    actor.start()
    _listing(actor)
    _definitions(actor)


def _listing(actor: Any) -> None:
    names = {
        "error": "none",
        "exception": "none",
        "method": "GET",
        "outcome": "SUCCESS",
        "status": "200",
        "uri": "/greetings",
    }
    dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
    actor.put("http.server.requests.count", 5, Dimensions=dimensions)
    test = "test_multiple_dimensions_statistics"
    actor.ask(
        test,
        "get-metric-stats-max",
        actor.query("result1", "http.server.requests.count", "Maximum", Dimensions=dimensions),
    )
    actor.note(test, "list-metrics", actor.cw.list_metrics, MetricName="http.server.requests.count")
    test = "test_invalid_amount_of_datapoints"
    window = {"Namespace": "ns", "MetricName": "metric_name", "Statistics": ["SampleCount"]}
    day = dt.timedelta(days=1)
    actor.note(
        test,
        "error-invalid-amount-datapoints",
        actor.cw.get_metric_statistics,
        **window,
        StartTime=actor.end - day,
        EndTime=actor.end,
        Period=1,
    )
    actor.note(
        test,
        "error-invalid-time-frame",
        actor.cw.get_metric_statistics,
        **window,
        StartTime=actor.end,
        EndTime=actor.end,
        Period=60,
    )
    actor.note(
        test,
        "get-metric-statitics",
        actor.cw.get_metric_statistics,
        **window,
        StartTime=actor.end - day / 24,
        EndTime=actor.end,
        Period=60,
    )


def _definitions(actor: Any) -> None:
    cw = actor.cw
    actor.note(
        "test_invalid_dashboard_name",
        "error-invalid-dashboardname",
        cw.put_dashboard,
        DashboardName="in valid!",
        DashboardBody="{}",
    )
    body = {
        "widgets": [
            {
                "type": "metric",
                "x": 0,
                "y": 0,
                "width": 6,
                "height": 6,
                "properties": {
                    "metrics": [["AWS/EC2", "CPUUtilization", "InstanceId", "i-12345678"]],
                    "region": "us-east-1",
                    "view": "timeSeries",
                    "stacked": False,
                },
            }
        ]
    }
    test = "test_dashboard_lifecycle"
    cw.put_dashboard(DashboardName="dashboard-one", DashboardBody=json.dumps(body).ljust(240))
    actor.note(test, "get_dashboard", cw.get_dashboard, DashboardName="dashboard-one")
    actor.note(test, "list_dashboards", cw.list_dashboards)
    actor.note(test, "list_dashboards_prefix_empty", cw.list_dashboards, DashboardNamePrefix="no")
    actor.note(test, "list_dashboards_prefix", cw.list_dashboards, DashboardNamePrefix="dash")
    cw.delete_dashboards(DashboardNames=["dashboard-one"])
    actor.note(test, "list_dashboards_empty", cw.list_dashboards)
    test = "test_create_metric_stream"
    actor.note(
        test,
        "create_metric_stream",
        cw.put_metric_stream,
        Name="stream-one",
        FirehoseArn="arn:f",
        RoleArn="arn:r",
        OutputFormat="json",
    )
    actor.note(test, "get_metric_stream", cw.get_metric_stream, Name="stream-one")
    actor.note(test, "start_metric_stream", cw.start_metric_streams, Names=["stream-one"])
    actor.note(test, "stop_metric_stream", cw.stop_metric_streams, Names=["stream-one"])
    actor.note(test, "delete_metric_stream", cw.delete_metric_stream, Name="stream-one")
    _insight_rule(actor)
    test = "test_anomaly_detector_lifecycle"
    single = {
        "Namespace": "MyNamespace",
        "MetricName": "MyMetric",
        "Stat": "Sum",
        "Dimensions": [{"Name": "DimensionName", "Value": "DimensionValue"}],
    }
    actor.note(
        test,
        "create_anomaly_detector",
        cw.put_anomaly_detector,
        SingleMetricAnomalyDetector=single,
    )
    actor.note(test, "describe_anomaly_detector", cw.describe_anomaly_detectors)
    actor.note(
        test,
        "delete_anomaly_detector",
        cw.delete_anomaly_detector,
        SingleMetricAnomalyDetector=single,
    )


def _insight_rule(actor: Any) -> None:
    cw, test = actor.cw, "test_insight_rule"
    rule = {
        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
        "LogGroupNames": ["API-Gateway-Access-Logs*"],
        "LogFormat": "CLF",
        "Fields": {"4": "IpAddress", "7": "StatusCode"},
        "Contribution": {
            "Keys": ["IpAddress"],
            "Filters": [{"Match": "StatusCode", "EqualTo": 200}],
        },
        "AggregateOn": "Count",
    }
    actor.note(
        test,
        "create_insight_rule",
        cw.put_insight_rule,
        RuleName="rule-one",
        RuleState="ENABLED",
        RuleDefinition=json.dumps(rule),
    )
    actor.note(test, "describe_insight_rule", cw.describe_insight_rules)
    actor.note(test, "disable_insight_rule", cw.disable_insight_rules, RuleNames=["rule-one"])
    actor.note(test, "enable_insight_rule", cw.enable_insight_rules, RuleNames=["rule-one"])
    actor.note(
        test,
        "get_insight_rule_report",
        cw.get_insight_rule_report,
        RuleName="rule-one",
        StartTime=actor.end.replace(minute=0),
        EndTime=actor.end.replace(minute=0) + dt.timedelta(minutes=65),
        Period=300,
        Metrics=["UniqueContributors"],
    )
    actor.note(test, "delete_insight_rule", cw.delete_insight_rules, RuleNames=["rule-one"])
