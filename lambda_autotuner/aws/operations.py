"""The whole list of calls that the product may make, with the IAM actions each needs.

`Account.call` refuses any other, so that the generated page of policies cannot miss one and a
read-only account cannot be written to by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lambda_autotuner.errors import AutotunerError

Scope = Literal["function", "log-group", "role", "account"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation.

    Attributes:
        service: botocore's service name.
        name: botocore's operation name (CamelCase).
        method: botocore's method name (snake_case).
        actions: IAM actions needed.
        scope: which resource the policy can be narrowed to; "account" stands for `*`.
        writes: whether it changes the account or makes a function do work.
        extra: further (action, scope) pairs, such as iam:PassRole on the role.
        paging: (items, parameter, member) of a paged answer: the member that holds the items, the
            parameter that asks for the next page, the member that names it.
    """

    service: str
    name: str
    method: str
    actions: tuple[str, ...]
    scope: Scope = "account"
    writes: bool = False
    extra: tuple[tuple[str, Scope], ...] = ()
    paging: tuple[str, str, str] | None = None

    @property
    def key(self) -> str:
        """`service:Operation`."""
        return f"{self.service}:{self.name}"

    @property
    def all_actions(self) -> tuple[str, ...]:
        """Every IAM action, those on other resources included."""
        return (*self.actions, *(action for action, _ in self.extra))


def _snake(name: str) -> str:
    from botocore import xform_name

    return str(xform_name(name))


def _lambda(
    name: str, *, scope: Scope = "function", writes: bool = False, items: str | None = None
) -> Operation:
    action = "InvokeFunction" if name == "Invoke" else name
    paging = (items, "Marker", "NextMarker") if items else None
    return Operation(
        "lambda", name, _snake(name), (f"lambda:{action}",), scope, writes, paging=paging
    )


def _plain(
    service: str,
    name: str,
    action: str,
    *,
    scope: Scope = "account",
    paging: tuple[str, str, str] | None = None,
) -> Operation:
    return Operation(service, name, _snake(name), (action,), scope, paging=paging)


