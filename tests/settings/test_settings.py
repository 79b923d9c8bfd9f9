from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambda_autotuner.errors import EXIT_USAGE, SettingsError
from lambda_autotuner.settings import describe, keys, load_settings, read_dotenv


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_precedence_is_argument_environment_dotenv_file_default(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "agent:\n  deadline_seconds: 10\n  max_tool_calls: 11\n")
    write(
        tmp_path / ".env",
        "LAMBDA_AUTOTUNER_AGENT_DEADLINE_SECONDS=20\nLAMBDA_AUTOTUNER_AGENT_MAX_TOOL_CALLS=21\n",
    )
    environ = {"LAMBDA_AUTOTUNER_AGENT_DEADLINE_SECONDS": "30"}

    settings = load_settings({"agent.max_model_calls": 4}, environ=environ, cwd=tmp_path)

    assert settings.agent.deadline_seconds == 30
    assert settings.agent.max_tool_calls == 21
    assert settings.agent.max_model_calls == 4
    assert settings.agent.max_cost_usd == 0.50
    sources = {name: source for name, _, source in describe(settings)}
    assert sources["agent.deadline_seconds"] == "environment"
    assert sources["agent.max_tool_calls"] == str(tmp_path / ".env")
    assert sources["agent.max_model_calls"] == "argument"
    assert sources["agent.max_cost_usd"] == "default"


def test_a_file_beats_the_default(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "model: openai:some-model\n")
    settings = load_settings(environ={}, cwd=tmp_path)
    assert settings.model == "openai:some-model"
    assert settings.sources["model"] == str(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agnt:\n  deadline_seconds: 1\n", "agent"),
        ("agent:\n  deadline_second: 1\n", "agent.deadline_seconds"),
        ("regoin: eu-west-1\n", "region"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, expected: str) -> None:
    write(tmp_path / "config.yaml", text)
    with pytest.raises(SettingsError, match=expected) as caught:
        load_settings(environ={}, cwd=tmp_path)
    assert caught.value.exit_code == EXIT_USAGE
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    environ = {"LAMBDA_AUTOTUNER_AGENT_DEADLIN": "3"}
    with pytest.raises(SettingsError, match="LAMBDA_AUTOTUNER_AGENT_DEADLINE_SECONDS"):
        load_settings(environ=environ, cwd=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["agent: [1, 2\n", "agent:\n\t- x", "just words", "- a\n- b\n", "agent: 3\n"],
)
def test_a_malformed_file_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "config.yaml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={}, cwd=tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_binary_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SettingsError):
        load_settings(environ={}, cwd=tmp_path)


@pytest.mark.parametrize("line", ["no equals sign", "A='unfinished", "=value"])
def test_a_malformed_dotenv_names_the_line(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / ".env", f"GOOD=1\n{line}\n")
    with pytest.raises(SettingsError, match="line 2"):
        read_dotenv(path)


def test_dotenv_keeps_quotes_comments_and_export(tmp_path: Path) -> None:
    path = write(tmp_path / ".env", "# note\nexport A='x y'\nB=\"z\"\nC=\n")
    assert read_dotenv(path) == {"A": "x y", "B": "z", "C": ""}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent.deadline_seconds", "nan"),
        ("agent.deadline_seconds", "inf"),
        ("agent.deadline_seconds", "0"),
        ("agent.max_tool_calls", "2.5"),
        ("tuning.max_memory_mb", "10241"),
        ("account", "azure"),
        ("writes_allowed", "perhaps"),
    ],
)
def test_values_out_of_range_name_key_and_source(tmp_path: Path, name: str, value: str) -> None:
    variable = "LAMBDA_AUTOTUNER_" + name.replace(".", "_").upper()
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings(environ={variable: value}, cwd=tmp_path)
    assert "environment" in str(caught.value)


def test_bounds_that_cross_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="tuning.min_memory_mb"):
        load_settings(
            {"tuning.min_memory_mb": 2048, "tuning.max_memory_mb": 1024}, environ={}, cwd=tmp_path
        )


def test_lists_come_as_commas_or_json(tmp_path: Path) -> None:
    for text in ("a, b", '["a", "b"]'):
        environ = {"LAMBDA_AUTOTUNER_GUARDRAILS_PROTECTED_NAMES": text}
        settings = load_settings(environ=environ, cwd=tmp_path)
        assert settings.guardrails.protected_names == ("a", "b")


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings(environ={}, cwd=tmp_path, config_path=Path("nowhere.yaml"))


def test_the_state_directory_lies_beside_the_file_in_use(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "account: sandbox\n")
    assert load_settings(environ={}, cwd=tmp_path).state_dir == tmp_path / ".lambda-autotuner"
    other = tmp_path / "elsewhere"
    other.mkdir()
    environ = {"LAMBDA_AUTOTUNER_STATE_DIR": "kept"}
    assert load_settings(environ=environ, cwd=other).state_dir == other / "kept"


def test_the_shipped_file_says_what_the_defaults_are(repository: Path) -> None:
    document = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    shipped = load_settings(environ={}, cwd=repository, config_path=repository / "config.yaml")
    defaults = load_settings(environ={}, cwd=repository / "docs")
    assert document["account"] == "sandbox"
    different = [
        name
        for (name, value, _), (_, default, _) in zip(
            describe(shipped), describe(defaults), strict=True
        )
        if value != default and name != "state_dir"
    ]
    assert different == []


def test_variables_are_unambiguous() -> None:
    variables = [key.variable for key in keys()]
    assert len(variables) == len(set(variables))


@given(st.text(max_size=30))
def test_any_text_in_the_file_loads_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.yaml").write_text(text, encoding="utf-8", errors="replace", newline="")
    with contextlib.suppress(SettingsError):  # anything else is a defect
        load_settings(environ={}, cwd=folder)
