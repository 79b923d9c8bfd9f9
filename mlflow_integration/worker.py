"""The delivery worker: `python -m mlflow_integration.worker SPOOL [--once SECONDS]`.

Started by a traced process, it lives as long as that one, and a little longer while it makes
progress. Only one works on a spool at a time; the others wait for its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from mlflow_integration.backlog import Backlog
from mlflow_integration.courier import STATE_FILE
from mlflow_integration.masking import mask_text
from mlflow_integration.retention import enforce_limits, report, tidy
from mlflow_integration.spool import DEFAULT_LIMIT_BYTES, DEFAULT_LIMIT_DAYS

_logger = logging.getLogger(__name__)
LOCK_FILE = "delivery.lock"
_POLL_SECONDS = 0.1
_LINGER_SECONDS = 20.0
_IDLE_SECONDS = 60.0
_STUCK_SECONDS = 90.0
_TIDY_SECONDS = 2.0
_START_SECONDS = 30.0
_EXIT_STUCK = 75
_NICENESS = 5


@contextlib.contextmanager
def delivery_lock(spool: Path, *, timeout_seconds: float | None) -> Iterator[bool]:
    """Hold the right to deliver; yields False when somebody else kept it all the time."""
    fd = os.open(spool / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if deadline is not None and time.monotonic() >= deadline:
                    yield False
                    return
                time.sleep(_POLL_SECONDS)
            else:
                yield True
                return
    finally:
        os.close(fd)


def prepare_environment() -> None:
    """Make MLflow impatient here: the worker's own loop repeats, and knows when to stop."""
    defaults = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
        "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": "5",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        os.environ.pop(name, None)


class Worker:
    """The loop around `Delivery`, with a heart-beat that a watchdog looks at."""

    def __init__(self, spool: Path) -> None:
        from mlflow_integration.delivery import Delivery

        self.spool = spool
        self.backlog = Backlog(spool)
        self.delivery = Delivery(self.backlog, beat=self.beat)
        self._beat_at = time.monotonic()
        self._tidied_at = float("-inf")
        self._said = ""

    def beat(self) -> None:
        """Note progress."""
        self._beat_at = time.monotonic()

    def step(self, *, patient: bool = True) -> int:
        """Deliver once, tidy now and then, and tell the state; return the items done."""
        self.beat()
        done = self.delivery.run_once(patient=patient)
        if time.monotonic() - self._tidied_at > _TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            enforce_limits(self.backlog, **limits())
            tidy(self.backlog)
        self.tell()
        self.beat()
        return done

    def tell(self) -> None:
        """Write the state file when something has changed."""
        from mlflow_integration.delivery import troubles

        state = {"pid": os.getpid(), "destinations": troubles(self.delivery.posts.values())}
        text = json.dumps(state)
        if text != self._said:
            self._said = text
            write_private(self.spool / STATE_FILE, text)

    def watch_itself(self) -> None:
        """Leave when a call has been stuck for long; nothing is lost, the spool is on disk."""

        def watch() -> None:
            while time.monotonic() - self._beat_at < _STUCK_SECONDS:
                time.sleep(1.0)
            _logger.error("a call to the back end is stuck; leaving, the next worker repeats it")
            os._exit(_EXIT_STUCK)

        threading.Thread(target=watch, name="tracing-watchdog", daemon=True).start()


def limits() -> dict[str, Any]:
    """Return the spool's limits from the environment."""
    return {
        "limit_bytes": int(
            float(os.environ.get("MLFLOW_INTEGRATION_SPOOL_MB") or DEFAULT_LIMIT_BYTES / 1048576)
            * 1_048_576
        ),
        "limit_days": float(os.environ.get("MLFLOW_INTEGRATION_SPOOL_DAYS") or DEFAULT_LIMIT_DAYS),
    }


