"""Opening the place a command works in: the account, the journal and the state directory.

A sandbox account is the embedded server that the state directory names; it is started when none
runs. A private workspace is a sandbox of its own with dummy credentials that no setting, profile,
proxy or variable can point elsewhere; the demo and the evaluation use nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.errors import SettingsError
from lambda_autotuner.journal import Journal
from lambda_autotuner.sandbox import process as sandbox_process
from lambda_autotuner.sandbox.truth import Truth
from lambda_autotuner.sandbox.world.replay import read_curves, replayed
from lambda_autotuner.scratch import ScratchFolder
from lambda_autotuner.settings import Settings

DEFAULT_REGION = "us-east-1"
SANDBOX_ACCOUNT_ID = "123456789012"
# Where the shared sandbox keeps its state, below the state directory.
SANDBOX_FOLDER = "sandbox"


@dataclass(frozen=True, slots=True)
class MeasuredFunction:
    """A function that replays measured durations.

    `mean_cost_usd` is the mean cost of a warm invocation by memory size in MB, request fee
    excluded, over the sizes that were measured.
    """

    name: str
    architecture: str
    mean_cost_usd: Mapping[int, float]

    @property
    def best_memory_mb(self) -> int:
        """The measured size with the lowest mean cost."""
        return min(self.mean_cost_usd, key=lambda size: self.mean_cost_usd[size])

    def regret_pct(self, memory_mb: int) -> float:
        """How much more a measured size costs than the best one, in percent."""
        return 100 * (self.mean_cost_usd[memory_mb] / self.mean_cost_usd[self.best_memory_mb] - 1)


@dataclass
class Workspace:
    """What a command works with; close it, or use it in a `with` statement."""

    settings: Settings
    account: Account
    journal: Journal
    sandbox: sandbox_process.SandboxProcess | None = None
    private: bool = False
    _folder: ScratchFolder | None = field(default=None, repr=False)

    @property
    def banner(self) -> str:
        """One line that says which account and region is in use."""
        where = f"account {self.account.account_id}, region {self.account.region}"
        if self.private:
            return f"private sandbox {where}"
        if self.sandbox is not None:
            return f"sandbox {where}"
        mode = "writes allowed" if self.settings.writes_allowed else "read-only"
        return f"AWS {where}, {mode}"

    def advance(self, hours: float) -> None:
        """Let time pass in a private sandbox: its history ages, its clock does not move.

        Raises:
            SettingsError: the workspace is not a private sandbox.
        """
        self._own_sandbox().advance(hours * 3600, account_id=self.account.account_id)

    def measured_functions(self, curves: Path) -> list[MeasuredFunction]:
        """The functions of a private sandbox that replay measured durations, with the truth.

        Raises:
            SettingsError: the workspace is not a private sandbox.
            UsageError: the file cannot be read.
        """
        self._own_sandbox()
        truth = Truth(seed=self.settings.sandbox.seed, curves=curves)
        found = []
        for archetype, replay in replayed(read_curves(curves)):
            real = truth.function(archetype.name)
            curve = replay.curves[archetype.architecture]
            costs = {
                size: real.mean_cost_usd(size, archetype.architecture, request_fee=False)
                for size in curve.sizes_mb
            }
            found.append(MeasuredFunction(archetype.name, archetype.architecture, costs))
        return found

    def _own_sandbox(self) -> sandbox_process.SandboxProcess:
        if not self.private or self.sandbox is None:
            raise SettingsError(
                "Only a private sandbox of one's own can be aged or asked its truth."
            )
        return self.sandbox

    def close(self) -> None:
        """Let go of the journal, the connections and, when private, of the sandbox itself."""
        self.journal.close()
        self.account.close()
        if self.private and self.sandbox is not None:
            self.sandbox.close()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def prepare_state_dir(path: Path) -> Path:
    """Create the state directory for this person alone.

    Raises:
        SettingsError: it cannot be created or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise SettingsError(
            f"The state directory {path} cannot be written to: {error.strerror or error}.",
            remedy="Set LAMBDA_AUTOTUNER_STATE_DIR to a folder that can.",
        ) from error
    return path


def open_workspace(settings: Settings) -> Workspace:
    """Attach to the account that the settings name, starting the shared sandbox when needed.

    Raises:
        SettingsError: the state directory cannot be used.
        AccountError: the account cannot be reached, or there are no credentials.
    """
    prepare_state_dir(settings.state_dir)
    sandbox = None
    if settings.account == "sandbox" and settings.endpoint_url is None:
        options = settings.sandbox
        sandbox = sandbox_process.attach_or_start(
            settings.state_dir / SANDBOX_FOLDER,
            functions=options.functions,
            seed=options.seed,
            curves=options.curves,
            idle_minutes=options.idle_minutes,
        )
        endpoint: str | None = sandbox.endpoint_url
    else:
        endpoint = settings.endpoint_url
    account = Account.connect(account_target(settings, endpoint))
    return Workspace(settings, account, Journal(settings.journal_database_url), sandbox)


def account_target(settings: Settings, endpoint_url: str | None) -> AccountTarget:
    """Where the settings point, in the terms of the account layer."""
    if settings.account == "sandbox":
        return sandbox_target(endpoint_url, region=settings.region)
    return AccountTarget(
        kind="aws",
        region=settings.region,
        profile=settings.profile,
        role_arn=settings.role_arn,
        endpoint_url=endpoint_url,
        writes_allowed=settings.writes_allowed,
    )


def sandbox_target(
    endpoint_url: str | None, *, account_id: str = SANDBOX_ACCOUNT_ID, region: str | None = None
) -> AccountTarget:
    """The administrator of one of a sandbox's accounts."""
    return AccountTarget(
        kind="sandbox",
        region=region or DEFAULT_REGION,
        endpoint_url=endpoint_url,
        access_key_id=account_id,
        secret_access_key="sandbox",  # noqa: S106 - the sandbox takes any secret for a plain account id
    )


def private_workspace(
    settings: Settings,
    *,
    account_id: str = SANDBOX_ACCOUNT_ID,
    sandbox: sandbox_process.SandboxProcess | None = None,
    state_dir: Path | None = None,
    curves: Path | None = None,
) -> Workspace:
    """A workspace that can reach nothing but a sandbox of its own.

    Args:
        settings: taken for everything but the account, the journal and the state directory.
        account_id: which of the sandbox's accounts.
        sandbox: a private sandbox that somebody else closes; a new one is started without it.
        state_dir: a folder to keep the state in; a temporary one is used without it.
        curves: measured durations for the new sandbox to replay.
    """
    options = settings.sandbox
    # First, because it is what can fail: there is nothing to clear away yet.
    server = sandbox or sandbox_process.start_private(
        functions=options.functions, seed=options.seed, curves=curves or options.curves
    )
    folder = None
    if state_dir is None:
        folder = ScratchFolder("lambda-autotuner-private-")
        state_dir = folder.path
    prepare_state_dir(state_dir)
    private = settings.model_copy(
        update={
            "account": "sandbox",
            "profile": None,
            "role_arn": None,
            "region": DEFAULT_REGION,
            "endpoint_url": server.endpoint_url,
            "state_dir": state_dir,
            "journal_url": None,
            "sessions_url": None,
            "writes_allowed": True,
        }
    )
    account = Account.connect(sandbox_target(server.endpoint_url, account_id=account_id))
    journal = Journal(private.journal_database_url)
    owned = sandbox is None
    return Workspace(
        private, account, journal, server if owned else None, private=True, _folder=folder
    )
