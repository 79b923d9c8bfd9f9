"""The plan: an immutable record of one change, bound together by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal import StoredPlan
from lambda_autotuner.journal.records import UNSETTLED_STATES, to_text
from lambda_autotuner.rollout.changes import CONCURRENCY_FIELDS, VERSION_FIELDS


class State(StrEnum):
    """Where a plan stands."""

    PLANNED = "planned"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPLYING = "applying"
    CANARY = "canary"
    VERIFYING = "verifying"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    VERIFIED = "verified"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    UNDONE = "undone"
    CONFLICT = "conflict"


# The process that was at work may have died: the next command looks at the account.
UNSETTLED = frozenset(State(name) for name in UNSETTLED_STATES)
WATCHED = frozenset({State.CANARY, State.VERIFYING})
DONE = frozenset({State.PROMOTED, State.VERIFIED})


class Strategy(StrEnum):
    """How the change meets traffic."""

    CANARY = "canary"  # a new version behind the alias, in steps
    SWITCH = "switch"  # a new version behind the alias, at once (provisioned concurrency)
    DIRECT = "direct"  # `$LATEST` itself, or a concurrency setting


class AlteredPlanError(RefusedError):
    """A stored plan does not match its hash."""


@dataclass(frozen=True, slots=True)
class AliasBefore:
    """The alias as it stood when the plan was made, and the version behind it."""

    name: str
    version: str
    revision_id: str
    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the change may do to traffic before it is undone; baseline = before the change.

    Attributes:
        latency_pct: how much p50, p95 and p99 may rise, in percent.
        error_points: how much the shares of errors, timeouts and throttles may rise, in points.
        cost_ratio: how much an invocation may cost, as a multiple of before; None: not tested.
        false_alarm_rate: chance that a change within these bounds is undone by the early test.
    """

    latency_pct: float
    error_points: float
    cost_ratio: float | None
    false_alarm_rate: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One change of one function. See `make_plan`.

    Attributes:
        qualifier: the alias that carries the traffic; None for `$LATEST`.
        before: the fields that change, with their values now.
        after: the same fields, with their new values.
        snapshot: `$LATEST` as it stood, with hidden values as digests.
        evidence: what the change rests on (a recommendation, or a person's wish).
        expected: money and latency with intervals; values are None with a reason when unknown.
        actions: IAM actions that carrying it out needs.
        notes: what a person should know before agreeing.
    """

    id: str
    account_id: str
    region: str
    function: str
    qualifier: str | None
    strategy: Strategy
    created_at: datetime
    expires_at: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    revision_id: str
    code_sha256: str
    snapshot: Mapping[str, Any]
    salt: str
    alias: AliasBefore | None
    bounds: Bounds
    canary_steps: tuple[float, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def version_changes(self) -> dict[str, Any]:
        """The changes that a version carries."""
        return {name: value for name, value in self.after.items() if name in VERSION_FIELDS}

    @property
    def concurrency_changes(self) -> dict[str, Any]:
        """The changes of concurrency settings."""
        return {name: value for name, value in self.after.items() if name in CONCURRENCY_FIELDS}

    @property
    def marker(self) -> str:
        """The description of the version that this plan publishes: how it is found again."""
        return f"lambda-autotuner {self.id}"

    @property
    def title(self) -> str:
        """One line that says what changes."""
        where = f"{self.function}:{self.qualifier}" if self.qualifier else self.function
        parts = [f"{name} {self.before[name]} -> {value}" for name, value in self.after.items()]
        return f"{where}: {', '.join(parts)}"

    def body(self) -> dict[str, Any]:
        """Plain values, as they are stored and hashed."""
        body = asdict(self)
        body["created_at"] = self.created_at.isoformat()
        body["expires_at"] = self.expires_at.isoformat()
        body["strategy"] = str(self.strategy)
        return body

    @property
    def hash(self) -> str:
        """SHA-256 of the body; an approval is for this and nothing else."""
        return hash_of(self.body())

    def to_dict(self) -> dict[str, Any]:
        """What is shown to people and programs: without digests and salt."""
        shown = self.body()
        for name in ("snapshot", "salt"):
            shown.pop(name)
        if shown["alias"]:
            shown["alias"].pop("snapshot")
        shown["hash"] = self.hash
        shown["title"] = self.title
        return shown

    def to_stored(self) -> StoredPlan:
        """As the journal keeps it."""
        body = self.body()
        return StoredPlan(
            id=self.id,
            hash=hash_of(body),
            account_id=self.account_id,
            region=self.region,
            function=self.function,
            created_at=self.created_at,
            expires_at=self.expires_at,
            body=body,
        )


def hash_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a plan."""
    return hashlib.sha256(to_text(body).encode()).hexdigest()


def read_plan(stored: StoredPlan) -> Plan:
    """Read a plan back from the journal.

    Raises:
        AlteredPlanError: it is not what was written.
    """
    body = dict(stored.body)
    columns = {
        "id": stored.id,
        "account_id": stored.account_id,
        "region": stored.region,
        "function": stored.function,
    }
    whole = all(body.get(name) == value for name, value in columns.items())
    if hash_of(body) != stored.hash or not whole:
        raise AlteredPlanError(
            f"Plan {stored.id} was altered after it was made: it does not match its hash.",
            remedy="Make a new plan.",
        )
    alias = body.pop("alias")
    return Plan(
        **{
            **body,
            "strategy": Strategy(body["strategy"]),
            "created_at": datetime.fromisoformat(body["created_at"]),
            "expires_at": datetime.fromisoformat(body["expires_at"]),
            "alias": AliasBefore(**alias) if alias else None,
            "bounds": Bounds(**body["bounds"]),
            "canary_steps": tuple(body["canary_steps"]),
            "actions": tuple(body["actions"]),
            "notes": tuple(body["notes"]),
        }
    )
