"""Plans, their states, the one decision about each, and the side effects they caused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from lambda_autotuner.errors import RefusedError, UsageError
from lambda_autotuner.journal import schema
from lambda_autotuner.journal.database import Database
from lambda_autotuner.journal.records import (
    UNSETTLED_STATES,
    Action,
    Approval,
    StoredPlan,
    Transition,
    from_stamp,
    from_text,
    to_stamp,
    to_text,
)


class UsedError(RefusedError):
    """A plan was decided or moved on already; approvals and claims are single use."""


class PlanLedger(Database):
    """What was planned, agreed to and done."""

    def add_plan(self, plan: StoredPlan) -> None:
        """Write a plan; it never changes afterwards."""
        row = {
            "id": plan.id,
            "hash": plan.hash,
            "account_id": plan.account_id,
            "region": plan.region,
            "function": plan.function,
            "created_at": to_stamp(plan.created_at),
            "expires_at": to_stamp(plan.expires_at),
            "body": to_text(plan.body),
        }
        with self._write() as connection:
            connection.execute(schema.plans.insert(), row)
            self._add_transition(connection, plan.id, 0, "planned", None, {})
            self._add_entry(
                connection,
                kind="plan.created",
                plan_id=plan.id,
                account_id=plan.account_id,
                region=plan.region,
                function=plan.function,
                data={"hash": plan.hash},
            )

    def get_plan(self, plan_id: str) -> StoredPlan:
        """A plan by its id or by the start of it.

        Raises:
            UsageError: no such plan, or several start so.
        """
        table = schema.plans
        pattern = plan_id.strip().replace("\\", "").replace("%", "").replace("_", "")
        query = sa.select(table).where(table.c.id.like(f"{pattern}%")).limit(3)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all() if pattern else []
        exact = [row for row in rows if row["id"] == plan_id]
        rows = exact or rows
        if len(rows) == 1:
            return _stored(rows[0])
        if rows:
            raise UsageError(f"Several plans start with {plan_id!r}.", remedy="Give the whole id.")
        raise UsageError(
            f"There is no plan {plan_id!r} in the journal {self.location}.",
            remedy="`lambda-autotuner history` lists the plans.",
        )

    def plans(self, *, function: str | None = None, limit: int | None = None) -> list[StoredPlan]:
        """Plans, newest first."""
        table = schema.plans
        query = sa.select(table).order_by(table.c.created_at.desc(), table.c.id)
        if function:
            query = query.where(table.c.function == function)
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]

    def state(self, plan_id: str) -> Transition:
        """Where a plan stands.

        Raises:
            UsageError: no such plan.
        """
        found = self.transitions(plan_id)
        if not found:
            raise UsageError(f"There is no plan {plan_id!r} in the journal.")
        return found[-1]

    def transitions(self, plan_id: str) -> list[Transition]:
        """Every state a plan went through, first to last."""
        table = schema.transitions
        query = sa.select(table).where(table.c.plan_id == plan_id).order_by(table.c.seq)
        with self._read() as connection:
            return [_transition(row) for row in connection.execute(query).mappings()]

    def plans_in(self, states: set[str]) -> list[tuple[StoredPlan, Transition]]:
        """Plans whose current state is one of these, oldest first."""
        table = schema.transitions
        last = (
            sa.select(table.c.plan_id, sa.func.max(table.c.seq).label("seq"))
            .group_by(table.c.plan_id)
            .subquery()
        )
        query = (
            sa.select(table)
            .join(last, (table.c.plan_id == last.c.plan_id) & (table.c.seq == last.c.seq))
            .where(table.c.state.in_(states))
            .order_by(table.c.id)
        )
        with self._read() as connection:
            found = [_transition(row) for row in connection.execute(query).mappings()]
            ids = [item.plan_id for item in found]
            rows = connection.execute(sa.select(schema.plans).where(schema.plans.c.id.in_(ids)))
            stored = {row["id"]: _stored(row) for row in rows.mappings()}
        return [(stored[item.plan_id], item) for item in found]

    def unsettled_plans(self) -> list[tuple[StoredPlan, Transition]]:
        """Plans in the middle of something: a process is at work on them, or died there."""
        return self.plans_in(set(UNSETTLED_STATES))

    def transition(
        self,
        plan_id: str,
        state: str,
        *,
        expected: Transition,
        actor: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Transition:
        """Move a plan on from the state that the caller saw.

        Raises:
            UsedError: somebody else moved it meanwhile.
        """
        try:
            with self._write() as connection:
                made = self._add_transition(
                    connection, plan_id, expected.seq + 1, state, actor, data or {}
                )
                self._add_entry(
                    connection,
                    kind=f"plan.{state}",
                    plan_id=plan_id,
                    actor=actor,
                    data=data or {},
                    **self._where(connection, plan_id),
                )
                return made
        except IntegrityError as error:
            raise self._used(plan_id) from error

    def _where(self, connection: Connection, plan_id: str) -> dict[str, Any]:
        table = schema.plans
        query = sa.select(table.c.account_id, table.c.region, table.c.function)
        row = connection.execute(query.where(table.c.id == plan_id)).mappings().one()
        return dict(row)

    def _add_transition(
        self,
        connection: Connection,
        plan_id: str,
        seq: int,
        state: str,
        actor: str | None,
        data: Mapping[str, Any],
    ) -> Transition:
        at = self._clock()
        trace_id = self._trace_id()
        row = {
            "plan_id": plan_id,
            "seq": seq,
            "state": state,
            "at": to_stamp(at),
            "actor": actor,
            "trace_id": trace_id,
            "data": to_text(data),
        }
        connection.execute(schema.transitions.insert(), row)
        return Transition(plan_id, seq, state, at, actor, trace_id, data)

    def _used(self, plan_id: str) -> UsedError:
        state = self.state(plan_id)
        return UsedError(
            f"Plan {plan_id} is {state.state} already (since {state.at:%Y-%m-%d %H:%M:%S} UTC).",
            remedy="Make a new plan for another change.",
        )

    def changes_since(self, account_id: str, region: str, since: datetime) -> int:
        """How many plans began to be applied in an account and region since a time."""
        table = schema.entries
        query = sa.select(sa.func.count()).where(
            table.c.kind == "plan.applying",
            table.c.account_id == account_id,
            table.c.region == region,
            table.c.at >= to_stamp(since),
        )
        with self._read() as connection:
            return int(connection.scalar(query) or 0)

    def decide(
        self,
        plan: StoredPlan,
        *,
        approved: bool,
        expected: Transition,
        actor: str,
        source: str,
        reason: str = "",
    ) -> Approval:
        """Write the one decision about a plan and move it on, both or neither.

        Raises:
            UsedError: it was decided or moved on already.
        """
        approval = Approval(plan.id, plan.hash, approved, self._clock(), actor, source, reason)
        row = {
            "plan_id": plan.id,
            "plan_hash": plan.hash,
            "approved": approved,
            "at": to_stamp(approval.at),
            "actor": actor,
            "source": source,
            "reason": reason,
        }
        state = "approved" if approved else "rejected"
        data = {"source": source, "reason": reason, "hash": plan.hash}
        try:
            with self._write() as connection:
                connection.execute(schema.approvals.insert(), row)
                self._add_transition(connection, plan.id, expected.seq + 1, state, actor, data)
                self._add_entry(
                    connection,
                    kind=f"plan.{state}",
                    plan_id=plan.id,
                    actor=actor,
                    data=data,
                    **self._where(connection, plan.id),
                )
        except IntegrityError as error:
            raise self._used(plan.id) from error
        return approval

    def approval(self, plan_id: str) -> Approval | None:
        """The decision about a plan; None while there is none."""
        table = schema.approvals
        with self._read() as connection:
            query = sa.select(table).where(table.c.plan_id == plan_id)
            row = connection.execute(query).mappings().first()
        return None if row is None else Approval(**{**row, "at": from_stamp(row["at"])})

    def begin_action(
        self, plan_id: str, phase: str, step: str, operation: str, request: Mapping[str, Any]
    ) -> int:
        """Write a side effect down before it happens; committed when this returns."""
        row = {
            "plan_id": plan_id,
            "phase": phase,
            "step": step,
            "operation": operation,
            "request": to_text(request),
            "at": to_stamp(self._clock()),
            "trace_id": self._trace_id(),
        }
        with self._write() as connection:
            query = schema.actions.insert().returning(schema.actions.c.id)
            return int(connection.execute(query, row).scalar_one())

    def end_action(
        self, action_id: int, outcome: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Write how a side effect ended."""
        row = {
            "action_id": action_id,
            "outcome": outcome,
            "at": to_stamp(self._clock()),
            "data": to_text(data or {}),
        }
        with self._write() as connection:
            connection.execute(schema.results.insert(), row)

    def actions(self, plan_id: str) -> list[Action]:
        """Every side effect of a plan, first to last; `outcome` is None where none was written."""
        left, right = schema.actions, schema.results
        query = (
            sa.select(left, right.c.outcome, right.c.data)
            .outerjoin(right, left.c.id == right.c.action_id)
            .where(left.c.plan_id == plan_id)
            .order_by(left.c.id)
        )
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Action(
                id=row["id"],
                plan_id=row["plan_id"],
                phase=row["phase"],
                step=row["step"],
                operation=row["operation"],
                request=from_text(row["request"]),
                at=from_stamp(row["at"]),
                outcome=row["outcome"],
                data=from_text(row["data"] or "{}"),
            )
            for row in rows
        ]


def _stored(row: Any) -> StoredPlan:
    return StoredPlan(
        id=row["id"],
        hash=row["hash"],
        account_id=row["account_id"],
        region=row["region"],
        function=row["function"],
        created_at=from_stamp(row["created_at"]),
        expires_at=from_stamp(row["expires_at"]),
        body=from_text(row["body"]),
    )


def _transition(row: Any) -> Transition:
    return Transition(
        plan_id=row["plan_id"],
        seq=row["seq"],
        state=row["state"],
        at=from_stamp(row["at"]),
        actor=row["actor"],
        trace_id=row["trace_id"],
        data=from_text(row["data"]),
    )
