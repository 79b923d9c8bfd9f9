"""A real sandbox for rollouts: one server, a fresh account for every test."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner import rollout
from lambda_autotuner.aws import Account, AccountTarget, concurrency, functions
from lambda_autotuner.journal import Journal
from lambda_autotuner.sandbox import process
from lambda_autotuner.settings import Settings, load_settings

_numbers = itertools.count(1)


@dataclass
class World:
    """An account with its journal, and how to look at it from outside."""

    server: process.SandboxProcess
    account_id: str
    journal_url: str
    settings: Settings
    account: Account
    journal: Journal

    def plan(self, function: str, **changes: Any) -> rollout.Plan:
        options = {name: changes.pop(name) for name in ("qualifier",) if name in changes}
        return rollout.make_plan(
            self.account, self.journal, self.settings, function, changes=changes, **options
        ).plan

    def approve(self, plan: rollout.Plan) -> None:
        rollout.decide(
            self.journal, plan.id, approved=True, actor="ann", source="python", plan_hash=plan.hash
        )

    def apply(self, plan: rollout.Plan, **options: Any) -> rollout.Outcome:
        return rollout.apply_plan(
            self.account, self.journal, self.settings, plan.id, actor="ann", **options
        )

    def applied(self, function: str, **changes: Any) -> rollout.Plan:
        plan = self.plan(function, **changes)
        self.approve(plan)
        self.apply(plan)
        return plan

    def watch(self, plan: rollout.Plan) -> rollout.Watched:
        return rollout.watch_plan(self.account, self.journal, self.settings, plan.id, actor="ann")

    def roll_back(self, plan: rollout.Plan) -> rollout.Outcome:
        return rollout.roll_back(self.account, self.journal, self.settings, plan.id, actor="ann")

    def reconcile(self) -> list[rollout.Reconciled]:
        return rollout.reconcile(self.account, self.journal, self.settings)

    def state(self, plan: rollout.Plan) -> str:
        return self.journal.state(plan.id).state

    def advance(self, minutes: float) -> None:
        self.server.advance(minutes * 60, account_id=self.account_id)

    def update(self, function: str, **values: Any) -> None:
        """A change by somebody else, settled."""
        self.account.call("lambda", "UpdateFunctionConfiguration", FunctionName=function, **values)
        while functions.get_function(self.account, function).updating:
            time.sleep(0.01)

    def close(self) -> None:
        """Let go of files and connections; a matrix of hundreds would keep them all open."""
        self.journal.close()
        self.account.close()

    def standing(self, function: str) -> dict[str, Any]:
        return standing(self.account, function)


_VOLATILE = ("RevisionId", "LastModified", "ResponseMetadata", "Version", "FunctionArn")


def standing(account: Account, function: str) -> dict[str, Any]:
    """Everything about a function that a rollout could change; no revisions, no times."""
    raw = account.call("lambda", "GetFunctionConfiguration", FunctionName=function)
    versions = {}
    for item in functions.list_versions(account, function):
        if item.version != "$LATEST":
            versions[item.version] = (item.memory_mb, item.timeout_seconds, item.architecture)
    latest = {name: value for name, value in raw.items() if name not in _VOLATILE}
    # Accounts of one seed are alike but for their number.
    latest = json.loads(json.dumps(latest).replace(account.account_id, "ACCOUNT"))
    found = concurrency.get_concurrency(account, function)
    return {
        "latest": latest,
        "aliases": {
            alias.name: (alias.version, dict(alias.weights))
            for alias in functions.list_aliases(account, function)
        },
        "versions": versions,
        "reserved": found.reserved,
        "provisioned": {item.qualifier: item.requested for item in found.provisioned},
    }


def connect(endpoint_url: str, account_id: str) -> Account:
    return Account.connect(
        AccountTarget(
            "sandbox",
            region="us-east-1",
            endpoint_url=endpoint_url,
            access_key_id=account_id,
            secret_access_key="sandbox",
        )
    )


@pytest.fixture(scope="session")
def server(sandbox_now: dt.datetime) -> Iterator[process.SandboxProcess]:
    with process.start_private(settle_seconds=0.05, now=sandbox_now) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, environ={}, cwd=tmp_path)


@pytest.fixture
def make_world(server, settings, tmp_path):
    opened: list[World] = []

    def make(journal_url: str | None = None, **overrides: Any) -> World:
        account_id = f"{next(_numbers):012d}"
        url = journal_url or f"sqlite:///{tmp_path / f'journal-{account_id}.db'}"
        own = load_settings(overrides, environ={}, cwd=tmp_path) if overrides else settings
        world = World(
            server,
            account_id,
            url,
            own,
            connect(server.endpoint_url, account_id),
            Journal(url),
        )
        opened.append(world)
        return world

    yield make
    server.clear_faults()
    for world in opened:
        world.close()


@pytest.fixture(scope="module")
def common_world(server, tmp_path_factory) -> Iterator[World]:
    """One account for tests that leave it as they found it; its traffic is drawn once."""
    folder = tmp_path_factory.mktemp("common")
    settings = load_settings({"guardrails.max_changes_per_hour": 10_000}, environ={}, cwd=folder)
    account_id = f"{next(_numbers):012d}"
    url = f"sqlite:///{folder / 'journal.db'}"
    account = connect(server.endpoint_url, account_id)
    made = World(server, account_id, url, settings, account, Journal(url))
    yield made
    made.close()


@pytest.fixture
def world(make_world) -> World:
    made: World = make_world()
    return made
