"""A real sandbox for the account layer: one server, a fresh account where a test changes it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator

import pytest

from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.sandbox import process

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(sandbox_now: dt.datetime) -> Iterator[process.SandboxProcess]:
    with process.start_private(settle_seconds=0.05, now=sandbox_now) as running:
        yield running


def target_of(server: process.SandboxProcess, account_id: str, **values: object) -> AccountTarget:
    options: dict = {
        "kind": "sandbox",
        "region": "us-east-1",
        "endpoint_url": server.endpoint_url,
        "access_key_id": account_id,
        "secret_access_key": "sandbox",
    }
    return AccountTarget(**{**options, **values})


@pytest.fixture
def account(server) -> Iterator[Account]:
    with Account.connect(target_of(server, f"{next(_numbers):012d}")) as connected:
        yield connected
    server.clear_faults()
