"""Definitions that only have to be kept: anomaly detectors, metric streams, Insights rules."""

from __future__ import annotations

import json

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch.dashboards import kept
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation


@operation("cloudwatch", "PutAnomalyDetector")
def put_anomaly_detector(call: Call, params: Params) -> Result:
    """Keep a detector's definition; it stays in training."""
    single = params.get("SingleMetricAnomalyDetector") or {
        name: params[name]
        for name in ("Namespace", "MetricName", "Dimensions", "Stat")
        if params.get(name) is not None
    }
    configuration = {"ExcludedTimeRanges": [], **(params.get("Configuration") or {})}
    detector = {
        **single,
        "Configuration": configuration,
        "StateValue": "PENDING_TRAINING",
        "SingleMetricAnomalyDetector": {"AccountId": call.account_id, **single},
    }
    detector.setdefault("Dimensions", [])
    kept(call).detectors.append(detector)
    return {}


@operation("cloudwatch", "DescribeAnomalyDetectors")
def describe_anomaly_detectors(call: Call, params: Params) -> Result:
    """Detectors by namespace and metric."""
    return {
        "AnomalyDetectors": [
            item
            for item in kept(call).detectors
            if params.get("Namespace") in (None, item.get("Namespace"))
            and params.get("MetricName") in (None, item.get("MetricName"))
        ]
    }


@operation("cloudwatch", "DeleteAnomalyDetector")
def delete_anomaly_detector(call: Call, params: Params) -> Result:
    """Forget a detector."""
    wanted = params.get("SingleMetricAnomalyDetector") or params
    held = kept(call)
    names = ("Namespace", "MetricName", "Stat")
    left = [
        item for item in held.detectors if any(item.get(name) != wanted.get(name) for name in names)
    ]
    if len(left) == len(held.detectors):
        raise ServiceError("ResourceNotFoundException", "No anomaly detector found")
    held.detectors = left
    return {}


@operation("cloudwatch", "PutMetricStream")
def put_metric_stream(call: Call, params: Params) -> Result:
    """Keep a stream's definition; nothing is delivered."""
    held = kept(call)
    name = params["Name"]
    old = held.streams.get(name)
    held.streams[name] = {
        "Arn": call.arn("cloudwatch", f"metric-stream/{name}"),
        "Name": name,
        "FirehoseArn": params["FirehoseArn"],
        "RoleArn": params["RoleArn"],
        "OutputFormat": params["OutputFormat"],
        "State": "running",
        "IncludeLinkedAccountsMetrics": bool(params.get("IncludeLinkedAccountsMetrics")),
        "CreationDate": old["CreationDate"] if old else call.now_ms,
        "LastUpdateDate": call.now_ms,
    }
    return {"Arn": held.streams[name]["Arn"]}


@operation("cloudwatch", "GetMetricStream")
def get_metric_stream(call: Call, params: Params) -> Result:
    """A stream's definition."""
    found = kept(call).streams.get(params["Name"])
    if found is None:
        raise ServiceError("ResourceNotFoundException", f"Metric stream {params['Name']} not found")
    return found


def _switch_streams(call: Call, params: Params, state: str) -> Result:
    streams = kept(call).streams
    for name in params["Names"]:
        if name in streams:
            streams[name]["State"] = state
    return {}


@operation("cloudwatch", "StartMetricStreams")
def start_metric_streams(call: Call, params: Params) -> Result:
    """Mark streams as running."""
    return _switch_streams(call, params, "running")


@operation("cloudwatch", "StopMetricStreams")
def stop_metric_streams(call: Call, params: Params) -> Result:
    """Mark streams as stopped."""
    return _switch_streams(call, params, "stopped")


@operation("cloudwatch", "DeleteMetricStream")
def delete_metric_stream(call: Call, params: Params) -> Result:
    """Forget a stream."""
    kept(call).streams.pop(params["Name"], None)
    return {}


@operation("cloudwatch", "ListMetricStreams")
def list_metric_streams(call: Call, params: Params) -> Result:
    """Streams by name."""
    del params
    names = (
        "Arn",
        "CreationDate",
        "LastUpdateDate",
        "Name",
        "FirehoseArn",
        "State",
        "OutputFormat",
    )
    return {
        "Entries": [
            {name: item[name] for name in names} for _, item in sorted(kept(call).streams.items())
        ]
    }


@operation("cloudwatch", "PutInsightRule")
def put_insight_rule(call: Call, params: Params) -> Result:
    """Keep a Contributor Insights rule; it finds no contributors."""
    try:
        definition = json.loads(params["RuleDefinition"])
    except ValueError:
        definition = None
    schema = definition.get("Schema") if isinstance(definition, dict) else None
    if not isinstance(schema, dict):
        raise ServiceError("InvalidParameterValueException", "RuleDefinition is not a rule", 400)
    kept(call).rules[params["RuleName"]] = {
        "Name": params["RuleName"],
        "State": params.get("RuleState") or "ENABLED",
        "Schema": f"{schema.get('Name')}/{schema.get('Version')}",
        "Definition": params["RuleDefinition"],
        "ManagedRule": False,
        "ApplyOnTransformedLogs": bool(params.get("ApplyOnTransformedLogs")),
    }
    return {}


@operation("cloudwatch", "DescribeInsightRules")
def describe_insight_rules(call: Call, params: Params) -> Result:
    """Rules by name."""
    del params
    return {"InsightRules": [item for _, item in sorted(kept(call).rules.items())]}


def _switch_rules(call: Call, params: Params, state: str | None) -> Result:
    rules = kept(call).rules
    failures = []
    for name in params["RuleNames"]:
        if name not in rules:
            failures.append(
                {
                    "FailureResource": name,
                    "ExceptionType": "ResourceNotFoundException",
                    "FailureCode": "404",
                    "FailureDescription": f"Rule {name} does not exist.",
                }
            )
        elif state is None:
            rules.pop(name)
        else:
            rules[name]["State"] = state
    return {"Failures": failures}


@operation("cloudwatch", "EnableInsightRules")
def enable_insight_rules(call: Call, params: Params) -> Result:
    """Mark rules as enabled."""
    return _switch_rules(call, params, "ENABLED")


@operation("cloudwatch", "DisableInsightRules")
def disable_insight_rules(call: Call, params: Params) -> Result:
    """Mark rules as disabled."""
    return _switch_rules(call, params, "DISABLED")


@operation("cloudwatch", "DeleteInsightRules")
def delete_insight_rules(call: Call, params: Params) -> Result:
    """Forget rules."""
    return _switch_rules(call, params, None)


@operation("cloudwatch", "GetInsightRuleReport")
def get_insight_rule_report(call: Call, params: Params) -> Result:
    """A report without contributors."""
    rule = kept(call).rules.get(params["RuleName"])
    if rule is None:
        raise ServiceError(
            "ResourceNotFoundException", f"Rule {params['RuleName']} does not exist."
        )
    definition = json.loads(rule["Definition"])
    period_ms = int(params["Period"]) * 1000
    start_ms = int(params["StartTime"]) // period_ms * period_ms
    points = [
        {"Timestamp": time_ms, "UniqueContributors": 0.0}
        for time_ms in range(start_ms, int(params["EndTime"]), period_ms)
    ]
    return {
        "KeyLabels": definition.get("Contribution", {}).get("Keys", []),
        "AggregationStatistic": "SampleCount",
        "AggregateValue": 0.0,
        "ApproximateUniqueCount": 0,
        "Contributors": [],
        "MetricDatapoints": points if params.get("Metrics") else [],
    }
