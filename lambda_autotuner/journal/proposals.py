"""Writes that the agent proposes and a person decides about, each decided once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lambda_autotuner.errors import RefusedError, UsageError
from lambda_autotuner.journal import schema
from lambda_autotuner.journal.database import Database
from lambda_autotuner.journal.records import Proposal, from_stamp, from_text, to_stamp, to_text


class DecidedError(RefusedError):
    """A proposal was decided already."""


class ProposalLedger(Database):
    """Proposals of write tools; a decision is executed outside the model."""

    def propose(
        self,
        thread: str,
        tool_call_id: str,
        kind: str,
        *,
        plan_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Proposal:
        """Write a proposal; the same tool call of the same thread gets the same proposal back."""
        row = {
            "id": self.new_id("q"),
            "thread": thread,
            "tool_call_id": tool_call_id,
            "kind": kind,
            "plan_id": plan_id,
            "at": to_stamp(self._clock()),
            "trace_id": self._trace_id(),
            "data": to_text(data or {}),
        }
        try:
            with self._write() as connection:
                connection.execute(schema.proposals.insert(), row)
        except IntegrityError:
            found = self._proposals(
                (schema.proposals.c.thread == thread)
                & (schema.proposals.c.tool_call_id == tool_call_id)
            )
            return found[0]
        return self.get_proposal(row["id"] or "")

    def get_proposal(self, proposal_id: str) -> Proposal:
        """One proposal with its decision.

        Raises:
            UsageError: no such proposal.
        """
        found = self._proposals(schema.proposals.c.id == proposal_id)
        if not found:
            raise UsageError(f"There is no proposal {proposal_id!r} in the journal.")
        return found[0]

    def pending_proposals(self, thread: str | None = None) -> list[Proposal]:
        """Proposals that nobody has decided, oldest first."""
        condition: sa.ColumnElement[bool] = schema.decisions.c.proposal_id.is_(None)
        if thread is not None:
            condition = condition & (schema.proposals.c.thread == thread)
        return self._proposals(condition)

    def decide_proposal(
        self, proposal_id: str, *, approved: bool, actor: str, reason: str = ""
    ) -> Proposal:
        """Write the one decision about a proposal.

        Raises:
            UsageError: no such proposal.
            DecidedError: it was decided already; of two at once exactly one gets through.
        """
        self.get_proposal(proposal_id)
        row = {
            "proposal_id": proposal_id,
            "approved": approved,
            "at": to_stamp(self._clock()),
            "actor": actor,
            "reason": reason,
        }
        try:
            with self._write() as connection:
                connection.execute(schema.decisions.insert(), row)
        except IntegrityError as error:
            raise DecidedError(
                f"Proposal {proposal_id} was decided already.",
                remedy="Ask for the change again if it is still wanted.",
            ) from error
        return self.get_proposal(proposal_id)

    def _proposals(self, condition: sa.ColumnElement[bool]) -> list[Proposal]:
        table, decided = schema.proposals, schema.decisions
        query = (
            sa.select(table, decided.c.approved, decided.c.actor)
            .outerjoin(decided, table.c.id == decided.c.proposal_id)
            .where(condition)
            .order_by(table.c.at, table.c.id)
        )
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Proposal(
                id=row["id"],
                thread=row["thread"],
                tool_call_id=row["tool_call_id"],
                kind=row["kind"],
                plan_id=row["plan_id"],
                at=from_stamp(row["at"]),
                data=from_text(row["data"]),
                approved=row["approved"],
                decided_by=row["actor"],
            )
            for row in rows
        ]
