"""What people get wrong, over every verb: one clear line, the design's exit code, no stack trace."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lambda_autotuner.cli.main import EXAMPLES, VERBS, cli, run
from lambda_autotuner.sandbox.process import SandboxProcess, start_private

NOTHING = b"this is no database at all, truly" * 100


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with start_private() as process:
        yield process


@pytest.fixture
def command(sandbox: SandboxProcess, tmp_path: Path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", sandbox.endpoint_url)
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")

    def call(*words: str) -> tuple[int, str, str]:
        code = run(cli, list(words))
        out, err = capfd.readouterr()
        return code, out, err

    return call


def one_line(found: tuple[int, str, str], code: int, *, says: str = "") -> None:
    ended, _, err = found
    assert ended == code, err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err
    assert err.rstrip().endswith(errors[0]), "nothing comes after it"
    assert "Traceback" not in err
    assert "unexpected" not in err, "a defect is not an answer to bad input"
    assert says in errors[0]


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_does_not_exist(command, verb: str) -> None:
    one_line(command(verb, "--garbage"), 2, says="--garbage")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("recommend fraud-scorin", "fraud-scoring"),
        ("tune fraud-scorin --yes", "fraud-scoring"),
        ("plan fraud-scorin --memory 512", "fraud-scoring"),
        ("tune fraud-scoring --sizes 1,2", "128"),
        ("tune fraud-scoring --objective fast", "speed"),
        ("tune fraud-scoring --max-cost nan", "finite"),
        ("tune fraud-scoring --max-cost inf", "finite"),
        ("tune fraud-scoring --max-seconds 1e999", "finite"),
        ("tune fraud-scoring --seed -1", "-1"),
        ("tune fraud-scoring --payload {bad", "JSON"),
        ("tune fraud-scoring --payload @nowhere.json", "nowhere.json"),
        ("tune fraud-scoring --qualifier nowhere", "live"),
        ("plan fraud-scoring --memory 99999999999999999999", "10240"),
        ("plan fraud-scoring --memory 1024", "already"),
        ("approve nothing", "history"),
        ("apply nothing", "history"),
        ("watch nothing", "history"),
        ("rollback nothing", "history"),
        ("scan --csv /nowhere/at/all.csv", "/nowhere/at/all.csv"),
        ("questions list --category nothing", "nothing"),
        ("sandbox advance never", "90m"),
        ("sandbox serve --port 99999", "65535"),
        ("sandbox serve --curves nowhere.csv", "nowhere.csv"),
        ("demo --curves odd.csv", "column"),
        ("ask -", "no question"),
        ("config show --config .", "does not exist"),
    ],
)
def test_values_that_cannot_be_used(command, tmp_path: Path, monkeypatch, line, says) -> None:
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr("sys.stdin", Empty())
    one_line(command(*line.split()), 2, says=says)


class Empty:
    """Standard input with nothing in it."""

    @property
    def buffer(self) -> Empty:
        return self

    def read(self, _limit: int) -> bytes:
        return b"  \n"

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("name", ["journal.db", "sessions.db"])
def test_state_that_is_no_database(command, tmp_path: Path, name: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).write_bytes(NOTHING)
    words = ["history"] if name == "journal.db" else ["sessions", "list"]
    one_line(command(*words), 2, says=name)


@pytest.mark.parametrize(
    "text", ["{broken", "[1]", '{"endpoint_url": 5}', '{"endpoint_url": "http://127.0.0.1:9"}']
)
def test_an_address_file_that_says_nothing_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    from lambda_autotuner.sandbox.process import status

    (tmp_path / "server.json").write_text(text)
    assert status(tmp_path) is None


def test_an_account_without_credentials(command, monkeypatch) -> None:
    monkeypatch.delenv("LAMBDA_AUTOTUNER_ENDPOINT_URL")
    found = command("scan", "--account", "aws", "--json")
    one_line(found, 4, says="credentials")
    assert found[1] == "", "data only, and there is none"


def test_an_account_that_is_not_there(command, monkeypatch) -> None:
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", "http://127.0.0.1:9")
    one_line(command("scan"), 4, says="127.0.0.1:9")


def test_a_defect_is_one_line_too(capfd) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("one\ntwo")

    assert run(broken, []) == 1
    err = capfd.readouterr().err
    assert err.startswith("error: unexpected ZeroDivisionError: one two.")
    assert len(err.splitlines()) == 1


def test_json_is_data_alone(command) -> None:
    code, out, _ = command("recommend", "fraud-scoring", "--json")
    assert code == 0
    assert json.loads(out)["function"] == "fraud-scoring"


def test_every_help_page_shows_an_example() -> None:
    runner = CliRunner()
    for verb in VERBS:
        page = " ".join(runner.invoke(cli, [verb, "--help"]).output.split())
        assert f"Example: lambda-autotuner {verb} {EXAMPLES[verb]}".rstrip() in page


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_example_is_understood(verb: str) -> None:
    """Everything but the names in capitals is a verb, an option or a value that exists."""
    words = shlex.split(EXAMPLES[verb])
    found = cli.get_command(click.Context(cli), verb)
    while isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words.pop(0))
    assert found is not None
    found.make_context(verb, words)
