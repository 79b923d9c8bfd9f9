"""`lambda-autotuner sessions`: the conversations that are kept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import UsageError


@click.group("sessions")
def command() -> None:
    """List and purge conversations."""


@command.command("list")
@common_options
@pass_door
def list_sessions(door: Door) -> None:
    """Conversations, the one used last first."""
    from rich.table import Table

    from lambda_autotuner.agent.sessions import SessionStore

    found = SessionStore(door.settings.sessions_database_url).sessions()
    table = Table(box=None)
    for name in ("session", "last used", "questions", "began with"):
        table.add_column(name)
    for item in found:
        table.add_row(
            item.name,
            f"{item.used_at:%Y-%m-%d %H:%M}",
            str(item.questions),
            item.first_question[:60],
        )
    door.emit(
        [asdict(item) for item in found], text=table if found else "No conversations are kept."
    )


@command.command("purge")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Forget every conversation.")
@click.option(
    "--older-than-days",
    type=float,
    help="Forget those not used for so long (default: retention.sessions_days).",
)
@common_options
@pass_door
def purge(
    door: Door, /, *, name: str | None, everything: bool, older_than_days: float | None
) -> None:
    """Forget the conversation NAME, or those older than the retention."""
    from lambda_autotuner.agent.sessions import SessionStore

    if name and everything:
        raise UsageError("Give a NAME or --all, not both.")
    age = None
    if not name and not everything:
        age = timedelta(
            days=older_than_days
            if older_than_days is not None
            else door.settings.retention.sessions_days
        )
    gone = SessionStore(door.settings.sessions_database_url).purge(name=name, older_than=age)
    door.emit(
        gone,
        text=f"Forgot {len(gone)} conversations" + (": " + ", ".join(gone) if gone else "") + ".",
    )
