"""`lambda-autotuner tune`: size a function by measuring it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambda_autotuner.cli.door import Door, Finite, common_options, pass_door
from lambda_autotuner.cli.sizing_options import choices_of, show, sizing_options

if TYPE_CHECKING:
    from lambda_autotuner.aws import Account
    from lambda_autotuner.measurement import Choices, Options, PayloadMix, Preview, Progress, Sized
    from lambda_autotuner.workspace import Workspace

_PAYLOADS = (
    click.option("--payload", metavar="JSON|@FILE", help="The event to invoke it with."),
    click.option(
        "--payloads",
        type=click.Path(dir_okay=False, path_type=Path),
        help='Weighted events: a JSON file with [{"payload": ..., "weight": 5}, ...].',
    ),
    click.option("--payload-s3", metavar="s3://BUCKET/KEY", help="The event, or weighted events, in S3."),
    click.option(
        "--events",
        type=click.Path(path_type=Path),
        help="Recorded events to sample from: one JSON event a line, or a folder of JSON files.",
    ),
    click.option("--events-sample", type=click.IntRange(1, 1000), default=10, show_default=True,
                 help="How many different recorded events to keep at most."),
    click.option("--before", metavar="ARN|COMMAND", help="Pre-processor: makes each event."),
    click.option("--after", metavar="ARN|COMMAND", help="Post-processor: gets each answer."),
)  # fmt: skip
_MEASURING = (
    click.option("--copy", "on_copy", is_flag=True,
                 help="Measure a temporary copy instead of versions of the function itself."),
    click.option("--concurrency", type=click.IntRange(1, 50), default=1, show_default=True,
                 help="Invocations under way at once."),
    click.option("--pause", type=Finite(0, 60_000), default=0.0, metavar="MS",
                 help="Pause after each invocation, in ms."),
    click.option("--allowed-error", multiple=True, metavar="TYPE",
                 help="An error type that counts as success (repeatable)."),
    click.option("--telemetry/--no-telemetry", default=None,
                 help="Let durations of production count too (default: only with --events)."),
    click.option("--max-invocations", type=click.IntRange(1, 10_000), help="Most invocations."),
    click.option("--max-cost", type=Finite(0, min_open=True), metavar="USD",
                 help="Most that they may cost together."),
    click.option("--max-seconds", type=Finite(0, min_open=True), help="Longest time."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Randomness of the search."),
    click.option("--power-tuning", "power_tuning",
                 type=click.Path(dir_okay=False, path_type=Path),
                 help="An input file of AWS Lambda Power Tuning, mapped to these options."),
    click.option("--dry-run", is_flag=True, help="Say what it would do and cost; invoke nothing."),
    click.option("--yes", "-y", is_flag=True, help="Invoke without asking."),
)  # fmt: skip


Command = TypeVar("Command", bound=Callable[..., Any])


def _add(options: tuple[Any, ...]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        decorated: Any = command
        for option in reversed(options):
            decorated = option(decorated)
        result: Command = decorated
        return result

    return decorate


@click.command("tune")
@click.argument("function")
@click.option("--qualifier", help="A version or alias (default: whatever carries the traffic).")
@_add(_PAYLOADS)
@_add(_MEASURING)
@sizing_options
@common_options
@pass_door
def command(
    door: Door,
    /,
    *,
    function: str,
    qualifier: str | None,
    dry_run: bool,
    html: Path | None,
    picture: bool,
    power_tuning: Path | None,
    **chosen: Any,
) -> None:
    """Size FUNCTION by invoking it at as few memory sizes as settle the question.

    Sizes are measured on temporary versions behind temporary aliases; everything is restored and
    removed afterwards, after a failure, Ctrl-C or a kill too. --dry-run shows the price first.
    """
    with door.open_workspace() as workspace, _terminated_like_interrupted():
        from lambda_autotuner import measurement

        if power_tuning is not None:
            from lambda_autotuner.cli.power_tuning_input import merge

            chosen = merge(door, power_tuning, chosen)
            dry_run = dry_run or chosen.pop("dry_run", False)
        payloads = _payloads(workspace.account, chosen)
        choices = _choices(workspace.settings, chosen)
        options = _options(chosen)
        common: dict[str, Any] = {
            "choices": choices,
            "qualifier": qualifier,
            "payloads": payloads,
            "options": options,
        }
        if dry_run:
            _show_preview(door, measurement.preview(workspace.account, function, **common))
            return
        result = measurement.tune(
            workspace.account,
            workspace.journal,
            function,
            confirm=None if options.agreed else _asker(door),
            on_progress=lambda progress: _tell(door, progress),
            **common,
        )
        show(door, result, html=html, picture=picture)
        if result.answer.kind == "change":
            _plan(door, workspace, result)


def _plan(door: Door, workspace: Workspace, result: Sized) -> None:
    """Write the measured change down as a plan, so that its evidence is not lost to the next verb."""
    from lambda_autotuner import rollout
    from lambda_autotuner.errors import RefusedError, UsageError

    # What was measured may be the version behind an alias; a change goes to the alias.
    qualifier = None if (result.qualifier or "").isdigit() else result.qualifier
    try:
        plan = rollout.make_plan(
            workspace.account,
            workspace.journal,
            workspace.settings,
            result.function,
            recommendation=result.answer,
            qualifier=qualifier,
            actor=rollout.current_user(),
        ).plan
    except (RefusedError, UsageError) as error:
        door.say(f"No plan was made of it: {error}")
        return
    door.say(f"Plan {plan.id}: {plan.title} (nothing has been changed)")
    door.say(
        f"Next: lambda-autotuner approve {plan.id} && lambda-autotuner apply {plan.id}", style="dim"
    )


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Restore the account when asked to terminate, as after Ctrl-C."""
    import signal
    import threading

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _choices(settings: Any, chosen: dict[str, Any]) -> Choices:
    from dataclasses import replace

    names = ("objective", "min_memory", "max_memory", "step", "sizes", "architecture")
    choices = choices_of(settings, **{name: chosen[name] for name in names})
    for option, name in (
        ("max_invocations", "max_invocations"),
        ("max_cost", "max_cost_usd"),
        ("max_seconds", "max_seconds"),
    ):
        if chosen[option] is not None:
            choices = replace(choices, **{name: chosen[option]})
    return choices


