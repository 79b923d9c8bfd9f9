"""The process's tracing: set up once, cheap to ask for, safe to lose its back end."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import logging
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow_integration.courier import Courier
from mlflow_integration.environment import (
    Destination,
    adopt_credentials,
    databricks_host,
    find_dotenv,
    foreign_notices,
    load_dotenv,
    parse_switch,
    read_destination,
    wants_tracing,
)
from mlflow_integration.environment import (
    state_dir as choose_state_dir,
)
from mlflow_integration.errors import SpoolError, TracingError
from mlflow_integration.loading import import_mlflow, point_mlflow_at
from mlflow_integration.masking import Masker
from mlflow_integration.probe import DEADLINE_SECONDS, Probe, probe
from mlflow_integration.recorder import Recorder
from mlflow_integration.spool import FULL, ensure_spool
from mlflow_integration.status import SWITCHED_OFF, TracingStatus

_logger = logging.getLogger(__name__)
EXIT_SECONDS = 2.0
_LOCAL_EXIT_SECONDS = 0.3
_SECOND_LOOK = 0.75
_STARVED_SECONDS = 0.5


@dataclass
class Pipeline:
    """What a traced process holds: its recorder, its courier and the store's address."""

    recorder: Recorder
    courier: Courier
    store_uri: str
    status: TracingStatus


@dataclass
class _Process:
    """What this process has decided about tracing."""

    pipeline: Pipeline | None = None
    decided: bool = False
    asked: bool = False
    exit_hook: bool = False


_lock = threading.RLock()
_process = _Process()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may hold it for ever
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def current() -> Pipeline | None:
    """Return the pipeline when tracing records, initialising it if the environment says so."""
    if _process.pipeline is None and not _process.decided:
        with _lock:
            if _process.pipeline is None and not _process.decided:
                _process.decided = True
                if wants_tracing(os.environ):
                    initialize_mlflow()
    if _process.pipeline is not None:
        _readopt(_process.pipeline)
    return _process.pipeline


def masker() -> Masker:
    """Return the masker in use, with the configured patterns."""
    return _process.pipeline.recorder.masker if _process.pipeline is not None else Masker()


def initialize_mlflow(
    *,
    state_dir: Path | str | None = None,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    dotenv: bool = True,
    autolog: bool = True,
    masking_patterns: Iterable[str] = (),
    timeout_seconds: float = DEADLINE_SECONDS,
) -> TracingStatus:
    """Set tracing up from the environment and `.env`, and say how that went.

    Never raises because of a setting, a folder or a server, and takes at most
    `timeout_seconds` beyond importing MLflow. Prints nothing; see `TracingStatus.banner_lines`.

    Args:
        state_dir: Folder for `mlflow.db` and `spool/`; by default LAMBDA_AUTOTUNER_STATE_DIR,
            else `.lambda-autotuner` beside `config.yaml`, else the user's state folder.
        tracking_uri: Instead of MLFLOW_TRACKING_URI.
        experiment: Instead of MLFLOW_EXPERIMENT_NAME.
        dotenv: Whether to read the nearest `.env` (it never replaces what is set).
        autolog: Whether to switch `mlflow.langchain.autolog()` on when LangChain is installed.
        masking_patterns: Regular expressions of further secrets; MLFLOW_MASKING_PATTERNS, one
            a line, adds to them.
        timeout_seconds: Limit for the probe of the back end.
    """
    options = _Options(
        Path(state_dir) if state_dir else None,
        tracking_uri,
        experiment,
        dotenv,
        autolog,
        tuple(masking_patterns),
        timeout_seconds,
    )
    with _lock:
        _process.decided = _process.asked = True
        return _initialize(options)


@dataclass(frozen=True)
class _Options:
    folder: Path | None
    tracking_uri: str | None
    experiment: str | None
    dotenv: bool
    autolog: bool
    patterns: tuple[str, ...]
    seconds: float


