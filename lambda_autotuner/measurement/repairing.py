"""What the next command does after a measurement was killed: it undoes what is still open."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.journal.locks import BusyError
from lambda_autotuner.journal.records import Intent
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement.cleanup import Kind, Sleep, undo

_LOG = logging.getLogger(__name__)
_KINDS = tuple(str(kind) for kind in Kind)


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found and done about one function.

    Attributes:
        function: Whose leftovers.
        done: What was undone, in words; empty when a step had been journalled but never happened.
        failed: Why something could not be undone yet; empty when everything was.
    """

    function: str
    done: tuple[str, ...]
    failed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "function": self.function,
            "done": list(self.done),
            "failed": self.failed or None,
        }


def lock_name(account: Account, function: str) -> str:
    """The lock that a measurement of a function holds while it lives."""
    return f"measurement {account.account_id} {account.region} {function}"


def repair(account: Account, journal: Journal, *, sleep: Sleep = time.sleep) -> list[Repair]:
    """Undo what killed measurements left behind in this account and region.

    A measurement that is still alive holds a lock that dies with its process, so its steps are
    left alone. Nothing is asked of the account when nothing is open.
    """
    repairs = []
    left = _open(account, journal)
    for function in sorted({intent.function for intent in left}):
        try:
            with journal.hold(lock_name(account, function)):
                repairs.append(undo_open(account, journal, function, sleep=sleep))
        except BusyError:
            continue
    return repairs


def undo_open(
    account: Account, journal: Journal, function: str, *, sleep: Sleep = time.sleep
) -> Repair:
    """Undo every open step of one function, newest first; the caller holds its lock."""
    done: list[str] = []
    for intent in _open(account, journal, function):
        try:
            undone = undo(account, Kind(intent.kind), intent.detail, sleep=sleep)
        except (AwsError, MissingError) as error:
            _LOG.warning("step %s of %s cannot be undone yet: %s", intent.kind, function, error)
            return Repair(function, tuple(done), str(error))
        journal.finish_intent(intent.id, outcome="repaired", detail={"done": list(undone.done)})
        done += undone.done
    return Repair(function, tuple(done))


def _open(account: Account, journal: Journal, function: str | None = None) -> list[Intent]:
    found = journal.open_intents(account.account_id, account.region, function=function)
    return [intent for intent in found if intent.kind in _KINDS]
