"""Before and after: two spans of time beside each other, for one function or for all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, rounded
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.tools.narrowing import Spanned
from lambda_autotuner.agent.tools.ranking import fleet_rows
from lambda_autotuner.agent.tools.spans import span_window
from lambda_autotuner.agent.tools.telemetry import (
    DEFAULT_HOURS,
    MAX_HOURS,
    cost_figures,
    metrics_of,
)
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.telemetry import Target, Telemetry, account_now, fetch_telemetry
from lambda_autotuner.tuning.pricing import PriceBook

_DAY = 24.0
_PERCENT = 100.0
_FEW = 20
"""Fewer invocations than this on one side, and a change of percentages says little."""
_KEYS = {
    "duration": "p95_duration_ms", "errors": "error_rate_pct", "cost": "cost_usd_per_day",
    "invocations": "invocations_per_day", "throttles": "throttles_per_day",
}  # fmt: skip
_COMPARED = (
    "invocations_per_day", "errors_per_day", "error_rate_pct", "throttles_per_day", "mean_duration_ms", "p50_duration_ms",
    "p95_duration_ms", "p99_duration_ms", "cost_usd_per_day", "cost_usd_per_million",
)  # fmt: skip


class PeriodArguments(Arguments):
    """What to compare: the recent span with the one that ends where it begins."""

    function: FunctionName | None = Field(None, description="Leave out for the whole account.")
    window_hours: float = Field(
        168.0, gt=0, le=MAX_HOURS / 2, description="Length of the recent span."
    )
    baseline_hours: float | None = Field(
        None,
        gt=0,
        le=MAX_HOURS / 2,
        description="Length of the span before it; as long by default.",
    )
    since_last_change: bool = Field(
        False, description="Split at the function's last modification instead."
    )
    span: str | None = Spanned
    baseline_span: str | None = Spanned
    metric: Literal["duration", "errors", "cost", "invocations", "throttles"] = "duration"
    limit: int = Field(5, ge=1, le=50)


def run_compare_periods(context: ToolContext, arguments: PeriodArguments) -> ToolResult:
    """Figures of the recent span and of the one before it, with the change in percent."""
    if arguments.function is None:
        return _fleet(context, arguments)
    name = context.function(arguments.function)
    recent, before = _spans(context, name, arguments)
    data: dict[str, Any] = {
        "function": name, "metric": arguments.metric,
        "split_at": f"{recent.start:%Y-%m-%d %H:%M} UTC",
        "split_is_the_last_modification": arguments.since_last_change,
    }  # fmt: skip
    later, earlier = (_figures(context, name, window) for window in (recent, before))
    data |= {"recent": later, "before": earlier, "change_pct": _changes(later, earlier)}
    if min(later["invocations"] or 0, earlier["invocations"] or 0) < _FEW:
        data["reason"] = "too few invocations on one side to tell a change from chance"
    described = _against(recent, before)
    return ToolResult(data, function=name, window=described, source="CloudWatch metrics")


def _length(window: Window) -> str:
    hours = window.seconds / 3_600
    return f"{hours / _DAY:.3g} days" if hours >= 2 * _DAY else f"{hours:.3g} hours"


def _spans(context: ToolContext, name: str, arguments: PeriodArguments) -> tuple[Window, Window]:
    end, anchor = context.anchor(name)
    named = _named_spans(arguments, end)
    if named is not None:
        return named
    length = timedelta(hours=arguments.window_hours)
    changed = context.configuration(name).last_modified
    if arguments.since_last_change and changed is not None and changed < end:
        longest = timedelta(hours=DEFAULT_HOURS)
        length = min(end - changed, longest)
        split = changed
        recent = Window(split, split + length, "from the last modification on")
        return recent, Window(split - length, split, "up to the last modification")
    split = end - length
    earlier = timedelta(hours=arguments.baseline_hours or arguments.window_hours)
    return Window(split, end, anchor), Window(split - earlier, split, "the time before")


def _named_spans(arguments: PeriodArguments, end: datetime) -> tuple[Window, Window] | None:
    """Two spans of the calendar, the later one first; None where none are named.

    Raises:
        ToolError: only one is named, or one has not happened yet.
    """
    if arguments.span is None and arguments.baseline_span is None:
        return None
    if arguments.span is None or arguments.baseline_span is None:
        raise ToolError(
            ErrorCode.INVALID_ARGUMENTS,
            "One span has nothing to be compared with.",
            remedy="Give span and baseline_span.",
        )
    windows = (span_window(arguments.span, end), span_window(arguments.baseline_span, end))
    before, recent = sorted(windows, key=lambda window: window.start)
    return recent, before


def _against(recent: Window, before: Window) -> str:
    earlier = (
        describe_window(before)
        if before.anchor.endswith("UTC")
        else f"the {_length(before)} before"
    )
    return f"{describe_window(recent)} against {earlier}"


def _figures(context: ToolContext, name: str, window: Window) -> dict[str, Any]:
    target = Target(name)
    telemetry: Telemetry = fetch_telemetry(context.account, [target], window)[target]
    days = window.seconds / 86_400
    data = {"window": describe_window(window), "days": rounded(days), **metrics_of(telemetry)}
    for key in ("invocations", "errors", "throttles"):
        data[f"{key}_per_day"] = rounded(None if data[key] is None else data[key] / days, 1)
    if telemetry.invocations and telemetry.mean_duration_ms is not None:
        configuration = context.configuration(name)
        rates = PriceBook.load().rates(context.account.region, configuration.architecture)
        money = cost_figures(
            telemetry.invocations, telemetry.mean_duration_ms, configuration.memory_mb,
            configuration.ephemeral_storage_mb, rates, window.seconds / 3_600,
        )  # fmt: skip
        data["cost_usd_per_million"] = money["cost_usd_per_million"]
        data["cost_usd_per_day"] = rounded(money["cost_usd_window"] / days, 4)
    return data


def _changes(later: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, float | None]:
    return {key: _change(later.get(key), earlier.get(key)) for key in _COMPARED}


def _change(later: float | None, earlier: float | None) -> float | None:
    """The change in percent of the earlier value; None where there is none to compare with."""
    if later is None or not earlier:
        return None
    return rounded((later / earlier - 1) * _PERCENT, 1)


def _fleet(context: ToolContext, arguments: PeriodArguments) -> ToolResult:
    everything = context.once("functions", lambda: tuple(list_functions(context.account)))
    near = max((item.last_modified for item in everything if item.last_modified), default=None)
    end = context.once("account now", lambda: account_now(context.account, near=near))
    split = end - timedelta(hours=arguments.window_hours)
    earlier = timedelta(hours=arguments.baseline_hours or arguments.window_hours)
    recent, before = _named_spans(arguments, end) or (
        Window(split, end, "last activity of the account"),
        Window(split - earlier, split, "the time before"),
    )
    later, sooner = (
        {row["function"]: _daily(row, window) for row in fleet_rows(context, everything, window, arguments.metric)}
        for window in (recent, before)
    )  # fmt: skip
    key = _KEYS[arguments.metric]
    rows = [
        {
            "function": name, "recent": row.get(key), "before": sooner[name].get(key),
            "change_pct": _change(row.get(key), sooner[name].get(key)),
            "change": rounded((row.get(key) or 0) - (sooner[name].get(key) or 0), 4),
        }
        for name, row in later.items()
        if min(row["invocations"], sooner[name]["invocations"]) >= _FEW
    ]  # fmt: skip
    relative = arguments.metric in {"duration", "invocations"}
    ranked = sorted(
        (row for row in rows if row["change_pct" if relative else "change"] is not None),
        key=lambda row: (-row["change_pct" if relative else "change"], row["function"]),
    )
    described = _against(recent, before)
    data = {
        "metric": arguments.metric, "window": described, "scanned": len(everything), "compared": len(rows),
        "functions": ranked[: arguments.limit], **_together(arguments.metric, later, sooner),
    }  # fmt: skip
    return ToolResult(
        data, window=described, source=f"CloudWatch metrics of {len(everything)} functions"
    )


def _together(
    metric: str, later: Mapping[str, dict[str, Any]], sooner: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """The sum over all functions, for what can be summed."""
    key = {"cost": "cost_usd_window", "invocations": "invocations", "throttles": "throttles"}.get(
        metric
    )
    if key is None:
        return {}
    recent, before = (
        rounded(math.fsum(row.get(key) or 0 for row in rows.values())) for rows in (later, sooner)
    )
    return {
        "total_recent": recent,
        "total_before": before,
        "total_change_pct": _change(recent, before),
    }


def _daily(row: dict[str, Any], window: Window) -> dict[str, Any]:
    days = window.seconds / 86_400
    for key in ("invocations", "throttles"):
        if row.get(key) is not None:
            row[f"{key}_per_day"] = rounded(row[key] / days, 1)
    spent = row.get("cost_usd_window")
    row["cost_usd_per_day"] = rounded(spent / days, 4) if spent is not None else None
    return row


TOOLS = (
    Tool("compare_periods", "Before and after: a recent span against the one before it, or since the last modification, for one function or (without one) for the functions that changed most.", PeriodArguments, run_compare_periods, reach="account", iam_actions=("cloudwatch:GetMetricData",)),
)  # fmt: skip
