"""The journal: what is about to be done is written first, and what was written stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa

from lambda_autotuner.journal import schema
from lambda_autotuner.journal.intents import IntentLedger
from lambda_autotuner.journal.plans import PlanLedger
from lambda_autotuner.journal.proposals import ProposalLedger


class Journal(PlanLedger, IntentLedger, ProposalLedger):
    """Append-only records in SQLite (by default) or PostgreSQL. Thread- and process-safe."""

    def export(self) -> Iterator[str]:
        """Every record of every table as one JSON line each, in the order of writing."""
        for table in schema.RECORDS:
            order = table.c.id if "id" in table.c else next(iter(table.primary_key.columns))
            with self._read() as connection:
                rows = connection.execute(sa.select(table).order_by(order)).mappings().all()
            for row in rows:
                plain = dict(row)
                for name in ("data", "body", "request", "detail"):
                    if isinstance(plain.get(name), str):
                        plain[name] = json.loads(plain[name])
                record = {"table": table.name.removeprefix("journal_"), **plain}
                yield json.dumps(record, ensure_ascii=False)
