"""Locks between processes that die with their holder, so that kill -9 leaves none behind."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Engine

from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal.schema import ADVISORY_NAMESPACE


class BusyError(RefusedError):
    """Another process is at work on the same thing."""


_IN_PROCESS: dict[str, threading.Lock] = {}
_GUARD = threading.Lock()


@contextmanager
def hold(engine: Engine, name: str) -> Iterator[None]:
    """Hold a named lock, or refuse at once.

    Files serve SQLite and session locks serve PostgreSQL: the system frees both when the holder
    dies, which no lease in a table would.

    Raises:
        BusyError: somebody else holds it.
    """
    key = f"{engine.url.render_as_string(hide_password=True)}|{name}"
    with _GUARD:
        inner = _IN_PROCESS.setdefault(key, threading.Lock())
    if not inner.acquire(blocking=False):
        raise _busy(name)
    try:
        if engine.dialect.name == "postgresql":
            with _hold_advisory(engine, name):
                yield
        elif engine.url.database and engine.url.database != ":memory:":
            with _hold_file(Path(engine.url.database), name):
                yield
        else:
            yield
    finally:
        inner.release()


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


@contextmanager
def _hold_advisory(engine: Engine, name: str) -> Iterator[None]:
    number = int.from_bytes(_digest(name)[:4], "big", signed=True)
    arguments = {"space": ADVISORY_NAMESPACE, "number": number}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = connection.scalar(
            sa.text("SELECT pg_try_advisory_lock(:space, :number)"), arguments
        )
        if not taken:
            raise _busy(name)
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:space, :number)"), arguments)


def function_lock(account_id: str, region: str, function: str) -> str:
    """The name of the lock that whoever changes a function holds."""
    return f"function {function} in {account_id}/{region}"
