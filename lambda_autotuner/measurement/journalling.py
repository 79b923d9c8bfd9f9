"""What a measurement is about to do, written down first, so that the next command can undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.session import Account
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement.cleanup import Kind, Undone, undo


@dataclass(frozen=True, slots=True)
class Steps:
    """Journals the steps of one run on one function."""

    account: Account
    journal: Journal
    run_id: str
    function: str

    def begin(self, kind: Kind, **detail: Any) -> int:
        """Write down a step before it is done; returns what `finish` takes."""
        return self.journal.begin_intent(
            run_id=self.run_id,
            kind=str(kind),
            account_id=self.account.account_id,
            region=self.account.region,
            function=self.function,
            detail={"function": self.function, **detail},
        )

    def finish(self, intent_id: int, undone: Undone) -> None:
        """Write down that a step is undone."""
        self.journal.finish_intent(intent_id, outcome="undone", detail={"done": list(undone.done)})

    @contextmanager
    def until_undone(self, kind: Kind, **detail: Any) -> Iterator[Callable[[], Undone]]:
        """Journal a step, and undo it at the end however the block is left.

        The block may undo it earlier by calling what it is given.
        """
        intent_id = self.begin(kind, **detail)
        finished: list[Undone] = []
        arguments: Mapping[str, Any] = {"function": self.function, **detail}

        def undo_now() -> Undone:
            if not finished:
                finished.append(undo(self.account, kind, arguments))
                self.finish(intent_id, finished[0])
            return finished[0]

        try:
            yield undo_now
        finally:
            undo_now()
