"""`lambda-autotuner watch`: verify a change against its traffic; promote or roll back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from lambda_autotuner.cli.door import Door, Finite, common_options, pass_door
from lambda_autotuner.errors import EXIT_DONE, EXIT_NEGATIVE

if TYPE_CHECKING:
    from lambda_autotuner.rollout import Watched
    from lambda_autotuner.workspace import Workspace


@click.command("watch")
@click.argument("plan")
@click.option("--once", is_flag=True, help="Look once instead of until it is decided.")
@click.option("--interval", type=Finite(min=1), default=60.0, show_default=True, metavar="SECONDS")
@common_options
@pass_door
def command(door: Door, /, *, plan: str, once: bool, interval: float) -> int:
    """Watch PLAN until it is promoted or rolled back. Goes on where an earlier watch stopped."""
    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_watched, traced

    with traced(door, f"watch {plan}"), door.open_workspace() as workspace:
        while True:
            watched = _look(door, workspace, plan, patient=not once)
            if watched is not None and (once or watched.settled):
                door.emit(watched.to_dict(), text=show_watched(watched))
                back = {rollout.State.ROLLED_BACK, rollout.State.CONFLICT}
                return EXIT_NEGATIVE if watched.outcome.state in back else EXIT_DONE
            if watched is not None:
                door.say(watched.outcome.message)
            time.sleep(interval)


def _look(door: Door, workspace: Workspace, plan: str, *, patient: bool) -> Watched | None:
    """One look; None when the account did not answer and a patient watch tries again later."""
    from lambda_autotuner import rollout
    from lambda_autotuner.aws import AwsError
    from lambda_autotuner.journal import BusyError

    account, journal, settings = workspace.account, workspace.journal, workspace.settings
    try:
        return rollout.watch_plan(
            account,
            journal,
            settings,
            plan,
            actor=rollout.current_user(),
            progress=lambda line: door.say(line, style="dim"),
        )
    except (AwsError, BusyError) as error:
        if not patient or (isinstance(error, AwsError) and not error.retryable):
            raise
        door.say(f"{error.message} The next look goes on.")
        for item in rollout.reconcile(account, journal, settings):
            door.say(f"{item.plan_id}: {item.message}.")
        return None
