"""The doors people come in by: ask, chat, sessions, agent.py; the same facts through each."""

from __future__ import annotations

import io
import json
import runpy
import sys

import pytest

from lambda_autotuner.cli.main import cli, run


@pytest.fixture
def door(sandbox, monkeypatch, tmp_path):
    """A person's environment: the shared account is a private sandbox, the state a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", sandbox.endpoint_url)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")
    return tmp_path


def _stdin(monkeypatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


def test_every_door_gives_the_same_facts(door, capsys, monkeypatch, offline, repository):
    question = "How much memory does otp-sender have?"
    python = offline.ask(question).text
    assert run(cli, ["ask", question]) == 0
    asked = capsys.readouterr()
    assert asked.out.strip() == python
    assert "account 123456789012" in asked.err
    _stdin(monkeypatch, question)
    assert run(cli, ["ask", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == python
    _stdin(monkeypatch, f"{question}\n/history\n/quit\n")
    assert run(cli, ["chat", "--session", "doors"]) == 0
    talked = capsys.readouterr()
    assert python in talked.out
    assert question in talked.err
    monkeypatch.setattr(sys, "argv", ["agent.py", question])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(repository / "agent.py"), run_name="__main__")
    assert left.value.code == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == python
    assert "Initializing MLflow Tracing..." in printed.err + printed.out


def test_sessions_are_listed_and_purged(door, capsys, monkeypatch):
    for name in ("first", "second"):
        assert run(cli, ["ask", "--session", name, "which account is this?"]) == 0
    capsys.readouterr()
    assert run(cli, ["sessions", "list", "--json"]) == 0
    assert {item["name"] for item in json.loads(capsys.readouterr().out)} == {"first", "second"}
    assert run(cli, ["sessions", "purge"]) == 0
    assert "Forgot 0" in capsys.readouterr().out
    assert run(cli, ["sessions", "purge", "first"]) == 0
    assert "Forgot 1" in capsys.readouterr().out
    assert run(cli, ["sessions", "purge", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["second"]
    assert run(cli, ["sessions", "purge", "x", "--all"]) == 2
    assert (door / "state" / "sessions.db").stat().st_mode & 0o077 == 0


def test_no_question_is_a_usage_error(door, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert run(cli, ["ask"]) == 2
    assert "There is no question" in capsys.readouterr().err


def test_a_proposal_off_the_terminal_stays_pending_and_yes_carries_it_out(
    door, capsys, monkeypatch
):
    assert run(cli, ["ask", "--json", "set the memory of otp-sender to 256 MB"]) == 0
    pending = json.loads(capsys.readouterr().out)
    assert [p["status"] for p in pending["proposals"]] == ["pending"]
    assert run(cli, ["ask", "--json", "--yes", "set the memory of session-store to 512 MB"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert [p["status"] for p in done["proposals"]] == ["executed"]


def test_an_unknown_model_is_one_clear_line(door, capsys):
    assert run(cli, ["ask", "--model", "nonsense:model", "hello"]) == 2
    error = capsys.readouterr().err
    assert "nonsense:model" in error
    assert "Traceback" not in error


def test_chat_commands(door, capsys, monkeypatch):
    _stdin(
        monkeypatch,
        "/help\n/tools\n/model\n/trace\n/good nice\n/pending\n/approve\n/nothing\nexit\n",
    )
    assert run(cli, ["chat"]) == 0
    said = capsys.readouterr().err
    for expected in (
        "/pending",
        "scan_fleet",
        "offline",
        "There is no trace",
        "no traced answer",
        "Nothing waits",
        "Name the proposal",
        "There is no /nothing",
    ):
        assert expected in said
