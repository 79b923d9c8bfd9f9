"""What was planned, done and seen: an append-only journal in SQLite or PostgreSQL."""

from lambda_autotuner.journal.database import JournalError
from lambda_autotuner.journal.locks import BusyError, LostLockError
from lambda_autotuner.journal.plans import UsedError
from lambda_autotuner.journal.proposals import DecidedError
from lambda_autotuner.journal.records import (
    Action,
    Approval,
    Entry,
    Intent,
    Proposal,
    StoredPlan,
    Transition,
)
from lambda_autotuner.journal.store import Journal

__all__ = [
    "Action",
    "Approval",
    "BusyError",
    "DecidedError",
    "Entry",
    "Intent",
    "Journal",
    "JournalError",
    "LostLockError",
    "Proposal",
    "StoredPlan",
    "Transition",
    "UsedError",
]
