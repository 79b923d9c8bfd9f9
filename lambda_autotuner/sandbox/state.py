"""What the sandbox knows: a world of accounts, each with regions, each with its services' state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_autotuner.sandbox.clock import Clock
from lambda_autotuner.sandbox.world.randomness import Ids

if TYPE_CHECKING:
    from lambda_autotuner.sandbox.functions.records import FunctionRecord
    from lambda_autotuner.sandbox.handlers.pool import HandlerPool
    from lambda_autotuner.sandbox.world.replay import Curves

State = TypeVar("State")

ObjectSource = Callable[[Any, str, str], "bytes | str"]

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
DEFAULT_CONCURRENCY_LIMIT = 1000


@dataclass(slots=True)
class WorldSettings:
    """How a world was ordered; everything else follows from it and from the requests."""

    seed: int = 7
    functions: int | None = None  # None: the catalogue as it is
    settle_ms: int = 25
    pace: float = 0.0  # 0: durations are accounted; 1: real time
    home_region: str = DEFAULT_REGION
    default_account: str = DEFAULT_ACCOUNT


@dataclass(slots=True)
class RegionState:
    """One account in one region."""

    account: AccountState
    name: str
    functions: dict[str, FunctionRecord] = field(default_factory=dict)
    # Deleted functions keep their telemetry, as the metrics and log groups of AWS outlive them.
    buried: dict[str, list[FunctionRecord]] = field(default_factory=dict)
    concurrency_limit: int = DEFAULT_CONCURRENCY_LIMIT
    # Names of functions with environments, and the sum of reservations when it is known.
    active: set[str] = field(default_factory=set)
    reserved_total: int | None = None
    extensions: dict[str, Any] = field(default_factory=dict)
    # The functions' names in order; None when one came or went.
    names: list[str] | None = None

    def sorted_names(self) -> list[str]:
        """The functions' names in order."""
        if self.names is None:
            self.names = sorted(self.functions)
        return self.names

    def extension(self, key: str, factory: type[State]) -> State:
        """A service's own state, made on first use."""
        if key not in self.extensions:
            self.extensions[key] = factory()
        state: State = self.extensions[key]
        return state


@dataclass(slots=True)
class AccountState:
    """One account."""

    world: World
    account_id: str
    ids: Ids
    regions: dict[str, RegionState] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    # Generated traffic is laid out on a line of time of its own: api time + this offset.
    aged_ms: int = 0
    touched: bool = False

    def region(self, name: str) -> RegionState:
        """The state in a region; only the home region comes with functions."""
        found = self.regions.get(name)
        if found is None:
            found = self.regions[name] = RegionState(account=self, name=name)
            if self.world.open_region is not None:
                self.world.open_region(found)
        return found

    def extension(self, key: str, factory: type[State]) -> State:
        """A region-less service's own state, made on first use."""
        if key not in self.extensions:
            self.extensions[key] = factory()
        state: State = self.extensions[key]
        return state

    def touch(self) -> None:
        """Mark that something changed that must survive a restart."""
        self.touched = True
        self.world.changed = True


@dataclass(slots=True)
class World:
    """Everything: accounts come into being when they are first asked for."""

    settings: WorldSettings
    clock: Clock
    curves: Curves | None = None
    accounts: dict[str, AccountState] = field(default_factory=dict)
    born_ms: int = 0
    changed: bool = False
    # Where code in S3 comes from; the S3 service sets it when it is loaded.
    object_source: ObjectSource | None = None
    # Runs handlers for real, in a server that was told to.
    handlers: HandlerPool | None = None
    # Fills a region that an account opens; the seeding sets it, so that state knows no services.
    open_region: Callable[[RegionState], None] | None = None

    def account(self, account_id: str) -> AccountState:
        """An account, seeded like every other one on first use."""
        found = self.accounts.get(account_id)
        if found is None:
            ids = Ids(self.settings.seed, account_id)
            found = AccountState(world=self, account_id=account_id, ids=ids)
            self.accounts[account_id] = found
        return found
