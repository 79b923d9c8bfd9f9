"""Real servers: `mlflow server` over SQLite or PostgreSQL, and PostgreSQL itself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

from mlflow_integration.testing.listening import free_port

_START_SECONDS = 240.0
_CLEAN = ("MLFLOW_", "DATABRICKS_", "OTEL_", "LAMBDA_AUTOTUNER_", "_MLFLOW_")


class MlflowServer:
    """A real `mlflow server` on a free port, over SQLite in `folder` unless told otherwise."""

    def __init__(
        self, folder: Path, *, backend_uri: str | None = None, port: int | None = None
    ) -> None:
        self.folder = folder
        self.backend_uri = backend_uri or f"sqlite:///{folder / 'server.db'}"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: It ended, or did not answer in time; the message holds its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_CLEAN)}
        environment |= {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "GIT_PYTHON_REFRESH": "quiet",
        }
        log = self.folder / "server.log"
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", self.backend_uri,
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2):  # noqa: S310 - loopback
                    return
            except OSError:
                time.sleep(0.2)
        text = log.read_text("utf-8", "replace")[-2000:]
        self.stop()
        raise RuntimeError(f"mlflow server did not start: {text}")

    def stop(self) -> None:
        """Stop the server and what it started."""
        if self._process is not None:
            for number in (15, 9):
                try:
                    os.killpg(self._process.pid, number)
                except ProcessLookupError:
                    break
                try:
                    self._process.wait(5)
                    break
                except subprocess.TimeoutExpired:
                    continue
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def postgres_binaries() -> Path | None:
    """Return the folder of PostgreSQL's server programs, None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    plain = shutil.which("initdb")
    return Path(plain).parent if plain else None


class PostgresServer:
    """A real PostgreSQL in a folder of its own; under root it runs as `postgres` or `nobody`."""

    def __init__(self, folder: Path) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise RuntimeError("no PostgreSQL server programs were found")
        self._binaries = binaries
        self.folder = folder
        self.port = free_port()
        self.url = f"postgresql://tester@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = self._other_user() if os.geteuid() == 0 else None

    @staticmethod
    def _other_user() -> str:
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name).pw_name
            except KeyError:
                continue
        raise RuntimeError("PostgreSQL refuses to run as root and no other user was found")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        if self._user:
            shutil.chown(self.folder, self._user)
            for parent in self.folder.parents:
                if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run(
            self._binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync",
            "-E", "UTF8",
        )  # fmt: skip
        log = (self.folder / "postgres.log").open("ab")
        self._process = subprocess.Popen(
            [
                str(self._binaries / "postgres"), "-D", str(data), "-p", str(self.port),
                "-h", "127.0.0.1", "-k", str(self.folder), "-c", "fsync=off",
            ],
            stdout=log, stderr=log, user=self._user, cwd=self.folder, start_new_session=True,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ready = subprocess.run(
                [str(self._binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)],
                check=False, capture_output=True,
            )  # fmt: skip
            if ready.returncode == 0:
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.__exit__()
        raise RuntimeError((self.folder / "postgres.log").read_text("utf-8", "replace")[-2000:])

    def _run(self, *command: object) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, user=self._user,
            cwd=self.folder,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(2)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
