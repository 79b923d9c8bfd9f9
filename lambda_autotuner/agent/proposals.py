"""Proposals as they stand in the journal."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lambda_autotuner.agent.answer import Difference, Proposal
from lambda_autotuner.workspace import Workspace


def proposal_of(stored: Any) -> Proposal:
    """A proposal as it stands in the journal."""
    data = dict(stored.data)
    known = {field.name for field in fields(Proposal)}
    values = {name: value for name, value in data.items() if name in known and name != "id"}
    values["differences"] = tuple(Difference(**item) for item in data.get("differences") or ())
    values["warnings"] = tuple(data.get("warnings") or ())
    interval = data.get("saving_interval_usd_month")
    values["saving_interval_usd_month"] = tuple(interval) if interval else None
    values["status"] = {None: "pending", True: "approved", False: "rejected"}[stored.approved]
    values["details"] = {**(data.get("details") or {}), "plan_id": stored.plan_id or stored.id}
    return Proposal(id=stored.id, **values)


def pending_proposals(workspace: Workspace, session_id: str | None) -> tuple[Proposal, ...]:
    """Proposals that wait for a decision, of one conversation or of all."""
    return tuple(proposal_of(stored) for stored in workspace.journal.pending_proposals(session_id))