def _options(chosen: dict[str, Any]) -> Options:
    from lambda_autotuner.measurement import Options, Processor, Processors

    before, after = chosen["before"], chosen["after"]
    return Options(
        where="copy" if chosen["on_copy"] else "versions",
        concurrency=chosen["concurrency"],
        sleep_between_ms=chosen["pause"],
        processors=Processors(
            before=Processor.parse(before) if before else None,
            after=Processor.parse(after) if after else None,
        ),
        allowed_errors=tuple(chosen["allowed_error"]),
        use_telemetry=chosen["telemetry"],
        agreed=chosen["yes"],
        seed=chosen["seed"],
    )


def _payloads(account: Account, chosen: dict[str, Any]) -> PayloadMix | None:
    """The events to invoke with; None where nothing was named.

    Raises:
        UsageError: more than one source, or one that cannot be read.
    """
    from lambda_autotuner.errors import UsageError
    from lambda_autotuner.measurement import PayloadMix
    from lambda_autotuner.measurement.payloads import (
        fetch_s3,
        from_recorded,
        from_text,
        from_weighted,
        from_weighted_file,
    )

    sources = [n for n in ("payload", "payloads", "payload_s3", "events") if chosen[n] is not None]
    if len(sources) > 1:
        named = " and ".join("--" + name.replace("_", "-") for name in sources)
        raise UsageError(f"{named} cannot be combined.", remedy="Name one source of events.")
    seed = chosen["seed"]
    if not sources:
        weighted = chosen.get("weighted")
        return PayloadMix(from_weighted(weighted), seed=seed) if weighted else None
    if chosen["payload"] is not None:
        return PayloadMix([from_text(chosen["payload"])], seed=seed)
    if chosen["payloads"] is not None:
        return PayloadMix(from_weighted_file(chosen["payloads"]), seed=seed)
    if chosen["payload_s3"] is not None:
        return PayloadMix(fetch_s3(account, chosen["payload_s3"]), seed=seed)
    found = from_recorded(chosen["events"], sample=chosen["events_sample"], seed=seed)
    return PayloadMix(found, seed=seed, recorded=True)


def _asker(door: Door) -> Any:
    """Asks a person on a terminal; without one, None, so that the engine's caution decides."""
    import sys

    if door.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(preview: Preview) -> bool:
        for line in _preview_lines(preview):
            door.say(line)
        return click.confirm("Invoke it?", default=not preview.side_effects, err=True)

    return ask


def _show_preview(door: Door, preview: Preview) -> None:
    from rich.text import Text

    door.emit(preview.to_dict(), text=Text("\n".join(_preview_lines(preview))))


def _preview_lines(preview: Preview) -> list[str]:
    where = {
        "versions": "on temporary versions behind temporary aliases; $LATEST changes for seconds",
        "copy": "on a temporary copy of the function",
    }[preview.where]
    sizes = preview.sizes_mb
    price = f"At most {preview.max_invocations} invocations for never more than ${preview.at_most_usd:.4f}."
    if preview.forecast is not None:
        likely = preview.forecast
        price = (
            f"Probably about {likely.invocations} invocations for ${likely.usd:.6f} "
            f"(${likely.low_usd:.6f}..${likely.high_usd:.6f}, if the events cost what production's "
            f"do). {price}"
        )
    elif not preview.refusal:
        price = f"What they will cost is unknown, because no duration was ever recorded. {price}"
    lines = [
        f"{preview.function} ({preview.current}) would be measured {where}.",
        f"Sizes: {sizes[0]}..{sizes[-1]} MB ({len(sizes)}), {', '.join(preview.architectures)}.",
        price,
    ]
    if len(preview.payloads) > 1:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in preview.payloads.items())
        lines.append(f"Events: {shares}.")
    lines += [f"Side effects are likely: {item.evidence}." for item in preview.side_effects]
    lines += [f"Caution: {text}" for text in preview.cautions]
    if preview.refusal:
        lines.append(f"It would be refused: {preview.refusal} {preview.remedy}")
    return lines


def _tell(door: Door, progress: Progress) -> None:
    if progress.where is None:
        door.say(progress.text)
        return
    so_far = f"[{progress.invocations}/{progress.max_invocations}, ${progress.spent_usd:.6f}]"
    leader = ""
    if progress.leader is not None and progress.expected_regret_pct is not None:
        leader = f"; so far {progress.leader}, {progress.expected_regret_pct:.2g} % to lose"
    door.say(f"{so_far} {progress.text}{leader}", style="dim")
