"""What `recommend`, `tune` and `scan` share: what to look for, and how an answer is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambda_autotuner.cli.door import Door

if TYPE_CHECKING:
    from lambda_autotuner.measurement import Choices, Sized
    from lambda_autotuner.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_WHAT = (
    click.option(
        "--objective", help="cost, speed, balanced:0.5, fastest-within:5%, slo:p95<800ms."
    ),
    click.option("--min-memory", type=int, metavar="MB", help="Smallest memory size to consider."),
    click.option("--max-memory", type=int, metavar="MB", help="Largest memory size to consider."),
    click.option("--step", type=int, metavar="MB", help="Grid of sizes; 1 looks at every size."),
    click.option("--sizes", metavar="MB,MB,...", help="Only these memory sizes."),
    click.option(
        "--architecture",
        type=click.Choice(["current", "x86_64", "arm64", "both"]),
        default="current",
        show_default=True,
        help="Which architectures to consider.",
    ),
)
_HOW = (
    click.option(
        "--html",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the picture, table and template lines to one HTML file.",
    ),
    click.option("--picture/--no-picture", default=True, help="Draw the picture in the terminal."),
)


def what_options(command: Command) -> Command:
    """Add the options that say what to look for."""
    return _add(command, _WHAT)


def sizing_options(command: Command) -> Command:
    """Add the options that say what to look for and how to show it."""
    return _add(_add(command, _HOW), _WHAT)


def _add(command: Command, options: tuple[Any, ...]) -> Command:
    decorated: Any = command
    for option in reversed(options):
        decorated = option(decorated)
    result: Command = decorated
    return result


def choices_of(
    settings: Settings,
    *,
    objective: str | None = None,
    min_memory: int | None = None,
    max_memory: int | None = None,
    step: int | None = None,
    sizes: str | None = None,
    architecture: str = "current",
) -> Choices:
    """The settings' choices with what was typed in front.

    Raises:
        UsageError: a value that is not one.
    """
    from lambda_autotuner.errors import UsageError
    from lambda_autotuner.measurement import Choices
    from lambda_autotuner.tuning.objective import parse_objective
    from lambda_autotuner.tuning.units import ARCHITECTURES, architecture_name, memory_size

    choices = Choices.from_settings(settings)
    if objective is not None:
        choices = replace(choices, objective=parse_objective(objective))
    rails = settings.guardrails
    if min_memory is not None:
        low = max(memory_size(min_memory), rails.min_memory_mb)
        choices = replace(choices, minimum_mb=low)
    if max_memory is not None:
        high = min(memory_size(max_memory), rails.max_memory_mb)
        choices = replace(choices, maximum_mb=high)
    if choices.minimum_mb > choices.maximum_mb:
        raise UsageError(
            f"The smallest memory size ({choices.minimum_mb} MB) is above the largest "
            f"({choices.maximum_mb} MB)."
        )
    if step is not None:
        if step < 1:
            raise UsageError(f"--step must be at least 1 MB, not {step}.")
        choices = replace(choices, step_mb=step)
    if sizes is not None:
        choices = choices.with_sizes(parse_sizes(sizes))
    if architecture == "both":
        choices = replace(choices, architectures=ARCHITECTURES)
    elif architecture != "current":
        choices = replace(choices, architectures=(architecture_name(architecture),))
    return choices


def parse_sizes(text: str) -> tuple[int, ...]:
    """Memory sizes in MB separated by commas.

    Raises:
        UsageError: one is not a memory size.
    """
    from lambda_autotuner.errors import UsageError
    from lambda_autotuner.tuning.units import memory_size

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdigit() for part in parts):
        raise UsageError(f"--sizes takes whole numbers of MB such as 128,256,512, not {text!r}.")
    return tuple(memory_size(int(part)) for part in parts)


def show(door: Door, result: Sized, *, html: Path | None, picture: bool) -> None:
    """Hand out a recommendation: JSON, or words and a picture; and the page where asked for."""
    from lambda_autotuner.report import page, summary, terminal

    parts = summary.lines(result.answer, f"{result.function}: {result.verdict}")
    parts += ["", *(f"Caution: {text}" for text in result.cautions)] if result.cautions else []
    if picture and not door.json and result.answer.curve:
        width = min(max(door.out.width, 60), 110)
        drawn = terminal.draw(result.chart(), width=width)
        parts += ["", drawn]
    from rich.text import Text

    door.emit(result.to_dict(), text=Text("\n".join(parts)))
    if html is not None:
        page.write(result.chart(), html)
        door.say(f"The page is in {html}.", style="dim")
