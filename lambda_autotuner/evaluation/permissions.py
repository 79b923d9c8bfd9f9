"""Users of limited permissions, made through IAM as an administrator would make them."""

from __future__ import annotations

import json
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.contestants.base import Credentials
from lambda_autotuner.evaluation.oracle import Witness

_LAMBDA_READ = ["lambda:Get*", "lambda:List*"]
_METRICS = ["cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"]
_ALARMS = ["cloudwatch:DescribeAlarms*", "cloudwatch:ListDashboards", "cloudwatch:GetDashboard"]
_LOGS = [
    "logs:Describe*", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery",
    "logs:GetQueryResults", "logs:StopQuery",
]  # fmt: skip
_OTHER = [
    "sts:GetCallerIdentity", "iam:SimulatePrincipalPolicy", "iam:Get*", "iam:List*",
    "pricing:GetProducts", "servicequotas:*", "tag:GetResources", "application-autoscaling:Describe*",
]  # fmt: skip
_WRITES = [
    "lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode", "lambda:PublishVersion",
    "lambda:CreateAlias", "lambda:UpdateAlias", "lambda:PutFunctionConcurrency",
    "lambda:DeleteFunctionConcurrency", "lambda:InvokeFunction",
]  # fmt: skip

PROFILES: dict[str, list[str] | None] = {
    "administrator": None,
    "read_only": [*_LAMBDA_READ, *_METRICS, *_ALARMS, *_LOGS, *_OTHER],
    "no_metrics": [*_LAMBDA_READ, *_ALARMS, *_LOGS, *_OTHER],
    "no_logs": [*_LAMBDA_READ, *_METRICS, *_ALARMS, *_OTHER],
    "no_alarms": [*_LAMBDA_READ, *_METRICS, *_LOGS, *_OTHER],
    "no_list": ["lambda:Get*", *_METRICS, *_ALARMS, *_LOGS, *_OTHER],
    "no_writes": [*_LAMBDA_READ, *_METRICS, *_ALARMS, *_LOGS, *_OTHER, "lambda:InvokeFunction"],
    "operator": [*_LAMBDA_READ, *_METRICS, *_ALARMS, *_LOGS, *_OTHER, *_WRITES],
    "nothing": ["sts:GetCallerIdentity"],
}
USER = "autotuner-evaluation"


def check_profile(name: str) -> None:
    """Refuse a profile that does not exist.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in PROFILES:
        raise UsageError(
            f"There is no permission profile {name!r}.", remedy=f"Profiles: {', '.join(PROFILES)}."
        )


def issue_credentials(witness: Witness, profile: str) -> Credentials | None:
    """Make a user with a profile's permissions and hand out its keys; None for the administrator."""
    actions = PROFILES[profile]
    if actions is None:
        return None
    client: Any = witness.client("iam")
    client.create_user(UserName=USER)
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
    }
    client.put_user_policy(
        UserName=USER, PolicyName=profile.replace("_", "-"), PolicyDocument=json.dumps(document)
    )
    key = client.create_access_key(UserName=USER)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
