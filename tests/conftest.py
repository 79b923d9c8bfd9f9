"""What every test can rely on: no credentials, no telemetry, no state of the person who runs it."""

from __future__ import annotations

import datetime as dt
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# As the command does: see cli/main.py.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A run that was started in the background ignores Ctrl-C, and so would every process it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
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


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for servers and processes of their own."""
    available = getattr(os, "sched_getaffinity", None)
    return (len(available(0)) if available else os.cpu_count() or 1) + 1


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
def sandbox_now() -> dt.datetime:
    """When it is in the accounts of the tests: traffic depends on the weekday, tests must not."""
    return dt.datetime(2026, 11, 25, 15, 30, tzinfo=dt.UTC)


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


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server of this test run, as an SQLAlchemy URL of its own database."""
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binary on this machine")
    folder = Path(tempfile.mkdtemp(prefix="autotuner-postgres-"))
    # PostgreSQL refuses to run as root; its package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    options: dict[str, Any] = {
        "user": user,
        "cwd": folder,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        **options,
    )
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    log = folder / "server.log"
    control = binaries / "pg_ctl"
    subprocess.run(
        [control, "-D", data, "-l", log, "-w", "-o", settings, "start"], check=True, **options
    )
    try:
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([control, "-D", data, "-m", "immediate", "stop"], check=True, **options)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    """An empty database of the test's own on that server."""
    import sqlalchemy as sa

    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{postgres_url.rsplit('/', 1)[0]}/{name}"


def _postgres_binaries() -> Path | None:
    """The folder of the newest installed server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    command = shutil.which("initdb")
    return Path(command).parent if command else None


@pytest.fixture(autouse=True)
def _quiet_logging() -> Iterator[None]:
    """A test that turns debug logging on must not leave it on for the ones after it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
