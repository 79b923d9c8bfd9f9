"""`lambda-autotuner doctor`: is tracing well, and the account; if not, why, and what helps."""

from __future__ import annotations

import time
from typing import Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_NEGATIVE, AutotunerError

_MARKS = {"ok": "✅", "failed": "❌", "warning": "⚠️", "skipped": "·"}


@click.command("doctor")
@click.option("--no-write", is_flag=True, help="Write no test trace.")
@click.option("--tracing-only", is_flag=True, help="Leave the account alone.")
@common_options
@pass_door
def command(door: Door, *, no_write: bool, tracing_only: bool) -> None:
    """Check tracing and the account hop by hop; exit 1 when something is wrong."""
    from mlflow_integration.doctor import diagnose

    rows = [check.to_dict() for check in diagnose(door.settings.state_dir, write=not no_write)]
    if not tracing_only:
        rows.append(_account(door))
    door.emit(rows, text=_text(rows))
    if any(row["outcome"] == "failed" for row in rows):
        raise SystemExit(EXIT_NEGATIVE)


def _account(door: Door) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        with door.open_workspace() as workspace:
            account = workspace.account
            detail = f"{account.kind}: {account.account_id} in {account.region}"
        outcome, remedy = "ok", None
    except AutotunerError as error:
        outcome, detail, remedy = "failed", error.message, error.remedy
    return {
        "check": "account",
        "outcome": outcome,
        "milliseconds": round((time.perf_counter() - began) * 1000, 1),
        "detail": detail,
        "remedy": remedy,
    }


def _text(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("", "check", "time", "finding", box=None, pad_edge=False)
    for row in rows:
        finding = row["detail"]
        if row["remedy"] and row["outcome"] != "ok":
            finding = f"{finding}\n→ {row['remedy']}"
        took = f"{row['milliseconds']:.0f} ms"
        table.add_row(_MARKS[row["outcome"]], row["check"], took, finding)
    return table
