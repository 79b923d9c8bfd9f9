"""`lambda-autotuner sandbox`: serve, start, stop, age and reset the embedded account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from lambda_autotuner.cli.door import Door, Finite, common_options, pass_door
from lambda_autotuner.errors import EXIT_NEGATIVE, UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@click.group("sandbox", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """An AWS account on this machine, for any AWS client: functions, traffic, metrics, logs."""


def _directory(door: Door) -> Path:
    from lambda_autotuner.workspace import SANDBOX_FOLDER

    return Path(door.settings.state_dir) / SANDBOX_FOLDER


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no span of time.", remedy="Write for example 90m, 36h or 14d."
        )
    return float(match[1]) * _UNITS[match[2]]


def _moment_ms(text: str) -> int:
    import datetime as dt

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time.", remedy="Write for example 2026-11-22T10:00:00Z."
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return round(moment.timestamp() * 1000)


def exports(endpoint_url: str, region: str = "us-east-1") -> list[str]:
    """The lines that point any AWS client at the sandbox."""
    return [
        f"export AWS_ENDPOINT_URL={endpoint_url}",
        f"export AWS_REGION={region} AWS_DEFAULT_REGION={region}",
        "export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=sandbox",
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
    ]


@command.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4570,
    show_default=True,
    help="0: any free one.",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path),
    help="Measured durations to replay (CSV, may be .gz).",
)
@click.option(
    "--functions",
    type=click.IntRange(0, 100_000),
    help="How many functions; the catalogue's by default.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="What everything random follows from.",
)
@click.option("--now", help="Let the clock stand at this time (it ticks per request).")
@click.option("--settle", type=Finite(0, 3600), help="Seconds for which an update is in progress.")
@click.option(
    "--pace",
    type=Finite(0, 100),
    default=0.0,
    show_default=True,
    help="0 accounts durations, 1 waits them out.",
)
@click.option("--handlers", is_flag=True, help="Run uploaded Python handlers for real.")
@common_options
@pass_door
def serve_command(
    door: Door,
    port: int,
    curves: Path | None,
    functions: int | None,
    seed: int,
    now: str | None,
    settle: float | None,
    pace: float,
    *,
    handlers: bool,
) -> None:
    """Serve an account in the foreground until interrupted; nothing is kept afterwards."""
    from lambda_autotuner.sandbox.serving import Options, serve

    options = Options(
        port=port,
        seed=seed,
        functions=functions,
        curves=str(curves) if curves else None,
        now_ms=_moment_ms(now) if now else None,
        settle_seconds=settle,
        pace=pace,
        handlers=handlers,
    )

    def listening(endpoint_url: str) -> None:
        door.emit({"endpoint_url": endpoint_url}, "\n".join(exports(endpoint_url)))
        door.say("Serving on 127.0.0.1 only; Ctrl-C ends it.", style="dim")

    serve(options, on_listening=listening)


@command.command("start")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="A fixed port; any free one by default.",
)
@common_options
@pass_door
def start_command(door: Door, port: int) -> None:
    """Start (or find) the account that commands share, and print the lines to paste."""
    from lambda_autotuner.sandbox.process import attach_or_start

    settings = door.settings.sandbox
    running = attach_or_start(
        _directory(door),
        functions=settings.functions,
        seed=settings.seed,
        curves=settings.curves,
        idle_minutes=settings.idle_minutes,
        port=port,
    )
    data = {"endpoint_url": running.endpoint_url, "pid": running.pid}
    door.emit(data, "\n".join(exports(running.endpoint_url)))


@command.command("stop")
@common_options
@pass_door
def stop_command(door: Door) -> None:
    """Stop the shared account's server; what it holds stays."""
    from lambda_autotuner.sandbox.process import stop

    stopped = stop(_directory(door))
    door.emit({"stopped": stopped}, "stopped" if stopped else "no sandbox was running")


@command.command("status")
@common_options
@pass_door
def status_command(door: Door) -> int:
    """Say whether the shared account's server runs, and what it holds."""
    from lambda_autotuner.sandbox.process import status

    running = status(_directory(door))
    if running is None:
        door.emit({"running": False}, "no sandbox is running")
        return EXIT_NEGATIVE
    health: dict[str, Any] = running.control("GET", "health")
    aged_days = health["aged_ms"] / 86_400_000
    door.emit(
        {"running": True, "endpoint_url": running.endpoint_url, **health},
        f"running at {running.endpoint_url} (process {running.pid}): account "
        f"{health['account_id']}, {health['region']}, {health['functions']} functions, "
        f"seed {health['seed']}, aged by {aged_days:g} days",
    )
    return 0


@command.command("advance")
@click.argument("span")
@common_options
@pass_door
def advance_command(door: Door, span: str) -> None:
    """Let time pass: history gets older by SPAN (such as 2h or 14d), the clock stays."""
    from lambda_autotuner.sandbox.process import advance

    seconds = _seconds(span)
    advance(_directory(door), seconds)
    door.emit({"advanced_seconds": seconds}, f"history is {span} older")


@command.command("reset")
@common_options
@pass_door
def reset_command(door: Door) -> None:
    """Put the shared account back to its beginning."""
    from lambda_autotuner.sandbox.process import reset

    running = reset(_directory(door))
    door.emit({"reset": True, "running": running}, "the sandbox is as it was at its beginning")
