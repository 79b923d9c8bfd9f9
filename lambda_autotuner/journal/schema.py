"""Tables of the journal. Records are only ever added: the database itself refuses changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from lambda_autotuner.errors import SettingsError

SCHEMA_VERSION = 1
_BUSY_SECONDS = 30
# One number for all of our advisory locks, so that they cannot meet another program's.
ADVISORY_NAMESPACE = 0x4C41

metadata = sa.MetaData()

meta = sa.Table(
    "journal_meta",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(200), nullable=False),
)

entries = sa.Table(
    "journal_entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(32), nullable=False, index=True),
    sa.Column("kind", sa.String(60), nullable=False, index=True),
    sa.Column("plan_id", sa.String(40), index=True),
    sa.Column("account_id", sa.String(12)),
    sa.Column("region", sa.String(30)),
    sa.Column("function", sa.String(170), index=True),
    sa.Column("actor", sa.String(300)),
    sa.Column("trace_id", sa.String(80)),
    sa.Column("data", sa.Text, nullable=False),
)

plans = sa.Table(
    "journal_plans",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("account_id", sa.String(12), nullable=False),
    sa.Column("region", sa.String(30), nullable=False),
    sa.Column("function", sa.String(170), nullable=False, index=True),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.Column("expires_at", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# One row per change of state; the pair is unique, so that of two processes only one goes on.
transitions = sa.Table(
    "journal_transitions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("plan_id", sa.String(40), sa.ForeignKey("journal_plans.id"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("state", sa.String(30), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(300)),
    sa.Column("trace_id", sa.String(80)),
    sa.Column("data", sa.Text, nullable=False),
    sa.UniqueConstraint("plan_id", "seq", name="uq_transition"),
)

approvals = sa.Table(
    "journal_approvals",
    metadata,
    sa.Column("plan_id", sa.String(40), sa.ForeignKey("journal_plans.id"), primary_key=True),
    sa.Column("plan_hash", sa.String(64), nullable=False),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(300), nullable=False),
    sa.Column("source", sa.String(30), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

actions = sa.Table(
    "journal_actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("plan_id", sa.String(40), sa.ForeignKey("journal_plans.id"), nullable=False),
    sa.Column("phase", sa.String(30), nullable=False),
    sa.Column("step", sa.String(60), nullable=False),
    sa.Column("operation", sa.String(80), nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("trace_id", sa.String(80)),
)

results = sa.Table(
    "journal_results",
    metadata,
    sa.Column("action_id", sa.Integer, sa.ForeignKey("journal_actions.id"), primary_key=True),
    sa.Column("outcome", sa.String(30), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)

intents = sa.Table(
    "journal_intents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(60), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("account_id", sa.String(12), nullable=False),
    sa.Column("region", sa.String(30), nullable=False),
    sa.Column("function", sa.String(170), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("trace_id", sa.String(80)),
    sa.Column("detail", sa.Text, nullable=False),
)

intent_ends = sa.Table(
    "journal_intent_ends",
    metadata,
    sa.Column("intent_id", sa.Integer, sa.ForeignKey("journal_intents.id"), primary_key=True),
    sa.Column("outcome", sa.String(30), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

proposals = sa.Table(
    "journal_proposals",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("thread", sa.String(200), nullable=False),
    sa.Column("tool_call_id", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("plan_id", sa.String(40)),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("trace_id", sa.String(80)),
    sa.Column("data", sa.Text, nullable=False),
    sa.UniqueConstraint("thread", "tool_call_id", name="uq_proposal_call"),
)

decisions = sa.Table(
    "journal_decisions",
    metadata,
    sa.Column(
        "proposal_id", sa.String(40), sa.ForeignKey("journal_proposals.id"), primary_key=True
    ),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(300), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

RECORDS = tuple(table for table in metadata.sorted_tables if table.name != "journal_meta")


def parse_url(url: str) -> URL:
    """Check a database URL and choose its driver.

    Raises:
        SettingsError: not a URL, or neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            "journal_url is not a database URL.",
            remedy="Use sqlite:///path/to/journal.db or postgresql://user@host/database.",
        ) from error
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed
    raise SettingsError(
        f"journal_url names {backend}, and the journal needs SQLite or PostgreSQL.",
        remedy="Use sqlite:///path/to/journal.db or postgresql://user@host/database.",
    )


def open_engine(url: URL) -> Engine:
    """An engine whose writers take turns and whose files belong to this person alone.

    Raises:
        SettingsError: the file cannot be created, or the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url)
    try:
        return sa.create_engine(url, pool_pre_ping=True, pool_size=5)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            "The PostgreSQL driver is not installed.",
            remedy="Install it with `pip install 'lambda-autotuner[postgres]'`.",
        ) from error


def _open_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        _create_private_file(Path(url.database))
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    else:
        engine = sa.create_engine(
            url, poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False}
        )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: writers ask for the lock at once.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _create_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        os.close(descriptor)
        # SQLite gives its -wal and -shm files the same mode.
        path.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"The journal {path} cannot be written to: {error.strerror or error}.",
            remedy="Set LAMBDA_AUTOTUNER_STATE_DIR or LAMBDA_AUTOTUNER_JOURNAL_URL.",
        ) from error


def prepare(connection: Connection) -> None:
    """Create what is missing, inside a writing transaction; refuse a newer schema.

    Raises:
        SettingsError: the journal was written by a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:space, 0)"), {"space": ADVISORY_NAMESPACE}
        )
    if not sa.inspect(connection).has_table(meta.name):
        metadata.create_all(connection)
        for table in RECORDS:
            _refuse_changes(connection, table.name)
        connection.execute(meta.insert(), {"name": "schema_version", "value": str(SCHEMA_VERSION)})
        return
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.name == "schema_version"))
    version = int(found) if found and found.isdigit() else 0
    if version > SCHEMA_VERSION:
        raise SettingsError(
            f"The journal has schema version {version}; this version knows up to {SCHEMA_VERSION}.",
            remedy="Update lambda-autotuner, or name another journal with journal_url.",
        )


def _refuse_changes(connection: Connection, table: str) -> None:
    """Triggers that make the table append-only for everybody who comes by SQL."""
    if connection.dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION journal_append_only() RETURNS trigger AS $$ "
        "BEGIN RAISE EXCEPTION 'the journal is append-only'; END; $$ LANGUAGE plpgsql"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only()"
    )
