"""Looks at an SQLite file without opening it for MLflow, which would create or migrate it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

_LOCK_SECONDS = 1.0


def database_trouble(path: Path) -> tuple[str, str] | None:
    """Return why a file cannot be used as a database and what helps, None when it can."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_LOCK_SECONDS
    )
    try:
        connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return None
        return f"{path} cannot be read ({error})", "Check the file and its folder."
    except sqlite3.DatabaseError as error:
        return (
            f"{path} is not a usable SQLite database ({error})",
            "Traces are kept on disk; move the damaged file away and a new one is made.",
        )
    finally:
        connection.close()
    return None


def schema_version(path: Path) -> str | None:
    """Return the version of MLflow's tables in a file, None when it has none.

    Raises:
        sqlite3.DatabaseError: The file is damaged.
    """
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    finally:
        connection.close()
    return str(row[0]) if row else None
