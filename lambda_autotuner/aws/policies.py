"""The smallest policy for each verb, built from the calls that it makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lambda_autotuner.aws.operations import Operation, find_operation

Call = tuple[str, str]


def _of(service: str, *names: str) -> tuple[Call, ...]:
    return tuple((service, name) for name in names)


IDENTITY = _of("sts", "GetCallerIdentity")
FUNCTION_READS = (
    *_of("lambda", "ListFunctions", "GetFunctionConfiguration", "ListAliases", "GetAlias"),
    *_of("lambda", "ListVersionsByFunction", "GetFunctionConcurrency", "ListTags"),
    *_of("lambda", "ListProvisionedConcurrencyConfigs", "GetProvisionedConcurrencyConfig"),
)
METRIC_READS = _of("cloudwatch", "GetMetricData")
LOG_READS = (
    *_of("logs", "DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents"),
    *_of("logs", "StartQuery", "GetQueryResults", "StopQuery"),
)
AROUND_READS = (
    *_of("lambda", "GetAccountSettings", "ListEventSourceMappings", "GetFunctionUrlConfig"),
    *_of("lambda", "GetPolicy"),
    *_of("cloudwatch", "DescribeAlarms", "ListDashboards", "GetDashboard"),
)
PREFLIGHT = _of("iam", "SimulatePrincipalPolicy")
ROLE_READS = (
    *_of("iam", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"),
    *_of("iam", "GetPolicy", "GetPolicyVersion"),
)
RECOMMEND = (*IDENTITY, *FUNCTION_READS, *METRIC_READS, *LOG_READS)

CONFIGURATION_WRITES = _of("lambda", "UpdateFunctionConfiguration")
CODE_WRITES = _of("lambda", "GetFunction", "UpdateFunctionCode")
VERSION_WRITES = _of("lambda", "PublishVersion", "UpdateAlias", "DeleteFunction")
RESERVED_WRITES = _of("lambda", "PutFunctionConcurrency", "DeleteFunctionConcurrency")
PROVISIONED_WRITES = _of(
    "lambda", "PutProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig"
)
ROLLOUT_READS = (
    *_of("lambda", "GetFunctionConfiguration", "ListTags", "GetAlias"),
    *_of("lambda", "ListVersionsByFunction", "GetFunctionConcurrency"),
    *_of("lambda", "GetProvisionedConcurrencyConfig"),
    *METRIC_READS,
)
_ROLLOUT_WRITES = (
    *CONFIGURATION_WRITES,
    *CODE_WRITES,
    *VERSION_WRITES,
    *RESERVED_WRITES,
    *PROVISIONED_WRITES,
)
_TUNE_WRITES = (
    *_of("lambda", "Invoke", "UpdateFunctionConfiguration", "PublishVersion", "CreateAlias"),
    *_of("lambda", "DeleteAlias", "DeleteFunction"),
    *_of("lambda", "GetFunction", "CreateFunction", "UpdateFunctionCode"),
    *_of("logs", "DeleteLogGroup"),
)
# Who reaches `$LATEST`, which decides whether it may be touched.
_TUNE_READS = (
    *_of("lambda", "ListEventSourceMappings", "GetFunctionUrlConfig", "GetPolicy"),
    *_of("cloudwatch", "ListMetrics"),
)

VERBS: dict[str, tuple[tuple[Call, ...], str]] = {
    "recommend": (RECOMMEND, "Reads one function: configuration, metrics and REPORT lines."),
    "scan": (
        (
            *IDENTITY,
            *_of("lambda", "ListFunctions"),
            *METRIC_READS,
            *_of("logs", "FilterLogEvents"),
        ),
        "Reads the whole account in batches.",
    ),
    "ask, chat, mcp": (
        (*RECOMMEND, *AROUND_READS, *PREFLIGHT),
        "Reads whatever a question may be about. What is missing is named in the answer.",
    ),
    "doctor": ((*IDENTITY, *PREFLIGHT), "Checks who calls and what is allowed."),
    "plan, approve, history": (
        (*RECOMMEND, *ROLLOUT_READS, *PREFLIGHT),
        "Reads; nothing in the account changes.",
    ),
    "apply, watch, rollback": (
        (*IDENTITY, *ROLLOUT_READS, *PREFLIGHT, *_ROLLOUT_WRITES),
        (
            "Changes functions. `lambda:DeleteFunction` serves to delete the version that a rolled-back "
            "plan had published. Leave out the actions of fields that you never change."
        ),
    ),
    "tune": (
        (
            *RECOMMEND,
            *_TUNE_READS,
            *ROLE_READS,
            *_TUNE_WRITES,
            *_of("s3", "GetObject"),
            *_of("cloudwatch", "ListMetrics"),
        ),
        (
            "Invokes a function on temporary versions behind a temporary alias. "
            "`lambda:CreateFunction`, `lambda:GetFunction`, `lambda:UpdateFunctionCode`, "
            "`logs:DeleteLogGroup` and `iam:PassRole` are needed for measuring a temporary copy only, "
            "`s3:GetObject` for payloads in S3 only."
        ),
    ),
}


def verbs_of(call: Call) -> list[str]:
    """The verbs that may make a call."""
    return [verb for verb, (calls, _) in VERBS.items() if call in calls]


_RESOURCES = {
    "function": [
        "arn:aws:lambda:REGION:ACCOUNT:function:*",
    ],
    "log-group": ["arn:aws:logs:REGION:ACCOUNT:log-group:/aws/lambda/*"],
    "role": ["arn:aws:iam::ACCOUNT:role/*"],
    "account": ["*"],
}


def policy_document(calls: Iterable[Call]) -> dict[str, Any]:
    """An IAM policy with one statement for each kind of resource.

    Args:
        calls: (service, operation) pairs that are declared.
    """
    by_scope: dict[str, set[str]] = {}
    for service, name in calls:
        operation = find_operation(service, name)
        by_scope.setdefault(operation.scope, set()).update(operation.actions)
        for action, scope in operation.extra:
            by_scope.setdefault(scope, set()).add(action)
    statements = [
        {
            "Effect": "Allow",
            "Action": sorted(by_scope[scope]),
            "Resource": resource[0] if len(resource) == 1 else resource,
        }
        for scope, resource in _RESOURCES.items()
        if scope in by_scope
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def permissions_page() -> str:
    """The page of policies, as `docs/permissions.md` holds it."""
    parts = [
        "# Permissions\n",
        (
            "Generated from the operations that the code declares by `uv run just docs`. Each verb needs "
            "the actions below and no others; replace `REGION` and `ACCOUNT`, and narrow `function:*` to "
            "the functions that it may see or change. An account of kind `aws` is read-only until "
            "`writes_allowed: true` is set, whatever its policies allow.\n"
        ),
        (
            "A role for another account (`role_arn`) additionally needs `sts:AssumeRole` on that role, "
            "for whoever calls.\n"
        ),
    ]
    for verb, (calls, words) in VERBS.items():
        document = json.dumps(policy_document(calls), indent=2)
        title = ", ".join(f"`{name}`" for name in verb.split(", "))
        parts.append(f"## {title}\n\n{words}\n\n```json\n{document}\n```\n")
    parts.append(_table([find_operation(*call) for call in _every_call()]))
    return "\n".join(parts)


def _every_call() -> list[Call]:
    return sorted({call for calls, _ in VERBS.values() for call in calls})


def _table(found: Sequence[Operation]) -> str:
    rows = [
        f"| `{item.key}` | {', '.join(f'`{action}`' for action in item.all_actions)} "
        f"| {'write' if item.writes else 'read'} "
        f"| {'; '.join(verbs_of((item.service, item.name)))} |"
        for item in found
    ]
    head = "## Operations\n\n| operation | IAM actions | kind | verbs |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
