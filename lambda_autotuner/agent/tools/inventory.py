"""Tools that look at what there is: functions, their configuration, the account itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.catalogue import Arguments, NoArguments, Tool
from lambda_autotuner.agent.reading.names import nearest
from lambda_autotuner.agent.tools.context import ToolContext, gap_of, limited, rounded
from lambda_autotuner.agent.tools.narrowing import (
    Narrowed,
    SettingCondition,
    as_shown,
    narrowed,
)
from lambda_autotuner.agent.tools.runtimes import is_retired
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.concurrency import account_limits, get_concurrency
from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.functions import get_tags, list_aliases, list_functions
from lambda_autotuner.aws.permissions import check_operations
from lambda_autotuner.aws.telemetry import account_now

_BYTES_PER_MB = 1024 * 1024
FunctionName = Annotated[
    str, Field(min_length=1, max_length=300, description="Exact name of the function.")
]

READ_OPERATIONS = (
    ("lambda", "ListFunctions"), ("lambda", "GetFunctionConfiguration"), ("lambda", "GetFunctionConcurrency"),
    ("lambda", "ListTags"), ("lambda", "ListAliases"), ("cloudwatch", "GetMetricData"),
    ("cloudwatch", "DescribeAlarms"), ("cloudwatch", "ListDashboards"), ("cloudwatch", "GetDashboard"),
    ("logs", "FilterLogEvents"), ("logs", "DescribeLogGroups"), ("logs", "DescribeLogStreams"),
)  # fmt: skip
WRITE_OPERATIONS = (
    ("lambda", "UpdateFunctionConfiguration"),
    ("lambda", "Invoke"),
    ("lambda", "PublishVersion"),
)


class ListFunctions(Narrowed):
    """Which functions to list."""

    where: tuple[SettingCondition, ...] | None = Field(
        None, max_length=8, description="Further conditions on settings; all must hold."
    )
    retired_runtime: bool | None = Field(
        None, description="True: only those whose runtime AWS has deprecated."
    )
    limit: int = Field(200, ge=1, le=1_000)


class FindFunction(Arguments):
    """A name that may be misspelt."""

    name: str = Field(min_length=1, max_length=200)


class OneFunction(Arguments):
    """A function."""

    function: FunctionName


def _row(item: FunctionConfiguration) -> dict[str, object]:
    return {
        "function": item.name,
        "memory_mb": item.memory_mb,
        "timeout_seconds": item.timeout_seconds,
        "runtime": item.runtime or item.package_type,
        "architecture": item.architecture,
    }


def run_list_functions(context: ToolContext, arguments: ListFunctions) -> ToolResult:
    """List functions, narrowed by name, runtime, architecture or memory size."""
    everything = context.once("functions", lambda: tuple(list_functions(context.account)))
    chosen, values = narrowed(context, everything, arguments, arguments.where or ())
    if arguments.retired_runtime is not None:
        near = max((item.last_modified for item in everything if item.last_modified), default=None)
        moment = context.once("account now", lambda: account_now(context.account, near=near))
        chosen = [
            item for item in chosen if is_retired(item.runtime, moment) is arguments.retired_runtime
        ]
    shown = limited(chosen, arguments.limit)
    by = arguments.model_dump(exclude_none=True, exclude={"limit"})
    return ToolResult(
        {
            "account": context.account.account_id,
            "region": context.account.region,
            "count": len(chosen),
            "shown": len(shown),
            "of_functions": len(everything),
            "narrowed_by": by,
            "functions": [
                _row(item) | {key: as_shown(value) for key, value in values[item.name].items()}
                for item in shown
            ],
        },
        source=f"account {context.account.account_id}, {context.account.region}",
    )


def run_find_function(context: ToolContext, arguments: FindFunction) -> ToolResult:
    """The functions whose names are most like a text."""
    found = arguments.name in context.inventory
    near = [arguments.name] if found else list(nearest(arguments.name, context.inventory, 5))
    return ToolResult(
        {
            "asked": arguments.name, "found": found, "nearest": near,
            "searched": f"account {context.account.account_id}, region {context.account.region}",
            "of_functions": len(context.inventory),
        }
    )  # fmt: skip


def run_get_configuration(context: ToolContext, arguments: OneFunction) -> ToolResult:
    """A function's configuration; names of environment variables, never their values."""
    name = context.function(arguments.function)
    item: FunctionConfiguration = context.configuration(name)
    gaps: list[Gap] = []
    extra: dict[str, object] = {}
    try:
        extra["tags"] = dict(get_tags(context.account, item.arn))
    except AwsError as error:
        gaps.append(gap_of(f"Tags of {name}", error))
    try:
        concurrency = get_concurrency(context.account, name)
        extra["reserved_concurrency"] = concurrency.reserved
        extra["provisioned_concurrency"] = [
            {"qualifier": p.qualifier, "requested": p.requested} for p in concurrency.provisioned
        ]
    except AwsError as error:
        gaps.append(gap_of(f"Concurrency of {name}", error))
    try:
        extra["aliases"] = [
            {"name": a.name, "version": a.version, "weights": dict(a.weights)}
            for a in list_aliases(context.account, name)
        ]
    except AwsError as error:
        gaps.append(gap_of(f"Aliases of {name}", error))
    return ToolResult(
        {**_configuration(item), **extra}, function=name, source="$LATEST", gaps=tuple(gaps)
    )


