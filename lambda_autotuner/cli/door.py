"""What every command shares: the common options, settings, the account, and how results leave.

Data goes to standard output, talk to standard error, so that a pipe gets only data.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambda_autotuner.cli.harmless import HARMLESS, escaped

if TYPE_CHECKING:
    from rich.console import Console

    from lambda_autotuner.settings import Settings
    from lambda_autotuner.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A number in a range; `nan` and `inf` pass every comparison of a plain one."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, or a usage error."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


class Door:
    """One command's way in and out."""

    def __init__(self) -> None:
        self.json = False
        self.verbose = 0
        self.config_path: Path | None = None
        self.overrides: dict[str, object] = {}

    def override(self, **values: object) -> None:
        """Set explicit values by dotted name (a double underscore stands for the dot)."""
        self.overrides.update(
            {name.replace("__", "."): value for name, value in values.items() if value is not None}
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings of this command, resolved on first use."""
        from lambda_autotuner.settings import DOTENV_NAME, export_dotenv, find_config, load_settings

        settings = load_settings(self.overrides, config_path=self.config_path)
        config = find_config(Path.cwd(), os.environ, self.config_path)
        export_dotenv((config.parent if config else Path.cwd()) / DOTENV_NAME)
        return settings

    def open_workspace(self) -> Workspace:
        """The account, the journal and the state that the settings name."""
        from lambda_autotuner.workspace import open_workspace

        workspace = open_workspace(self.settings)
        if not self.json:
            self.say(workspace.banner, style="dim")
        self._repair(workspace)
        self._reconcile(workspace)
        return workspace

    def _repair(self, workspace: Workspace) -> None:
        """Undo what a killed measurement left in the account, before anything else happens."""
        account = workspace.account
        if not workspace.journal.open_intents(account.account_id, account.region):
            return
        from lambda_autotuner import measurement

        for found in measurement.repair(account, workspace.journal):
            for text in found.done:
                self.say(f"Repaired: {text}")
            if found.failed:
                self.say(f"Not repaired yet: {found.failed} The next command tries again.")

    def _reconcile(self, workspace: Workspace) -> None:
        """Finish what a killed rollout left open, before anything else happens."""
        if not workspace.journal.unsettled_plans():
            return
        from lambda_autotuner import rollout

        for item in rollout.reconcile(workspace.account, workspace.journal, workspace.settings):
            self.say(f"Interrupted plan {item.plan_id} ({item.function}): {item.message}.")

    @cached_property
    def out(self) -> Console:
        """Standard output, for data."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Standard error, for talk."""
        return _console(stderr=True)

    def say(self, message: object, *, style: str | None = None) -> None:
        """Talk to the person; never mixed with data."""
        self.err.print(message, style=style, highlight=False)

    def emit(self, data: object, text: object | None = None) -> None:
        """Hand out a result: JSON when asked for, else the rendering (or the JSON without one)."""
        if self.json or text is None:
            text = json.dumps(data, default=_plain, indent=2, ensure_ascii=False)
            click.echo(escaped(text))
        else:
            self.out.print(text, highlight=False)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    # rich reads NO_COLOR itself; a pipe must not be folded at 80 columns.
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 120
    # Square brackets in a name or a log line are no style: markup is off.
    console = Console(stderr=stderr, width=width, soft_wrap=not stream.isatty(), markup=False)
    console.push_render_hook(HARMLESS)
    return console


def _plain(value: object) -> object:
    for method in ("to_dict", "model_dump"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)


pass_door = click.make_pass_decorator(Door, ensure=True)

_COMMON = (
    click.option("--account", type=click.Choice(["sandbox", "aws"]), help="Which account to use."),
    click.option("--profile", help="AWS profile."),
    click.option("--region", help="AWS region."),
    click.option("--config", type=click.Path(path_type=Path), help="Another config.yaml."),
    click.option("--json", "as_json", is_flag=True, help="Data as JSON on standard output."),
    click.option("-v", "--verbose", count=True, help="Say more (twice: debug logging)."),
)


def common_options(command: Command) -> Command:
    """Add the options that every verb takes and hand them to the door."""
    import functools

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        door = click.get_current_context().ensure_object(Door)
        door.override(
            account=kwargs.pop("account"),
            profile=kwargs.pop("profile"),
            region=kwargs.pop("region"),
        )
        door.config_path = kwargs.pop("config") or door.config_path
        door.json = kwargs.pop("as_json") or door.json
        door.verbose = max(door.verbose, kwargs.pop("verbose"))
        _set_up_logging(door.verbose)
        return command(*args, **kwargs)

    decorated: Any = wrapper
    for option in reversed(_COMMON):
        decorated = option(decorated)
    result: Command = decorated
    return result


def _set_up_logging(verbose: int) -> None:
    if verbose:
        import logging

        level = logging.DEBUG if verbose > 1 else logging.INFO
        logging.basicConfig(
            level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
        )
        for noisy in ("botocore", "urllib3", "matplotlib", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.INFO)
