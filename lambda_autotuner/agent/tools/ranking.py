"""Ranking the whole account from batched telemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from lambda_autotuner import fleet
from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.tools.context import (
    ToolContext,
    describe_window,
    gap_of,
    rounded,
)
from lambda_autotuner.agent.tools.narrowing import (
    NARROWING,
    Condition,
    as_shown,
    holds,
    is_setting,
    narrowed,
)
from lambda_autotuner.agent.tools.spans import span_window
from lambda_autotuner.agent.tools.telemetry import DEFAULT_HOURS, cost_figures, report_figures
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.aws.metrics import MetricQuery, Series, Window, get_metrics
from lambda_autotuner.aws.telemetry import account_now, period_of, weighted_percentile
from lambda_autotuner.sizing.telemetry import read_reports
from lambda_autotuner.tuning.pricing import PriceBook, Rates

_MAX_LOGS = 40
_BYTES_PER_MB = 1024 * 1024
_PERCENT = 100.0
Row = dict[str, Any]

_KEYS: dict[str, str] = {
    "savings": "saving_usd_month", "cost": "cost_usd_month", "errors": "errors", "error_rate": "error_rate_pct",
    "duration": "p95_duration_ms", "duration_p50": "p50_duration_ms", "duration_p99": "p99_duration_ms", "invocations": "invocations", "throttles": "throttles", "memory": "memory_mb",
    "memory_used": "memory_used_pct", "cold_starts": "cold_start_rate_pct", "timeouts": "timeout_used_pct",
    "timeout": "timeout_seconds", "idle": "invocations", "modified": "last_modified", "code_size": "code_size_mb",
}  # fmt: skip
_FROM_LOGS = frozenset({"memory_used", "cold_starts"})


def run_scan_fleet(context: ToolContext, arguments: Any) -> ToolResult:
    """Rank all functions by one measure."""
    everything = context.once("functions", lambda: tuple(list_functions(context.account)))
    where = arguments.where or ()
    chosen, values = narrowed(context, everything, arguments, [c for c in where if is_setting(c)])
    seen = [condition for condition in where if not is_setting(condition)]
    hours = arguments.window_hours or DEFAULT_HOURS
    near = max((item.last_modified for item in everything if item.last_modified), default=None)
    end = context.once("account now", lambda: account_now(context.account, near=near))
    window = Window(end - timedelta(hours=hours), end, "last activity of the account")
    if arguments.span:
        window = span_window(arguments.span, end)
        hours = window.seconds / 3_600
    series = _series(context, chosen, window, arguments.sort_by, [c.field for c in seen])
    rows = [row | {k: as_shown(v) for k, v in values[row["function"]].items() if k not in row}
            for row in _rows(context, chosen, series, hours)]  # fmt: skip
    rows, unknown = _meeting([c for c in seen if c.field not in _LOG_FIELDS], rows)
    gaps: list[Gap] = []
    if arguments.sort_by in _FROM_LOGS or any(c.field in _LOG_FIELDS for c in seen):
        gaps += _add_reports(context, everything, rows, hours, arguments.span)
        rows, unread = _meeting([c for c in seen if c.field in _LOG_FIELDS], rows)
        unknown += unread
    if arguments.sort_by == "savings":
        gaps += _add_savings(context, rows)
    ranked = _ranked(rows, arguments.sort_by, ascending=arguments.ascending)
    described = describe_window(window)
    data = {
        "sort_by": arguments.sort_by, "ascending": arguments.ascending, "window": described,
        "scanned": len(everything), "matching": len(rows), "could_not_be_judged": unknown, "narrowed_by": _narrowing(arguments), **_totals(rows, arguments.sort_by),
        "functions": ranked[: arguments.limit if arguments.sort_by != "idle" else 200],
    }  # fmt: skip
    source = f"CloudWatch metrics of {len(chosen)} functions"
    return ToolResult(data, window=described, source=source, gaps=tuple(gaps))


def _narrowing(arguments: Any) -> dict[str, Any]:
    """What the functions were narrowed by; empty for the whole account."""
    said: dict[str, Any] = arguments.model_dump(exclude_none=True, include={*NARROWING, "where"})
    return said


def _meeting(conditions: Sequence[Condition], rows: list[Row]) -> tuple[list[Row], int]:
    """The rows that meet all conditions, and how many could not be judged."""
    unknown = sum(any(row.get(c.field) is None for c in conditions) for row in rows)
    return [row for row in rows if all(holds(c, row.get(c.field)) for c in conditions)], unknown


def _rows(
    context: ToolContext,
    functions: Sequence[FunctionConfiguration],
    series: Mapping[str, Mapping[str, Series]],
    hours: float,
) -> list[Row]:
    book = PriceBook.load()
    rates = {
        name: book.rates(context.account.region, name)
        for name in {item.architecture for item in functions}
    }
    return [_row(item, series[item.name], rates[item.architecture], hours) for item in functions]


def fleet_rows(
    context: ToolContext, functions: Sequence[FunctionConfiguration], window: Window, metric: str
) -> list[Row]:
    """A row for each function over one span, with what the ranking `metric` needs."""
    series = _series(context, functions, window, metric)
    return _rows(context, functions, series, window.seconds / 3_600)


def _totals(rows: list[Row], sort_by: str) -> dict[str, Any]:
    known = [row["saving_usd_month"] for row in rows if row.get("saving_usd_month") is not None]
    savings = rounded(sum(max(0.0, value) for value in known)) if sort_by == "savings" else None
    return {
        "total_cost_usd_month": rounded(sum(row["cost_usd_month"] or 0.0 for row in rows)),
        "total_saving_usd_month": savings,
        "total_cost_usd_window": rounded(sum(row.get("cost_usd_window") or 0.0 for row in rows)),
        "overall_error_rate_pct": _overall_error_rate(rows),
        "total_errors": sum(row.get("errors") or 0 for row in rows),
        "total_throttles": sum(row.get("throttles") or 0 for row in rows),
        "total_invocations": sum(row["invocations"] or 0 for row in rows),
        "without_invocations": sum(not row["invocations"] for row in rows),
    }


def _overall_error_rate(rows: list[Row]) -> float | None:
    """All errors of all invocations, in percent; None where errors were not read."""
    invocations = sum(row["invocations"] or 0 for row in rows)
    if not invocations or not any("errors" in row for row in rows):
        return None
    return rounded(sum(row.get("errors") or 0 for row in rows) / invocations * _PERCENT, 3)


_BASE = {
    "invocations": ("Invocations", "Sum"),
    "duration_sum": ("Duration", "Sum"),
    "duration_count": ("Duration", "SampleCount"),
}
_EXTRA = {
    "errors": {"errors": ("Errors", "Sum")},
    "duration_p50": {f"p{p}": ("Duration", f"p{p}") for p in (50, 95, 99)},
    "duration_p99": {f"p{p}": ("Duration", f"p{p}") for p in (50, 95, 99)},
    "error_rate": {"errors": ("Errors", "Sum")},
    "duration": {f"p{p}": ("Duration", f"p{p}") for p in (50, 95, 99)},
    "throttles": {"throttles": ("Throttles", "Sum")},
    "timeouts": {"duration_max": ("Duration", "Maximum")},
}
"""Each ranking asks for the series that it needs: they are paid for by the number."""
_OF_FIELDS = {
    "errors": "errors", "error_rate_pct": "errors", "p50_duration_ms": "duration", "p95_duration_ms": "duration",
    "p99_duration_ms": "duration", "throttles": "throttles", "max_duration_ms": "timeouts", "timeout_used_pct": "timeouts",
}  # fmt: skip
_LOG_FIELDS = frozenset(
    {"memory_used_pct", "max_memory_used_mb", "cold_start_rate_pct", "mean_init_ms"}
)


def _series(
    context: ToolContext,
    functions: Sequence[FunctionConfiguration],
    window: Window,
    sort_by: str,
    fields: Sequence[str] = (),
) -> dict[str, dict[str, Series]]:
    wanted = {**_BASE, **_EXTRA.get(sort_by, {})}
    for field in fields:
        wanted |= _EXTRA.get(_OF_FIELDS.get(field, ""), {})
    period = period_of(window)
    queries = {
        (item.name, key): MetricQuery(metric, statistic, period, item.name)
        for item in functions
        for key, (metric, statistic) in wanted.items()
    }
    found = get_metrics(context.account, list(queries.values()), window)
    return {
        item.name: {key: found[queries[item.name, key]] for key in wanted} for item in functions
    }


def _row(
    item: FunctionConfiguration, series: Mapping[str, Series], rates: Rates, hours: float
) -> Row:
    invocations = _whole(series["invocations"])
    total_ms, counted = series["duration_sum"].total(), series["duration_count"].total()
    row: Row = {
        "function": item.name, "memory_mb": item.memory_mb, "architecture": item.architecture,
        "timeout_seconds": item.timeout_seconds, "runtime": item.runtime or item.package_type,
        "last_modified": f"{item.last_modified:%Y-%m-%d}" if item.last_modified else None,
        "code_size_mb": rounded(item.code_size_bytes / _BYTES_PER_MB),
        "invocations": invocations or 0, "cost_usd_month": None,
    }  # fmt: skip
    if "errors" in series:
        row["errors"] = (_whole(series["errors"]) or 0) if invocations else None
        row["error_rate_pct"] = (
            rounded(row["errors"] / invocations * _PERCENT, 3) if invocations else None
        )
    if "throttles" in series:
        row["throttles"] = _whole(series["throttles"]) or 0
    for name in ("p50", "p95", "p99"):
        if name in series:
            row[f"{name}_duration_ms"] = rounded(
                weighted_percentile(series[name], series["duration_count"])
            )
    if "duration_max" in series and (longest := series["duration_max"].maximum()) is not None:
        row["max_duration_ms"] = rounded(longest)
        row["timeout_used_pct"] = rounded(longest / (item.timeout_seconds * 1000) * _PERCENT, 1)
    if invocations and counted and total_ms is not None:
        mean_ms = total_ms / counted
        row["mean_duration_ms"] = rounded(mean_ms)
        row |= cost_figures(
            invocations, mean_ms, item.memory_mb, item.ephemeral_storage_mb, rates, hours
        )
    elif not invocations:
        row["cost_usd_month"] = 0.0
    return row


def _whole(series: Series) -> int | None:
    total = series.total()
    return None if total is None else round(total)


def _ranked(rows: list[Row], sort_by: str, *, ascending: bool) -> list[Row]:
    key = _KEYS[sort_by]
    if sort_by == "idle":
        return sorted(
            (row for row in rows if not row["invocations"]), key=lambda row: row["function"]
        )
    known = [row for row in rows if row.get(key) is not None]
    if sort_by in {"errors", "throttles", "savings"} and not ascending:
        known = [row for row in known if row[key] > 0]
    by_name = sorted(known, key=lambda row: row["function"])
    return sorted(by_name, key=lambda row: row[key], reverse=not ascending)


def _busiest(rows: list[Row]) -> list[Row]:
    return sorted(
        (row for row in rows if row["invocations"]), key=lambda row: -(row["cost_usd_month"] or 0)
    )[:_MAX_LOGS]


def _in_parallel(rows: list[Row], look: Callable[[Row], Gap | None]) -> list[Gap]:
    with ThreadPoolExecutor(8) as pool:
        return [gap for gap in pool.map(look, rows) if gap is not None][:3]


def _add_reports(
    context: ToolContext,
    functions: Sequence[FunctionConfiguration],
    rows: list[Row],
    hours: float,
    span: str | None,
) -> list[Gap]:
    """Memory used and cold starts stand in the logs alone; read for the costliest functions."""
    by_name = {item.name: item for item in functions}
    skipped: list[str] = []

    def look(row: Row) -> Gap | None:
        name = row["function"]
        if context.out_of_time:
            skipped.append(name)
            return None
        try:
            window = context.window(name, min(hours, _LOG_HOURS), span)
            found = read_reports(context.account, by_name[name], window, lines=_FLEET_LINES)
        except AwsError as error:
            return gap_of(f"REPORT lines of {name}", error)
        figures = report_figures(list(found.lines), row["memory_mb"]) if found.lines else {}
        row |= {key: figures.get(key) for key in _FROM_REPORTS}
        return None

    gaps = _in_parallel(_busiest(rows), look)
    if skipped:
        reason = f"{len(skipped)} functions were not looked at, because the time for one question is bounded"
        gaps.append(Gap("REPORT lines of all functions", reason, remedy="Ask about one function."))
    return gaps


_FLEET_LINES = 160
_LOG_HOURS = 168.0
_FROM_REPORTS = (
    "memory_used_pct", "max_memory_used_mb", "cold_start_rate_pct", "mean_init_ms", "out_of_memory",
)  # fmt: skip


def _add_savings(context: ToolContext, rows: list[Row]) -> list[Gap]:
    """What each function would save, by the very scan that `lambda-autotuner scan` makes."""
    scanned = context.once(
        "fleet scan",
        lambda: fleet.scan(context.account, settings=context.workspace.settings),
    )
    by_name = {item.function: item for item in scanned.rows}
    for row in rows:
        found = by_name.get(row["function"])
        if found is None:
            continue
        row |= {
            "status": str(found.status),
            "reason": found.reason,
            "saving_usd_month": rounded(found.saving_month_usd),
        }
        # Without memory in use from the logs a smaller size could kill the function: not stated.
        settled = found.status is fleet.Status.CHANGE
        if settled and found.proposed_mb is not None and found.proposed_mb != row["memory_mb"]:
            row["recommended_memory_mb"] = found.proposed_mb
    return []
