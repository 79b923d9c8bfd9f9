"""`lambda-autotuner demo`: the whole product on a private sandbox, in under a minute."""

from __future__ import annotations

from pathlib import Path

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door


@click.command("demo")
@click.option(
    "--curves",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also tune functions that replay measured durations from this CSV file.",
)
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Account.")
@common_options
@pass_door
def command(door: Door, curves: Path | None, seed: int) -> int:
    """See the whole product work: ask, measure, recommend, change, verify, trace.

    Runs in a private sandbox on this machine and nowhere else, whatever the settings say, and
    approves only the plan that it made itself there. Exits with 1 if any step failed.
    """
    from lambda_autotuner.cli.demo_story import Story

    door.override(sandbox__seed=seed, account="sandbox")
    return Story(door, curves).tell()
