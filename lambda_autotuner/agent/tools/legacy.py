"""Names of tools in earlier versions and how their arguments read today.

`docs/agent.md` prints this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Translate = Callable[[Mapping[str, Any]], dict[str, Any]]

_FUNCTION_NAMES = ("function", "function_name", "service", "service_name", "lambda_name", "name")
_HOURS = ("window_hours", "hours", "lookback_hours", "time_range_hours")
_SECONDS_PER_HOUR = 3_600
_HOURS_PER_DAY = 24


def _translator(*extra: str, **renamed: str) -> Translate:
    """Old argument names to new ones; an argument that means nothing today is refused later."""

    def translate(arguments: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in arguments.items():
            if name in renamed:
                found[renamed[name]] = value
            elif name in _FUNCTION_NAMES and "function" in extra:
                found["function"] = value
            elif name in _HOURS and "window" in extra:
                found["window_hours"] = value
            elif name in {"days", "lookback_days"} and "window" in extra:
                found["window_hours"] = (
                    value * _HOURS_PER_DAY if isinstance(value, (int, float)) else value
                )
            elif name in {
                "period",
                "period_seconds",
                "dry_run",
                "region",
                "role_arn",
            } and value in {None, "", True, 300, _SECONDS_PER_HOUR}:
                continue
            else:
                found[name] = value
        return found

    return translate


ALIASES: dict[str, tuple[str, Translate]] = {
    "fetch_lambda_metrics": ("get_metrics", _translator("function", "window")),
    "get_lambda_configuration": ("get_configuration", _translator("function")),
    "analyze_metrics": ("get_report_statistics", _translator("function", "window")),
    "decide_action": ("get_recommendation", _translator("function")),
    "apply_action": ("plan_change", _translator("function", memory="memory_mb", memory_size="memory_mb", new_memory="memory_mb", timeout="timeout_seconds", new_timeout="timeout_seconds")),
    "list_lambda_functions": ("list_functions", _translator(prefix="name_prefix", max_items="limit", max_results="limit")),
    "list_cloudwatch_dashboards": ("list_dashboards", _translator()),
    "get_dashboard_summary": ("get_dashboard", _translator(dashboard_name="dashboard", name="dashboard")),
    "fetch_cloudwatch_logs_for_service": ("get_logs", _translator("function", "window", filter_pattern="search", pattern="search", query="search", max_items="limit")),
    "get_cloudwatch_alarms_for_service": ("get_alarms", _translator("function", state_value="state")),
    "internet_search": ("look_up_guidance", _translator(query="topic", q="topic")),
}  # fmt: skip
"""`list_log_groups` and `analyze_log_group` have kept their names."""