def write_private(path: Path, text: str) -> None:
    """Write a small file in one step, readable by the user only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        _logger.debug("%s could not be written", path, exc_info=True)


class _MaskedFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))


def _log_to(spool: Path) -> None:
    path = spool / "delivery.log"
    path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1)
    handler.setFormatter(_MaskedFormatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("mlflow_integration").setLevel(logging.INFO)


def _parent_gone() -> threading.Event:
    """Return an event that is set when the process that started us has gone."""
    gone = threading.Event()

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(4096):
                continue
        gone.set()

    threading.Thread(target=wait, name="tracing-lifeline", daemon=True).start()
    return gone


def follow(spool: Path) -> None:
    """Deliver for as long as the parent lives, and what it left behind."""
    gone = _parent_gone()
    while True:
        with delivery_lock(spool, timeout_seconds=1.0) as held:
            if held:
                _follow(spool, gone)
                return
        if gone.is_set():
            # Another worker holds the lock and sees the same spool.
            return


def _follow(spool: Path, gone: threading.Event) -> None:
    prepare_environment()
    # What is traced goes first where processors are few: delivery can wait a little.
    os.nice(_NICENESS)
    worker = Worker(spool)
    worker.watch_itself()
    linger_until = None
    busy_at = time.monotonic()
    while True:
        done = worker.step()
        now = time.monotonic()
        if done:
            busy_at = now
        if gone.is_set():
            linger_until = linger_until or now + _LINGER_SECONDS
            if worker.delivery.pending() == 0 or now > linger_until or _all_away(worker):
                break
        elif now - busy_at > _IDLE_SECONDS and worker.delivery.pending() == 0:
            break
        if not done:
            gone.wait(_POLL_SECONDS) if not gone.is_set() else time.sleep(_POLL_SECONDS)
    tidy(worker.backlog)
    worker.tell()


def _all_away(worker: Worker) -> bool:
    posts = [post for post in worker.delivery.posts.values() if post.trouble]
    away = {post.destination.key for post in posts}
    waiting = {item.to for item in worker.backlog.traces.values()}
    waiting |= {item.to for item in worker.backlog.operations.values()}
    return waiting <= away


def deliver_all(spool: Path, seconds: float) -> dict[str, Any]:
    """Deliver everything now, in this process; return the report with what is wrong.

    Args:
        spool: The spool's folder.
        seconds: When to stop trying.
    """
    deadline = time.monotonic() + seconds
    with delivery_lock(spool, timeout_seconds=seconds) as held:
        if not held:
            return {**report(spool), "busy": True, "destinations": {}}
        prepare_environment()
        worker = Worker(spool)
        worker.step(patient=False)
        while worker.delivery.pending() and time.monotonic() < deadline:
            if _all_away(worker) or not _deliverable(worker):
                break
            if worker.step() == 0:
                time.sleep(_POLL_SECONDS)
        tidy(worker.backlog)
        worker.tell()
        from mlflow_integration.delivery import troubles

        return {
            **report(spool, worker.backlog),
            "destinations": troubles(worker.delivery.posts.values()),
        }


def sync(spool: Path, *, seconds: float = 60.0) -> dict[str, Any]:
    """Deliver everything in a process of its own, which is left behind when time is up.

    Returns:
        The report of `deliver_all`; `{"timeout": True, ...}` when it did not finish in time.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow_integration.worker", str(spool), "--once", str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds + _START_SECONDS)
        except BaseException as error:
            process.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return {**report(spool), "destinations": {}, "timeout": True}
    lines = output.decode("utf-8", "replace").strip().splitlines()
    if process.returncode != 0 or not lines:
        return {**report(spool), "destinations": {}, "timeout": True}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def _deliverable(worker: Worker) -> bool:
    """Say whether anything waits that does not belong to a question still being answered."""
    backlog = worker.backlog
    if backlog.operations:
        return True
    return any(backlog.ready(key) for key in backlog.destinations)


def main(arguments: list[str]) -> int:
    """Run the worker."""
    spool = Path(arguments[0])
    if not spool.is_dir():
        return 1
    os.umask(0o077)
    _log_to(spool)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "--once" in arguments:
        seconds = float(arguments[arguments.index("--once") + 1])
        result = deliver_all(spool, seconds)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
        return 0
    follow(spool)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # MLflow and the SDK leave threads behind that would be waited for; nothing is lost with them.
    logging.shutdown()
    os._exit(code)
