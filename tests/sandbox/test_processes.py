"""Servers as processes: private, shared, persistent, and on loopback only."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lambda_autotuner.cli.main import cli
from lambda_autotuner.errors import AccountError, UsageError
from lambda_autotuner.sandbox import process as processes
from lambda_autotuner.sandbox.persistence import Store
from lambda_autotuner.sandbox.process import attach_or_start, start_private

from .conftest import make_client, processor_seconds, settle

ACCOUNT = "123456789012"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def gone(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def saved(directory: Path, function: str, memory_mb: int, seconds: float = 60) -> bool:
    """Whether a running server has written a change down."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        world = Store(directory).load()
        if world is not None:
            region = world.account(ACCOUNT).region("us-east-1")
            if region.functions[function].latest.memory_mb == memory_mb:
                return True
        time.sleep(0.05)
    return False


@pytest.fixture
def shared(tmp_path):
    directory = tmp_path / "sandbox"
    yield directory
    if processes.status(directory) is not None:
        processes.stop(directory)


def test_a_private_server_is_up_quickly_and_ends_with_its_block():
    with start_private() as server:
        assert processor_seconds(server.pid) < 3
        assert server.control("GET", "health")["functions"] >= 40
        pid = server.pid
    assert gone(pid)


def test_a_private_server_dies_with_its_parent():
    code = (
        "import os, signal, sys\n"
        "from lambda_autotuner.sandbox.process import start_private\n"
        "server = start_private()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert gone(int(done.stdout))


def test_only_loopback_is_bound():
    with start_private() as server:
        port = int(server.endpoint_url.rsplit(":", 1)[1])
        hexadecimal = f"{port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        six = Path("/proc/net/tcp6")
        lines += six.read_text().splitlines()[1:] if six.exists() else []
        local = [line.split()[1] for line in lines if line.split()[3] == "0A"]
        mine = [address for address in local if address.endswith(f":{hexadecimal}")]
        assert mine == [f"0100007F:{hexadecimal}"]


def test_a_taken_port_is_said_clearly(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AccountError, match=f"Port {port}"):
            attach_or_start(tmp_path / "sandbox", port=port)


def test_curves_that_cannot_be_read_are_said_clearly(tmp_path):
    with pytest.raises((AccountError, UsageError), match="cannot be read"):
        start_private(curves=tmp_path / "none.csv")


def test_commands_share_one_server(shared):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: attach_or_start(shared), range(4)))
    assert len({each.pid for each in found}) == 1
    assert len({each.endpoint_url for each in found}) == 1
    found[0].close()
    assert alive(found[0].pid)


def test_the_shared_account_survives_a_restart_and_its_files_are_private(shared):
    server = attach_or_start(shared)
    client = make_client(server, "lambda", ACCOUNT)
    client.update_function_configuration(FunctionName="image-resize", MemorySize=1769)
    settle(client, "image-resize")
    client.invoke(FunctionName="nobody-calls-me")["Payload"].read()
    client.close()
    processes.advance(shared, 3600)
    assert processes.stop(shared)
    assert gone(server.pid)
    for path in shared.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    again = attach_or_start(shared)
    client = make_client(again, "lambda", ACCOUNT)
    shown = client.get_function_configuration(FunctionName="image-resize")
    assert shown["MemorySize"] == 1769
    assert again.control("GET", "health")["aged_ms"] == 3_600_000
    processes.reset(shared)
    shown = client.get_function_configuration(FunctionName="image-resize")
    assert shown["MemorySize"] == 256
    client.close()


def test_a_killed_server_loses_little_and_is_replaced(shared):
    server = attach_or_start(shared)
    client = make_client(server, "lambda", ACCOUNT)
    client.update_function_configuration(FunctionName="image-resize", MemorySize=1024)
    client.close()
    assert saved(shared, "image-resize", 1024)
    os.kill(server.pid, signal.SIGKILL)
    assert gone(server.pid)
    assert processes.status(shared) is None
    again = attach_or_start(shared)
    assert again.pid != server.pid
    client = make_client(again, "lambda", ACCOUNT)
    assert client.get_function_configuration(FunctionName="image-resize")["MemorySize"] == 1024
    client.close()


def test_an_idle_server_leaves(shared):
    server = attach_or_start(shared, idle_minutes=0.02)
    assert gone(server.pid, 15)


def test_a_state_of_a_newer_schema_is_refused(shared):
    shared.mkdir(parents=True)
    (shared / "state.bin").write_bytes(b"lambda-autotuner sandbox state, schema 99\n")
    with pytest.raises(AccountError, match="schema 99"):
        attach_or_start(shared)


class ByShell:
    def __reduce__(self):
        return os.system, ("true",)


class ByNumpy:
    def __reduce__(self):
        return np.savetxt, ("/dev/null", [])


class ByOwnCode:
    def __reduce__(self):
        return processes.stop, (".",)


@pytest.mark.parametrize("kind", [ByShell, ByNumpy, ByOwnCode])
def test_a_state_that_names_foreign_code_is_refused(tmp_path, kind):
    store = Store(tmp_path)
    head = b"lambda-autotuner sandbox state, schema 1\n"
    store.state_path.write_bytes(head + pickle.dumps(kind()))
    with pytest.raises(AccountError, match="no place in a state file"):
        store.load()


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(cli, ["sandbox", *arguments], standalone_mode=False)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    code = outcome.return_value if isinstance(outcome.return_value, int) else 0
    return code, outcome.output


def test_the_commands_start_age_show_and_stop():
    try:
        _, text = run("start")
        assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in text
        code, text = run("status", "--json")
        assert code == 0
        assert json.loads(text)["running"] is True
        run("advance", "14d")
        assert json.loads(run("status", "--json")[1])["aged_ms"] == 14 * 86_400_000
        with pytest.raises(UsageError, match="no span of time"):
            run("advance", "soon")
        run("reset")
        assert json.loads(run("status", "--json")[1])["aged_ms"] == 0
    finally:
        run("stop")
    code, text = run("status", "--json")
    assert (code, json.loads(text)) == (1, {"running": False})


def test_serve_prints_where_it_listens_and_ends_on_interrupt():
    command = [sys.executable, "-c", "from lambda_autotuner.cli import main; main()"]
    command += ["sandbox", "serve", "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        assert child.stdout is not None
        text = b""
        while b"}" not in text:
            text += child.stdout.readline()
        url = json.loads(text)["endpoint_url"]
        assert processes.control(url, "GET", "health")["status"] == "ok"
        child.send_signal(signal.SIGINT)
        assert child.wait(10) in {0, 130}