def _table() -> dict[tuple[str, str], Operation]:
    operations = [
        _lambda("ListFunctions", items="Functions", scope="account"),
        _lambda("GetAccountSettings", scope="account"),
        _lambda("ListEventSourceMappings", items="EventSourceMappings", scope="account"),
        _lambda("GetFunction"),
        _lambda("GetFunctionConfiguration"),
        _lambda("ListVersionsByFunction", items="Versions"),
        _lambda("ListAliases", items="Aliases"),
        _lambda("GetAlias"),
        _lambda("GetFunctionConcurrency"),
        _lambda("GetProvisionedConcurrencyConfig"),
        _lambda("ListProvisionedConcurrencyConfigs", items="ProvisionedConcurrencyConfigs"),
        _lambda("GetFunctionUrlConfig"),
        _lambda("GetFunctionEventInvokeConfig"),
        _lambda("GetPolicy"),
        _lambda("ListTags"),
        _lambda("Invoke", writes=True),
        _lambda("UpdateFunctionConfiguration", writes=True),
        _lambda("UpdateFunctionCode", writes=True),
        _lambda("PublishVersion", writes=True),
        _lambda("CreateAlias", writes=True),
        _lambda("UpdateAlias", writes=True),
        _lambda("DeleteAlias", writes=True),
        _lambda("DeleteFunction", writes=True),
        _lambda("PutFunctionConcurrency", writes=True),
        _lambda("DeleteFunctionConcurrency", writes=True),
        _lambda("PutProvisionedConcurrencyConfig", writes=True),
        _lambda("DeleteProvisionedConcurrencyConfig", writes=True),
        _lambda("TagResource", writes=True),
        Operation(
            "lambda",
            "CreateFunction",
            "create_function",
            ("lambda:CreateFunction",),
            "function",
            writes=True,
            extra=(("iam:PassRole", "role"),),
        ),
        _plain("cloudwatch", "GetMetricData", "cloudwatch:GetMetricData"),
        _plain(
            "cloudwatch",
            "ListMetrics",
            "cloudwatch:ListMetrics",
            paging=("Metrics", "NextToken", "NextToken"),
        ),
        _plain("cloudwatch", "DescribeAlarms", "cloudwatch:DescribeAlarms"),
        _plain(
            "cloudwatch",
            "DescribeAlarmHistory",
            "cloudwatch:DescribeAlarmHistory",
            paging=("AlarmHistoryItems", "NextToken", "NextToken"),
        ),
        _plain(
            "cloudwatch",
            "ListDashboards",
            "cloudwatch:ListDashboards",
            paging=("DashboardEntries", "NextToken", "NextToken"),
        ),
        _plain("cloudwatch", "GetDashboard", "cloudwatch:GetDashboard"),
        _plain(
            "logs",
            "DescribeLogGroups",
            "logs:DescribeLogGroups",
            paging=("logGroups", "nextToken", "nextToken"),
        ),
        _plain(
            "logs",
            "DescribeLogStreams",
            "logs:DescribeLogStreams",
            scope="log-group",
            paging=("logStreams", "nextToken", "nextToken"),
        ),
        _plain(
            "logs",
            "FilterLogEvents",
            "logs:FilterLogEvents",
            scope="log-group",
            paging=("events", "nextToken", "nextToken"),
        ),
        Operation(
            "logs",
            "DeleteLogGroup",
            "delete_log_group",
            ("logs:DeleteLogGroup",),
            "log-group",
            writes=True,
        ),
        _plain("logs", "StartQuery", "logs:StartQuery", scope="log-group"),
        _plain("logs", "GetQueryResults", "logs:GetQueryResults"),
        _plain("logs", "StopQuery", "logs:StopQuery"),
        _plain("sts", "GetCallerIdentity", "sts:GetCallerIdentity"),
        _plain("sts", "AssumeRole", "sts:AssumeRole", scope="role"),
        _plain(
            "iam",
            "SimulatePrincipalPolicy",
            "iam:SimulatePrincipalPolicy",
            scope="role",
            paging=("EvaluationResults", "Marker", "Marker"),
        ),
        _plain(
            "iam",
            "ListAttachedRolePolicies",
            "iam:ListAttachedRolePolicies",
            scope="role",
            paging=("AttachedPolicies", "Marker", "Marker"),
        ),
        _plain(
            "iam",
            "ListRolePolicies",
            "iam:ListRolePolicies",
            scope="role",
            paging=("PolicyNames", "Marker", "Marker"),
        ),
        _plain("iam", "GetRolePolicy", "iam:GetRolePolicy", scope="role"),
        _plain("iam", "GetPolicy", "iam:GetPolicy"),
        _plain("iam", "GetPolicyVersion", "iam:GetPolicyVersion"),
        _plain(
            "resourcegroupstaggingapi",
            "GetResources",
            "tag:GetResources",
            paging=("ResourceTagMappingList", "PaginationToken", "PaginationToken"),
        ),
        _plain(
            "compute-optimizer",
            "GetLambdaFunctionRecommendations",
            "compute-optimizer:GetLambdaFunctionRecommendations",
            paging=("lambdaFunctionRecommendations", "nextToken", "nextToken"),
        ),
        _plain(
            "pricing",
            "GetProducts",
            "pricing:GetProducts",
            paging=("PriceList", "NextToken", "NextToken"),
        ),
        _plain("service-quotas", "GetServiceQuota", "servicequotas:GetServiceQuota"),
        _plain(
            "service-quotas",
            "ListServiceQuotas",
            "servicequotas:ListServiceQuotas",
            paging=("Quotas", "NextToken", "NextToken"),
        ),
        _plain(
            "application-autoscaling",
            "DescribeScalableTargets",
            "application-autoscaling:DescribeScalableTargets",
            paging=("ScalableTargets", "NextToken", "NextToken"),
        ),
        _plain("s3", "GetObject", "s3:GetObject"),
    ]
    return {(operation.service, operation.name): operation for operation in operations}


_OPERATIONS: Final[dict[tuple[str, str], Operation]] = {}


def operations() -> dict[tuple[str, str], Operation]:
    """Every declared operation by (service, name)."""
    if not _OPERATIONS:
        _OPERATIONS.update(_table())
    return _OPERATIONS


class UndeclaredOperationError(AutotunerError):
    """Code asked for an API operation that declares no IAM actions: a fault of the product."""


def find_operation(service: str, name: str) -> Operation:
    """The declaration of an operation.

    Raises:
        UndeclaredOperationError: the operation is not in the table.
    """
    operation = operations().get((service, name))
    if operation is None:
        raise UndeclaredOperationError(
            f"The operation {service}:{name} declares no IAM actions.",
            remedy="Declare it in lambda_autotuner/aws/operations.py first.",
        )
    return operation
