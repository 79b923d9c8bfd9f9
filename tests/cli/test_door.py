from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("lambda-autotuner")


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_the_module_is_the_command(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "lambda_autotuner"]
    found = subprocess.run(
        [*module, "--version"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert found.stdout == run("--version", cwd=tmp_path).stdout != ""
    wrong = subprocess.run(
        [*module, "scan", "--nope"], capture_output=True, cwd=tmp_path, check=False
    )
    assert wrong.returncode == run("scan", "--nope", cwd=tmp_path).returncode == 2


def test_help_lists_every_verb_without_importing_them(tmp_path: Path) -> None:
    from lambda_autotuner.cli.main import VERBS

    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0
    for verb in VERBS:
        assert f"  {verb}" in result.stdout
    code = (
        "import sys; from lambda_autotuner.cli.main import run, cli; run(cli, ['--help']);"
        "print([m for m in ('mlflow', 'langchain', 'boto3', 'pydantic', 'rich', 'numpy')"
        " if m in sys.modules], file=sys.stderr)"
    )
    probe = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert probe.stderr.strip() == "[]"


def test_every_verb_has_a_help_page() -> None:
    import click

    from lambda_autotuner.cli.main import VERBS, cli

    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None, verb
        assert command.name == verb
        assert command.get_help(click.Context(command, info_name=verb))


def test_version(tmp_path: Path) -> None:
    result = run("--version", cwd=tmp_path)
    assert (result.returncode, result.stdout.split()[0]) == (0, "lambda-autotuner,")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_offered(tmp_path: Path, shell: str) -> None:
    result = run(cwd=tmp_path, _LAMBDA_AUTOTUNER_COMPLETE=f"{shell}_source")
    assert "lambda" in result.stdout
    assert result.stderr == ""


def test_a_mistyped_verb_names_the_nearest(tmp_path: Path) -> None:
    result = run("recomend", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert "recommend" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_config_show_names_each_source(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: openai:x\n")
    result = run(
        "config", "show", "--json", cwd=tmp_path, LAMBDA_AUTOTUNER_AGENT_MAX_TOOL_CALLS="9"
    )
    assert result.returncode == 0, result.stderr
    rows = {row["setting"]: row for row in json.loads(result.stdout)}
    assert rows["agent.max_tool_calls"] == {
        "setting": "agent.max_tool_calls",
        "value": 9,
        "source": "environment",
    }
    assert rows["model"]["source"].endswith("config.yaml")
    assert rows["region"]["source"] == "default"


def test_config_show_never_prints_a_password(tmp_path: Path) -> None:
    secret = "pass" + "word-1234567"
    url = f"postgresql+psycopg://user:{secret}@127.0.0.1/db"
    result = run("config", "show", cwd=tmp_path, LAMBDA_AUTOTUNER_JOURNAL_URL=url)
    assert result.returncode == 0, result.stderr
    assert "journal_url" in result.stdout
    assert secret not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["config", "show"], {"LAMBDA_AUTOTUNER_REGOIN": "x"}, "LAMBDA_AUTOTUNER_REGION"),
        (["config", "show", "regoin"], {}, "region"),
        (["config", "show", "--config", "nowhere.yaml"], {}, "does not exist"),
        (["config", "show"], {"LAMBDA_AUTOTUNER_ACCOUNT": "azure"}, "account"),
    ],
)
def test_bad_settings_are_one_line_and_exit_2(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], expected: str
) -> None:
    result = run(*arguments, cwd=tmp_path, **environment)
    assert result.returncode == 2
    assert expected in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_malformed_dotenv_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nthis is not a line\n")
    result = run("config", "show", cwd=tmp_path)
    assert result.returncode == 2
    assert ".env line 2" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["recommend"], ["config", "show", "--nowhere"], ["sandbox", "serve", "--port", "x"]],
)
def test_bad_usage_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
