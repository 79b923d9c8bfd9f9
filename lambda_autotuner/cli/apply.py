"""`lambda-autotuner apply`: carry out approved plans."""

from __future__ import annotations

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NEGATIVE


@click.command("apply")
@click.argument("plans", nargs=-1, required=True, metavar="PLAN...")
@click.option("--dry-run", is_flag=True, help="Show the exact calls and change nothing.")
@click.option("--keep-going", is_flag=True, help="Go on after a plan that does not work out.")
@common_options
@pass_door
def command(door: Door, /, *, plans: tuple[str, ...], dry_run: bool, keep_going: bool) -> int:
    """Carry out approved plans, one after the other."""
    from rich.console import Group

    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_outcome, traced

    with traced(door, f"apply {' '.join(plans)}"), door.open_workspace() as workspace:
        account, journal, settings = workspace.account, workspace.journal, workspace.settings
        actor = rollout.current_user()
        if len(plans) == 1 or dry_run:
            outcomes = [
                rollout.apply_plan(
                    account,
                    journal,
                    settings,
                    plan,
                    actor=actor,
                    dry=dry_run,
                    progress=lambda line: door.say(line, style="dim"),
                )
                for plan in plans
            ]
            data = [outcome.to_dict() for outcome in outcomes]
            text = Group(*(show_outcome(outcome) for outcome in outcomes))
            door.emit(data[0] if len(data) == 1 else data, text=text)
            if not dry_run:
                door.say(f"Next: lambda-autotuner watch {plans[0]}", style="dim")
            return EXIT_DONE
        result = rollout.apply_batch(
            account,
            journal,
            settings,
            plans,
            actor=actor,
            stop_on_failure=not keep_going,
            progress=lambda line: door.say(line, style="dim"),
        )
        door.emit(result.to_dict(), text=_batch(result))
        if result.interrupted:
            return EXIT_INTERRUPTED
        return EXIT_NEGATIVE if result.failures else EXIT_DONE


def _batch(result: object) -> object:
    from rich.table import Table

    from lambda_autotuner.rollout import BatchResult

    if not isinstance(result, BatchResult):
        raise TypeError(type(result).__name__)
    table = Table("plan", "state", "what", box=None, pad_edge=False)
    for outcome in result.outcomes:
        table.add_row(outcome.plan.id, str(outcome.state), outcome.message)
    for plan, reason in result.failures:
        table.add_row(plan, "failed", reason)
    for plan in result.skipped:
        table.add_row(plan, "not tried", "")
    return table
