"""Proposals as they stand in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lambda_autotuner.agent.answer import Difference, Proposal
from lambda_autotuner.agent.reading.wishes import Wish
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


def refused(
    wish: Wish | None, waiting: Sequence[Proposal], shown: Sequence[str]
) -> tuple[Proposal, ...]:
    """The waiting proposals that a person's no is about; none when that is not clear.

    Args:
        wish: what the person said.
        waiting: the proposals of this conversation that wait.
        shown: ids of those that the answer before showed.
    """
    if wish is None or not (wish.kind == "reject" or wish.instead):
        return ()
    if wish.kind == "reject" and wish.plan_id:
        return tuple(p for p in waiting if wish.plan_id in {p.id, p.details.get("plan_id")})
    if wish.kind == "reject" and wish.everything:
        return tuple(waiting)
    just_shown = tuple(p for p in waiting if p.id in shown)
    if len(just_shown) == 1:
        return just_shown
    return tuple(waiting) if len(waiting) == 1 else ()


def pending_proposals(workspace: Workspace, session_id: str | None) -> tuple[Proposal, ...]:
    """Proposals that wait for a decision, of one conversation or of all."""
    return tuple(proposal_of(stored) for stored in workspace.journal.pending_proposals(session_id))
