"""What comes out of the journal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# States of a plan in which writes may be under way.
UNSETTLED_STATES = ("applying", "promoting", "rolling_back")


def to_text(value: Mapping[str, Any]) -> str:
    """Canonical JSON: the same on every engine, so that it can be hashed and compared.

    Raises:
        ValueError: NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    if isinstance(value, Mapping):
        return dict(value)
    item = getattr(value, "item", None)
    if callable(item):
        number = item()
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"{number} cannot be written to the journal")
        return number
    raise TypeError(f"{type(value).__name__} cannot be written to the journal")


def from_text(text: str) -> dict[str, Any]:
    """Read back what `to_text` wrote."""
    value: dict[str, Any] = json.loads(text)
    return value


def to_stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, which sorts as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_stamp(text: str) -> datetime:
    """Read back what `to_stamp` wrote."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history."""

    id: int
    at: datetime
    kind: str
    plan_id: str | None
    account_id: str | None
    region: str | None
    function: str | None
    actor: str | None
    trace_id: str | None
    data: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "plan_id": self.plan_id,
            "account_id": self.account_id,
            "region": self.region,
            "function": self.function,
            "actor": self.actor,
            "trace_id": self.trace_id,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it was written; `hash` is what an approval binds to."""

    id: str
    hash: str
    account_id: str
    region: str
    function: str
    created_at: datetime
    expires_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a plan's state."""

    plan_id: str
    seq: int
    state: str
    at: datetime
    actor: str | None
    trace_id: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Approval:
    """The one decision about a plan."""

    plan_id: str
    plan_hash: str
    approved: bool
    at: datetime
    actor: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Action:
    """One side effect: written before it, with its outcome when that is known."""

    id: int
    plan_id: str
    phase: str
    step: str
    operation: str
    request: Mapping[str, Any]
    at: datetime
    outcome: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """Something temporary in the account that has to be undone; open until it was."""

    id: int
    run_id: str
    kind: str
    account_id: str
    region: str
    function: str
    created_at: datetime
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A write that the agent proposes; `approved` is None while nobody has decided."""

    id: str
    thread: str
    tool_call_id: str
    kind: str
    plan_id: str | None
    at: datetime
    data: Mapping[str, Any]
    approved: bool | None = None
    decided_by: str | None = None
