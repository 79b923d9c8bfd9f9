"""`lambda-autotuner config`: each value and where it comes from."""

from __future__ import annotations

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door


@click.group("config")
def command() -> None:
    """Show each setting and where it comes from."""


@command.command("show")
@click.argument("key", required=False)
@common_options
@pass_door
def show(door: Door, key: str | None) -> None:
    """Every setting with its value and its source, or only KEY (a name or a section)."""
    from rich.table import Table

    from lambda_autotuner.settings import describe, unknown_key
    from mlflow_integration.masking import mask_text

    rows = describe(door.settings)
    if key is not None:
        chosen = [row for row in rows if row[0] == key or row[0].startswith(f"{key}.")]
        if not chosen:
            raise unknown_key(key, [name for name, _, _ in rows], "the settings")
        rows = chosen
    shown = [(name, _masked(value, mask_text), source) for name, value, source in rows]
    table = Table("setting", "value", "source", box=None, pad_edge=False)
    for name, value, source in shown:
        table.add_row(name, "-" if value is None else str(value), source)
    door.emit(
        [{"setting": name, "value": value, "source": source} for name, value, source in shown],
        text=table,
    )


def _masked(value: object, mask_text: object) -> object:
    """Database URLs can carry a password."""
    return mask_text(value) if isinstance(value, str) and callable(mask_text) else value
