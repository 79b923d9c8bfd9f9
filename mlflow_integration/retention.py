"""Keeps the spool small and its books exact: removes what is delivered, bounds what is not.

Whoever calls these functions holds the delivery lock.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow_integration.backlog import SHARED, Backlog
from mlflow_integration.spool import (
    ack_path,
    is_unlocked,
    list_segments,
    producers_dir,
    read_acks,
    read_lost,
)

_logger = logging.getLogger(__name__)
BOOKS_FILE = "counts.json"
_REMEMBERED = 200
_DAY_SECONDS = 86_400.0
_CERTAIN_SECONDS = 3600.0
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
    return {
        "totals": books.get("totals", {}),
        "removed": books.get("removed", []),
        "suspected": books.get("suspected", {}),
    }


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
        if len(words) > 1 and words[0] in _COUNTED and words[1] != SHARED:
            counts[f"{words[1]}.{_COUNTED[words[0]]}"] += 1
    return counts


def _remove(spool: Path, path: Path, notes: Iterable[str], damaged: int) -> None:
    """Enter a segment into the books, then remove it."""
    counts = count_acks(notes)
    if damaged:
        counts["damaged.records"] += damaged
    _enter(spool, path, counts)
    path.unlink(missing_ok=True)
    ack_path(path).unlink(missing_ok=True)


def _enter(spool: Path, path: Path, counts: Counter[str]) -> None:
    """Enter what a file counts into the books; a crash before it is removed counts it once."""
    books = read_books(spool)
    if path.name in books["removed"]:
        return
    totals = Counter(books["totals"])
    totals.update(counts)
    removed = [*books["removed"], path.name][-_REMEMBERED:]
    _write_books(spool, {**books, "totals": dict(totals), "removed": removed})


def _lost(producer: Path) -> Counter[str]:
    return Counter({f"dropped.{kind} records": n for kind, n in read_lost(producer).items()})


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
    for path in backlog.dead_producers():
        lost = _lost(path)
        if lost:
            _enter(backlog.spool, path, lost)
        path.unlink(missing_ok=True)
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


def enforce_limits(
    backlog: Backlog, *, limit_bytes: int, limit_days: float, now: float | None = None
) -> int:
    """Drop the oldest closed segments beyond the limits; return how many items that cost.

    A segment is too old only when it was found too old an hour before: a clock that jumps
    ahead and is set right again costs nothing.
    """
    dropped = 0
    total = size_bytes(backlog.spool)
    now = time.time() if now is None else now
    oldest_allowed = now - limit_days * _DAY_SECONDS
    suspected = _suspect(backlog.spool, oldest_allowed, now)
    for path in list(list_segments(backlog.spool)):
        try:
            status = path.stat()
        except OSError:
            continue
        expired = now - suspected.get(path.name, now) >= _CERTAIN_SECONDS
        if not expired and total <= limit_bytes:
            continue
        if not is_unlocked(path):
            continue
        dropped += _drop(backlog, path, "its age" if expired else "the spool's size limit")
        total -= status.st_size
    return dropped


def _suspect(spool: Path, oldest_allowed: float, now: float) -> dict[str, float]:
    """Return since when segments have been too old; remembered between processes."""
    books = read_books(spool)
    before = books["suspected"]
    suspected = {}
    for path in list_segments(spool):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest_allowed:
                suspected[path.name] = min(float(before.get(path.name, now)), now)
    if suspected != before:
        _write_books(spool, {**books, "suspected": suspected})
    return suspected


def _drop(backlog: Backlog, path: Path, why: str) -> int:
    acks = read_acks(path)
    waiting = backlog.items_of(path)
    kinds = {f"o:{o.id}": o.kind for o in backlog.operations.values()}
    notes = [
        f"trace {_fate(backlog, name, path)}"
        if name.startswith("t:")
        else f"{kinds.get(name, 'run_log')} dropped"
        for name in waiting
    ]
    _logger.warning(
        "dropping %d undelivered records of %s because of %s", len(waiting), path.name, why
    )
    _remove(backlog.spool, path, [*acks.values(), *notes], 0)
    backlog.forget(path)
    return len(waiting)


def _fate(backlog: Backlog, name: str, path: Path) -> str:
    """Say what becomes of a trace when a segment goes: the rest of it may stand in another."""
    item = backlog.traces.get(name.removeprefix("t:"))
    return "shortened" if item is not None and item.segments - {path} else "dropped"


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
    for path in producers_dir(spool).iterdir() if producers_dir(spool).is_dir() else ():
        if path.name not in removed:
            totals.update(_lost(path))
    outcome: dict[str, dict[str, int]] = {"delivered": {}, "rejected": {}, "dropped": {}}
    for name, count in totals.items():
        head, _, kind = name.partition(".")
        outcome.setdefault(head, {})[kind] = count
    pending = Counter(_COUNTED.get(o.kind, o.kind) for o in backlog.operations.values())
    pending["traces"] = len(backlog.traces)
    return {
        "pending": {kind: count for kind, count in sorted(pending.items()) if count},
        **outcome,
        "bytes": size_bytes(spool),
    }
