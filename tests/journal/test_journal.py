"""The journal keeps what was written, in both databases, for many processes, and lets nobody edit it."""

from __future__ import annotations

import json
import multiprocessing
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))
import racing

from lambda_autotuner.errors import AccountError, SettingsError, UsageError
from lambda_autotuner.journal import BusyError, DecidedError, Journal, StoredPlan, UsedError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'journal.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def journal(url):
    with Journal(url, clock=lambda: NOW, trace_id=lambda: "tr-1") as opened:
        yield opened


def plan(journal: Journal, name: str = "orders") -> StoredPlan:
    made = StoredPlan(
        id=journal.new_id("p"),
        hash="a" * 64,
        account_id="123456789012",
        region="us-east-1",
        function=name,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        body={"after": {"memory_mb": 512}},
    )
    journal.add_plan(made)
    return made


def test_what_was_written_comes_back_after_reopening(url):
    with Journal(url, clock=lambda: NOW, trace_id=lambda: "tr-9") as first:
        made = plan(first)
        first.record("note", function="orders", data={"cost_usd": 0.25, "why": "größer"})
        action = first.begin_action(made.id, "apply", "configuration", "lambda:X", {"a": 1})
        first.end_action(action, "done", {"revision": "r2"})
        first.begin_action(made.id, "apply", "publish", "lambda:Y", {})
    with Journal(url) as second:
        assert second.get_plan(made.id) == made
        assert second.get_plan(made.id[:6]) == made
        note = second.entries(kind="note")[0]
        assert (note.data, note.trace_id, note.at) == (
            {"cost_usd": 0.25, "why": "größer"},
            "tr-9",
            NOW,
        )
        assert [(a.step, a.outcome) for a in second.actions(made.id)] == [
            ("configuration", "done"),
            ("publish", None),
        ]


def test_a_plan_moves_on_once_from_each_state(journal):
    made = plan(journal)
    seen = journal.state(made.id)
    assert seen.state == "planned"
    journal.decide(made, approved=True, expected=seen, actor="ann", source="cli")
    with pytest.raises(UsedError, match="approved already"):
        journal.decide(made, approved=True, expected=seen, actor="bob", source="cli")
    with pytest.raises(UsedError):
        journal.transition(made.id, "applying", expected=seen)
    journal.transition(made.id, "applying", expected=journal.state(made.id))
    assert [item.state for item in journal.transitions(made.id)] == [
        "planned",
        "approved",
        "applying",
    ]
    assert [stored.id for stored, _ in journal.plans_in({"applying"})] == [made.id]
    assert journal.plans_in({"planned"}) == []
    assert journal.changes_since("123456789012", "us-east-1", NOW - timedelta(hours=1)) == 1
    assert journal.changes_since("123456789012", "us-east-1", NOW + timedelta(hours=1)) == 0


def test_a_failed_decision_leaves_nothing(journal):
    made = plan(journal)
    seen = journal.state(made.id)
    journal.transition(made.id, "expired", expected=seen)
    with pytest.raises(UsedError):
        journal.decide(made, approved=True, expected=seen, actor="ann", source="cli")
    assert journal.approval(made.id) is None


def test_the_database_refuses_to_change_or_delete_records(journal):
    made = plan(journal)
    journal.record("note")
    for statement in (
        "UPDATE journal_entries SET kind = 'x'",
        "DELETE FROM journal_entries",
        "UPDATE journal_plans SET body = '{}'",
        "DELETE FROM journal_transitions",
    ):
        with (
            pytest.raises(sa.exc.DatabaseError, match="append-only"),
            journal.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement)
    assert journal.get_plan(made.id) == made


def test_intents_stay_open_until_closed_and_know_their_owner(journal):
    run = journal.new_run()
    first = journal.begin_intent(run, "alias", "123456789012", "us-east-1", "orders", {"n": 1})
    second = journal.begin_intent(run, "version", "123456789012", "us-east-1", "orders")
    journal.begin_intent(run, "alias", "999999999999", "us-east-1", "orders")
    found = journal.open_intents("123456789012", "us-east-1", function="orders")
    assert [intent.id for intent in found] == [second, first]
    with journal.hold_run(run):
        assert journal.owner_alive(found[0])
    assert not journal.owner_alive(found[0])
    assert journal.finish_intent(first, "undone")
    assert not journal.finish_intent(first, "undone")
    assert [intent.id for intent in journal.open_intents("123456789012", "us-east-1")] == [second]


