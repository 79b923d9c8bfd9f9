"""Progress as one line that is written over on a terminal, and nothing but its end in a pipe."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status


class LiveLine:
    """What is being done right now; use it in a `with` statement.

    On a terminal each text replaces the one before and the last one goes away at the end. Where
    a line cannot be written over (a pipe, a file, TERM=dumb) nothing is written, so whatever the
    reader needs to know afterwards has to be said once it is over.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def show(self, text: str) -> None:
        """Write over the line."""
        if self._status is not None:
            # One row only: a line that wraps cannot be taken back by every terminal.
            self._status.update(text[: max(self._console.width - 4, 20)])

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._status = self._console.status("", spinner="line")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
