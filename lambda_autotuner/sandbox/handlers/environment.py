"""One execution environment: a handler of a ZIP in a process of its own.

It runs under AWS's own runtime interface client (`awslambdaric`), with a share of the processor
in proportion to its memory.
"""

from __future__ import annotations

import importlib.util
import io
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_autotuner.errors import UsageError
from lambda_autotuner.sandbox.handlers.runtime_api import Event, RuntimeApi
from lambda_autotuner.sandbox.handlers.share import Governor, memory_mb, own_time

INIT_SECONDS: Final = 10.0
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
_PATIENCE_SECONDS: Final = 0.002
_PIPE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Order:
    """What an environment is to run; `environment` as sorted pairs, so that orders compare."""

    name: str
    version: str
    handler: str
    memory_mb: int
    timeout_s: int
    region: str
    function_arn: str
    environment: tuple[tuple[str, str], ...]
    code: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """What an invocation took; `ending` is ok, error, timeout, out-of-memory or exit."""

    ending: str
    duration_ms: float
    init_ms: float | None
    max_memory_mb: int
    answer: bytes
    output: str


def available() -> bool:
    """Whether awslambdaric is installed."""
    return importlib.util.find_spec("awslambdaric") is not None


class HandlerEnvironment:
    """A process that serves one function version, one invocation at a time."""

    def __init__(self, order: Order) -> None:
        if not available():
            raise UsageError(
                "Running handlers needs awslambdaric.",
                remedy="Install lambda-autotuner[handlers].",
            )
        self.order = order
        self.used_at = time.monotonic()
        self.overflowed = False
        self._root = Path(tempfile.mkdtemp(prefix="lambda-autotuner-handler-"))
        self._unpack()
        self._api = RuntimeApi()
        self._output = bytearray()
        self._reading = threading.Lock()
        started = time.monotonic()
        self._pipe, writing = os.pipe()
        try:
            self._process = self._spawn(writing)
        finally:
            os.close(writing)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # Init runs at full speed, as Lambda's does; the share begins with the first invocation.
        self._api.ready.wait(INIT_SECONDS)
        self.init_ms: float | None = (time.monotonic() - started) * 1000
        self._governor = Governor(self._process.pid, order.memory_mb, self._overflow)

    def _unpack(self) -> None:
        with zipfile.ZipFile(io.BytesIO(self.order.code)) as archive:
            for item in archive.infolist():
                place = (self._root / item.filename).resolve()
                if not place.is_relative_to(self._root.resolve()):
                    raise UsageError(f"The package holds a path outside it: {item.filename!r}.")
            archive.extractall(self._root)

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        order = self.order
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": order.name,
            "AWS_LAMBDA_FUNCTION_VERSION": order.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(order.memory_mb),
            "AWS_REGION": order.region,
            "AWS_DEFAULT_REGION": order.region,
            "LAMBDA_TASK_ROOT": str(self._root),
            "_HANDLER": order.handler,
            "PYTHONPATH": str(self._root),
            **dict(order.environment),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", order.handler],
            cwd=self._root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _read(self) -> None:
        """Take what is printed until nobody can print any more, so that the pipe never fills."""
        while self._waiting(None):
            if self._take():
                break

    def _take(self) -> bool:
        """Move what is in the pipe to the output; true at its end.

        One read takes all that a pipe can hold, so nobody who prints without end is waited for.
        """
        with self._reading:
            if not self._waiting(0):
                return False
            found = os.read(self._pipe, _PIPE_BYTES)
            self._output += found
            return not found

    def _waiting(self, timeout_ms: int | None) -> bool:
        waiter = select.poll()
        waiter.register(self._pipe, select.POLLIN)
        return bool(waiter.poll(timeout_ms))

    def _overflow(self) -> None:
        self.overflowed = True
        self._kill()

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation."""
        return self._process.poll() is None and self._api.init_error is None

    def invoke(self, request_id: str, payload: bytes) -> Run:
        """Run the handler on a payload; returns when it answered, failed, or its time is up."""
        init_ms, self.init_ms = self.init_ms, None
        mark = len(self._output)
        if not self.alive:
            return self._lost(0.0, init_ms, mark)
        deadline_ms = round(time.time() * 1000) + self.order.timeout_s * 1000
        event = Event(request_id, payload or b"{}", deadline_ms, self.order.function_arn)
        self._governor.start()
        self._api.send(event)
        event.taken.wait(1)
        started = own_time(self._process.pid)
        end = time.monotonic() + self.order.timeout_s
        while not event.done.wait(_PATIENCE_SECONDS) and self._process.poll() is None:
            if time.monotonic() >= end:
                break
        took_ms = (own_time(self._process.pid) - started) * 1000
        self._governor.pause()
        self.used_at = time.monotonic()
        peak = min(memory_mb(self._process.pid, "VmHWM"), self.order.memory_mb)
        if event.done.is_set():
            ending = "error" if event.failed else "ok"
            return Run(ending, took_ms, init_ms, peak, event.answer, self._said(mark))
        if self._process.poll() is None:
            self._kill()
            limit_ms = self.order.timeout_s * 1000.0
            return Run("timeout", limit_ms, init_ms, peak, b"", self._said(mark))
        return self._lost(took_ms, init_ms, mark)

    def _lost(self, took_ms: float, init_ms: float | None, mark: int) -> Run:
        if self._api.init_error is not None:
            return Run("error", took_ms, init_ms, 0, self._api.init_error, self._said(mark))
        ending = "out-of-memory" if self.overflowed else "exit"
        peak = self.order.memory_mb if self.overflowed else 0
        return Run(ending, took_ms, init_ms, peak, b"", self._said(mark))

    def _said(self, mark: int) -> str:
        """What was printed since a mark: all of it, for it was in the pipe before the answer was."""
        self._take()
        return bytes(self._output[mark:]).decode(errors="replace")

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            # Until it is collected it would look alive to whoever wants to use it again.
            self._process.wait()

    def close(self) -> None:
        """End the process and remove its files."""
        self._kill()
        self._process.wait()
        self._governor.close()
        self._api.close()
        self._reader.join(1)
        if not self._reader.is_alive():
            os.close(self._pipe)
        shutil.rmtree(self._root, ignore_errors=True)
