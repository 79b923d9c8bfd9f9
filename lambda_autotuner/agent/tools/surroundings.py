"""Tools that look around functions: alarms, dashboards, concurrency, and our own reference."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lambda_autotuner.agent.catalogue import Arguments, NoArguments, Tool
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, limited
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.alarms import dashboard_summary, list_alarms, list_dashboards
from lambda_autotuner.aws.concurrency import account_limits, get_concurrency

_WEEK_HOURS = 168.0
_SHOWN = 50


class AlarmArguments(Arguments):
    """Which alarms."""

    function: FunctionName | None = None
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"] | None = None


class DashboardArguments(Arguments):
    """A dashboard."""

    dashboard: str = Field(min_length=1, max_length=255)


class ConcurrencyArguments(Arguments):
    """A function, or the whole account without one."""

    function: FunctionName | None = None


def run_get_alarms(context: ToolContext, arguments: AlarmArguments) -> ToolResult:
    """Alarms, all or those that watch a function."""
    name = context.function(arguments.function) if arguments.function else None
    alarms = list_alarms(context.account, function=name, state=arguments.state)
    return ToolResult(
        {
            "function": name,
            "count": len(alarms),
            "in_alarm": sum(alarm.state == "ALARM" for alarm in alarms),
            "alarms": [
                {
                    "alarm": alarm.name, "state": alarm.state, "metric": alarm.metric, "statistic": alarm.statistic,
                    "comparison": alarm.comparison, "threshold": alarm.threshold, "period_seconds": alarm.period_seconds,
                    "functions": list(alarm.functions),
                }
                for alarm in limited(alarms, _SHOWN)
            ],
        },
        function=name, source="CloudWatch alarms",
    )  # fmt: skip


def run_list_dashboards(context: ToolContext, _: NoArguments) -> ToolResult:
    """The account's dashboards."""
    found = list_dashboards(context.account)
    return ToolResult(
        {"count": len(found), "dashboards": [{"dashboard": d.name, "last_modified": f"{d.last_modified:%Y-%m-%d}" if d.last_modified else None} for d in limited(found, _SHOWN)]},
        source="CloudWatch dashboards",
    )  # fmt: skip


def run_get_dashboard(context: ToolContext, arguments: DashboardArguments) -> ToolResult:
    """What a dashboard shows."""
    found = dashboard_summary(context.account, arguments.dashboard)
    return ToolResult(
        {
            "dashboard": found.name, "widgets": found.widget_count, "widget_types": dict(found.widget_types),
            "titles": list(found.titles), "metrics": list(found.metrics), "functions": list(found.functions),
            "log_groups": list(found.log_groups), "regions": list(found.regions), "problem": found.problem or None,
        },
        source=f"dashboard {found.name}",
    )  # fmt: skip


def run_get_concurrency(context: ToolContext, arguments: ConcurrencyArguments) -> ToolResult:
    """Concurrency of a function and the account's limits."""
    limits = account_limits(context.account)
    data: dict[str, Any] = {
        "account_concurrency_limit": limits.concurrent_executions,
        "unreserved_concurrency": limits.unreserved_concurrent_executions,
        "reserved_by_functions": limits.concurrent_executions
        - limits.unreserved_concurrent_executions,
    }
    if arguments.function is None:
        return ToolResult(data, source="account settings")
    name = context.function(arguments.function)
    concurrency = get_concurrency(context.account, name)
    telemetry = context.telemetry(name, _WEEK_HOURS)
    window = describe_window(telemetry.window)
    ceiling = (
        concurrency.reserved
        if concurrency.reserved is not None
        else limits.unreserved_concurrent_executions
    )
    data |= {
        "function": name, "window": window, "reserved_concurrency": concurrency.reserved,
        "provisioned_concurrency": [
            {"qualifier": p.qualifier, "requested": p.requested, "allocated": p.allocated, "status": p.status}
            for p in concurrency.provisioned
        ],
        "max_concurrent_executions": telemetry.max_concurrent, "throttles": telemetry.throttles,
        "ceiling": ceiling,
        "ceiling_used_pct": round(telemetry.max_concurrent / ceiling * 100, 1) if telemetry.max_concurrent is not None and ceiling else None,
    }  # fmt: skip
    return ToolResult(
        data, function=name, window=window, source="CloudWatch metrics and concurrency settings"
    )


TOOLS = (
    Tool("get_alarms", "CloudWatch alarms, all or those of a function, with their state.", AlarmArguments, run_get_alarms, reach="account", iam_actions=("cloudwatch:DescribeAlarms",)),
    Tool("list_dashboards", "CloudWatch dashboards.", NoArguments, run_list_dashboards, reach="account", function_argument=None, iam_actions=("cloudwatch:ListDashboards",)),
    Tool("get_dashboard", "Summary of one dashboard: widgets, metrics, functions.", DashboardArguments, run_get_dashboard, reach="account", function_argument=None, iam_actions=("cloudwatch:GetDashboard",)),
    Tool("get_concurrency", "Reserved and provisioned concurrency, throttles and the account's limits.", ConcurrencyArguments, run_get_concurrency, reach="account", iam_actions=("lambda:GetFunctionConcurrency", "lambda:GetAccountSettings", "lambda:ListProvisionedConcurrencyConfigs")),
)  # fmt: skip
