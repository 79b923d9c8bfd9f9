"""Tools that look at how functions run: metrics, REPORT lines, money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, rounded
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.tools.narrowing import Spanned
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.aws.logs import search_logs
from lambda_autotuner.aws.metrics import MetricQuery, Window, get_metrics
from lambda_autotuner.aws.reports import Outcome, Report, parse_report, percentile
from lambda_autotuner.aws.telemetry import Telemetry, period_of, weighted_percentile
from lambda_autotuner.sizing.telemetry import read_reports
from lambda_autotuner.tuning.pricing import PriceBook, Rates, mean_cost_usd
from lambda_autotuner.tuning.units import DAYS_PER_MONTH

DEFAULT_HOURS = 336.0
HOURS_PER_MONTH = DAYS_PER_MONTH * 24
MAX_HOURS = 455 * 24.0
REPORT_LINES = 800
_FEW_COLD = 5
_COLD_HOURS = 24.0
_PERCENT = 100.0
_MILLION = 1_000_000
_MIN_FOR_PERCENTILE = 2


class FunctionWindow(Arguments):
    """A function and a window that ends at its last invocation."""

    function: FunctionName
    window_hours: float = Field(
        DEFAULT_HOURS,
        gt=0,
        le=MAX_HOURS,
        description="Hours back from the function's last invocation; two weeks by default.",
    )
    span: str | None = Spanned


class MetricsArguments(FunctionWindow):
    """A function, a window, and what else to read of it."""

    percentiles: list[float] | None = Field(
        None, max_length=4, description="Further percentiles of the duration, such as 90 or 99.9."
    )
    by_day: bool = Field(False, description="Also each day of the window by itself.")


class CostArguments(FunctionWindow):
    """What to price."""

    memory_mb: int | None = Field(
        None,
        ge=128,
        le=10_240,
        description="Price the same durations at another memory size (same duration assumed).",
    )


def metrics_of(telemetry: Telemetry) -> dict[str, Any]:
    """Telemetry as a tool shows it."""
    rate = telemetry.error_rate
    attempts = (telemetry.invocations or 0) + (telemetry.throttles or 0)
    return {
        "invocations": telemetry.invocations,
        "errors": telemetry.errors,
        "error_rate_pct": rounded(None if rate is None else rate * _PERCENT, 3),
        "throttles": telemetry.throttles,
        "throttle_rate_pct": rounded(
            None
            if not attempts or telemetry.throttles is None
            else telemetry.throttles / attempts * _PERCENT,
            3,
        ),
        "mean_duration_ms": rounded(telemetry.mean_duration_ms),
        "p50_duration_ms": rounded(telemetry.p50_duration_ms),
        "p95_duration_ms": rounded(telemetry.p95_duration_ms),
        "p99_duration_ms": rounded(telemetry.p99_duration_ms),
        "max_duration_ms": rounded(telemetry.max_duration_ms),
        "max_concurrent_executions": telemetry.max_concurrent,
    }


def run_get_metrics(context: ToolContext, arguments: MetricsArguments) -> ToolResult:
    """Invocations, errors, throttles, durations and concurrency over a window."""
    name = context.function(arguments.function)
    telemetry = context.telemetry(name, arguments.window_hours, arguments.span)
    window = describe_window(telemetry.window)
    data = {
        "function": name,
        "window": window,
        "window_hours": rounded(telemetry.window.seconds / 3_600),
        **metrics_of(telemetry),
        **_of_the_timeout(telemetry, context.configuration(name).timeout_seconds),
    }
    if arguments.percentiles:
        data |= _percentiles(context, name, telemetry.window, arguments.percentiles)
    if arguments.by_day:
        data["days"] = _by_day(context, name, telemetry.window)
    if telemetry.reason:
        data["reason"] = telemetry.reason
    return ToolResult(data, function=name, window=window, source="CloudWatch metrics")


def _of_the_timeout(telemetry: Telemetry, timeout_seconds: int) -> dict[str, Any]:
    """How much of the timeout invocations use: the longest, and the 99th percentile."""
    found: dict[str, Any] = {"timeout_seconds": timeout_seconds}
    limit_ms = timeout_seconds * 1_000.0
    if telemetry.max_duration_ms is not None:
        found["longest_of_timeout_pct"] = rounded(
            telemetry.max_duration_ms / limit_ms * _PERCENT, 1
        )
    if telemetry.p99_duration_ms:
        found["p99_of_timeout_pct"] = rounded(telemetry.p99_duration_ms / limit_ms * _PERCENT)
    return found


def _percentiles(
    context: ToolContext, name: str, window: Window, wanted: Sequence[float]
) -> dict[str, Any]:
    period = period_of(window)
    counts = MetricQuery("Duration", "SampleCount", period, name)
    asked = {
        f"p{number:g}": MetricQuery("Duration", f"p{number:g}", period, name)
        for number in wanted
        if 0 < number < _PERCENT
    }
    series = get_metrics(context.account, [counts, *asked.values()], window)
    return {
        f"{label}_duration_ms": rounded(weighted_percentile(series[query], series[counts]))
        for label, query in asked.items()
    }


def _by_day(context: ToolContext, name: str, window: Window) -> list[dict[str, Any]]:
    """Each day of the window: invocations, errors and durations; at most the last month's."""
    day = 86_400
    queries = {
        "invocations": MetricQuery("Invocations", "Sum", day, name),
        "errors": MetricQuery("Errors", "Sum", day, name),
        "throttles": MetricQuery("Throttles", "Sum", day, name),
        "mean_duration_ms": MetricQuery("Duration", "Average", day, name),
        "p95_duration_ms": MetricQuery("Duration", "p95", day, name),
    }
    series = get_metrics(context.account, list(queries.values()), window)
    values = {
        key: dict(zip(series[query].times, series[query].values, strict=True))
        for key, query in queries.items()
    }
    return [
        {"day": f"{moment:%Y-%m-%d}"}
        | {
            key: (round(found[moment]) if "duration" not in key else rounded(found[moment]))
            if moment in found
            else (0 if key in {"errors", "throttles"} else None)
            for key, found in values.items()
        }
        for moment in sorted(values["invocations"])[-31:]
    ]