def test_a_proposal_is_decided_once(journal):
    made = journal.propose("thread", "call-1", "apply", data={"memory_mb": 512})
    assert journal.propose("thread", "call-1", "apply", data={"memory_mb": 9999}) == made
    assert [item.id for item in journal.pending_proposals("thread")] == [made.id]
    assert journal.decide_proposal(made.id, approved=False, actor="ann").approved is False
    with pytest.raises(DecidedError):
        journal.decide_proposal(made.id, approved=True, actor="bob")
    assert journal.pending_proposals() == []
    with pytest.raises(UsageError, match="no proposal"):
        journal.decide_proposal("q-none", approved=True, actor="ann")


def test_a_newer_schema_is_refused(url):
    with Journal(url) as journal, journal.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE journal_meta SET value = '99'")
    with pytest.raises(SettingsError, match="schema version 99"):
        Journal(url)


def test_nan_is_refused(journal):
    with pytest.raises(ValueError, match="JSON"):
        journal.record("note", data={"cost_usd": float("nan")})


def test_everything_can_be_exported(journal):
    made = plan(journal)
    journal.record("note", data={"x": 1})
    journal.propose("thread", "call-1", "apply")
    rows = [json.loads(line) for line in journal.export()]
    assert {row["table"] for row in rows} == {"entries", "plans", "transitions", "proposals"}
    assert [row["body"] for row in rows if row["table"] == "plans"] == [dict(made.body)]


def test_unknown_and_ambiguous_plans(journal):
    for nonsense in ("p-unknown", "", "%", "_"):
        with pytest.raises(UsageError, match="no plan"):
            journal.get_plan(nonsense)
    plan(journal)
    plan(journal)
    with pytest.raises(UsageError, match="Several"):
        journal.get_plan("p-")


@pytest.fixture(scope="session")
def processes():
    """Children fork from a process that has everything loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["racing"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        first = context.Process(target=int)
        first.start()
        first.join(60)
    return context


def test_of_many_processes_one_gets_the_approval(url, processes):
    with Journal(url) as journal:
        made = plan(journal)
    barrier, queue = processes.Barrier(4), processes.Queue()
    arguments = (url, made.id, barrier, queue)
    workers = [processes.Process(target=racing.race, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(queue.get(timeout=5) for _ in workers) == ["lost", "lost", "lost", "won"]


def test_a_lock_dies_with_its_holder(url, processes):
    ready = processes.Event()
    worker = processes.Process(target=racing.hold_and_die, args=(url, ready))
    worker.start()
    assert ready.wait(60)
    worker.join(60)
    with (
        Journal(url) as journal,
        journal.hold("orders"),
        pytest.raises(BusyError, match="orders"),  # not even the same process gets it twice
        journal.hold("orders"),
    ):
        pass


def test_files_belong_to_one_person(tmp_path):
    path = tmp_path / "journal.db"
    path.touch(mode=0o644)
    with Journal(f"sqlite:///{path}") as journal:
        journal.record("note")
        with journal.hold("x"):
            pass
        files = [item for item in tmp_path.rglob("*") if item.is_file()]
        modes = {stat.S_IMODE(item.stat().st_mode) for item in files}
    assert len(files) >= 3
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@h/d", "SQLite or PostgreSQL"),
        ("no url at all", "not a database URL"),
        ("sqlite:////proc/none/journal.db", "cannot be written"),
    ],
)
def test_unusable_places_are_named(url, words):
    with pytest.raises(SettingsError, match=words):
        Journal(url)


def test_a_foreign_file_is_not_overwritten(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, not a database, of some length " * 10)
    with pytest.raises(SettingsError):
        Journal(f"sqlite:///{path}")
    assert path.read_text().startswith("my notes")


def test_a_server_that_is_not_there_is_an_account_error_without_the_password():
    secret = "hunter" + "2"
    with pytest.raises(AccountError, match="cannot be reached") as caught:
        Journal(f"postgresql://me:{secret}@127.0.0.1:9/none?connect_timeout=2")
    assert secret not in str(caught.value)
    assert caught.value.exit_code == 4
