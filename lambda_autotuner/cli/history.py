"""`lambda-autotuner history`: what was planned, done and seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door

if TYPE_CHECKING:
    from lambda_autotuner.journal import Entry, Journal

_WHAT_CHARS = 90


@click.command("history")
@click.argument("plan", required=False)
@click.option("--function", help="Only this function.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--entries", is_flag=True, help="Every line instead of one line for each plan.")
@click.option("--export", is_flag=True, help="Every record as JSON lines, oldest first.")
@common_options
@pass_door
def command(
    door: Door,
    /,
    *,
    plan: str | None,
    function: str | None,
    limit: int,
    entries: bool,
    export: bool,
) -> None:
    """The plans, or everything that happened to PLAN."""
    with door.open_workspace() as workspace:
        journal = workspace.journal
        if export:
            for line in journal.export():
                click.echo(line)
        elif plan is not None:
            _one(door, journal, plan)
        elif entries:
            found = journal.entries(function=function, limit=limit)
            door.emit([entry.to_dict() for entry in found], text=_lines(found))
        else:
            _overview(door, journal, function, limit)


def _overview(door: Door, journal: Journal, function: str | None, limit: int) -> None:
    from rich.table import Table

    from lambda_autotuner.rollout import AlteredPlanError, read_plan

    table = Table("plan", "state", "since (UTC)", "change", box=None, pad_edge=False)
    rows: list[dict[str, Any]] = []
    for stored in journal.plans(function=function, limit=limit):
        state = journal.state(stored.id)
        try:
            found = read_plan(stored)
        except AlteredPlanError as error:
            # One row that somebody altered must not hide the others.
            rows.append({"id": stored.id, "state": "altered", "reason": error.message})
            table.add_row(stored.id, "altered", f"{state.at:%Y-%m-%d %H:%M:%S}", error.message)
            continue
        rows.append({**found.to_dict(), "state": state.state, "since": state.at.isoformat()})
        table.add_row(found.id, state.state, f"{state.at:%Y-%m-%d %H:%M:%S}", found.title)
    door.emit(rows, text=table if rows else "No plans yet.")


def _one(door: Door, journal: Journal, plan_id: str) -> None:
    from rich.console import Group

    from lambda_autotuner.cli.rollout_views import show_plan
    from lambda_autotuner.rollout import read_plan

    found = read_plan(journal.get_plan(plan_id))
    lines = journal.entries(plan_id=found.id)
    actions = journal.actions(found.id)
    data = {
        **found.to_dict(),
        "state": journal.state(found.id).state,
        "entries": [entry.to_dict() for entry in reversed(lines)],
        "actions": [
            {
                "at": action.at.isoformat(),
                "phase": action.phase,
                "operation": action.operation,
                "request": dict(action.request),
                "outcome": action.outcome or "unknown",
            }
            for action in actions
        ],
    }
    door.emit(data, text=Group(show_plan(found, []), _lines(list(reversed(lines)))))


def _lines(found: list[Entry]) -> Any:
    from rich.table import Table

    table = Table("at (UTC)", "what", "function", "by", "trace", "detail", box=None, pad_edge=False)
    for entry in found:
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.kind,
            entry.function or "",
            entry.actor or "",
            entry.trace_id or "",
            _detail(entry),
        )
    return table


def _detail(entry: Entry) -> str:
    for name in ("message", "reason", "found"):
        if entry.data.get(name):
            return str(entry.data[name])[:_WHAT_CHARS]
    return ""
