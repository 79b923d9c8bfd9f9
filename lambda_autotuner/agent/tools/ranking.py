"""Ranking the whole account from batched telemetry."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from lambda_autotuner import fleet
from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, gap_of, rounded
from lambda_autotuner.agent.tools.telemetry import DEFAULT_HOURS, cost_figures, metrics_of
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.telemetry import Target, Telemetry, account_now, fetch_telemetry
from lambda_autotuner.tuning.pricing import PriceBook

_MAX_LOGS = 40
_BYTES_PER_MB = 1024 * 1024
_PERCENT = 100.0
Row = dict[str, Any]

_KEYS: dict[str, str] = {
    "savings": "saving_usd_month", "cost": "cost_usd_month", "errors": "errors", "error_rate": "error_rate_pct",
    "duration": "p95_duration_ms", "invocations": "invocations", "throttles": "throttles", "memory": "memory_mb",
    "memory_used": "memory_used_pct", "cold_starts": "cold_start_rate_pct", "timeouts": "timeout_used_pct",
    "timeout": "timeout_seconds", "idle": "invocations", "modified": "last_modified", "code_size": "code_size_mb",
}  # fmt: skip
_FROM_LOGS = frozenset({"memory_used", "cold_starts"})


def run_scan_fleet(context: ToolContext, arguments: Any) -> ToolResult:
    """Rank all functions by one measure."""
    everything = context.once("functions", lambda: tuple(list_functions(context.account)))
    hours = arguments.window_hours or DEFAULT_HOURS
    end = context.once("account now", lambda: account_now(context.account))
    window = Window(end - timedelta(hours=hours), end, "last activity of the account")
    telemetry = context.once(
        f"fleet telemetry {hours}",
        lambda: fetch_telemetry(
            context.account, [Target(item.name) for item in everything], window
        ),
    )
    book = PriceBook.load()
    rows = [
        _row(item, telemetry[Target(item.name)], book, context.account.region, hours)
        for item in everything
    ]
    gaps: list[Gap] = []
    if arguments.sort_by in _FROM_LOGS:
        gaps += _add_reports(context, rows, hours)
    if arguments.sort_by == "savings":
        gaps += _add_savings(context, rows)
    ranked = _ranked(rows, arguments.sort_by, ascending=arguments.ascending)
    known = [row["saving_usd_month"] for row in rows if row.get("saving_usd_month") is not None]
    described = describe_window(window)
    data: dict[str, Any] = {
        "sort_by": arguments.sort_by, "ascending": arguments.ascending, "window": described, "scanned": len(rows),
        "total_cost_usd_month": rounded(sum(row["cost_usd_month"] or 0.0 for row in rows)),
        "total_saving_usd_month": rounded(sum(max(0.0, value) for value in known)) if arguments.sort_by == "savings" else None,
        "total_invocations": sum(row["invocations"] or 0 for row in rows),
        "total_errors": sum(row["errors"] or 0 for row in rows),
        "without_invocations": sum(not row["invocations"] for row in rows),
        "functions": ranked[: arguments.limit if arguments.sort_by != "idle" else 200],
    }  # fmt: skip
    return ToolResult(
        data,
        window=described,
        source=f"CloudWatch metrics of {len(rows)} functions",
        gaps=tuple(gaps),
    )


def _row(
    item: FunctionConfiguration, telemetry: Telemetry, book: PriceBook, region: str, hours: float
) -> Row:
    row: Row = {
        "function": item.name, "memory_mb": item.memory_mb, "architecture": item.architecture,
        "timeout_seconds": item.timeout_seconds, "runtime": item.runtime or item.package_type,
        "last_modified": f"{item.last_modified:%Y-%m-%d}" if item.last_modified else None,
        "code_size_mb": rounded(item.code_size_bytes / _BYTES_PER_MB),
        **metrics_of(telemetry), "cost_usd_month": None,
    }  # fmt: skip
    if telemetry.max_duration_ms is not None:
        row["timeout_used_pct"] = rounded(
            telemetry.max_duration_ms / (item.timeout_seconds * 1000) * _PERCENT, 1
        )
    if telemetry.invocations and telemetry.mean_duration_ms is not None:
        figures = cost_figures(
            telemetry,
            item.memory_mb,
            item.ephemeral_storage_mb,
            book.rates(region, item.architecture),
            hours,
        )
        row["cost_usd_month"] = figures["cost_usd_month"]
        row["cost_usd_per_million"] = figures["cost_usd_per_million"]
    elif not telemetry.invocations:
        row["cost_usd_month"] = 0.0
    return row


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


def _add_reports(context: ToolContext, rows: list[Row], hours: float) -> list[Gap]:
    """Memory used and cold starts stand in the logs alone; read for the costliest functions."""
    from lambda_autotuner.agent.tools.telemetry import FunctionWindow, run_get_report_statistics

    def look(row: Row) -> Gap | None:
        try:
            found = run_get_report_statistics(
                context, FunctionWindow(function=row["function"], window_hours=min(hours, 168.0))
            )
        except AwsError as error:
            return gap_of(f"REPORT lines of {row['function']}", error)
        row |= {
            name: found.data.get(name)
            for name in (
                "memory_used_pct",
                "max_memory_used_mb",
                "cold_start_rate_pct",
                "mean_init_ms",
            )
        }
        return None

    return _in_parallel(_busiest(rows), look)


def _add_savings(context: ToolContext, rows: list[Row]) -> list[Gap]:
    """What each function would save, by the fleet scan."""
    scanned = context.once(
        "fleet scan",
        lambda: fleet.scan(context.account, settings=context.workspace.settings, deep=0),
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
        if found.proposed_mb is not None and found.proposed_mb != row["memory_mb"]:
            row["recommended_memory_mb"] = found.proposed_mb
    return []
