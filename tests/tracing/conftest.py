"""Real back ends, shared: a server costs seconds, a fresh database too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlflow_integration import pipeline
from mlflow_integration.backlog import Backlog
from mlflow_integration.environment import Destination
from mlflow_integration.testing import DatabricksStandIn, MlflowServer, PostgresServer
from mlflow_integration.testing.servers import postgres_binaries
from mlflow_integration.worker import deliver_all

WORKSPACE_TOKEN = "dapi" + "f0e1d2c3b4a59687" * 2


@pytest.fixture(autouse=True)
def _own_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test decides itself about tracing; nothing is delivered behind its back."""
    monkeypatch.setenv("MLFLOW_INTEGRATION_DELIVERY", "manual")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline._process, "decided", True)
    (tmp_path / ".git").mkdir()
    before = dict(os.environ)
    yield
    pipeline.shut_down()
    for name in set(os.environ) - set(before):
        if name.startswith(("MLFLOW_", "DATABRICKS_")):
            del os.environ[name]


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables made once."""
    from mlflow_integration.backend import store_of

    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    destination = Destination(
        f"sqlite:///{file}", "template", artifacts=str(file.parent / "artifacts")
    )
    store = store_of(destination)
    store.engine.dispose()
    return file


@pytest.fixture
def state(tmp_path: Path, database_template: Path) -> Path:
    """A state folder whose database has its tables already."""
    folder = tmp_path / "state"
    folder.mkdir()
    shutil.copy(database_template, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Iterator[Any]:
    """A real mlflow server over SQLite."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(database_template, folder / "server.db")
    with MlflowServer(folder) as running:
        yield running


@pytest.fixture
def experiment() -> str:
    """A name that no other test uses."""
    return f"lambda-autotuner-{uuid.uuid4().hex[:10]}"


class Traced:
    """An initialised pipeline and a plain MLflow client that looks at the other end."""

    def __init__(self, state: Path, status: Any, uri: str, experiment: str) -> None:
        self.state = state
        self.status = status
        self.uri = uri
        self.experiment = experiment
        self.spool = state / "spool"

    def deliver(self, seconds: float = 60.0) -> dict[str, Any]:
        """Deliver in the foreground, in this process."""
        found = pipeline.current()
        if found is not None:
            for writer in found.recorder.writers():
                writer.close()
        return deliver_all(self.spool, seconds)

    def client(self) -> Any:
        """Plain MLflow, without any of ours in between."""
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def experiment_id(self) -> str:
        """The id that the back end gave."""
        found = self.client().get_experiment_by_name(self.status.experiment)
        assert found is not None, f"no experiment {self.status.experiment!r}"
        return str(found.experiment_id)

    def traces(self) -> list[Any]:
        """All traces of this test, with their spans."""
        from mlflow.tracing.client import TracingClient

        client, found, token = TracingClient(self.uri), [], None
        while True:
            page = client.search_traces(
                locations=[self.experiment_id()], max_results=500, page_token=token
            )
            found.extend(page)
            token = page.token
            if not token:
                return found

    def runs(self, filter_string: str = "") -> list[Any]:
        """All runs of this test."""
        return list(
            self.client().search_runs([self.experiment_id()], filter_string, max_results=5000)
        )

    def backlog(self) -> Backlog:
        """What waits."""
        backlog = Backlog(self.spool)
        backlog.refresh()
        return backlog

    def spooled_text(self) -> str:
        """Everything that stands in the spool's files."""
        return "".join(
            path.read_text("utf-8", "replace") for path in self.spool.rglob("*") if path.is_file()
        )


@pytest.fixture
def start(state: Path, experiment: str) -> Callable[..., Traced]:
    """Initialise tracing, by default on the local database."""

    def initialize(uri: str | None = None, **options: Any) -> Traced:
        name = options.pop("experiment", experiment)
        status = pipeline.initialize_mlflow(
            state_dir=state,
            tracking_uri=uri,
            experiment=name,
            timeout_seconds=options.pop("timeout_seconds", 20.0),
            autolog=options.pop("autolog", False),
            **options,
        )
        return Traced(state, status, uri or f"sqlite:///{state / 'mlflow.db'}", name)

    return initialize


@pytest.fixture
def traced(start: Callable[..., Traced]) -> Traced:
    """Tracing to a local database."""
    found = start()
    assert found.status.enabled, found.status
    return found


@pytest.fixture(
    params=["sqlite", "server", "databricks", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def story(request, start, monkeypatch, tmp_path_factory) -> Iterator[Any]:
    """Tracing to each back end that is really running."""
    kind = request.param
    if kind == "sqlite":
        yield start()
    elif kind == "server":
        yield start(request.getfixturevalue("server").url)
    elif kind == "databricks":
        upstream = request.getfixturevalue("server")
        with DatabricksStandIn(upstream.url, token=WORKSPACE_TOKEN) as workspace:
            monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
            monkeypatch.setenv("DATABRICKS_TOKEN", WORKSPACE_TOKEN)
            found = start("databricks")
            found.objects = workspace.objects
            yield found
    else:
        if postgres_binaries() is None:
            pytest.skip("no PostgreSQL server programs on this machine")
        folder = tmp_path_factory.mktemp("postgres")
        with (
            PostgresServer(folder / "db") as database,
            MlflowServer(folder / "server", backend_uri=database.url) as server,
        ):
            yield start(server.url)


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own, with only the given variables of ours."""

    def run(
        code: str, *arguments: str, check: bool = True, timeout: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        path = tmp_path / f"script_{uuid.uuid4().hex[:6]}.py"
        path.write_text(textwrap.dedent(code), "utf-8")
        result = subprocess.run(
            [sys.executable, str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **variables},
        )
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow calls what its own dependencies deprecate; our own warnings stay errors."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for text in (
                "ignore:.*:sqlalchemy.exc.SADeprecationWarning",
                "ignore:.*:DeprecationWarning:mlflow",
                "ignore:.*:FutureWarning:mlflow",
                "ignore:.*:DeprecationWarning:alembic",
                "ignore:unclosed:ResourceWarning",
            ):
                item.add_marker(pytest.mark.filterwarnings(text))
