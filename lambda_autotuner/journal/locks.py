"""Locks between processes that die with their holder, so that kill -9 leaves none behind."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from lambda_autotuner.errors import AccountError, RefusedError
from lambda_autotuner.journal.schema import ADVISORY_NAMESPACE


class BusyError(RefusedError):
    """Another process is at work on the same thing."""


class LostLockError(AccountError):
    """The lock was lost with the connection that held it: somebody else may be at work by now."""


Check = Callable[[], None]
_IN_PROCESS: dict[str, threading.Lock] = {}
_GUARD = threading.Lock()


@contextmanager
def hold(engine: Engine, name: str) -> Iterator[Check]:
    """Hold a named lock, or refuse at once.

    Files serve SQLite and session locks serve PostgreSQL: the system frees both when the holder
    dies, which no lease in a table would. A session lock dies with its connection, too: whoever
    is about to write asks the check that this yields.

    Raises:
        BusyError: somebody else holds it.
        LostLockError: (the check) it is not held any more.
    """
    key = f"{engine.url.render_as_string(hide_password=True)}|{name}"
    with _GUARD:
        inner = _IN_PROCESS.setdefault(key, threading.Lock())
    if not inner.acquire(blocking=False):
        raise _busy(name)
    try:
        if engine.dialect.name == "postgresql":
            with _hold_advisory(engine, name) as check:
                yield check
        elif engine.url.database and engine.url.database != ":memory:":
            with _hold_file(Path(engine.url.database), name):
                yield _always
        else:
            yield _always
    finally:
        inner.release()


def _always() -> None:
    """A file lock lasts as long as its process."""


def _busy(name: str) -> BusyError:
    return BusyError(
        f"Another process is at work on {name}.",
        remedy="Wait for it to end, then look with `lambda-autotuner history`.",
    )


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@contextmanager
def _hold_file(database: Path, name: str) -> Iterator[None]:
    folder = database.with_name(f"{database.name}.locks")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / f"{_digest(name).hex()[:24]}.lock", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _busy(name) from None
    try:
        yield
    finally:
        lock.release()


_HELD = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = :space AND objid = :unsigned AND pid = pg_backend_pid()"
)


@contextmanager
def _hold_advisory(engine: Engine, name: str) -> Iterator[Check]:
    number = int.from_bytes(_digest(name)[:4], "big", signed=True)
    arguments = {"space": ADVISORY_NAMESPACE, "number": number}
    unsigned = {"space": ADVISORY_NAMESPACE, "unsigned": number % (1 << 32)}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = connection.scalar(
            sa.text("SELECT pg_try_advisory_lock(:space, :number)"), arguments
        )
        if not taken:
            raise _busy(name)

        def check() -> None:
            try:
                held = bool(connection.scalar(sa.text(_HELD), unsigned))
            except (DBAPIError, InvalidRequestError) as error:
                raise _lost(name) from error
            if not held:
                raise _lost(name)

        try:
            yield check
        finally:
            # A lost connection has freed it already.
            with suppress(DBAPIError, InvalidRequestError):
                connection.execute(sa.text("SELECT pg_advisory_unlock(:space, :number)"), arguments)


def _lost(name: str) -> LostLockError:
    return LostLockError(
        f"The connection to the journal broke while {name} was held: nothing more was sent.",
        remedy="The next command looks at the account and finishes or undoes what was begun.",
    )


def function_lock(account_id: str, region: str, function: str) -> str:
    """The name of the lock that whoever changes a function holds."""
    return f"function {function} in {account_id}/{region}"
