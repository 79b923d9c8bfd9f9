"""One private sandbox for all tests of the agent; each test that writes takes an account of its own."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lambda_autotuner.agent import Agent, build_agent
from lambda_autotuner.sandbox.process import SandboxProcess, start_private
from lambda_autotuner.settings import Settings, load_settings
from lambda_autotuner.workspace import Workspace, private_workspace

_ACCOUNTS = itertools.count(710_000_000_000)


@pytest.fixture(autouse=True)
def _no_tracing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "traced" not in request.keywords:
        monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")


@pytest.fixture(scope="session")
def sandbox(sandbox_now: dt.datetime) -> Iterator[SandboxProcess]:
    with start_private(seed=7, now=sandbox_now) as process:
        yield process


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("agent")
    return load_settings({"state_dir": str(folder)}, environ={}, cwd=folder)


@pytest.fixture(scope="session")
def shared_workspace(
    sandbox: SandboxProcess, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """For tests that only read."""
    with private_workspace(
        settings, sandbox=sandbox, state_dir=tmp_path_factory.mktemp("shared")
    ) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def offline(shared_workspace: Workspace) -> Iterator[Agent]:
    """The offline planner on the shared workspace."""
    with build_agent("offline", workspace=shared_workspace) as agent:
        yield agent


@pytest.fixture
def workspace(sandbox: SandboxProcess, settings: Settings, tmp_path: Path) -> Iterator[Workspace]:
    """An account of its own, with a journal of its own."""
    with private_workspace(
        settings, sandbox=sandbox, account_id=str(next(_ACCOUNTS)), state_dir=tmp_path / "own"
    ) as opened:
        yield opened


@pytest.fixture
def new_workspace(
    sandbox: SandboxProcess, settings: Settings, tmp_path: Path
) -> Iterator[Callable[[], Workspace]]:
    """As many accounts as a test wants."""
    opened: list[Workspace] = []

    def make() -> Workspace:
        number = next(_ACCOUNTS)
        opened.append(
            private_workspace(
                settings, sandbox=sandbox, account_id=str(number), state_dir=tmp_path / str(number)
            )
        )
        return opened[-1]

    yield make
    for item in opened:
        item.close()
