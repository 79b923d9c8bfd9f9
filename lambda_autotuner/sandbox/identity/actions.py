"""Which IAM action and which resource an API operation needs.

Source: AWS Service Authorization Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call

PREFIXES: Final = {
    "lambda": "lambda",
    "cloudwatch": "cloudwatch",
    "logs": "logs",
    "sts": "sts",
    "iam": "iam",
    "pricing": "pricing",
    "service-quotas": "servicequotas",
    "application-autoscaling": "application-autoscaling",
    "resourcegroupstaggingapi": "tag",
    "compute-optimizer": "compute-optimizer",
    "s3": "s3",
}
_RENAMED: Final = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeAsync"): "InvokeAsync",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
    ("lambda", "GetLayerVersionPolicy"): "GetLayerVersionPolicy",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "ListBuckets"): "ListAllMyBuckets",
}
# Actions that cannot be limited to a resource, so that only "*" allows them.
_ACCOUNT_LEVEL: Final = {
    "lambda": {
        "ListFunctions",
        "GetAccountSettings",
        "ListEventSourceMappings",
        "CreateEventSourceMapping",
        "ListLayers",
        "ListLayerVersions",
        "ListCodeSigningConfigs",
    },
    "cloudwatch": {
        "GetMetricData",
        "GetMetricStatistics",
        "ListMetrics",
        "PutMetricData",
        "DescribeAlarmsForMetric",
        "DescribeAnomalyDetectors",
        "PutAnomalyDetector",
        "DeleteAnomalyDetector",
        "DescribeInsightRules",
        "ListMetricStreams",
    },
    "logs": {
        "GetQueryResults",
        "StopQuery",
        "DescribeQueries",
        "DescribeQueryDefinitions",
        "PutQueryDefinition",
        "DeleteQueryDefinition",
        "TestMetricFilter",
        "ListLogGroups",
    },
    "iam": {
        "ListUsers",
        "ListRoles",
        "ListPolicies",
        "ListGroups",
        "GetAccountSummary",
        "ListAccountAliases",
        "GetAccountAuthorizationDetails",
        "SimulateCustomPolicy",
    },
}
_ALWAYS_ACCOUNT_LEVEL: Final = frozenset(
    ("pricing", "service-quotas", "resourcegroupstaggingapi", "compute-optimizer")
)
_IAM_KINDS: Final = (
    ("UserName", "user"),
    ("RoleName", "role"),
    ("GroupName", "group"),
    ("InstanceProfileName", "instance-profile"),
)


def needed(call: Call, params: Mapping[str, Any]) -> tuple[str, str]:
    """The action, such as `lambda:InvokeFunction`, and the ARN (or `*`) it is done to."""
    service, operation = call.service, call.operation
    name = _RENAMED.get((service, operation), operation)
    action = f"{PREFIXES.get(service, service)}:{name}"
    if service in _ALWAYS_ACCOUNT_LEVEL or name in _ACCOUNT_LEVEL.get(service, ()):
        return action, "*"
    finder = _RESOURCES.get(service)
    return action, finder(call, params) if finder else "*"


def _lambda(call: Call, params: Mapping[str, Any]) -> str:
    if "LayerName" in params:
        layer = call.arn("lambda", f"layer:{params['LayerName']}")
        version = params.get("VersionNumber")
        return f"{layer}:{version}" if version else layer
    if "UUID" in params:
        return call.arn("lambda", f"event-source-mapping:{params['UUID']}")
    if "Resource" in params and str(params["Resource"]).startswith("arn:"):
        return str(params["Resource"])
    name = params.get("FunctionName")
    if not name:
        return "*"
    name, qualifier = _function_parts(str(name), params.get("Qualifier"))
    arn = call.arn("lambda", f"function:{name}")
    return f"{arn}:{qualifier}" if qualifier else arn


def _function_parts(name: str, qualifier: str | None) -> tuple[str, str | None]:
    """A function's name and qualifier out of a name, a partial or a full ARN."""
    if ":function:" in name:
        name = name.split(":function:", 1)[1]
    name, _, inner = name.partition(":")
    qualifier = qualifier or inner or None
    return name, None if qualifier == "$LATEST" else qualifier


def _cloudwatch(call: Call, params: Mapping[str, Any]) -> str:
    for member in ("ResourceARN", "ResourceArn"):
        if member in params:
            return str(params[member])
    if "DashboardName" in params or call.operation in ("ListDashboards", "DeleteDashboards"):
        name = params.get("DashboardName") or next(iter(params.get("DashboardNames") or ()), "*")
        return f"arn:aws:cloudwatch::{call.account_id}:dashboard/{name}"
    if "Alarm" in call.operation:
        names = params.get("AlarmNames") or ()
        return call.arn("cloudwatch", f"alarm:{params.get('AlarmName') or next(iter(names), '*')}")
    if "InsightRule" in call.operation:
        return call.arn("cloudwatch", f"insight-rule/{params.get('RuleName', '*')}")
    return call.arn("cloudwatch", f"metric-stream/{params.get('Name', '*')}")


def _logs(call: Call, params: Mapping[str, Any]) -> str:
    if "resourceArn" in params:
        return str(params["resourceArn"])
    names = params.get("logGroupNames") or params.get("logGroupIdentifiers") or ()
    group = params.get("logGroupName") or params.get("logGroupIdentifier") or next(iter(names), "")
    group = str(group)
    if group.startswith("arn:"):
        group = group.split(":log-group:", 1)[-1].removesuffix(":*")
    if call.operation == "DescribeLogGroups":
        group = ""
    stream = params.get("logStreamName") or ""
    return call.arn("logs", f"log-group:{group}:log-stream:{stream}")


def _iam(call: Call, params: Mapping[str, Any]) -> str:
    for member in ("PolicySourceArn", "PolicyArn"):
        wanted = (
            "Policy" in call.operation
            and "Attach" not in call.operation
            and "Detach" not in call.operation
        )
        if member in params and (member == "PolicySourceArn" or wanted):
            return str(params[member])
    for member, kind in _IAM_KINDS:
        if member in params:
            path = params.get("Path") or "/"
            return f"arn:aws:iam::{call.account_id}:{kind}{path}{params[member]}"
    if "PolicyName" in params:
        path = params.get("Path") or "/"
        return f"arn:aws:iam::{call.account_id}:policy{path}{params['PolicyName']}"
    if call.principal.kind == "user":
        return call.principal.arn
    return "*"


def _sts(call: Call, params: Mapping[str, Any]) -> str:
    del call
    return str(params.get("RoleArn") or "*")


def _s3(call: Call, params: Mapping[str, Any]) -> str:
    del call
    bucket = params.get("Bucket")
    if not bucket:
        return "*"
    key = params.get("Key")
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _scaling(call: Call, params: Mapping[str, Any]) -> str:
    del params
    return call.arn("application-autoscaling", "scalable-target/*")


_RESOURCES: Final = {
    "lambda": _lambda,
    "cloudwatch": _cloudwatch,
    "logs": _logs,
    "iam": _iam,
    "sts": _sts,
    "s3": _s3,
    "application-autoscaling": _scaling,
}
