"""What a measurement put into the account for a while, and what has to undo it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from lambda_autotuner.journal import schema
from lambda_autotuner.journal.database import Database
from lambda_autotuner.journal.locks import BusyError
from lambda_autotuner.journal.records import Intent, from_stamp, from_text, to_stamp, to_text


class IntentLedger(Database):
    """Cleanup intents: written before the side effect, closed after it was undone."""

    def new_run(self) -> str:
        """An identifier for a run; hold it with `hold_run` while the run lasts."""
        return self.new_id("r")

    def hold_run(self, run_id: str) -> AbstractContextManager[None]:
        """Mark a run as alive until the block ends or the process dies.

        Raises:
            BusyError: another process holds this run.
        """
        return self.hold(f"run {run_id}")

    def begin_intent(
        self,
        run_id: str,
        kind: str,
        account_id: str,
        region: str,
        function: str,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Write down what is about to be put into the account; committed when this returns."""
        row = {
            "run_id": run_id,
            "kind": kind,
            "account_id": account_id,
            "region": region,
            "function": function,
            "at": to_stamp(self._clock()),
            "trace_id": self._trace_id(),
            "detail": to_text(detail or {}),
        }
        with self._write() as connection:
            query = schema.intents.insert().returning(schema.intents.c.id)
            return int(connection.execute(query, row).scalar_one())

    def finish_intent(
        self, intent_id: int, outcome: str = "undone", detail: Mapping[str, Any] | None = None
    ) -> bool:
        """Close an intent; False when somebody else had closed it already."""
        row = {
            "intent_id": intent_id,
            "outcome": outcome,
            "at": to_stamp(self._clock()),
            "detail": to_text(detail or {}),
        }
        table = schema.intent_ends
        with self._write() as connection:
            closed = connection.scalar(
                sa.select(table.c.intent_id).where(table.c.intent_id == intent_id)
            )
            if closed is None:
                connection.execute(table.insert(), row)
        return closed is None

    def open_intents(
        self,
        account_id: str,
        region: str,
        *,
        function: str | None = None,
        run_id: str | None = None,
    ) -> list[Intent]:
        """Intents that nobody has closed, newest first: the order in which to undo them."""
        table, ends = schema.intents, schema.intent_ends
        query = (
            sa.select(table)
            .outerjoin(ends, table.c.id == ends.c.intent_id)
            .where(
                ends.c.intent_id.is_(None),
                table.c.account_id == account_id,
                table.c.region == region,
            )
            .order_by(table.c.id.desc())
        )
        if function:
            query = query.where(table.c.function == function)
        if run_id:
            query = query.where(table.c.run_id == run_id)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Intent(
                id=row["id"],
                run_id=row["run_id"],
                kind=row["kind"],
                account_id=row["account_id"],
                region=row["region"],
                function=row["function"],
                created_at=from_stamp(row["at"]),
                detail=from_text(row["detail"]),
            )
            for row in rows
        ]

    def owner_alive(self, intent: Intent) -> bool:
        """Whether the run that wrote an intent still goes on in some process."""
        try:
            with self.hold_run(intent.run_id):
                return False
        except BusyError:
            return True
