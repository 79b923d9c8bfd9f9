"""`lambda-autotuner chat`: a conversation at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.agent.reading.speech import agrees_plainly
from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_DONE, AutotunerError

if TYPE_CHECKING:
    from lambda_autotuner.agent import Agent, Answer, Proposal
    from lambda_autotuner.cli.conversation import Screen

HELP = """/help              this list
/good [comment]    the last answer was good (kept with its trace)
/bad [comment]     the last answer was bad
/pending           proposals that wait for a decision
/approve ID        carry a proposal out
/reject ID         reject a proposal
/tools             the tools there are
/trace             the last answer's trace
/model             which model answers
/history           your questions so far
/quit              leave (Ctrl-D does the same; Ctrl-C stops the present answer)"""


@click.command("chat")
@click.option(
    "--session",
    default="default",
    show_default=True,
    help="Name of the conversation; it survives a restart.",
)
@click.option("--model", help="offline, or provider:name.")
@common_options
@pass_door
def command(door: Door, session: str, model: str | None) -> int:
    """Talk to the agent. Reads lines from a pipe as well."""
    door.override(model=model)
    return chat(door, session)


def chat(door: Door, session: str, *, announce: bool = True) -> int:
    """Hold a conversation until the person leaves."""
    import mlflow_integration as tracing
    from lambda_autotuner.agent import build_agent
    from lambda_autotuner.cli.conversation import Screen, start_tracing

    if announce:
        start_tracing(door)
    with (
        door.open_workspace() as workspace,
        build_agent(settings=door.settings, workspace=workspace) as agent,
    ):
        talk = Conversation(door, agent, session, Screen(door))
        with tracing.track_agent_execution(name="conversation", session_id=session, log_run=False):
            talk.run()
    return EXIT_DONE


class Conversation:
    """One person's conversation: reading, answering, commands."""

    def __init__(self, door: Door, agent: Agent, session: str, screen: Screen) -> None:
        self._door = door
        self._agent = agent
        self._session = session
        self._screen = screen
        self._last: Answer | None = None
        self._asked: list[str] = []

    def run(self) -> None:
        """Read and answer until the end of the input."""
        interactive = sys.stdin.isatty()
        if interactive:
            self._door.say(
                f"session {self._session}, model {self._agent.model_name}. /help lists the commands.",
                style="dim",
            )
        read = self._reader(interactive=interactive)
        while True:
            try:
                line = read()
            except EOFError:
                return
            except KeyboardInterrupt:
                if not interactive:
                    return
                self._door.say("Ctrl-D or /quit leaves the conversation", style="dim")
                continue
            if line is None:
                return
            if line.strip() and not self._handle(line.strip()):
                return

    def _reader(self, *, interactive: bool) -> Any:
        if not interactive:
            # A pipe may hold anything: bytes that are no text are shown as such, not fatal.
            return lambda: sys.stdin.buffer.readline().decode("utf-8", "replace") or None
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        path = self._door.settings.state_dir / "chat_history"
        path.touch(mode=0o600, exist_ok=True)
        prompt: PromptSession[str] = PromptSession(history=FileHistory(str(path)))
        return lambda: prompt.prompt("> ")

    def _handle(self, line: str) -> bool:
        """Answer one line; False ends the conversation."""
        if line.startswith("/"):
            return self._command(line)
        if line.lower() in {"exit", "quit"}:
            return False
        if agrees_plainly(line) and (shown := self._just_shown()) is not None:
            self._decide_shown(shown)
            return True
        self._asked.append(line)
        approve = self._screen.approve if sys.stdin.isatty() and sys.stderr.isatty() else None
        try:
            with self._screen.progress() as listener:
                self._last = self._agent.ask(line, self._session, approve, listener=listener)
            self._show(self._last)
        except KeyboardInterrupt:
            self._door.say("stopped; nothing was changed", style="yellow")
        except AutotunerError as error:
            self._door.say(f"error: {error}", style="red")
        return True

    def _just_shown(self) -> Proposal | None:
        """The one proposal that waits, where the last answer showed it: a yes can mean no other."""
        waiting = self._agent.pending(self._session)
        if self._last is None or len(waiting) != 1:
            return None
        return next((p for p in self._last.proposals if p.id == waiting[0].id), None)

    def _decide_shown(self, proposal: Proposal) -> None:
        """Carry out what a plain yes agreed to; outside the model, and once."""
        typed = sys.stdin.isatty()
        if not typed and self._agent.workspace.account.kind != "sandbox":
            # What comes through a pipe may be anybody's text, as with `ask --yes`.
            self._door.say(
                f"A yes from a pipe decides in sandbox accounts only; /approve {proposal.id} at a terminal."
            )
            return
        try:
            self._decide(proposal.id, approved=True)
        except AutotunerError as error:
            self._door.say(f"error: {error}", style="red")
        self._last = None

    def _show(self, answer: Answer) -> None:
        if self._door.json:
            self._door.emit(answer.to_dict())
            return
        self._screen.answer(answer, stream=True)
        if sys.stdout.isatty():
            self._screen.chart(answer)

    def _command(self, line: str) -> bool:
        name, _, rest = line[1:].partition(" ")
        handlers: dict[str, Callable[[], None]] = {
            "help": lambda: self._door.say(HELP),
            "good": lambda: self._rate(rest, good=True),
            "bad": lambda: self._rate(rest, good=False),
            "pending": self._pending,
            "approve": lambda: self._decide(rest.strip(), approved=True),
            "reject": lambda: self._decide(rest.strip(), approved=False),
            "tools": self._tools,
            "trace": lambda: self._door.say(
                self._last.trace_id if self._last and self._last.trace_id else "There is no trace."
            ),
            "model": lambda: self._door.say(self._agent.model_name),
            "history": self._history,
        }
        if name in {"quit", "exit", "q"}:
            return False
        handler = handlers.get(name)
        if handler is None:
            self._door.say(f"There is no /{name}. /help lists the commands.")
            return True
        try:
            handler()
        except AutotunerError as error:
            self._door.say(f"error: {error}", style="red")
        return True

    def _history(self) -> None:
        """The person's messages of this conversation, those before a restart included."""
        kept = self._agent.history(self._session)
        asked = [str(message.text) for message in kept if message.type == "human"]
        self._door.say("\n".join(asked or self._asked) or "No questions yet.")

    def _rate(self, comment: str, *, good: bool) -> None:
        import mlflow_integration as tracing

        if self._last is None or self._last.trace_id is None:
            self._door.say("There is no traced answer to rate.")
            return
        tracing.log_assessment(
            self._last.trace_id,
            "helpful",
            good,
            rationale=comment.strip() or None,
            source_type="HUMAN",
        )
        self._door.say("Noted with the trace, thank you.")

    def _pending(self) -> None:
        waiting = self._agent.pending(self._session)
        for proposal in waiting:
            self._screen.proposal(proposal)
            self._door.say(f"/approve {proposal.id} or /reject {proposal.id}")
        if not waiting:
            self._door.say("Nothing waits for a decision.")

    def _decide(self, proposal_id: str, approved: bool) -> None:  # noqa: FBT001 - a decision is a yes or a no
        if not proposal_id:
            self._door.say("Name the proposal; /pending lists them.")
            return
        decision = self._agent.decide(proposal_id, approved)
        self._door.say(decision.text, style="green" if decision.executed else None)

    def _tools(self) -> None:
        from lambda_autotuner.agent.tools import catalogue

        for tool in catalogue():
            self._door.say(f"{tool.name:24} {tool.description}")
