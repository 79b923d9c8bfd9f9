"""The real back end, through MLflow's own stores; used where waiting is allowed.

That is the delivery worker, and reading functions after a probe has succeeded. Nothing here is
called on a path that a question waits for.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from mlflow_integration.environment import Destination
from mlflow_integration.errors import (
    AuthenticationError,
    RejectedError,
    UnreachableError,
)
from mlflow_integration.probe import Probe, probe

_logger = logging.getLogger(__name__)
_AUTHENTICATION = frozenset({"unauthorized", "forbidden"})
_FORBIDDEN = (401, 403)
_TRANSPORTS = ("requests", "urllib3", "sqlalchemy", "databricks")
_UNAUTHORIZED = 401
_TOO_LARGE = 413
_TOO_MANY = 429
_SERVER_ERROR = 500
_PASSING = frozenset({408, _TOO_MANY, 502, 503, 504})
_NO_CONNECTION = (
    "failed with exception", "failed with timeout", "locked", "Max retries", "timed out",
    "Connection",
)  # fmt: skip
_LATER = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"})
_FOREIGN_STATUS = re.compile(r"failed with error code (\d{3}) !=")
# A file that cannot have this name or stand in this place: waiting does not help.
_ABOUT_A_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ}
)
FAULT = "fault"


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
    error = kind(f"{found.reason}.", remedy=found.remedy, code=found.code)
    error.retry_after_seconds = found.retry_after_seconds
    raise error


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
    except MlflowException as error:
        found = store.get_experiment_by_name(name)
        if found is not None:
            return found
        code = str(error.error_code)
        if code == "RESOURCE_ALREADY_EXISTS":
            raise UnreachableError(
                f"The name {name!r} is taken by something else, a notebook or a folder perhaps.",
                remedy="Choose another MLFLOW_EXPERIMENT_NAME; what waits is sent there.",
                code="experiment",
            ) from error
        if code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}:
            raise UnreachableError(
                f"The folder of the experiment {name!r} does not exist.",
                remedy="Create the folder in the workspace, or choose another name.",
                code="experiment",
            ) from error
        raise
    return store.get_experiment(identifier)


def classify(error: BaseException) -> Exception:
    """Tell apart: the back end is away, it does not know us, or it refuses this record.

    A record is refused for good only by MLflow's own answer to it. A page from something in
    between, or a failure inside the server, may be about the record or about everything: its
    code is `FAULT`, and whoever delivers finds out by trying others.
    """
    if isinstance(error, (UnreachableError, AuthenticationError, RejectedError)):
        return error
    from mlflow.exceptions import MlflowException, RestException

    text = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, RestException):
        return _classify_answer(error, text)
    if isinstance(error, MlflowException):
        return _classify_own(error, text)
    if isinstance(error, OSError) and error.errno in _ABOUT_A_NAME:
        return RejectedError(text)
    if isinstance(error, OSError) or type(error).__module__.startswith(_TRANSPORTS):
        return UnreachableError(text)
    return RejectedError(text)


def _classify_answer(error: Any, text: str) -> Exception:
    """Classify an answer in MLflow's own form."""
    status, code = error.get_http_status_code(), str(error.error_code)
    if status in _FORBIDDEN or "access token" in text.lower():
        return AuthenticationError(text)
    if status == _TOO_MANY or code in _LATER:
        return UnreachableError(text)
    if status >= _SERVER_ERROR:
        return UnreachableError(text, code=FAULT)
    return RejectedError(text)


def _classify_own(error: Any, text: str) -> Exception:
    """Classify what MLflow raised itself: no connection, a foreign answer, a local database."""
    answered = _FOREIGN_STATUS.search(text)
    if answered:
        return _classify_page(int(answered[1]), text)
    status = error.get_http_status_code()
    if "not in a valid JSON format" in text or "too many 500 error responses" in text:
        return UnreachableError(text, code=FAULT)
    if str(error.error_code) in _LATER or any(word in text for word in _NO_CONNECTION):
        return UnreachableError(text)
    if status in _FORBIDDEN:
        return AuthenticationError(text)
    return UnreachableError(text, code=FAULT) if status >= _SERVER_ERROR else RejectedError(text)


def _classify_page(status: int, text: str) -> Exception:
    """Classify an answer that is not MLflow's own, from a proxy or a firewall perhaps."""
    if status == _TOO_LARGE:
        return RejectedError(text)
    if status == _UNAUTHORIZED:
        return AuthenticationError(text)
    return UnreachableError(text, code=None if status in _PASSING else FAULT)


def describe(destination: Destination) -> str:
    """Return a short name for messages."""
    return urlsplit(destination.host or "").netloc or destination.uri
