"""What is in the spool and not yet delivered: an index over all segments.

The index holds places, not contents, so that a long outage costs disk and not memory.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_integration.environment import Destination
from mlflow_integration.records import SCHEMA, decode, encode
from mlflow_integration.spool import (
    ack_path,
    is_unlocked,
    list_segments,
    producers_dir,
    read_acks,
)

_logger = logging.getLogger(__name__)
SHARED = "shared"
REJECTED_FILE = "rejected.jsonl"
_CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """Where a record stands."""

    segment: Path
    offset: int
    length: int


@dataclass
class TraceItem:
    """One trace: the places of its spans, of its beginning and of its header."""

    trace_id: str
    to: str
    producer: str
    spans: list[Place] = field(default_factory=list)
    opened: Place | None = None
    closed: Place | None = None
    segments: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name under which it is acknowledged."""
        return f"t:{self.trace_id}"


@dataclass(frozen=True)
class Operation:
    """One step that is applied in the order of recording: of a run, a tag, an assessment."""

    id: str
    to: str
    producer: str
    kind: str
    place: Place
    run: str | None
    trace: str | None

    @property
    def name(self) -> str:
        """The name under which it is acknowledged."""
        return f"o:{self.id}"


@dataclass
class _Segment:
    path: Path
    producer: str
    acked: dict[str, str]
    offset: int = 0
    items: set[str] = field(default_factory=set)
    reopened: dict[str, str] = field(default_factory=dict)
    damaged: int = 0


