"""Conversations are kept in SQLite or PostgreSQL, listed, aged and purged; newer files are refused."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lambda_autotuner.agent import build_agent
from lambda_autotuner.agent.sessions import SCHEMA_VERSION, SessionStore, check_name
from lambda_autotuner.errors import SettingsError, UsageError


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(f"sqlite:///{tmp_path / 'sessions.db'}")


def test_what_was_used_last_comes_first_and_age_decides_the_purge(store):
    store.prepare()
    store.touch("old", "first question")
    store.touch("new", "another")
    store.touch("old", "second question")
    found = {item.name: item for item in store.sessions()}
    assert found["old"].questions == 2
    assert found["old"].first_question == "first question"
    later = datetime.now(UTC) + timedelta(days=40)
    assert store.purge(older_than=timedelta(days=50), now=later) == []
    assert sorted(store.purge(older_than=timedelta(days=30), now=later)) == ["new", "old"]
    assert store.sessions() == []


def test_a_file_of_a_newer_program_is_refused(store):
    store.prepare()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE autotuner_schema SET version = ?", (SCHEMA_VERSION + 1,))
    connection.close()
    with pytest.raises(SettingsError, match="schema version"):
        store.sessions()


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path):
    path = tmp_path / "sessions.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(SettingsError, match="cannot be used"):
        SessionStore(f"sqlite:///{path}").sessions()


def test_no_file_means_no_sessions(tmp_path):
    assert SessionStore(f"sqlite:///{tmp_path / 'none.db'}").sessions() == []
    with pytest.raises(SettingsError, match="not understood"):
        SessionStore("mysql://x")


@pytest.mark.parametrize("name", ["", " x", "a" * 101, "a\nb", "'; DROP TABLE x; --"])
def test_odd_names_are_refused(name):
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.postgres
def test_a_conversation_in_postgresql(workspace, postgres_database):
    workspace.settings = workspace.settings.model_copy(update={"sessions_url": postgres_database})
    with build_agent("offline", workspace=workspace) as agent:
        agent.ask("How much memory does otp-sender have?", session_id="pg")
    with build_agent("offline", workspace=workspace) as agent:
        assert agent.ask("and its timeout?", session_id="pg").text.startswith(
            "otp-sender: the timeout is"
        )
        assert [item.name for item in agent.sessions.sessions()] == ["pg"]
        assert agent.sessions.purge(name="pg") == ["pg"]
        assert agent.history("pg") == []