def _initialize(options: _Options) -> TracingStatus:
    environ = os.environ
    dotenv = find_dotenv() if options.dotenv else None
    added = load_dotenv(dotenv, environ)
    _logger.debug("environment: .env is %s and adds %s", dotenv, ", ".join(added) or "nothing")
    notices = foreign_notices(environ)
    for notice in notices:
        _logger.info(notice)
    failed = TracingStatus(
        enabled=False, recording=False, destination="", experiment="", dotenv=dotenv,
        notices=notices,
    )  # fmt: skip
    try:
        if not parse_switch(
            environ.get("MLFLOW_ENABLE_TRACING"), default=True, name="MLFLOW_ENABLE_TRACING"
        ):
            shut_down()
            return replace(failed, reason=SWITCHED_OFF, code="off")
        folder = choose_state_dir(options.folder, environ)
        adopt_credentials(options.tracking_uri or environ.get("MLFLOW_TRACKING_URI", ""), environ)
        destination = read_destination(
            environ, folder, tracking_uri=options.tracking_uri, experiment=options.experiment
        )
        patterns = (*options.patterns, *environ.get("MLFLOW_MASKING_PATTERNS", "").splitlines())
        masker = Masker.with_patterns(p for p in patterns if p.strip())
        spool = folder / "spool"
        full = _find_space(spool)
    except SpoolError as error:
        shut_down()
        return replace(failed, reason=error.message, remedy=error.remedy, code="spool")
    except (TracingError, ValueError) as error:
        shut_down()
        remedy = getattr(error, "remedy", None)
        message = getattr(error, "message", str(error))
        return replace(failed, reason=message, remedy=remedy, code="configuration")
    status = _start(options, destination, masker, spool, replace(failed, spool=spool))
    if full is not None:
        # Space may come back: what happens then is recorded.
        status = replace(
            status, enabled=False, reason=full.message, remedy=full.remedy, code="spool"
        )
        if _process.pipeline is not None:
            _process.pipeline.status = status
    return status


def _find_space(spool: Path) -> SpoolError | None:
    """Make the spool's folders; return the error when they are there and the disk is full.

    Raises:
        SpoolError: The folder cannot be created or written.
    """
    try:
        ensure_spool(spool)
    except SpoolError as error:
        if error.code != FULL:
            raise
        return error
    return None


def _start(
    options: _Options,
    destination: Destination,
    masker: Masker,
    spool: Path,
    status: TracingStatus,
) -> TracingStatus:
    answer: list[Probe] = []
    asking = threading.Thread(
        target=lambda: answer.append(probe(destination, seconds=options.seconds)), daemon=True
    )
    asking.start()
    asked = time.monotonic()
    import_mlflow(autolog=options.autolog)
    began = time.monotonic()
    status = replace(
        status, recording=True, destination=destination.uri, experiment=destination.experiment
    )
    courier = Courier(spool)
    recorder = Recorder(spool, destination, masker, on_item=courier.wake)
    previous, _process.pipeline = _process.pipeline, Pipeline(recorder, courier, "", status)
    if previous is not None:
        previous.recorder.writer.close()
    _install(_process.pipeline)
    if options.autolog and importlib.util.find_spec("langchain_core"):
        import mlflow.langchain

        mlflow.langchain.autolog()
    asking.join(options.seconds)
    found = answer[0] if answer else None
    starved = began - asked > _STARVED_SECONDS
    if found is None or (found.code == "timeout" and starved):
        # Loading MLflow starves other threads; a slow answer counts only without that.
        found = probe(destination, seconds=options.seconds * _SECOND_LOOK)
    status = replace(
        status,
        enabled=found.code is None,
        experiment=found.experiment or destination.experiment,
        reason=found.reason,
        remedy=found.remedy,
        code=found.code,
        elapsed_seconds=time.monotonic() - began,
    )
    for hop in found.hops:
        _logger.debug(
            "probe: %s %s in %.0f ms %s",
            hop.name, "ok" if hop.ok else "failed", hop.milliseconds, hop.detail,
        )  # fmt: skip
    _logger.debug("tracing: %s", status.banner_lines()[3])
    _process.pipeline.status = status
    _register_exit_hook()
    if status.enabled and destination.kind != "database":
        # The worker takes seconds to load MLflow; a short program may be over by then.
        courier.wake()
    return status


