"""Settings: read from the environment and from .env in every way, refused when unusable."""

from __future__ import annotations

import subprocess

import pytest

from mlflow_integration import pipeline
from mlflow_integration.environment import (
    Destination,
    check_uri,
    find_dotenv,
    load_dotenv,
    parse_switch,
    read_destination,
    strip_credentials,
)
from mlflow_integration.errors import ConfigurationError

VARIABLES = {
    "MLFLOW_TRACKING_URI": "databricks",
    "DATABRICKS_HOST": "https://adb-1234567890123456.7.azuredatabricks.net",
    "DATABRICKS_TOKEN": "a-token-of-mine",
    "MLFLOW_EXPERIMENT_NAME": "lambda-autotuner-agent",
    "MLFLOW_ENABLE_TRACING": "true",
}


@pytest.fixture
def dotenv(tmp_path):
    path = tmp_path / ".env"
    lines = ["# a comment", *(f"{name}={value}" for name, value in VARIABLES.items()), ""]
    path.write_text("\n".join(lines))
    return path


def test_dotenv_is_read_by_the_product(dotenv, tmp_path):
    environ = {"MLFLOW_EXPERIMENT_NAME": "mine"}
    nested = tmp_path / "a" / "b"
    nested.mkdir(parents=True)
    assert find_dotenv(nested) == dotenv
    load_dotenv(dotenv, environ)
    assert environ == {**VARIABLES, "MLFLOW_EXPERIMENT_NAME": "mine"}


@pytest.mark.parametrize(
    "load", ["set -a; source .env; set +a", "export $(grep -v '^#' .env | xargs)"]
)
def test_dotenv_is_read_by_a_shell(dotenv, tmp_path, load):
    script = f"{load}; env"
    output = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.splitlines()
    assert {f"{name}={value}" for name, value in VARIABLES.items()} <= set(output)


def test_the_example_file_can_be_loaded_by_a_shell_too(repository, tmp_path):
    (tmp_path / ".env").write_text((repository / ".env.example").read_text())
    for load in ("source .env; set", "export $(grep -v '^#' .env | xargs); env"):
        output = subprocess.run(
            ["bash", "-c", load], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout
        assert "MLFLOW_EXPERIMENT_NAME=lambda-autotuner-agent" in output
    environ: dict[str, str] = {}
    load_dotenv(tmp_path / ".env", environ)
    assert environ["MLFLOW_ENABLE_TRACING"] == "true"


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("databricks", "databricks"),
        ("databricks://work", "databricks"),
        ("http://localhost:5000", "server"),
        ("https://mlflow.yourcompany.com", "server"),
        ("sqlite:////var/x.db", "database"),
        ("postgresql://u@h/db", "database"),
    ],
)
def test_usable_addresses(uri, kind):
    check_uri(uri)
    assert Destination(uri, "x").kind == kind


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://host/x",
        "http://",
        "http://:80",
        "http://a b",
        "https://host:99999",
        "mlruns",
        "file:x",
    ],
)
def test_unusable_addresses_become_a_status_not_an_error(uri, tmp_path):
    with pytest.raises(ConfigurationError):
        check_uri(uri)
    status = pipeline.initialize_mlflow(state_dir=tmp_path, tracking_uri=uri, autolog=False)
    assert (status.enabled, status.code) == (False, "configuration")
    assert status.reason
    assert status.remedy


@pytest.mark.parametrize("name", ["a\nb", "", "   ", "x" * 501])
def test_unusable_experiment_names(name, tmp_path):
    status = pipeline.initialize_mlflow(state_dir=tmp_path, experiment=name or " ", autolog=False)
    assert status.code == "configuration"


@pytest.mark.parametrize("name", ["odd ünï/cöde 名", "a'b\"c", "percent%20"])
def test_odd_experiment_names_work(name, start):
    import mlflow_integration as tracing

    traced = start(experiment=name)
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")
    assert traced.deliver()["pending"] == {}
    assert len(traced.traces()) == 1


def test_the_switch_is_obeyed_and_checked(tmp_path, monkeypatch):
    for text in ("false", "0", "no", "off", "'False'"):
        assert parse_switch(text, default=True, name="X") is False
    for text in ("true", "1", "on", None, ""):
        assert parse_switch(text, default=True, name="X") is True
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "perhaps")
    status = pipeline.initialize_mlflow(state_dir=tmp_path, autolog=False)
    assert status.code == "configuration"
    assert "perhaps" in (status.reason or "")


def test_credentials_are_not_part_of_a_destination(tmp_path):
    secret = "pa55" + "word"
    found = read_destination({}, tmp_path, tracking_uri=f"https://ann:{secret}@host:1/x")
    assert secret not in str(found.to_dict())
    assert found.uri == "https://host:1/x"
    assert strip_credentials("databricks://profile") == "databricks://profile"


def test_the_default_is_a_local_file_in_the_state_folder(tmp_path):
    found = read_destination({}, tmp_path)
    assert found.uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert found.experiment == "lambda-autotuner-agent"
    assert found.artifacts == str(tmp_path / "mlartifacts")


def test_telemetry_of_mlflow_is_off_unless_chosen(tmp_path, run_script):
    code = """
        import os, socket, sys
        real = socket.socket.connect
        def connect(self, address):
            assert not isinstance(address, tuple) or address[0] == "127.0.0.1", address
            return real(self, address)
        socket.socket.connect = connect
        import mlflow_integration as tracing
        tracing.initialize_mlflow(state_dir=sys.argv[1], autolog=False)
        import mlflow.telemetry.utils
        assert mlflow.telemetry.utils.is_telemetry_disabled()
        with tracing.create_trace_context("x"):
            pass
    """
    run_script(code, str(tmp_path / "s"), MLFLOW_DISABLE_TELEMETRY="")