def run_get_report_statistics(context: ToolContext, arguments: FunctionWindow) -> ToolResult:
    """Memory used, cold starts, timeouts and durations, from REPORT lines."""
    name = context.function(arguments.function)
    configuration = context.configuration(name)
    window = context.window(name, arguments.window_hours, arguments.span)
    shown = describe_window(window)
    found = context.once(
        f"reports {name} {arguments.window_hours} {arguments.span}",
        lambda: read_reports(context.account, configuration, window, lines=REPORT_LINES),
    )
    if not found.lines:
        reason = found.reason or "no invocation left a REPORT line in the window"
        return ToolResult(
            {"function": name, "reports": 0, "window": shown, "reason": reason},
            function=name, window=shown, source="REPORT lines", gaps=(Gap(f"REPORT lines of {name}", reason),),
        )  # fmt: skip
    data = {
        "function": name, "window": shown, "complete": found.complete,
        **report_figures(list(found.lines), configuration.memory_mb), "timeout_seconds": configuration.timeout_seconds,
    }  # fmt: skip
    if found.reason:
        data["reason"] = found.reason
    if not found.complete and data["cold_starts"] < _FEW_COLD:
        data |= _cold_lines(context, configuration.log_group, window)
    return ToolResult(data, function=name, window=shown, source="REPORT lines")


def _cold_lines(context: ToolContext, group: str, window: Window) -> dict[str, Any]:
    """Init durations of a busy function, whose cold starts a sample of all lines hardly meets."""
    part = Window(window.end - timedelta(hours=_COLD_HOURS), window.end, window.anchor)
    found = search_logs(
        context.account, group, part, pattern='"Init Duration"', limit=200, deadline_seconds=2.0
    )
    reports = [parse_report(event.message) for event in found.events]
    inits = [
        report.init_ms for report in reports if report is not None and report.init_ms is not None
    ]
    if not inits:
        return {}
    return {
        "mean_init_ms": rounded(sum(inits) / len(inits)),
        "p95_init_ms": rounded(percentile(inits, 0.95)),
        "max_init_ms": rounded(max(inits)),
        "init_durations_from_cold_starts": len(inits),
    }


