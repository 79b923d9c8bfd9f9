"""Keeps the spool small and its books exact: removes what is delivered, bounds what is not.

Whoever calls these functions holds the delivery lock.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow_integration.backlog import Backlog
from mlflow_integration.spool import ack_path, is_unlocked, list_segments, read_acks

_logger = logging.getLogger(__name__)
BOOKS_FILE = "counts.json"
_REMEMBERED = 200
_DAY_SECONDS = 86_400.0
# How one item is counted: a run once, by its beginning.
_COUNTED = {
    "trace": "traces",
    "run_start": "runs",
    "assessment": "assessments",
    "trace_tags": "trace_tags",
    "run_log": "run_updates",
    "run_end": "run_updates",
    "run_link": "run_updates",
    "run_artifact": "artifacts",
}


def read_books(spool: Path) -> dict[str, Any]:
    """Return the totals of segments that are gone already."""
    try:
        books = json.loads((spool / BOOKS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        books = {}
    if not isinstance(books, dict):
        books = {}
    return {"totals": books.get("totals", {}), "removed": books.get("removed", [])}


def _write_books(spool: Path, books: Mapping[str, Any]) -> None:
    temporary = spool / f".{BOOKS_FILE}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(books, file)
    temporary.replace(spool / BOOKS_FILE)


def count_acks(notes: Iterable[str]) -> Counter[str]:
    """Count acknowledgements as `outcome.kind`."""
    counts: Counter[str] = Counter()
    for note in notes:
        words = note.split(" ")
        if len(words) > 1 and words[0] in _COUNTED:
            counts[f"{words[1]}.{_COUNTED[words[0]]}"] += 1
    return counts


def _remove(spool: Path, path: Path, notes: Iterable[str], damaged: int) -> None:
    """Enter a segment into the books, then remove it; a crash in between counts nothing twice."""
    books = read_books(spool)
    if path.name not in books["removed"]:
        totals = Counter(books["totals"])
        totals.update(count_acks(notes))
        if damaged:
            totals["damaged.records"] += damaged
        books = {
            "totals": dict(totals),
            "removed": [*books["removed"], path.name][-_REMEMBERED:],
        }
        _write_books(spool, books)
    path.unlink(missing_ok=True)
    ack_path(path).unlink(missing_ok=True)


def tidy(backlog: Backlog) -> int:
    """Remove the segments that are delivered; return how many."""
    count = 0
    removed = set(read_books(backlog.spool)["removed"])
    for path, acks, damaged in list(backlog.finished_segments()):
        _remove(backlog.spool, path, acks.values(), damaged)
        backlog.forget(path)
        count += 1
    for path in list_segments(backlog.spool):
        if path.name in removed:
            path.unlink(missing_ok=True)
            ack_path(path).unlink(missing_ok=True)
            backlog.forget(path)
    backlog.remove_dead_producers()
    return count


def size_bytes(spool: Path) -> int:
    """Return how much the segments take on disk."""
    total = 0
    for path in list_segments(spool):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def enforce_limits(backlog: Backlog, *, limit_bytes: int, limit_days: float) -> int:
    """Drop the oldest closed segments beyond the limits; return how many items that cost."""
    dropped = 0
    total = size_bytes(backlog.spool)
    oldest_allowed = time.time() - limit_days * _DAY_SECONDS
    for path in list(list_segments(backlog.spool)):
        try:
            status = path.stat()
        except OSError:
            continue
        expired = status.st_mtime < oldest_allowed
        if not expired and total <= limit_bytes:
            break
        if not is_unlocked(path):
            continue
        dropped += _drop(backlog, path, "its age" if expired else "the spool's size limit")
        total -= status.st_size
    return dropped


def _drop(backlog: Backlog, path: Path, why: str) -> int:
    acks = read_acks(path)
    waiting = backlog.items_of(path)
    kinds = {f"o:{o.id}": o.kind for o in backlog.operations.values()}
    notes = [
        f"{'trace' if name.startswith('t:') else kinds.get(name, 'run_log')} dropped"
        for name in waiting
    ]
    _logger.warning(
        "dropping %d undelivered records of %s because of %s", len(waiting), path.name, why
    )
    _remove(backlog.spool, path, [*acks.values(), *notes], 0)
    backlog.forget(path)
    return len(waiting)


def report(spool: Path, backlog: Backlog | None = None) -> dict[str, Any]:
    """Return exact counts: pending by kind, and delivered, rejected, dropped by kind."""
    if backlog is None:
        backlog = Backlog(spool)
        backlog.refresh()
    totals = Counter(read_books(spool)["totals"])
    removed = set(read_books(spool)["removed"])
    for path in list_segments(spool):
        if path.name not in removed:
            totals.update(count_acks(read_acks(path).values()))
    outcome: dict[str, dict[str, int]] = {"delivered": {}, "rejected": {}, "dropped": {}}
    for name, count in totals.items():
        head, _, kind = name.partition(".")
        outcome.setdefault(head, {})[kind] = count
    pending = Counter(_COUNTED.get(o.kind, o.kind) for o in backlog.operations.values())
    pending["traces"] = len(backlog.traces)
    for kind, count in backlog.lost.items():
        outcome["dropped"][f"{kind} records"] = count
    return {
        "pending": {kind: count for kind, count in sorted(pending.items()) if count},
        **outcome,
        "bytes": size_bytes(spool),
    }
