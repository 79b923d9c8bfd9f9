"""What every test can rely on: no credentials, no telemetry, no state of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
_FOREIGN = (
    "AWS_",
    "MLFLOW_",
    "DATABRICKS_",
    "OTEL_",
    "LANGSMITH_",
    "LANGCHAIN_",
    "LAMBDA_AUTOTUNER_",
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test starts from nothing: the developer's own credentials and settings do not count."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The measured and recorded data of other projects, which is not part of this one."""
    path = REPOSITORY.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the measured data (../shared/data) is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def curves_file(shared_dir: Path) -> Path:
    """Durations that were really measured on AWS."""
    return shared_dir / "lambda-curves" / "curves.csv.gz"
