"""`lambda-autotuner scan`: rank the whole account by what it would save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.cli.sizing_options import choices_of, what_options

if TYPE_CHECKING:
    from lambda_autotuner.fleet import Scan


@click.command("scan")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="Lines of the table (JSON and CSV hold all).",
)
@click.option(
    "--deep",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="For how many of the first lines the logs are read too.",
)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all lines to a CSV file ('-' is standard output).",
)
@what_options
@common_options
@pass_door
def command(
    door: Door, /, *, top: int, deep: int, csv_path: Path | None, **sizing: Any
) -> None:  # fmt: skip
    """Rank every function of the account by dollars a month times confidence."""
    with door.open_workspace() as workspace:
        from lambda_autotuner import fleet

        choices = choices_of(workspace.settings, **sizing)

        def tell(what: str, done: int, of: int) -> None:
            door.say(f"{done:,} of {of:,} {what}" if of else f"{done:,} {what}", style="dim")

        result = fleet.scan(workspace.account, choices=choices, deep=deep, on_progress=tell)
        if csv_path is not None:
            _write_csv(door, result, csv_path)
            if str(csv_path) == "-":
                return
        door.emit(result.to_dict(), text=_table(result, top))
        door.say(_summary(result, top))


def _write_csv(door: Door, result: Scan, path: Path) -> None:
    from lambda_autotuner import fleet
    from lambda_autotuner.errors import UsageError

    text = fleet.to_csv(result.rows)
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    door.say(f"All {len(result.rows):,} lines are in {path}.", style="dim")


def _table(result: Scan, top: int) -> object:
    from rich.table import Table

    from lambda_autotuner.fleet.export import HEADER, table_rows

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(HEADER):
        table.add_column(name, justify="left" if index <= 1 else "right", no_wrap=True)
    for cells in table_rows(result.rows[:top]):
        table.add_row(*cells)
    return table


def _summary(result: Scan, top: int) -> str:
    facts = result.to_dict()
    shown = min(top, len(result.rows))
    month, score = facts["month_usd"], facts["score_usd"]
    money = "" if month is None else f" They cost about ${month:,.2f} a month"
    if money and score is not None:
        money += f"; ${score:,.2f} of it may be saved, weighed by confidence"
    statuses = ", ".join(f"{count:,} {name}" for name, count in sorted(facts["by_status"].items()))
    return (
        f"{shown} of {len(result.rows):,} functions ({statuses}).{money}{'.' if money else ''} "
        f"{result.total_calls:,} API calls."
    )
