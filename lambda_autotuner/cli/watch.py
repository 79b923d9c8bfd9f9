"""`lambda-autotuner watch`: verify a change against its traffic; promote or roll back."""

from __future__ import annotations

import time

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_DONE, EXIT_NEGATIVE


@click.command("watch")
@click.argument("plan")
@click.option("--once", is_flag=True, help="Look once instead of until it is decided.")
@click.option(
    "--interval", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS"
)
@common_options
@pass_door
def command(door: Door, /, *, plan: str, once: bool, interval: float) -> int:
    """Watch PLAN until it is promoted or rolled back. Goes on where an earlier watch stopped."""
    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_watched, traced

    with traced(door, f"watch {plan}"), door.open_workspace() as workspace:
        while True:
            watched = rollout.watch_plan(
                workspace.account,
                workspace.journal,
                workspace.settings,
                plan,
                actor=rollout.current_user(),
                progress=lambda line: door.say(line, style="dim"),
            )
            if once or watched.settled:
                door.emit(watched.to_dict(), text=show_watched(watched))
                back = watched.outcome.state is rollout.State.ROLLED_BACK
                return EXIT_NEGATIVE if back else EXIT_DONE
            door.say(watched.outcome.message)
            time.sleep(interval)
