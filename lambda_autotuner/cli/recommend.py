"""`lambda-autotuner recommend`: size a function from its telemetry alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.cli.sizing_options import choices_of, show, sizing_options


@click.command("recommend")
@click.argument("function")
@click.option("--qualifier", help="A version or alias (default: whatever carries the traffic).")
@sizing_options
@common_options
@pass_door
def command(
    door: Door,
    /,
    *,
    function: str,
    qualifier: str | None,
    html: Path | None,
    picture: bool,
    **sizing: Any,
) -> None:
    """Size FUNCTION from its metrics, REPORT lines and history, without invoking it."""
    with door.open_workspace() as workspace:
        from lambda_autotuner import measurement

        choices = choices_of(workspace.settings, **sizing)
        result = measurement.recommend(
            workspace.account, function, choices=choices, qualifier=qualifier
        )
        show(door, result, html=html, picture=picture)
        _next(door, result.answer.kind, function)


def _next(door: Door, kind: str, function: str) -> None:
    if kind == "need_more_data":
        door.say(f"Next: lambda-autotuner tune {function} --dry-run", style="dim")
    elif kind == "change":
        door.say(f"Next: lambda-autotuner plan {function}", style="dim")