def _install(pipeline: Pipeline) -> None:
    """Point MLflow's own machinery at our store."""
    from mlflow_integration.store import register

    # Our store only writes a line to a file: MLflow's own queue would add loss and an exit delay.
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    # Attachments would be uploaded past spool and masking; as text they stay in the span.
    os.environ["MLFLOW_TRACE_EXTRACT_ATTACHMENTS"] = "false"
    if pipeline.recorder.destination.otlp:
        # The delivery worker serves the collector, from masked records.
        os.environ["MLFLOW_INTEGRATION_OTLP_ENDPOINT"] = pipeline.recorder.destination.otlp
        os.environ["MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT"] = "false"
    if not pipeline.store_uri:
        pipeline.store_uri = register(pipeline.recorder)
    point_mlflow_at(pipeline.store_uri)


def _readopt(pipeline: Pipeline) -> None:
    """Follow a later `mlflow.set_tracking_uri`: new destination, same spool and masking."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    if uri == pipeline.store_uri:
        return
    with _lock:
        if mlflow.get_tracking_uri() != uri or _process.pipeline is not pipeline:
            return
        _logger.info("the tracking URI was changed; following it, with masking and spool")
        switch_destination(tracking_uri=uri)


def switch_destination(
    *, tracking_uri: str | None = None, experiment: str | None = None
) -> Pipeline:
    """Send what comes from now on somewhere else.

    Raises:
        TracingError: The address or the name cannot be used; nothing has changed then.
    """
    with _lock:
        pipeline = _process.pipeline
        if pipeline is None:
            raise TracingError("Tracing is not set up.", remedy="Call initialize_mlflow() first.")
        old = pipeline.recorder.destination
        spool = pipeline.recorder.writer.spool
        if tracking_uri is not None:
            adopt_credentials(tracking_uri, os.environ)
        destination = read_destination(
            os.environ,
            spool.parent,
            tracking_uri=tracking_uri or old.uri,
            experiment=experiment or old.experiment,
        )
        if destination.kind == "databricks" and not destination.host:
            host = databricks_host(os.environ, destination.profile)
            destination = replace(destination, host=host)
        recorder = Recorder(
            spool, destination, pipeline.recorder.masker, on_item=pipeline.courier.wake
        )
        status = replace(
            pipeline.status, destination=destination.uri, experiment=destination.experiment
        )
        pipeline.recorder.writer.close()
        _process.pipeline = Pipeline(recorder, pipeline.courier, "", status)
        _process.pipeline.recorder.retired = [*pipeline.recorder.retired, pipeline.recorder.writer]
        _install(_process.pipeline)
        return _process.pipeline


def flush(timeout_seconds: float = EXIT_SECONDS) -> int:
    """Wait until what this process recorded is delivered; return how much is left on disk.

    Stops waiting early when the back end is known to be away.
    """
    pipeline = _process.pipeline
    if pipeline is None:
        return 0
    return pipeline.courier.drain(pipeline.recorder.writers(), timeout_seconds)


def shut_down() -> None:
    """Stop recording in this process; what is recorded stays on disk and is delivered later."""
    with _lock:
        pipeline, _process.pipeline = _process.pipeline, None
        if pipeline is None:
            return
        for writer in pipeline.recorder.writers():
            writer.close()
        import mlflow

        mlflow.tracing.disable()


def _register_exit_hook() -> None:
    if not _process.exit_hook:
        _process.exit_hook = True
        atexit.register(_at_exit)


def _at_exit() -> None:
    try:
        left = flush(_exit_patience())
    except Exception:
        _logger.debug("the last flush failed", exc_info=True)
        return
    if left:
        _logger.info(
            "%d records are kept on disk; the next command or `traces sync` delivers them", left
        )


def _exit_patience() -> float:
    """Return how long the exit may wait, in seconds.

    The worker goes on after us. Waiting only helps where our disk goes away with us, a
    container for instance, and the back end does not.
    """
    pipeline = _process.pipeline
    if pipeline is None or not pipeline.status.enabled:
        return 0.0
    local = pipeline.recorder.destination.kind == "database"
    return _LOCAL_EXIT_SECONDS if local else EXIT_SECONDS


def mlflow_module() -> Any:
    """Return MLflow, imported with its telemetry off and pointed at what is configured."""
    if current() is None and not _process.asked:
        # `.env` alone may say where to go; what it says is asked for once.
        _process.asked = True
        initialize_mlflow(autolog=False)
    import_mlflow(autolog=False)
    import mlflow

    return mlflow
