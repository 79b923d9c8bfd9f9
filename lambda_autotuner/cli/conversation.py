"""What ask and chat show a person: progress, answers, approvals with their difference."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambda_autotuner.cli.door import Door

if TYPE_CHECKING:
    from rich.status import Status

    from lambda_autotuner.agent import Answer, Proposal
    from lambda_autotuner.agent.turn import Progress

_WORD_SECONDS = 0.004
_LONG_ANSWER = 4_000
_SHOWN_ARGUMENTS = ("function", "search", "sort_by", "log_group", "topic", "plan_id", "name")


def start_tracing(door: Door) -> None:
    """Start tracing; what a person should know of it goes to standard error."""
    import mlflow_integration as tracing

    status = tracing.initialize_mlflow(state_dir=door.settings.state_dir)
    if door.json or (status.enabled and not door.verbose):
        return
    for line in status.banner_lines():
        if door.verbose or not line.startswith(("=", "Initializing")):
            door.say(line, style="dim")


def print_start_up(door: Door) -> None:
    """Start tracing with the start-up block of the tracing guide, on standard error."""
    import mlflow_integration as tracing

    status = tracing.initialize_mlflow(state_dir=door.settings.state_dir)
    for line in status.banner_lines():
        door.say(line)


class Screen:
    """A person's terminal, as far as the agent is concerned."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._status: Status | None = None

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None] | None]:
        """Tell on standard error which tools run, while the block does."""
        if self._door.json or not sys.stderr.isatty():
            yield self._log if self._door.verbose else None
            return
        from rich.status import Status

        running: dict[str, float] = {}
        with Status("thinking", console=self._door.err, spinner="dots") as status:
            self._status = status

            def listen(progress: Progress) -> None:
                if progress.kind == "tool_start":
                    running[progress.name] = time.monotonic()
                elif progress.kind == "tool_end":
                    running.pop(progress.name, None)
                    self._log(progress)
                status.update(", ".join(running) or "writing")

            yield listen

    def _log(self, progress: Progress) -> None:
        if progress.kind != "tool_end":
            return
        about = next(
            (str(progress.arguments[n]) for n in _SHOWN_ARGUMENTS if progress.arguments.get(n)), ""
        )
        mark = {"ok": "done", "known": "known already"}.get(
            progress.outcome or "", progress.outcome or ""
        )
        seconds = progress.duration_seconds or 0.0
        self._door.say(f"  {progress.name} {about}  {mark} {seconds * 1000:.0f} ms", style="dim")

    def answer(self, answer: Answer, *, stream: bool) -> None:
        """Show an answer; streamed word by word at a terminal."""
        from rich.text import Text

        console = self._door.out
        if not stream or len(answer.text) > _LONG_ANSWER or not sys.stdout.isatty():
            console.print(Text(answer.text))
            return
        for line in answer.text.splitlines():
            self._stream(line, console.width)

    def _stream(self, line: str, width: int) -> None:
        """One line, word by word, broken between words as a paragraph is."""
        from rich.cells import cell_len
        from rich.text import Text

        column = 0
        for word in line.split(" "):
            if column and column + cell_len(word) >= width:
                self._door.out.print()
                column = 0
            self._door.out.print(Text(word + " "), end="", soft_wrap=True)
            column += cell_len(word) + 1
            time.sleep(_WORD_SECONDS)
        self._door.out.print()

    def chart(self, answer: Answer) -> None:
        """A small picture of a recommendation's cost by memory size, where there is one."""
        import json

        for call in answer.tool_calls:
            if call.name != "get_recommendation" or call.outcome != "ok":
                continue
            try:
                data = json.loads(call.output)
            except ValueError:
                continue
            points = [
                p
                for p in data.get("sizes") or []
                if p.get("architecture") == data.get("current_architecture")
            ]
            if len(points) > 2:  # noqa: PLR2004 - less is no picture
                self._bars(data["function"], points, data.get("recommended_memory_mb"))

    def _bars(self, function: str, points: list[dict[str, Any]], pick: int | None) -> None:
        from rich.table import Table
        from rich.text import Text

        most = max(p["cost_usd_per_million"] for p in points)
        self._door.out.print(
            Text(f"{function}: expected cost and duration by memory size", "italic")
        )
        table = Table(box=None)
        for name in ("memory", "mean", "$ a million", ""):
            table.add_column(name, justify="right" if name else "left")
        for p in points:
            bar = "\u2588" * max(1, round(24 * p["cost_usd_per_million"] / most))
            style = (
                "green"
                if p["memory_mb"] == pick
                else ("dim" if not p.get("allowed", True) else None)
            )
            table.add_row(
                f"{p['memory_mb']} MB",
                f"{p['mean_ms']:,.0f} ms",
                f"{p['cost_usd_per_million']:.2f}",
                bar,
                style=style,
            )
        self._door.out.print(table)

    def approve(self, proposal: Proposal) -> bool:
        """Show a proposal's difference and ask once; anything but yes is no."""
        if self._status is not None:
            self._status.stop()
        self.proposal(proposal)
        try:
            reply = input("Carry it out? [y/N] ")
        except EOFError:
            return False
        return reply.strip().lower() in {"y", "yes"}

    def proposal(self, proposal: Proposal) -> None:
        """The difference, the price and the warnings of a proposal."""
        from rich.table import Table
        from rich.text import Text

        say = self._door.err.print
        say(Text(proposal.summary, style="bold"))
        if proposal.differences:
            table = Table(box=None, pad_edge=False)
            for name in ("setting", "now", "then"):
                table.add_column(name)
            for row in proposal.differences:
                table.add_row(
                    row.name,
                    Text(f"- {row.before}", style="red"),
                    Text(f"+ {row.after}", style="green"),
                )
            say(table)
        if proposal.price_usd is not None:
            say(Text(f"It costs at most ${proposal.price_usd:.4f}."))
        if proposal.saving_usd_month is not None:
            verb = "saves" if proposal.saving_usd_month >= 0 else "costs"
            say(Text(f"It {verb} about ${abs(proposal.saving_usd_month):,.2f} a month."))
        for warning in proposal.warnings:
            say(Text(f"! {warning}", style="yellow"))
