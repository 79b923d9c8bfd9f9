"""What a process does in which a crash is planted: it dies by SIGKILL at one numbered boundary.

A boundary is the moment before and the moment after each write: of the account and of the journal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lambda_autotuner import rollout
from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.aws.operations import find_operation
from lambda_autotuner.journal import Journal
from lambda_autotuner.journal.database import Database
from lambda_autotuner.sandbox.process import control
from lambda_autotuner.settings import Settings


@dataclass
class Crash:
    """Counts boundaries; at `at` the process dies. `at` 0 never dies."""

    at: int
    seen: int = 0

    def boundary(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def plant(crash: Crash) -> Callable[[], None]:
    """Count every write from now on; returns what takes it back."""
    call, write = Account.call, Database._write

    def counted_call(self: Account, service: str, operation: str, /, **parameters: Any) -> Any:
        if not find_operation(service, operation).writes:
            return call(self, service, operation, **parameters)
        crash.boundary()
        try:
            return call(self, service, operation, **parameters)
        finally:
            crash.boundary()

    @contextmanager
    def counted_write(self: Database) -> Iterator[Any]:
        crash.boundary()
        with write(self) as connection:
            yield connection
        crash.boundary()

    Account.call = counted_call  # type: ignore[method-assign]
    Database._write = counted_write  # type: ignore[method-assign]

    def restore() -> None:
        Account.call = call  # type: ignore[method-assign]
        Database._write = write  # type: ignore[method-assign]

    return restore


@dataclass(frozen=True)
class Job:
    """Where and what the process works on; everything can be sent to another process."""

    endpoint_url: str
    account_id: str
    journal_url: str
    settings: Settings
    verb: str
    function: str
    changes: dict[str, Any]
    plan_id: str = ""


def warm() -> None:
    """Load what every child needs; called once where the children fork from."""
    nowhere = AccountTarget(
        "sandbox",
        region="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        access_key_id="0" * 12,
        secret_access_key="x",
    )
    with Account.connect(nowhere) as account:
        for service in ("lambda", "cloudwatch", "iam", "sts"):
            account.client(service)


def target(job: Job) -> AccountTarget:
    return AccountTarget(
        "sandbox",
        region="us-east-1",
        endpoint_url=job.endpoint_url,
        access_key_id=job.account_id,
        secret_access_key="sandbox",
    )


def work(job: Job) -> None:
    """Do a verb from its beginning to its end."""
    with Account.connect(target(job)) as account, Journal(job.journal_url) as journal:
        if job.verb == "apply":
            _apply(account, journal, job)
        elif job.verb == "rollback":
            rollout.roll_back(account, journal, job.settings, job.plan_id, actor="child")
        elif job.verb == "watch":
            _watch(account, journal, job)


def _apply(account: Account, journal: Journal, job: Job) -> None:
    plan = rollout.make_plan(account, journal, job.settings, job.function, changes=job.changes).plan
    rollout.decide(journal, plan.id, approved=True, actor="child", source="python")
    rollout.apply_plan(account, journal, job.settings, plan.id, actor="child")


def _watch(account: Account, journal: Journal, job: Job) -> None:
    for _ in range(8):
        body = {"seconds": 45 * 60, "account_id": job.account_id}
        control(job.endpoint_url, "POST", "advance", body)
        watched = rollout.watch_plan(account, journal, job.settings, job.plan_id, actor="child")
        if watched.settled:
            return


def crash_at(job: Job, at: int) -> None:
    """The body of a process that dies at a boundary."""
    plant(Crash(at))
    work(job)


def count_boundaries(job: Job) -> int:
    """How many boundaries a verb has, without a crash."""
    crash = Crash(0)
    restore = plant(crash)
    try:
        work(job)
    finally:
        restore()
    return crash.seen


def race(job: Job, barrier: Any, results: Any) -> None:
    """Approve and apply a plan together with somebody else who does the same."""
    with Account.connect(target(job)) as account, Journal(job.journal_url) as journal:
        barrier.wait()
        wins = []
        for verb in ("approve", "apply"):
            try:
                if verb == "approve":
                    rollout.decide(journal, job.plan_id, approved=True, actor="x", source="python")
                else:
                    rollout.apply_plan(account, journal, job.settings, job.plan_id, actor="x")
                wins.append(verb)
            except rollout.ConflictError:
                raise
            except Exception as error:  # noqa: BLE001 - what a loser meets is the result here
                wins.append(type(error).__name__)
        results.put(wins)


if __name__ == "crashing" and os.environ.get("PYTHONPATH") == os.path.dirname(__file__):  # noqa: PTH120
    warm()
