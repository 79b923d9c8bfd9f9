"""Conversations that survive a restart: LangGraph checkpoints in SQLite or PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lambda_autotuner.errors import SettingsError, UsageError

SCHEMA_VERSION = 1
_CHECKPOINT_TABLES = ("checkpoints", "writes", "checkpoint_blobs", "checkpoint_writes")
_NAME = re.compile(r"[\w][\w .:@/-]{0,99}")
_TABLE = """
CREATE TABLE IF NOT EXISTS autotuner_sessions (
    name TEXT PRIMARY KEY, started_at TEXT NOT NULL, used_at TEXT NOT NULL, questions INTEGER NOT NULL, first_question TEXT NOT NULL
)"""
_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS autotuner_schema (version INTEGER NOT NULL)"


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation: when it was used and how it began."""

    name: str
    started_at: datetime
    used_at: datetime
    questions: int
    first_question: str


def check_name(name: str) -> str:
    """A session's name, checked.

    Raises:
        UsageError: it is empty, longer than 100 characters, or has odd characters.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The session name {name[:120]!r} cannot be used.",
            remedy="Use 1 to 100 letters, digits, blanks and .:@/-_ characters.",
        )
    return name


class SessionStore:
    """The list of conversations, and the checkpointer that keeps their messages."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_sqlite = url.startswith("sqlite")
        if not self.is_sqlite and not url.startswith("postgres"):
            raise SettingsError(
                f"sessions_url {url.split(':', 1)[0]}:... is not understood.",
                remedy="Use sqlite:///FILE or postgresql://...",
            )
        self.path = Path(url.split("///", 1)[1]) if self.is_sqlite else None

    # -- the list ---------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        if self.path is None:
            import psycopg

            with psycopg.connect(_plain_postgres(self._url)) as connection:
                yield connection
            return
        _private(self.path)
        try:
            opened = sqlite3.connect(self.path, timeout=10)
        except sqlite3.OperationalError as error:
            raise SettingsError(
                f"The sessions file {self.path} cannot be opened: {error}."
            ) from error
        try:
            with opened:
                yield opened
        except sqlite3.DatabaseError as error:
            raise SettingsError(
                f"The sessions file {self.path} cannot be used: {error}.",
                remedy="Move it away; a new one is made.",
            ) from error
        finally:
            opened.close()

    def prepare(self) -> None:
        """Create the tables.

        Raises:
            SettingsError: the file is of a newer version, or cannot be used.
        """
        with self._connection() as connection:
            connection.execute(_VERSION_TABLE)
            row = connection.execute("SELECT version FROM autotuner_schema").fetchone()
            if row is None:
                connection.execute(
                    self._sql("INSERT INTO autotuner_schema VALUES (?)"), (SCHEMA_VERSION,)
                )
            elif row[0] > SCHEMA_VERSION:
                raise SettingsError(
                    f"The sessions database has schema version {row[0]}, and this program knows {SCHEMA_VERSION}.",
                    remedy="Use the newer program, or move the file away.",
                )
            connection.execute(_TABLE)

    def _sql(self, text: str) -> str:
        return text if self.is_sqlite else text.replace("?", "%s")

    def touch(self, name: str, question: str) -> None:
        """Note that a question was asked in a conversation."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._connection() as connection:
            connection.execute(
                self._sql(
                    "INSERT INTO autotuner_sessions VALUES (?, ?, ?, 1, ?) ON CONFLICT (name) DO UPDATE SET "
                    "used_at = excluded.used_at, questions = autotuner_sessions.questions + 1"
                ),
                (name, now, now, question[:200]),
            )

    def sessions(self) -> list[Session]:
        """Conversations, the one used last first."""
        if self.path is not None and not self.path.exists():
            return []
        self.prepare()
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT name, started_at, used_at, questions, first_question FROM autotuner_sessions ORDER BY used_at DESC, name"
            ).fetchall()
        return [
            Session(
                r[0], datetime.fromisoformat(r[1]), datetime.fromisoformat(r[2]), int(r[3]), r[4]
            )
            for r in rows
        ]

    def purge(
        self,
        *,
        name: str | None = None,
        older_than: timedelta | None = None,
        now: datetime | None = None,
    ) -> list[str]:
        """Forget conversations: one by name, those not used for a while, or all of them.

        Returns:
            The names that were forgotten.
        """
        limit = (now or datetime.now(UTC)) - older_than if older_than is not None else None
        gone = [
            s.name
            for s in self.sessions()
            if (name is None or s.name == name) and (limit is None or s.used_at < limit)
        ]
        with self._connection() as connection:
            for session in gone:
                connection.execute(
                    self._sql("DELETE FROM autotuner_sessions WHERE name = ?"), (session,)
                )
                for table in self._tables(connection, _CHECKPOINT_TABLES):
                    connection.execute(
                        self._sql(f"DELETE FROM {table} WHERE thread_id = ?"),  # noqa: S608 - names of our own list
                        (session,),
                    )
        return gone

    def _tables(self, connection: Any, wanted: tuple[str, ...]) -> list[str]:
        query = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.is_sqlite
            else "SELECT tablename FROM pg_tables"
        )
        existing = {row[0] for row in connection.execute(query).fetchall()}
        return [table for table in wanted if table in existing]

    # -- the messages -----------------------------------------------------------------------

    @asynccontextmanager
    async def checkpointer(self) -> AsyncIterator[Any]:
        """LangGraph's checkpointer on this database, ready to use."""
        self.prepare()
        if self.path is not None:
            from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

            async with AsyncSqliteSaver.from_conn_string(str(self.path)) as saver:
                await saver.setup()
                yield saver
            return
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        async with AsyncPostgresSaver.from_conn_string(_plain_postgres(self._url)) as saver:
            await saver.setup()
            yield saver


def _plain_postgres(url: str) -> str:
    return re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", url)


def _private(path: Path) -> None:
    """Make sure that only this person can read the file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
