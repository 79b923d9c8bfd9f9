"""Starts the delivery worker when there is something to deliver, and waits for it at the end.

The worker is a process of its own: MLflow's and the Databricks SDK's calls can block for many
minutes and cannot be cancelled, but a process that holds nothing can simply be left behind.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow_integration.spool import SpoolWriter

_logger = logging.getLogger(__name__)
_RESTART_SECONDS = 5.0
_POLL_SECONDS = 0.02
STATE_FILE = "delivery.json"


class Courier:
    """This process's side of the delivery worker."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = float("-inf")
        self._pid = os.getpid()

    def wake(self) -> None:
        """Make sure that a worker runs; returns at once."""
        if os.environ.get("MLFLOW_INTEGRATION_DELIVERY", "background") == "manual":
            return
        process = self._process
        if process is not None and self._pid == os.getpid() and process.poll() is None:
            return
        threading.Thread(target=self._start, name="tracing-courier", daemon=True).start()

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._process = os.getpid(), None
            if self._process is not None and self._process.poll() is None:
                return
            if time.monotonic() - self._started_at < _RESTART_SECONDS:
                return
            self._started_at = time.monotonic()
            try:
                self._process = start_worker(self.spool)
            except (OSError, RuntimeError):
                # RuntimeError: the interpreter is shutting down. The next command delivers.
                _logger.debug("the delivery worker could not be started", exc_info=True)

    def drain(self, writers: Sequence[SpoolWriter], timeout_seconds: float) -> int:
        """Wait until `writers` have nothing outstanding, or nothing is to be expected soon."""
        deadline = time.monotonic() + timeout_seconds
        for writer in writers:
            writer.close()
        if not any(writer.outstanding() for writer in writers):
            return 0
        self.wake()
        left = sum(writer.outstanding() for writer in writers)
        while left and time.monotonic() < deadline:
            if os.environ.get("MLFLOW_INTEGRATION_DELIVERY") == "manual":
                break
            if self._is_stuck({writer.destination.key for writer in writers}):
                break
            time.sleep(_POLL_SECONDS)
            left = sum(writer.outstanding() for writer in writers)
        return left

    def _is_stuck(self, keys: set[str]) -> bool:
        """Say whether the worker has said that these destinations are away."""
        troubled = {
            key
            for key, trouble in read_state(self.spool).get("destinations", {}).items()
            if trouble.get("code") and time.time() - trouble.get("at", 0) < 30  # noqa: PLR2004
        }
        return bool(keys) and keys <= troubled


def start_worker(spool: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a delivery worker that leaves on its own once this process has gone."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    # Whoever reads our output must not wait for the worker, so it inherits none of it.
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow_integration.worker", str(spool), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        close_fds=True,
    )


def read_state(spool: Path) -> dict[str, Any]:
    """Return what the worker last said about itself, `{}` when it said nothing."""
    try:
        data = json.loads((spool / STATE_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
