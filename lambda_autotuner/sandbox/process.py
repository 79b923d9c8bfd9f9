"""Servers as processes: private ones that die with their parent, and the one that commands share."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import filelock

from lambda_autotuner.errors import AccountError, UsageError
from lambda_autotuner.sandbox.persistence import Store
from lambda_autotuner.sandbox.serving import Options

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
DEFAULT_SEED: Final = 7
# Whatever the person's own environment says about AWS does not reach the server.
_KEPT: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "SYSTEMROOT",
)


# Shared servers that this process started: they outlive it, but their ends must be collected.
_detached: list[subprocess.Popen[bytes]] = []


@dataclass(slots=True)
class SandboxProcess:
    """A running server. `child` is None for one that somebody else started."""

    endpoint_url: str
    pid: int
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop a private server; leave a shared one alone."""
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.child = None

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a control request (`health`, `advance`, `reset`, `faults`, `shutdown`).

        Raises:
            AccountError: the server is gone, or refuses.
        """
        return control(self.endpoint_url, method, path, body)

    def advance(self, seconds: float, *, account_id: str | None = None) -> None:
        """Let time pass: history gets older by `seconds`."""
        body = {"seconds": seconds, **({"account_id": account_id} if account_id else {})}
        self.control("POST", "advance", body)

    def add_fault(self, **fault: object) -> None:
        """Switch a fault on (see `sandbox.faults.Fault` for the members)."""
        self.control("POST", "faults", fault)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self.control("DELETE", "faults")


def start_private(
    *,
    functions: int | None = None,
    seed: int = DEFAULT_SEED,
    curves: str | Path | None = None,
    now: float | dt.datetime | None = None,
    settle_seconds: float | None = None,
    pace: float = 0.0,
    handlers: bool = False,
) -> SandboxProcess:
    """Start a server as a child process on a free port; it dies with this process.

    Args:
        functions: how many functions each account holds; None for the catalogue as it is.
        seed: what everything random follows from.
        curves: a file of measured durations; its curves become functions, too.
        now: epoch seconds, or an aware datetime, at which the sandbox's clock stands (it ticks by
            10 ms a request); None: the machine's own time.
        settle_seconds: how long an update is in progress.
        pace: 0 accounts durations without waiting, 1 is real time.
        handlers: run the Python handlers of uploaded packages for real (needs awslambdaric).

    Raises:
        AccountError: the server did not come up.
    """
    options = Options(
        seed=seed,
        functions=functions,
        curves=str(Path(curves).resolve()) if curves else None,
        now_ms=_epoch_ms(now),
        settle_seconds=settle_seconds,
        pace=pace,
        handlers=handlers,
        parent_pid=os.getpid(),
    )
    return _start(options, detached=False, log_path=None)


def attach_or_start(
    state_dir: Path,
    *,
    functions: int | None = None,
    seed: int = DEFAULT_SEED,
    curves: str | Path | None = None,
    idle_minutes: float = 30,
    port: int = 0,
) -> SandboxProcess:
    """The shared server of a state directory, started detached when there is none.

    Raises:
        AccountError: the server did not come up.
    """
    store = Store(Path(state_dir))
    store.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with filelock.FileLock(store.directory / "lock", timeout=START_SECONDS + 5, mode=0o600):
        running = status(state_dir)
        if running is not None:
            return running
        options = Options(
            port=port,
            seed=seed,
            functions=functions,
            curves=str(Path(curves).resolve()) if curves else None,
            state_dir=str(store.directory.resolve()),
            idle_minutes=idle_minutes,
        )
        started = _start(options, detached=True, log_path=store.directory / "server.log")
        if started.child is not None:
            _detached.append(started.child)
            started.child = None
        return started


def status(state_dir: Path) -> SandboxProcess | None:
    """The shared server when one is running, else None."""
    facts = Store(Path(state_dir)).read_address()
    if facts is None:
        return None
    try:
        health = control(facts["endpoint_url"], "GET", "health", timeout=5.0)
    except AccountError:
        return None
    # Another program may have taken the port of a server that was killed.
    if health.get("pid") != facts["pid"]:
        return None
    return SandboxProcess(facts["endpoint_url"], int(facts["pid"]))


def stop(state_dir: Path) -> bool:
    """Stop the shared server; its state stays. False when none was running."""
    running = status(state_dir)
    if running is None:
        return False
    running.control("POST", "shutdown")
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if status(state_dir) is None and not _alive(running.pid):
            return True
        time.sleep(0.05)
    raise AccountError(
        f"The sandbox (process {running.pid}) does not stop.", remedy="End it by hand."
    )


def reset(state_dir: Path) -> bool:
    """Put the shared account back to its beginning. False when no server was running."""
    running = status(state_dir)
    if running is None:
        Store(Path(state_dir)).remove_state()
        return False
    running.control("POST", "reset")
    return True


def advance(state_dir: Path, seconds: float) -> None:
    """Let time pass in the shared account.

    Raises:
        AccountError: no server is running.
    """
    running = status(state_dir)
    if running is None:
        raise AccountError(
            "No sandbox is running.", remedy="Start one with `lambda-autotuner sandbox start`."
        )
    running.advance(seconds)


def control(
    endpoint_url: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    timeout: float = 60.0,
) -> Any:
    """Send one control request to a server on this machine.

    Raises:
        AccountError: the server cannot be reached, or refuses.
    """
    place = urlsplit(endpoint_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)
    try:
        connection.request(method, f"/_sandbox/{path}", json.dumps(body) if body else None)
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise AccountError(
            f"The sandbox at {endpoint_url} does not answer: {error}.",
            remedy="Start one with `lambda-autotuner sandbox start`.",
        ) from error
    finally:
        connection.close()
    if response.status >= http.client.BAD_REQUEST:
        raise AccountError(f"The sandbox refuses {path}: {answer.get('error', response.status)}.")
    return answer


def _start(options: Options, *, detached: bool, log_path: Path | None) -> SandboxProcess:
    reading, writing = os.pipe()
    options.ready_fd = writing
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lambda_autotuner.sandbox.serving", options.to_json()]
    log = open(log_path, "ab", opener=_private) if log_path else None  # noqa: SIM115
    try:
        child = subprocess.Popen(
            command,
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.DEVNULL,
            stderr=log or None,
            env=environment,
            start_new_session=detached,
            cwd="/" if detached else None,
        )
    finally:
        os.close(writing)
        if log is not None:
            log.close()
    line = _read_line(reading, child)
    facts = json.loads(line) if line else {"error": "the server ended while starting"}
    if "error" in facts:
        child.wait(STOP_SECONDS)
        # What was asked for cannot be had (a curves file, a port), or the server itself failed.
        error = UsageError if facts.get("kind") == UsageError.__name__ else AccountError
        raise error(f"The sandbox did not start: {facts['error']}", remedy=facts.get("remedy"))
    return SandboxProcess(str(facts["endpoint_url"]), int(facts["pid"]), child)


def _epoch_ms(now: float | dt.datetime | None) -> int | None:
    if isinstance(now, dt.datetime):
        now = now.timestamp()
    return None if now is None else round(now * 1000)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read_line(reading: int, child: subprocess.Popen[bytes]) -> bytes:
    deadline = time.monotonic() + START_SECONDS
    found = b""
    try:
        while not found.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([reading], [], [], max(left, 0))
            if not ready:
                child.kill()
                break
            part = os.read(reading, 65536)
            if not part:
                break
            found += part
    finally:
        os.close(reading)
    return found


def _alive(pid: int) -> bool:
    for child in list(_detached):
        if child.poll() is not None:
            _detached.remove(child)
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


__all__ = [
    "SandboxProcess",
    "advance",
    "attach_or_start",
    "control",
    "reset",
    "start_private",
    "status",
    "stop",
]
