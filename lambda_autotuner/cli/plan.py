"""`lambda-autotuner plan`: write down a change and check it; nothing in the account changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import UsageError

if TYPE_CHECKING:
    from lambda_autotuner.workspace import Workspace

_NONE = "none"


def _number_or_none(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> int | str | None:
    if value is None or value.lower() == _NONE:
        return None if value is None else _NONE
    if value.isdigit():
        return int(value)
    raise click.BadParameter(f"{value!r} is neither a whole number nor 'none'.", param=parameter)


@click.command("plan")
@click.argument("function")
@click.option("--memory", type=int, metavar="MB", help="New memory size.")
@click.option("--timeout", type=int, metavar="SECONDS", help="New timeout.")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]), help="New architecture.")
@click.option("--ephemeral-storage", type=int, metavar="MB", help="New size of /tmp.")
@click.option("--snapstart/--no-snapstart", default=None, help="SnapStart on or off.")
@click.option(
    "--reserved-concurrency",
    callback=_number_or_none,
    metavar="N",
    help="Reserved concurrency, or 'none'.",
)
@click.option(
    "--provisioned-concurrency",
    callback=_number_or_none,
    metavar="N",
    help="Provisioned concurrency of the alias, or 'none'.",
)
@click.option("--qualifier", help="The alias that carries the traffic, or '$LATEST'.")
@click.option("--latency-bound", type=float, metavar="PCT", help="How much latency may rise.")
@click.option("--error-bound", type=float, metavar="POINTS", help="How much errors may rise.")
@common_options
@pass_door
def command(door: Door, /, *, function: str, **options: Any) -> None:
    """Plan a change of FUNCTION; without a change given, the one that its telemetry recommends."""
    from lambda_autotuner import rollout
    from lambda_autotuner.cli.rollout_views import show_plan

    with door.open_workspace() as workspace:
        changes = _changes(options)
        recommendation, qualifier = None, options["qualifier"]
        if not changes:
            recommendation, qualifier = _recommended(door, workspace, function, qualifier)
        draft = rollout.make_plan(
            workspace.account,
            workspace.journal,
            workspace.settings,
            function,
            changes=changes,
            recommendation=recommendation,
            qualifier=qualifier,
            latency_bound_pct=options["latency_bound"],
            error_bound_points=options["error_bound"],
            actor=rollout.current_user(),
        )
        findings = rollout.preflight(
            workspace.account, workspace.journal, workspace.settings, draft.plan
        )
        data = {
            **draft.plan.to_dict(),
            "findings": [finding.to_dict() for finding in [*draft.findings, *findings]],
        }
        door.emit(data, text=show_plan(draft.plan, [*draft.findings, *findings]))
        door.say(f"Next: lambda-autotuner approve {draft.plan.id}", style="dim")


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    names = {
        "memory": "memory_mb",
        "timeout": "timeout_seconds",
        "architecture": "architecture",
        "ephemeral_storage": "ephemeral_storage_mb",
        "reserved_concurrency": "reserved_concurrency",
        "provisioned_concurrency": "provisioned_concurrency",
    }
    changes = {
        field: None if options[name] == _NONE else options[name]
        for name, field in names.items()
        if options[name] is not None
    }
    if options["snapstart"] is not None:
        changes["snapstart"] = "PublishedVersions" if options["snapstart"] else "None"
    return changes


def _recommended(
    door: Door, workspace: Workspace, function: str, qualifier: str | None
) -> tuple[Any, str | None]:
    from lambda_autotuner import measurement

    sized = measurement.recommend(
        workspace.account, function, settings=workspace.settings, qualifier=qualifier
    )
    if sized.answer.kind != "change":
        raise UsageError(
            f"There is no change to plan: {sized.verdict}",
            remedy="Name one, for example --memory 1024, or measure with `lambda-autotuner tune`.",
        )
    door.say(sized.verdict)
    return sized.answer, qualifier or sized.qualifier
