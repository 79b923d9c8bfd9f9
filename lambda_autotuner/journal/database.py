"""The database under the journal: opening it, reading, writing in turns, and the history."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from lambda_autotuner.errors import AccountError, SettingsError
from lambda_autotuner.journal import schema
from lambda_autotuner.journal.locks import Check, LostLockError, hold
from lambda_autotuner.journal.records import Entry, from_stamp, from_text, to_stamp, to_text
from mlflow_integration.execution import active_execution

Clock = Callable[[], datetime]


def current_trace_id() -> str | None:
    """The trace of the execution that is under way in this context, if any."""
    execution = active_execution()
    return None if execution is None else execution.trace_id


class JournalError(AccountError):
    """The journal could not be read or written: locked, full, or its server is gone."""


class Database:
    """A journal's database. Thread- and process-safe."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        trace_id: Callable[[], str | None] = current_trace_id,
    ) -> None:
        """Open the journal, creating it when there is none.

        Args:
            url: SQLAlchemy URL.
            clock: where times come from.
            trace_id: the trace that new records are linked to.

        Raises:
            SettingsError: not a usable URL or file, or written by a newer version.
            AccountError: the database server cannot be reached.
        """
        self._clock = clock
        self._trace_id = trace_id
        self._held: dict[str, Check] = {}
        self.engine = schema.open_engine(schema.parse_url(url))
        try:
            with self._transaction(writes=True) as connection:
                schema.prepare(connection)
        except OperationalError as error:
            self.engine.dispose()
            raise self._unusable(error) from error
        except sa.exc.DatabaseError as error:
            self.engine.dispose()
            raise SettingsError(
                f"{self.location} is not a journal: {error.orig}.",
                remedy="Name another file with journal_url.",
            ) from error
        except SettingsError:
            self.engine.dispose()
            raise

    @property
    def location(self) -> str:
        """Where the journal is, without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    def _unusable(self, error: OperationalError) -> AccountError | SettingsError:
        reason = " ".join(str(error.orig).split())
        if self.engine.dialect.name == "postgresql":
            return AccountError(
                f"The journal {self.location} cannot be reached: {reason}.",
                remedy="Check the server and journal_url.",
            )
        return SettingsError(f"The journal {self.location} cannot be used: {reason}.")

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> datetime:
        """The journal's clock."""
        return self._clock()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a lock between processes that is free again when its holder dies.

        Raises:
            BusyError: somebody else holds it.
            JournalError: the server cannot be asked.
        """
        with ExitStack() as stack:
            with self._translated():
                self._held[name] = stack.enter_context(hold(self.engine, name))
            try:
                yield
            finally:
                del self._held[name]

    def refuse_unheld(self, name: str) -> None:
        """Make sure that a lock is held still, right before what must not happen without it.

        Raises:
            LostLockError: it was lost with its connection, or never taken.
        """
        check = self._held.get(name)
        if check is None:
            raise LostLockError(f"{name} is not held.")
        check()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            reason = " ".join(str(error.orig).split())
            raise JournalError(
                f"The journal {self.location} could not be used: {reason}.",
                remedy="Put that right (space, permissions, server) and type the command again: "
                "it looks at the account first and finishes or undoes what was begun.",
            ) from error

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with (
            self.engine.connect().execution_options(writes=writes) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._translated(), self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._translated(), self._transaction(writes=False) as connection:
            yield connection

    def new_id(self, prefix: str) -> str:
        """A short identifier that nobody can guess from others."""
        return f"{prefix}-{secrets.token_hex(5)}"

    def record(
        self,
        kind: str,
        *,
        plan_id: str | None = None,
        account_id: str | None = None,
        region: str | None = None,
        function: str | None = None,
        actor: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a line to the history and return its number."""
        with self._write() as connection:
            return self._add_entry(
                connection,
                kind=kind,
                plan_id=plan_id,
                account_id=account_id,
                region=region,
                function=function,
                actor=actor,
                data=data or {},
            )

    def _add_entry(self, connection: Connection, *, data: Mapping[str, Any], **values: Any) -> int:
        result = connection.execute(
            schema.entries.insert().returning(schema.entries.c.id),
            {
                "at": to_stamp(self._clock()),
                "trace_id": self._trace_id(),
                "data": to_text(data),
                **values,
            },
        )
        return int(result.scalar_one())

    def entries(
        self,
        *,
        plan_id: str | None = None,
        function: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Lines of the history, newest first."""
        table = schema.entries
        query = sa.select(table).order_by(table.c.id.desc())
        if plan_id:
            query = query.where(table.c.plan_id == plan_id)
        if function:
            query = query.where(table.c.function == function)
        if kind:
            query = query.where(table.c.kind == kind)
        if since:
            query = query.where(table.c.at >= to_stamp(since))
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Entry(**{**row, "at": from_stamp(row["at"]), "data": from_text(row["data"])})
            for row in rows
        ]
