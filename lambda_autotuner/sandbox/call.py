"""One request, as an operation sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from lambda_autotuner.sandbox.state import AccountState, RegionState, World

State = TypeVar("State")


@dataclass(slots=True)
class Principal:
    """Who calls: the account's administrator, or somebody whose policies count."""

    arn: str
    user_id: str
    kind: str = "administrator"  # administrator | user | role-session | federated
    name: str = ""
    session_policy: str | None = None


@dataclass(slots=True)
class Call:
    """One request: whose, where, when; all times are epoch milliseconds of the sandbox's clock."""

    world: World
    account: AccountState
    region_name: str
    service: str
    operation: str
    now_ms: int
    request_id: str
    principal: Principal
    access_key_id: str = ""
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    base_url: str = "http://127.0.0.1"
    # The caller's own line of time: when its previous accounted invocation ended.
    flow: object | None = None
    response_headers: dict[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        """Twelve digits."""
        return self.account.account_id

    @property
    def region(self) -> RegionState:
        """The state of this account in this region."""
        return self.account.region(self.region_name)

    def state(self, key: str, factory: type[State]) -> State:
        """A service's own state in this account and region, made by `factory()` on first use.

        It is persisted (pickled by the restricted loader: classes of the sandbox, built-ins,
        collections and numpy only). When it has a method `age(delta_ms)`, `sandbox advance`
        calls it: subtract `delta_ms` from every stored time.
        """
        return self.region.extension(key, factory)

    def account_state(self, key: str, factory: type[State]) -> State:
        """The same for services without regions (IAM)."""
        return self.account.extension(key, factory)

    def uuid(self) -> str:
        """A new id, the same for the same seed and the same requests in the same order."""
        return self.account.ids.uuid()

    def token(self, length: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        """A new random-looking string with the same promise as `uuid`."""
        return self.account.ids.token(length, alphabet)

    def uniform(self) -> float:
        """A number in [0, 1) with the same promise as `uuid`."""
        return self.account.ids.uniform()

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region_name}:{self.account.account_id}:{resource}"