class Backlog:
    """Reads the spool forward and remembers what waits; only one process may use it at a time."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.destinations: dict[str, Destination] = {}
        self.traces: dict[str, TraceItem] = {}
        self.operations: dict[str, Operation] = {}
        self._segments: dict[Path, _Segment] = {}
        self._unreadable: set[Path] = set()
        self._runs: dict[str, str] = {}
        # How far each segment was read when a trace was acknowledged: what comes later is late.
        self._covered: dict[str, dict[str, int]] = {}

    def refresh(self) -> None:
        """Read what was appended since the last call."""
        opened = [
            self._segments.get(path) or self._open(path)
            for path in list_segments(self.spool)
            if path not in self._unreadable
        ]
        # All acknowledgements first: a trace may stand in several segments.
        for segment in opened:
            if segment is not None:
                self._read(segment)

    def is_alive(self, producer: str) -> bool:
        """Say whether the process that recorded is still there."""
        return not is_unlocked(producers_dir(self.spool) / producer)

    def ready(self, to: str) -> list[TraceItem]:
        """Return the traces for one destination that will not change any more."""
        alive: dict[str, bool] = {}
        found = []
        for item in self.traces.values():
            if item.to != to:
                continue
            if item.closed is None:
                if item.producer not in alive:
                    alive[item.producer] = self.is_alive(item.producer)
                if alive[item.producer]:
                    continue
            found.append(item)
        return found

    def waiting(self, to: str) -> list[Operation]:
        """Return the operations for one destination, in the order of recording."""
        return [each for each in self.operations.values() if each.to == to]

    def open_runs(self) -> dict[str, Operation]:
        """Return runs that were begun, were not ended, and whose process is gone."""
        begun = {o.run: o for o in self.operations.values() if o.kind == "run_start" and o.run}
        ended = {o.run for o in self.operations.values() if o.kind == "run_end"}
        known = {o.run for o in self.operations.values() if o.run} - ended
        for run in known - set(begun):
            begun[run] = next(o for o in self.operations.values() if o.run == run)
        return {
            run: operation
            for run, operation in begun.items()
            if run not in ended and not self.is_alive(operation.producer)
        }

    def load(self, place: Place) -> dict[str, Any]:
        """Return the record at a place, `{}` when it has become unreadable."""
        with place.segment.open("rb") as file:
            file.seek(place.offset)
            return decode(file.read(place.length)) or {}

    def server_run(self, run: str) -> str | None:
        """Return the back end's id of a run that was begun through this spool."""
        return self._runs.get(run)

    def note_intent(self, operation: Operation) -> bool:
        """Note that a run is about to be made; return whether that was noted before.

        The back end names runs itself, so an attempt that was cut off must be looked for.
        """
        name = f"i:{operation.id}"
        segment = self._segments.get(operation.place.segment)
        if segment is None or name in segment.acked:
            return True
        _append(ack_path(segment.path), f"{name} intent\n".encode())
        segment.acked[name] = "intent"
        return False

    def acknowledge(self, item: TraceItem | Operation, kind: str, note: str = "delivered") -> None:
        """Note that an item is done; `note` is `delivered`, `rejected` or `dropped`, and more."""
        if isinstance(item, TraceItem):
            self.traces.pop(item.trace_id, None)
            segments = sorted(item.segments)
            read = {p.name: s.offset for p in segments if (s := self._segments.get(p))}
            covered = " " + ",".join(f"{name}:{offset}" for name, offset in read.items())
            self._cover(item.name, read)
        else:
            self.operations.pop(item.id, None)
            segments, covered = [item.place.segment], ""
            if item.kind == "run_start" and item.run and " " in note:
                self._runs[item.run] = note.rsplit(" ", 1)[1]
        for path in segments:
            segment = self._segments.get(path)
            before = segment.reopened.pop(item.name, None) if segment else None
            self._note(path, item.name, f"{kind} {before or note}{covered}")
            # Counted once, in the first.
            note = SHARED

    def _cover(self, name: str, read: dict[str, int]) -> None:
        self._covered.setdefault(name, {}).update(read)

    def _note(self, path: Path, name: str, note: str) -> None:
        _append(ack_path(path), f"{name} {note}\n".encode())
        if path in self._segments:
            self._segments[path].acked[name] = note

    def reject(self, item: TraceItem | Operation, kind: str, reason: str) -> None:
        """Set an item aside that the back end refuses for good: kept in a file, not repeated."""
        places = (
            [*item.spans, *(p for p in (item.opened, item.closed) if p)]
            if isinstance(item, TraceItem)
            else [item.place]
        )
        destination = self.destinations[item.to].to_dict()
        lines = [
            encode(
                {"k": "rejected", "item": item.name, "reason": reason, "destination": destination}
            )
        ]
        lines += [encode(self.load(place)) for place in places]
        _append(self.spool / REJECTED_FILE, b"".join(lines))
        self.acknowledge(item, kind, "rejected")

    def finished_segments(self) -> Iterator[tuple[Path, dict[str, str], int]]:
        """Yield closed segments in which everything is acknowledged, their acks and damage."""
        for path, segment in list(self._segments.items()):
            if segment.items - set(segment.acked):
                continue
            if not is_unlocked(path) or path.stat().st_size > segment.offset:
                continue
            yield path, segment.acked, segment.damaged

    def forget(self, path: Path) -> None:
        """Drop a removed segment from the index, with what only it held."""
        gone = self._segments.pop(path, None)
        for name in gone.items if gone else ():
            self._covered.get(name, {}).pop(path.name, None)
            if not self._covered.get(name, True):
                del self._covered[name]
        for trace_id, item in list(self.traces.items()):
            item.segments.discard(path)
            item.spans = [place for place in item.spans if place.segment != path]
            if item.closed and item.closed.segment == path:
                item.closed = None
            if item.opened and item.opened.segment == path:
                item.opened = None
            if not item.segments:
                del self.traces[trace_id]
        for name, operation in list(self.operations.items()):
            if operation.place.segment == path:
                del self.operations[name]

    def items_of(self, path: Path) -> set[str]:
        """Return the names of the unacknowledged items in a segment."""
        segment = self._segments.get(path)
        return segment.items - set(segment.acked) if segment else set()

    def dead_producers(self) -> Iterator[Path]:
        """Yield the lock files of processes that are gone and have left nothing."""
        used = {segment.producer for segment in self._segments.values()}
        with contextlib.suppress(OSError):
            for path in list(producers_dir(self.spool).iterdir()):
                if path.name not in used and is_unlocked(path):
                    yield path

    def _open(self, path: Path) -> _Segment | None:
        try:
            with path.open("rb") as file:
                line = file.readline(_CHUNK)
        except OSError:
            return None
        header = decode(line)
        if header is None or header.get("k") != "segment":
            if line.endswith(b"\n") or is_unlocked(path):
                _logger.warning("the spool file %s has no readable header", path.name)
                self._unreadable.add(path)
            return None
        if header.get("schema", 0) > SCHEMA:
            _logger.warning("the spool file %s was written by a newer version", path.name)
            self._unreadable.add(path)
            return None
        destination = Destination.from_dict(header["destination"])
        self.destinations[header["to"]] = destination
        segment = _Segment(path, str(header.get("producer")), read_acks(path), offset=len(line))
        for name, note in segment.acked.items():
            kind, *words = note.split(" ")
            if kind == "trace" and len(words) > 1:
                pairs = (each.rsplit(":", 1) for each in words[1].split(","))
                self._cover(name, {file: int(offset) for file, offset in pairs})
            if kind == "run_start" and len(words) == 3:  # noqa: PLR2004 - outcome, our id, theirs
                self._runs[words[1]] = words[2]
        self._segments[path] = segment
        return segment

    def _read(self, segment: _Segment) -> None:
        try:
            with segment.path.open("rb") as file:
                file.seek(segment.offset)
                while True:
                    line = file.readline()
                    if not line.endswith(b"\n"):
                        # Half a line: still being written, or the last one of a killed process.
                        if line and is_unlocked(segment.path):
                            segment.offset += len(line)
                            segment.damaged += 1
                        return
                    record = decode(line)
                    place = Place(segment.path, segment.offset, len(line))
                    segment.offset += len(line)
                    if record is None:
                        segment.damaged += 1 if line.strip() else 0
                        continue
                    self._index(segment, record, place)
        except FileNotFoundError:
            self.forget(segment.path)

    def _index(self, segment: _Segment, record: dict[str, Any], place: Place) -> None:
        kind = record.get("k")
        if kind in {"open", "span", "trace"}:
            self._index_trace(segment, record, place)
        elif "id" in record:
            full = f"run_{record['do']}" if kind == "run" else str(kind)
            operation = Operation(
                record["id"],
                record["to"],
                segment.producer,
                full,
                place,
                record.get("r"),
                record.get("t"),
            )
            segment.items.add(operation.name)
            if operation.name not in segment.acked:
                self.operations[operation.id] = operation

    def _index_trace(self, segment: _Segment, record: dict[str, Any], place: Place) -> None:
        trace_id = record["t"]
        name = f"t:{trace_id}"
        segment.items.add(name)
        if place.offset < self._covered.get(name, {}).get(segment.path.name, 0):
            if name not in segment.acked:
                # Whoever delivered it was cut off between two acknowledgements.
                self._note(segment.path, name, f"trace {SHARED}")
            return
        if name in segment.acked:
            # A span that ended after its trace was delivered: of a thread, of a forked child.
            segment.reopened[name] = segment.acked.pop(name).split(" ")[1]
        item = self.traces.setdefault(trace_id, TraceItem(trace_id, record["to"], segment.producer))
        item.segments.add(segment.path)
        if record["k"] == "span":
            item.spans.append(place)
        elif record["k"] == "open":
            item.opened = place
        else:
            item.closed = place


def _append(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
