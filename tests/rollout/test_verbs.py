"""The verbs as a person types them: exit codes, data on one side and talk on the other."""

from __future__ import annotations

import json

import pytest

from lambda_autotuner.cli.main import cli, run


@pytest.fixture
def verb(server, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", server.endpoint_url)
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(cli, list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_change_from_plan_to_rollback(verb):
    code, out, _ = verb("plan", "otp-sender", "--memory", "256", "--timeout", "20", "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan["after"] == {"memory_mb": 256, "timeout_seconds": 20}
    assert "salt" not in plan
    name = plan["id"]

    code, _, err = verb("apply", name)
    assert (code, f"approve {name}" in err) == (3, True)
    code, _, err = verb("approve", name)
    assert (code, "--yes" in err) == (3, True)
    code, out, err = verb("approve", name, "--yes", "--json")
    assert (code, json.loads(out)["state"]) == (0, "approved")
    assert "256" in err, "what is agreed to is shown"

    code, out, _ = verb("apply", name, "--dry-run", "--json")
    assert [call["operation"] for call in json.loads(out)["calls"]] == [
        "lambda:UpdateFunctionConfiguration"
    ]
    code, out, _ = verb("apply", name, "--json")
    assert (code, json.loads(out)["state"]) == (0, "verifying")
    code, out, _ = verb("watch", name, "--once", "--json")
    assert (code, json.loads(out)["look"]["decision"]) == (0, "hold")
    code, out, _ = verb("rollback", name, "--json", "--reason", "try")
    assert (code, json.loads(out)["state"]) == (0, "rolled_back")
    assert verb("rollback", name)[0] == 3

    code, out, _ = verb("history", "--json")
    assert [(row["id"], row["state"]) for row in json.loads(out)] == [(name, "rolled_back")]
    code, out, _ = verb("history", name[:8], "--json")
    found = json.loads(out)
    assert [entry["kind"] for entry in found["entries"]][-1] == "plan.rolled_back"
    assert {action["outcome"] for action in found["actions"]} == {"done"}
    code, out, _ = verb("history", "--export")
    assert all(json.loads(line)["table"] for line in out.splitlines())
    assert name in verb("history")[1]
    assert name in verb("history", "--entries", "--json")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("plan", "otp-sendr", "--memory", "256"), 2, "otp-sender"),
        (("plan", "otp-sender", "--memory", "20000"), 2, "between 128 and 10240"),
        (("plan", "otp-sender", "--reserved-concurrency", "many"), 2, "whole number"),
        (("plan", "checkout-api", "--memory", "512"), 3, "MemorySize: 512"),
        (("approve", "p-unknown", "--yes"), 2, "no plan"),
        (("apply", "p-unknown"), 2, "no plan"),
        (("watch", "p-unknown"), 2, "no plan"),
        (("rollback", "p-unknown"), 2, "no plan"),
        (("history", "p-unknown"), 2, "no plan"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(verb, words, code, said):
    found, out, err = verb(*words)
    assert (found, out) == (code, "")
    assert said in err


def test_several_plans_and_one_that_was_not_agreed_to(verb):
    ids = []
    for function in ("exchange-rates", "feature-flags"):
        out = verb("plan", function, "--memory", "256", "--json")[1]
        ids.append(json.loads(out)["id"])
    verb("approve", ids[0], "--yes")
    code, out, _ = verb("apply", *ids, "--json")
    result = json.loads(out)
    assert code == 1
    assert [item["plan_id"] for item in result["applied"]] == ids[:1]
    assert [item["plan_id"] for item in result["failed"]] == ids[1:]
    assert "not approved" in verb("apply", *ids[1:])[2]


def test_the_next_command_tells_what_a_killed_one_left(verb, server, tmp_path):
    from lambda_autotuner.journal import Journal

    out = verb("plan", "inventory-sync", "--memory", "512", "--json")[1]
    name = json.loads(out)["id"]
    verb("approve", name, "--yes")
    with Journal(f"sqlite:///{next(tmp_path.rglob('journal.db'))}") as journal:
        # As if a process had died right after it began.
        journal.transition(name, "applying", expected=journal.state(name))
    code, out, err = verb("history", "--json")
    assert (code, json.loads(out)[0]["state"]) == (0, "undone")
    assert f"Interrupted plan {name}" in err


def planned(verb, function: str, *words: str) -> str:
    """The id of a plan; each test has a journal of its own, and all of them one account."""
    code, out, err = verb("plan", function, *words, "--json")
    assert code == 0, err
    return str(json.loads(out)["id"])


def test_a_dry_run_of_several_plans_is_one_list(verb):
    ids = [planned(verb, name, "--timeout", "77") for name in ("otp-sender", "image-resize")]
    code, out, _ = verb("apply", *ids, "--dry-run", "--json")
    assert code == 0
    assert [item["plan_id"] for item in json.loads(out)] == ids
    assert all(item["calls"] for item in json.loads(out))


def test_a_patient_watch_outlives_trouble_and_a_single_look_does_not(verb, tmp_path, monkeypatch):
    from lambda_autotuner.cli import watch
    from lambda_autotuner.journal import Journal
    from lambda_autotuner.journal.locks import function_lock

    name = planned(verb, "inventory-sync", "--timeout", "79")
    verb("approve", name, "--yes")
    assert verb("apply", name)[0] == 0

    def wake(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", wake)
    path = next(tmp_path.rglob("journal.db"))
    with Journal(f"sqlite:///{path}") as journal:
        stored = journal.get_plan(name)
        with journal.hold(function_lock(stored.account_id, stored.region, stored.function)):
            assert verb("watch", name, "--once")[0] == 3
            code, _, err = verb("watch", name)
    assert (code, "The next look goes on" in err) == (130, True)


def test_an_altered_plan_does_not_hide_the_others_from_the_history(verb, tmp_path):
    import sqlite3

    ids = [planned(verb, name, "--timeout", "78") for name in ("otp-sender", "image-resize")]
    with sqlite3.connect(next(tmp_path.rglob("journal.db"))) as connection:
        connection.execute("DROP TRIGGER journal_plans_no_update")
        connection.execute("UPDATE journal_plans SET hash = 'f00d' WHERE id = ?", (ids[0],))
    connection.close()
    code, out, _ = verb("history", "--json")
    assert code == 0
    assert {row["id"]: row["state"] for row in json.loads(out)} == {
        ids[0]: "altered",
        ids[1]: "planned",
    }
    code, _, err = verb("history", ids[0])
    assert (code, "altered" in err) == (3, True)
