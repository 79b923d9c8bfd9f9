"""One sandbox for the tests of scanning."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator

import pytest

from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.sandbox.process import SandboxProcess, start_private

_accounts = itertools.count(340_000_000_000)


@pytest.fixture(scope="session")
def sandbox(sandbox_now: dt.datetime) -> Iterator[SandboxProcess]:
    with start_private(functions=60, seed=7, settle_seconds=0.0, now=sandbox_now) as server:
        yield server


@pytest.fixture(scope="session")
def connect(sandbox: SandboxProcess) -> Callable[[str], Account]:
    def open_account(account_id: str) -> Account:
        return Account.connect(
            AccountTarget(
                kind="sandbox",
                region="us-east-1",
                endpoint_url=sandbox.endpoint_url,
                access_key_id=account_id,
                secret_access_key="sandbox",
            )
        )

    return open_account


@pytest.fixture(scope="session")
def account(connect: Callable[[str], Account]) -> Iterator[Account]:
    with connect(str(next(_accounts))) as opened:
        yield opened