def _configuration(item: FunctionConfiguration) -> dict[str, object]:
    return {
        "function": item.name,
        "memory_mb": item.memory_mb,
        "timeout_seconds": item.timeout_seconds,
        "runtime": item.runtime,
        "architecture": item.architecture,
        "ephemeral_storage_mb": item.ephemeral_storage_mb,
        "package_type": item.package_type,
        "handler": item.handler,
        "role": item.role.rsplit("/", 1)[-1],
        "description": item.description,
        "environment_variable_names": list(item.environment_names),
        "layers": [layer.split(":layer:")[-1] for layer in item.layers],
        "vpc_id": item.vpc_id,
        "snap_start": item.snapstart,
        "tracing": item.tracing,
        "log_group": item.log_group,
        "code_size_mb": rounded(item.code_size_bytes / _BYTES_PER_MB),
        "last_modified": f"{item.last_modified:%Y-%m-%d %H:%M} UTC" if item.last_modified else None,
        "version": item.version,
        "state": item.state,
        "last_update_status": item.last_update_status,
    }


def run_get_account(context: ToolContext, _: NoArguments) -> ToolResult:
    """Which account, region and caller this is, and what the account allows."""
    account = context.account
    data: dict[str, object] = {
        "account": account.account_id, "region": account.region, "kind": account.kind,
        "functions": len(context.inventory), "writes_allowed": account.writes_allowed,
    }  # fmt: skip
    gaps: list[Gap] = []
    try:
        data["caller"] = account.caller_arn.rsplit(":", 1)[-1]
    except AwsError as error:
        gaps.append(gap_of("Who the caller is", error))
    try:
        limits = account_limits(account)
        data["concurrent_executions_limit"] = limits.concurrent_executions
    except AwsError as error:
        gaps.append(gap_of("Limits of the account", error))
    return ToolResult(data, source=f"account {account.account_id}", gaps=tuple(gaps))


def run_check_permissions(context: ToolContext, _: NoArguments) -> ToolResult:
    """What the caller may do, by IAM's own simulation, and what is missing."""
    found = check_operations(context.account, [*READ_OPERATIONS, *WRITE_OPERATIONS])
    missing = [p.action for p in found if p.allowed is False]
    unknown = [p for p in found if p.allowed is None]
    gaps = [
        Gap(f"Anything that needs {action}", "not allowed", iam_action=action) for action in missing
    ]
    if unknown:
        gaps.append(
            Gap(
                "Whether permissions are complete",
                unknown[0].reason,
                iam_action="iam:SimulatePrincipalPolicy",
            )
        )
    return ToolResult(
        {
            "allowed": [p.action for p in found if p.allowed],
            "missing": missing,
            "could_not_check": [p.action for p in unknown],
            "checked": len(found),
        },
        source="IAM policy simulation",
        gaps=tuple(gaps),
    )


TOOLS = (
    Tool("list_functions", "List functions, narrowed by name, runtime, architecture or memory size.", ListFunctions, run_list_functions, reach="account", function_argument=None, iam_actions=("lambda:ListFunctions",)),
    Tool("find_function", "Find functions whose names are like a text.", FindFunction, run_find_function, reach="account", function_argument=None, iam_actions=("lambda:ListFunctions",)),
    Tool("get_configuration", "Configuration of a function: memory, timeout, runtime, architecture, storage, concurrency, tags, aliases, names of environment variables.", OneFunction, run_get_configuration, iam_actions=("lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:ListTags", "lambda:ListAliases")),
    Tool("get_account", "Account, region, caller and whether writes are allowed.", NoArguments, run_get_account, reach="account", function_argument=None, iam_actions=("lambda:GetAccountSettings",)),
    Tool("check_permissions", "Which permissions the caller has and which are missing.", NoArguments, run_check_permissions, reach="account", function_argument=None, iam_actions=("iam:SimulatePrincipalPolicy",)),
)  # fmt: skip
