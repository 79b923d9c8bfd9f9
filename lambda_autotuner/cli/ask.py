"""`lambda-autotuner ask`: one question, one answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_DONE, UsageError

if TYPE_CHECKING:
    from lambda_autotuner.agent import Answer, Proposal


@click.command("ask")
@click.argument("question", nargs=-1)
@click.option("--session", help="Go on with the conversation of this name.")
@click.option("--model", help="offline, or provider:name.")
@click.option(
    "--yes", is_flag=True, help="Approve what this question proposes (sandbox accounts only)."
)
@common_options
@pass_door
def command(
    door: Door, /, *, question: tuple[str, ...], session: str | None, model: str | None, yes: bool
) -> int:
    """Ask one QUESTION ('-' reads it from standard input).

    The answer goes to standard output, progress to standard error. What it proposes waits for
    approval: at a terminal you are asked, elsewhere it stays pending.
    """
    text = read_question(question)
    door.override(model=model)
    answer = ask(door, text, session=session, yes=yes)
    door.emit(answer.to_dict(), text=_plain(answer.text))
    return EXIT_DONE


def read_question(words: tuple[str, ...]) -> str:
    """The question from the command line, or from standard input for '-' or a pipe.

    Raises:
        UsageError: there is no question.
    """
    if words == ("-",) or (not words and not sys.stdin.isatty()):
        text = sys.stdin.buffer.read(400_000).decode("utf-8", "replace").strip()
    else:
        text = " ".join(words).strip()
    if not text:
        raise UsageError(
            "There is no question.",
            remedy='Write one: lambda-autotuner ask "which functions waste the most money?"',
        )
    return text


def ask(
    door: Door, text: str, *, session: str | None = None, yes: bool = False, announce: bool = True
) -> Answer:
    """Put one question to the agent, with progress and approval as far as a terminal allows."""
    from lambda_autotuner.agent import build_agent
    from lambda_autotuner.cli.conversation import Screen, start_tracing

    if announce:
        start_tracing(door)
    with (
        door.open_workspace() as workspace,
        build_agent(settings=door.settings, workspace=workspace) as agent,
    ):
        screen = Screen(door)
        if yes and workspace.account.kind != "sandbox":
            raise UsageError(
                "--yes approves in sandbox accounts only.",
                remedy="Use `lambda-autotuner approve PLAN`.",
            )
        approve: Callable[[Proposal], bool] | None = None
        if yes:
            approve = _always
        elif sys.stdin.isatty() and sys.stderr.isatty() and not door.json:
            approve = screen.approve
        with screen.progress() as listener:
            return agent.ask(text, session, approve, listener=listener)


def _always(_: Proposal) -> bool:
    return True


def _plain(text: str) -> object:
    from rich.text import Text

    return Text(text)
