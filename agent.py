"""Ask the agent: `python agent.py "question"` answers once, `python agent.py` holds a conversation."""

from __future__ import annotations

import sys

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.cli.main import run


@click.command("agent.py")
@click.argument("question", nargs=-1)
@click.option("--session", help="Name of a conversation to go on with.")
@click.option("--model", help="offline, or provider:name.")
@common_options
@pass_door
def command(door: Door, question: tuple[str, ...], session: str | None, model: str | None) -> int:
    """Answer QUESTION, or hold a conversation without one."""
    from lambda_autotuner.cli.conversation import print_start_up

    door.override(model=model)
    print_start_up(door)
    if question:
        from rich.text import Text

        from lambda_autotuner.cli.ask import ask, read_question

        answer = ask(door, read_question(question), session=session, announce=False)
        door.emit(answer.to_dict(), text=Text(answer.text))
        return 0
    from lambda_autotuner.cli.chat import chat

    return chat(door, session or "default", announce=False)


if __name__ == "__main__":
    sys.exit(run(command))
