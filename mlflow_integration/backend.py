"""The real back end, through MLflow's own stores; used where waiting is allowed.

That is the delivery worker, and reading functions after a probe has succeeded. Nothing here is
called on a path that a question waits for.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from mlflow_integration.environment import Destination
from mlflow_integration.errors import (
    AuthenticationError,
    RejectedError,
    TracingError,
    UnreachableError,
)
from mlflow_integration.probe import Probe, probe

_logger = logging.getLogger(__name__)
_AUTHENTICATION = frozenset({"unauthorized", "forbidden"})
_FORBIDDEN = (401, 403)
_TRANSPORTS = ("requests", "urllib3", "sqlalchemy", "databricks")
_TOO_MANY = 429
_SERVER_ERROR = 500


def require(destination: Destination, *, seconds: float = 2.0) -> Probe:
    """Probe a destination before MLflow is let loose on it.

    Raises:
        UnreachableError: It does not answer.
        AuthenticationError: It answers 401 or 403, or credentials are missing.
    """
    found = probe(destination, seconds=seconds)
    if found.code is None:
        return found
    kind = AuthenticationError if found.code in _AUTHENTICATION else UnreachableError
    raise kind(f"{found.reason}.", remedy=found.remedy, code=found.code)


def open_store(destination: Destination, *, seconds: float = 2.0) -> Any:
    """Return MLflow's store for a destination that answers.

    Raises:
        TracingError: See `require`.
    """
    require(destination, seconds=seconds)
    return store_of(destination)


def store_of(destination: Destination) -> Any:
    """Return MLflow's store without asking whether the back end answers."""
    from mlflow.tracking._tracking_service.utils import _get_store

    file = destination.database_file
    if file is None:
        return _get_store(destination.uri)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _database_lock(file):
        if not file.exists():
            _create_database(file, destination.artifacts)
        return _get_store(destination.uri, destination.artifacts)


@contextlib.contextmanager
def _database_lock(file: Path) -> Iterator[None]:
    """MLflow creates and migrates tables when it opens a file: one process at a time."""
    fd = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _create_database(file: Path, artifacts: str | None) -> None:
    """Make the tables under another name: a process killed half-way leaves no broken file."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    fresh = file.with_name(f".{file.name}.new")
    for leftover in file.parent.glob(f".{file.name}.new*"):
        leftover.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    # MLflow's own word for "creating tables" would land in the middle of an answer.
    tables = logging.getLogger("mlflow.store.db.utils")
    level = tables.level
    tables.setLevel(logging.WARNING)
    try:
        store = SqlAlchemyStore(f"sqlite:///{fresh}", artifacts or str(file.parent / "mlartifacts"))
        store.engine.dispose()
    finally:
        tables.setLevel(level)
    fresh.rename(file)


def experiment_name(store: Any, destination: Destination, *, name: str | None = None) -> str:
    """Return the experiment's full name; Databricks wants a path under the user's folder."""
    wanted = name or destination.experiment
    if destination.kind != "databricks" or wanted.startswith("/"):
        return wanted
    del store
    found = probe(
        Destination(uri=destination.uri, experiment=wanted, host=destination.host), seconds=5.0
    )
    if found.experiment is None:
        raise UnreachableError(f"{found.reason}.", remedy=found.remedy)
    return found.experiment


def resolve_experiment(store: Any, destination: Destination, *, create: bool = False) -> str:
    """Return the id of the destination's experiment.

    Raises:
        UnreachableError: It does not exist (and `create` is false) or the back end is away.
    """
    name = experiment_name(store, destination)
    found = store.get_experiment_by_name(name)
    if found is None and create:
        found = _create(store, destination, name)
    if found is None:
        raise UnreachableError(
            f"The experiment {name!r} does not exist yet.", remedy="It is made by the first trace."
        )
    if found.lifecycle_stage == "deleted":
        raise UnreachableError(
            f"The experiment {name!r} is deleted.",
            remedy="Restore it or choose another MLFLOW_EXPERIMENT_NAME.",
        )
    return str(found.experiment_id)


def _create(store: Any, destination: Destination, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    location = None
    if destination.artifacts:
        # Without a place of its own MLflow would make ./mlruns wherever the command was called.
        location = f"file://{quote(destination.artifacts)}/{quote(name, safe='')}"
    try:
        identifier = store.create_experiment(name, location, None)
    except MlflowException:
        found = store.get_experiment_by_name(name)
        if found is None:
            raise
        return found
    return store.get_experiment(identifier)


def classify(error: BaseException) -> Exception:
    """Tell apart: the back end is away, it does not know us, or it refuses this record."""
    if isinstance(error, (UnreachableError, AuthenticationError, RejectedError)):
        return error
    from mlflow.exceptions import MlflowException

    text = f"{type(error).__name__}: {error}"[:500]
    kind: type[TracingError] = RejectedError
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        if status in _FORBIDDEN:
            kind = AuthenticationError
        elif _is_passing(error, text, status):
            kind = UnreachableError
    elif isinstance(error, OSError) or type(error).__module__.startswith(_TRANSPORTS):
        kind = UnreachableError
    return kind(text)


def _is_passing(error: Any, text: str, status: int) -> bool:
    code = getattr(error, "error_code", "")
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        return True
    if code in {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}:
        return True
    return any(word in text for word in ("Max retries", "timed out", "Connection", "locked"))


def describe(destination: Destination) -> str:
    """Return a short name for messages."""
    return urlsplit(destination.host or "").netloc or destination.uri