def report_figures(reports: list[Report], memory_mb: int) -> dict[str, Any]:
    """Figures of REPORT lines; sizes other than the present one are counted, not mixed in."""
    present = [report for report in reports if report.memory_mb == memory_mb] or reports
    inits = [report.init_ms for report in present if report.init_ms is not None]
    used = [
        report.max_memory_used_mb for report in present if report.max_memory_used_mb is not None
    ]
    durations = [report.duration_ms for report in present]
    billed = [report.billed_ms for report in present]
    size = present[0].memory_mb if present else memory_mb
    peak = max(used, default=None)
    cold = sum(report.cold for report in present)
    return {
        "reports": len(present),
        "reports_at_other_sizes": len(reports) - len(present),
        "memory_mb": size,
        "max_memory_used_mb": peak,
        "memory_used_pct": rounded(None if peak is None else peak / size * _PERCENT, 1),
        "cold_starts": cold,
        "cold_start_rate_pct": rounded(cold / len(present) * _PERCENT if present else None),
        "mean_init_ms": rounded(sum(inits) / len(inits) if inits else None),
        "p95_init_ms": rounded(
            percentile(inits, 0.95) if len(inits) >= _MIN_FOR_PERCENTILE else None
        ),
        "max_init_ms": rounded(max(inits, default=None)),
        "timeouts": sum(report.outcome is Outcome.TIMEOUT for report in present),
        "timeout_rate_pct": rounded(
            sum(report.outcome is Outcome.TIMEOUT for report in present) / len(present) * _PERCENT
            if present
            else None
        ),
        "out_of_memory": sum(report.outcome is Outcome.OUT_OF_MEMORY for report in present),
        "mean_billed_ms": rounded(sum(billed) / len(billed) if billed else None),
        "p95_billed_ms": rounded(percentile(billed, 0.95)) if billed else None,
        "p50_duration_ms": rounded(percentile(durations, 0.5)),
        "p95_duration_ms": rounded(percentile(durations, 0.95)),
        "p99_duration_ms": rounded(percentile(durations, 0.99)),
        "max_duration_ms": rounded(max(durations, default=None)),
    }


def run_get_cost(context: ToolContext, arguments: CostArguments) -> ToolResult:
    """What a function costs, from its durations and the price book."""
    name = context.function(arguments.function)
    configuration = context.configuration(name)
    telemetry = context.telemetry(name, arguments.window_hours, arguments.span)
    window = describe_window(telemetry.window)
    memory_mb = arguments.memory_mb or configuration.memory_mb
    book = PriceBook.load()
    rates = book.rates(context.account.region, configuration.architecture)
    data: dict[str, Any] = {
        "function": name, "window": window, "memory_mb": memory_mb, "architecture": configuration.architecture,
        "price_per_gb_second_usd": rates.gb_second_usd, "price_per_million_requests_usd": rounded(rates.request_usd * _MILLION, 4),
        "prices_as_of": book.as_of,
    }  # fmt: skip
    if telemetry.invocations and telemetry.mean_duration_ms is not None:
        data |= cost_figures(
            telemetry.invocations,
            telemetry.mean_duration_ms,
            memory_mb,
            configuration.ephemeral_storage_mb,
            rates,
            telemetry.window.seconds / 3_600,
        )
    else:
        data |= {
            "invocations": telemetry.invocations,
            "cost_usd_month": None,
            "reason": telemetry.reason or "no durations in the window",
        }
    return ToolResult(
        data, function=name, window=window, source="CloudWatch metrics and the price book"
    )


def cost_figures(
    count: int, mean_ms: float, memory_mb: int, ephemeral_mb: int, rates: Rates, hours: float
) -> dict[str, Any]:
    """Money of a window and of a month at its pace.

    Args:
        count: invocations in the window.
        mean_ms: their mean duration in ms.
        memory_mb: memory size in MB.
        ephemeral_mb: ephemeral storage in MB.
        rates: prices of the region and architecture.
        hours: length of the window.
    """
    # Each duration is billed up to the next whole ms: half a ms more on average.
    each = mean_cost_usd(mean_ms + 0.5, memory_mb, rates, ephemeral_mb=ephemeral_mb)
    month = count * HOURS_PER_MONTH / hours
    return {
        "invocations": count,
        "invocations_month": round(month),
        "mean_duration_ms": rounded(mean_ms),
        "cost_usd_window": rounded(each * count, 4),
        "billed_gb_seconds_window": rounded((mean_ms + 0.5) / 1_000 * memory_mb / 1_024 * count, 1),
        "cost_usd_month": rounded(each * month, 4 if each * month < 1 else 2),
        "compute_usd_month": rounded((each - rates.request_usd) * month, 4),
        "requests_usd_month": rounded(rates.request_usd * month, 4),
        "cost_usd_per_million": rounded(each * _MILLION, 4),
        "cost_usd_per_invocation": float(f"{each:.4g}"),
    }


TOOLS = (
    Tool("get_metrics", "Invocations, errors, error rate, throttles, duration (mean, p50, p95, p99, max) and concurrency of a function over a window; each day by itself on request.", MetricsArguments, run_get_metrics, iam_actions=("cloudwatch:GetMetricData",)),
    Tool("get_report_statistics", "Memory really used, cold starts and init duration, timeouts, out-of-memory, from REPORT lines in the log.", FunctionWindow, run_get_report_statistics, iam_actions=("logs:FilterLogEvents", "logs:DescribeLogStreams")),
    Tool("get_cost", "What a function costs: in the window, a month, a million invocations.", CostArguments, run_get_cost, iam_actions=("cloudwatch:GetMetricData",)),
)  # fmt: skip
