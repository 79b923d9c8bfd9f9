"""`lambda-autotuner rollback`: put back exactly what stood before."""

from __future__ import annotations

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door


@click.command("rollback")
@click.argument("plan")
@click.option("--reason", default="", help="Why, for the history.")
@common_options
@pass_door
def command(door: Door, /, *, plan: str, reason: str) -> None:
    """Undo PLAN; refused, with the difference shown, when somebody else changed it since."""
    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_outcome, traced

    with traced(door, f"rollback {plan}"), door.open_workspace() as workspace:
        outcome = rollout.roll_back(
            workspace.account,
            workspace.journal,
            workspace.settings,
            plan,
            actor=rollout.current_user(),
            reason=reason,
            progress=lambda line: door.say(line, style="dim"),
        )
        door.emit(outcome.to_dict(), text=show_outcome(outcome))
