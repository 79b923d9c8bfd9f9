"""Write the pages that come from the code: `uv run just docs`. A test holds them current."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

FOLDER = Path(__file__).parent
_WIDTH = 96


def command_pages(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[str]:
    """One section of help for a command and each below it."""
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent)
    context.max_content_width = context.terminal_width = _WIDTH
    depth = min(path.count(" ") + 2, 4)
    yield f"{'#' * depth} `{path}`\n\n```text\n{command.get_help(context).strip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from command_pages(below, f"{path} {name}", context)


def commands_page() -> str:
    """Every verb with its help, as the command prints it."""
    from lambda_autotuner.cli.main import cli

    head = "# Commands\n\nGenerated from the command itself by `uv run just docs`.\n\n"
    return head + "\n".join(command_pages(cli, "lambda-autotuner"))


def settings_page() -> str:
    """Every setting with its default and its variable."""
    from lambda_autotuner.settings import describe, keys, load_settings

    nowhere = Path(os.devnull).parent
    defaults = {name: value for name, value, _ in describe(load_settings(environ={}, cwd=nowhere))}
    defaults["state_dir"] = ".lambda-autotuner beside config.yaml, else the user's state directory"
    rows = [f"| `{key.name}` | {_shown(defaults[key.name])} | `{key.variable}` |" for key in keys()]
    head = (
        "# Settings\n\nGenerated from the code by `uv run just docs`. A name with a dot is a key below "
        "a section of `config.yaml`. Lists are written as JSON or with commas in the environment.\n\n"
        "| setting | default | variable |\n|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def permissions_page() -> str:
    """The least-privilege policy for each verb."""
    from lambda_autotuner.aws.policies import permissions_page as page

    return page()


PAGES = {
    "commands.md": commands_page,
    "permissions.md": permissions_page,
    "settings.md": settings_page,
}


def main(folder: Path = FOLDER) -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
