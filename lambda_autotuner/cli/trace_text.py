"""Traces as tables, figures and CSV: what traces hold is data, never markup or a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lambda_autotuner.cli.trace_tree import milliseconds, short

if TYPE_CHECKING:
    from mlflow_integration.reading import TraceSummary


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV; text that a spreadsheet would run gets a leading apostrophe."""
    from lambda_autotuner.fleet.export import spreadsheet_cell

    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {name: spreadsheet_cell(value) for name, value in row.items()} for row in rows
        )
    return text.getvalue()


def trace_table(traces: Sequence[TraceSummary]) -> Any:
    """Return one row a trace."""
    from rich.table import Table
    from rich.text import Text

    if not traces:
        return "No traces."

    table = Table("trace", "started", "ok", "time", "tools", "question", box=None, pad_edge=False)
    for trace in traces:
        table.add_row(
            trace.trace_id,
            trace.started.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            verdict(trace),
            milliseconds(trace.duration_ms),
            str(len(trace.tools)),
            Text(short(trace.question)),
        )
    return table


def verdict(trace: TraceSummary) -> str:
    """Return `yes` or `no`, and `-` without a verdict."""
    if trace.success is None:
        return "-"
    return "yes" if trace.success else "no"


def statistics_table(groups: dict[str, dict[str, Any]], *, by: str | None) -> Any:
    """Return the figures: one below the other for all traces, one row a group with `by`."""
    from rich.console import Group

    if by is None:
        (group,) = groups.values()
        parts = [_figures(group), _soft_failures(group), _tools({"": group})]
    else:
        parts = [_group_rows(groups, by), _tools(groups)]
    shown = [part for part in parts if part is not None]
    return Group(
        *(piece for part in shown for piece in (part, "")[: 2 if part is not shown[-1] else 1])
    )


def _figures(group: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in group.items():
        if not isinstance(value, (list, dict)):
            table.add_row(name, figure(name, value))
    return table


_GROUP_COLUMNS = {
    "traces": "traces", "success_rate": "success", "error_rate": "errors", "p50_ms": "p50",
    "p95_ms": "p95", "total_tokens": "tokens", "cost_usd": "cost $", "tool_calls": "tool calls",
    "loops": "loops",
}  # fmt: skip


def _group_rows(groups: dict[str, dict[str, Any]], by: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    if not groups:
        return "No traces."
    table = Table(by, *_GROUP_COLUMNS.values(), box=None, pad_edge=False)
    for name, group in groups.items():
        cells = ("-" if group[k] is None else figure(k, group[k]) for k in _GROUP_COLUMNS)
        table.add_row(Text(short(name)), *cells)
    return table


def _soft_failures(group: dict[str, Any]) -> Any:
    from rich.text import Text

    counts = group["soft_failures"]
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return Text(f"soft failures: {listed}") if counts else None


def _tools(groups: dict[str, dict[str, Any]]) -> Any:
    """Return the slowest tools, and whose they are where there are several groups."""
    from rich.table import Table
    from rich.text import Text

    named = len(groups) > 1
    head = ["group"] if named else []
    table = Table(*head, "tool", "calls", "errors", "p50", "p95", box=None, pad_edge=False)
    for name, group in groups.items():
        for row in group["tools"][:10]:
            table.add_row(
                *([Text(short(name))] if named else []),
                Text(short(row["tool"])),
                str(row["calls"]),
                str(row["errors"]),
                milliseconds(row["p50_ms"]),
                milliseconds(row["p95_ms"]),
            )
    return table if table.row_count else None


def figure(name: str, value: Any) -> str:
    """Return a figure for reading, `unknown` where there is none."""
    if value is None:
        return "unknown"
    if name.endswith("_rate"):
        return f"{value:.1%}"
    if name.endswith("_ms"):
        return milliseconds(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def sync_text(result: dict[str, Any]) -> str:
    """Return what happened to the records, line by line."""

    def line(name: str) -> str:
        counts = result.get(name) or {}
        listed = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
        return f"{name}: {listed or 'nothing'}"

    names = ["delivered", "pending", "rejected", "dropped"]
    names += [name for name in ("damaged", "shortened") if name in result]
    return "\n".join(line(name) for name in names)
