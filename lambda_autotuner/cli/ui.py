"""`lambda-autotuner ui`: MLflow's own pages on the local traces."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import AccountError, UsageError

_START_SECONDS = 90.0


@click.command("ui")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--sync/--no-sync", default=True, show_default=True, help="Deliver first.")
@common_options
@pass_door
def command(door: Door, port: int, *, sync: bool) -> None:
    """Serve MLflow's UI on the local trace file until interrupted; port 0 takes a free one."""
    from mlflow_integration.environment import read_destination
    from mlflow_integration.errors import ConfigurationError

    folder = door.settings.state_dir
    try:
        destination = read_destination(os.environ, folder)
    except ConfigurationError as error:
        raise UsageError(error.message, remedy=error.remedy) from error
    if destination.kind != "database":
        address = destination.host or destination.uri
        raise UsageError(
            f"The traces are at {address}, not in a local file.", remedy=f"Open {address} instead."
        )
    chosen = _claim(port)
    if sync and (folder / "spool").is_dir():
        from mlflow_integration.worker import sync as deliver

        deliver(folder / "spool", seconds=30.0)
    _serve(door, destination.uri, destination.artifacts or str(folder / "mlartifacts"), chosen)


def _claim(port: int) -> int:
    """Return the port to use.

    Raises:
        UsageError: Somebody listens there already.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"Port {port} is in use on 127.0.0.1.",
                remedy="Choose another with --port, or --port 0 for a free one.",
            ) from error
        return int(probe.getsockname()[1])


def _serve(door: Door, database: str, artifacts: str, port: int) -> None:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command_line = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", database, "--default-artifact-root", artifacts,
    ]  # fmt: skip
    process = subprocess.Popen(
        command_line,
        env=environment,
        stdout=None if door.verbose else subprocess.DEVNULL,
        stderr=None if door.verbose else subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url)
        door.emit({"url": url}, text=f"MLflow's UI: {url} (Ctrl-C ends it)")
        process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the server answers.

    Raises:
        AccountError: It ended or stayed silent.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AccountError(
                f"MLflow's server ended with code {process.returncode}.",
                remedy="Run with --verbose to see its own words.",
            )
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.2)
    raise AccountError("MLflow's server did not answer.", remedy="Run with --verbose.")
