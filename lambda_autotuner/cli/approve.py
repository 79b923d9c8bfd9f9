"""`lambda-autotuner approve`: agree to a plan, once."""

from __future__ import annotations

import sys

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import RefusedError


@click.command("approve")
@click.argument("plan")
@click.option("--yes", is_flag=True, help="Agree without being asked.")
@click.option("--reject", is_flag=True, help="Reject the plan instead.")
@click.option("--reason", default="", help="Why, for the history.")
@common_options
@pass_door
def command(door: Door, /, *, plan: str, yes: bool, reject: bool, reason: str) -> None:
    """Agree to PLAN (an id, or the start of one); single use, for exactly what is shown."""
    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_plan

    with door.open_workspace() as workspace:
        journal = workspace.journal
        stored = journal.get_plan(plan)
        found = rollout.read_plan(stored)
        findings = rollout.preflight(workspace.account, journal, workspace.settings, found)
        if not reject:
            door.say(show_plan(found, findings))
            blocking = [item for item in findings if item.severity == "block"]
            if blocking:
                raise rollout.RefusedPlanError(blocking)
            if not yes and not _agreed():
                raise RefusedError(f"Plan {found.id} was not approved.", remedy="Nothing changed.")
        approval = rollout.decide(
            journal,
            found.id,
            approved=not reject,
            actor=rollout.current_user(),
            source="cli",
            plan_hash=stored.hash,
            reason=reason,
        )
        state = "approved" if approval.approved else "rejected"
        data = {"plan_id": found.id, "state": state, "hash": stored.hash, "by": approval.actor}
        door.emit(data, text=f"{found.id} {state}.")
        if approval.approved:
            door.say(f"Next: lambda-autotuner apply {found.id}", style="dim")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise RefusedError(
            "A plan is approved by a person at a terminal.",
            remedy="Use --yes where the decision was made elsewhere.",
        )
    return click.confirm("Approve?", default=False, err=True)
