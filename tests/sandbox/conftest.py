"""One server for all tests; every test has an account of its own in it."""

from __future__ import annotations

import io
import itertools
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import pytest

from lambda_autotuner.sandbox.process import SandboxProcess, start_private

ROLE = "arn:aws:iam::123456789012:role/test"
_accounts = itertools.count(200_000_000_000)


def make_client(server: SandboxProcess, service: str, account_id: str, **extra: Any) -> Any:
    """A client without retries, so that a test sees each answer."""
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name=extra.pop("region", "us-east-1"),
        aws_access_key_id=account_id,
        aws_secret_access_key="sandbox",
        config=botocore.config.Config(
            retries={"max_attempts": 0, "mode": "standard"},
            parameter_validation=extra.pop("parameter_validation", True),
            read_timeout=30,
        ),
        **extra,
    )


def zip_of(source: str = "def handler(event, context):\n    return event\n") -> bytes:
    """A package with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", (1980, 1, 1, 0, 0, 0)), source)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxProcess]:
    """A private server with the catalogue."""
    with start_private() as process:
        yield process


@pytest.fixture
def account_id() -> str:
    """An account that no other test uses."""
    return str(next(_accounts))


@pytest.fixture
def connect(server: SandboxProcess, account_id: str) -> Iterator[Callable[..., Any]]:
    """Makes clients of the test's account, closed afterwards."""
    made = []

    def factory(service: str = "lambda", **extra: Any) -> Any:
        client = make_client(server, service, extra.pop("account", account_id), **extra)
        made.append(client)
        return client

    yield factory
    for client in made:
        client.close()


@pytest.fixture
def functions(connect: Callable[..., Any]) -> Any:
    """A Lambda client of the test's account."""
    return connect("lambda")


@pytest.fixture
def create(functions: Any) -> Callable[..., Any]:
    """Creates functions and waits until they are active."""

    def factory(name: str, **extra: Any) -> Any:
        settings = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": extra.pop("code", zip_of())},
            **extra,
        }
        answer = functions.create_function(**settings)
        settle(functions, name)
        return answer

    return factory


def processor_seconds(pid: int) -> float:
    """What a process has used of a processor, which a busy machine does not change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(functions: Any, name: str) -> dict[str, Any]:
    """Wait until a function's last change has come to its end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        shown: dict[str, Any] = functions.get_function_configuration(FunctionName=name)
        if shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful":
            return shown
        time.sleep(0.01)
    raise AssertionError(f"{name} does not settle")
