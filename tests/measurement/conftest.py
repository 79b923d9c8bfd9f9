"""One sandbox for all tests of measuring; every test has an account of its own in it."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement.cleanup import wait_settled
from lambda_autotuner.sandbox.process import SandboxProcess, start_private

_accounts = itertools.count(310_000_000_000)
_VOLATILE = {"RevisionId", "LastModified", "ResponseMetadata"}


@pytest.fixture(scope="session")
def sandbox(sandbox_now: dt.datetime) -> Iterator[SandboxProcess]:
    with start_private(functions=60, seed=7, settle_seconds=0.02, now=sandbox_now) as server:
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


@pytest.fixture
def account(connect: Callable[[str], Account]) -> Iterator[Account]:
    with connect(str(next(_accounts))) as opened:
        yield opened


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path}/journal.db") as opened:
        yield opened


def _package(source: str = "def handler(event, context):\n    return event\n") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()


def _create(account: Account, name: str, **changes: Any) -> None:
    """A function of which version 1 is released under the alias `live`; nobody calls `$LATEST`."""
    release = changes.pop("release", True)
    code = changes.pop("Code", {"ZipFile": _package()})
    parameters: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": f"arn:aws:iam::{account.account_id}:role/plain",
        "MemorySize": 512,
        "Timeout": 20,
        **changes,
    }
    account.call("lambda", "CreateFunction", Code=code, **parameters)
    wait_settled(account, name)
    if not release:
        return
    account.call("lambda", "PublishVersion", FunctionName=name)
    account.call("lambda", "CreateAlias", FunctionName=name, Name="live", FunctionVersion="1")


@pytest.fixture
def released(account: Account) -> str:
    _create(account, "released")
    return "released"


@pytest.fixture(scope="session")
def make_function() -> Callable[..., None]:
    return _create


@pytest.fixture(scope="session")
def state_of() -> Callable[[Account, str], dict[str, Any]]:
    return _state


def _state(account: Account, name: str) -> dict[str, Any]:
    """Everything that a measurement could leave behind, without what it may change."""
    configuration = account.call("lambda", "GetFunctionConfiguration", FunctionName=name)
    versions = list(account.pages("lambda", "ListVersionsByFunction", FunctionName=name))
    aliases = list(account.pages("lambda", "ListAliases", FunctionName=name))
    concurrency = account.call("lambda", "GetFunctionConcurrency", FunctionName=name)
    functions = [f["FunctionName"] for f in account.pages("lambda", "ListFunctions")]
    groups = [
        g["logGroupName"]
        for g in account.pages("logs", "DescribeLogGroups")
        if "autotuner" in g["logGroupName"]
    ]
    found = {
        "configuration": configuration,
        "versions": versions,
        "aliases": aliases,
        "concurrency": concurrency,
        "functions": sorted(functions),
        "copies_logs": groups,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return _without_volatile(plain)


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_volatile(v) for k, v in value.items() if k not in _VOLATILE}
    if isinstance(value, list):
        return [_without_volatile(item) for item in value]
    return value
