"""Reading a group's events in order of time, lazily: generated traffic and what clients put."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.logs.invocations import invocations
from lambda_autotuner.sandbox.logs.patterns import Terms
from lambda_autotuner.sandbox.logs.state import GroupSettings, StoredStream
from lambda_autotuner.sandbox.world import logbook, telemetry
from lambda_autotuner.sandbox.world.columns import Columns
from lambda_autotuner.sandbox.world.randomness import key_of

_EVENT_ID_DIGITS: Final = 56
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
_OUTCOMES: Final = 256
_PIECE: Final = 500


@dataclass(frozen=True, slots=True)
class Event:
    """One log event as readers see it."""

    timestamp_ms: int
    message: str
    stream: str
    event_id: str
    ingested_ms: int


def event_id(timestamp_ms: int, stream: str, number: int) -> str:
    """56 digits that grow with time and tell events apart."""
    low = key_of(stream, number)
    return f"{(timestamp_ms << 64) | low:0{_EVENT_ID_DIGITS}d}"


def events(
    call: Call,
    group: GroupSettings,
    start_ms: int,
    end_ms: int,
    *,
    newest_first: bool = False,
    streams: StreamFilter | None = None,
    terms: Terms | None = None,
) -> Iterator[Event]:
    """Events in [start_ms, end_ms) in order of time.

    Args:
        call: who asks, and when.
        group: the log group.
        start_ms: first moment, epoch ms.
        end_ms: the moment after the last one.
        newest_first: against the order of time.
        streams: which streams count; all without it.
        terms: invocations none of whose lines can meet these may be left out.
    """
    start_ms = max(start_ms, groups.kept_from(call, group))
    end_ms = min(end_ms, call.now_ms + 1)
    parts: list[Iterable[Event]] = []
    if start_ms < end_ms:
        parts += [
            _generated(call, group, function, start_ms, end_ms, newest_first, streams, terms)
            for function in logbook.functions_of_group(call.region, group.name)
        ]
    stored = [
        _stored(stream, start_ms, end_ms, newest_first=newest_first)
        for stream in group.streams.values()
        if stream.events and (streams is None or streams.accepts(stream.name))
    ]
    parts.extend(stored)
    if len(parts) == 1:
        return iter(parts[0])
    return heapq.merge(*parts, key=lambda event: event.timestamp_ms, reverse=newest_first)


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which streams count."""

    names: frozenset[str] | None = None
    prefix: str = ""

    def accepts(self, stream: str) -> bool:
        """Whether a stream is meant."""
        if self.names is not None:
            return stream in self.names
        return stream.startswith(self.prefix)


def _generated(
    call: Call,
    group: GroupSettings,
    function: str,
    start_ms: int,
    end_ms: int,
    newest_first: bool,  # noqa: FBT001 - a private relay of the public keyword
    streams: StreamFilter | None,
    terms: Terms | None,
) -> Iterator[Event]:
    """Lines of a function, hour by hour and in small steps: most readers want one page only."""
    gone = frozenset(group.deleted_streams)
    created_ms = logbook.log_group_created_ms(call.region, function)
    record = telemetry.records(call.region, function)[-1]
    start_ms = max(start_ms, created_ms if created_ms is not None else end_ms)
    # Time that passed in parts of a minute moved the rows' minutes off the clock's own.
    shifted = bool(call.region.account.aged_ms % MINUTE_MS)
    hours = range(start_ms // HOUR_MS, -(-end_ms // HOUR_MS))
    for hour in reversed(hours) if newest_first else hours:
        first_ms, last_ms = max(hour * HOUR_MS, start_ms), min((hour + 1) * HOUR_MS, end_ms)
        table = invocations(call.region, function, first_ms, last_ms, single=shifted)
        if streams is not None or gone:
            table = table.where(_of_streams(table, streams, gone))
        if terms is not None and not any(first_ms <= at < last_ms for at, _ in record.history):
            table = table.where(_promising(table, record, call.region_name, terms))
        pieces = list(_pieces(table))
        for piece in reversed(pieces) if newest_first else pieces:
            singles = table.where(piece).expand()
            rows = range(len(singles))
            for row in reversed(rows) if newest_first else rows:
                lines = logbook.of_row(singles, row, record, call.region_name)
                for line in reversed(lines) if newest_first else lines:
                    yield Event(
                        line.timestamp_ms,
                        line.message,
                        line.stream,
                        line.event_id,
                        line.timestamp_ms,
                    )


def _pieces(table: Columns) -> Iterator[slice]:
    """Whole minutes that hold about so many invocations as a page wants, in order of time.

    A row's invocations lie within its minute, so that minutes can be told one after another.
    """
    minute = table.timestamp_ms // MINUTE_MS
    edges = [0, *(np.flatnonzero(np.diff(minute)) + 1).tolist(), len(table)]
    before = np.concatenate([[0], np.cumsum(table.weight)])
    start = 0
    for edge in edges[1:]:
        if edge > start and (edge == len(table) or before[edge] - before[start] >= _PIECE):
            yield slice(start, edge)
            start = edge


def _promising(
    table: Columns, record: FunctionRecord, region_name: str, terms: Terms
) -> NDArray[np.bool_]:
    """Which invocations may have a line with the terms: lines of a kind differ in ids and numbers.

    A busy function writes a hundred thousand lines an hour, of which a search for errors wants few.
    """
    kept = np.ones(len(table), np.bool_)
    # One number a kind: sorting rows of three took half the time of a search.
    identity = (table.version * _OUTCOMES + table.outcome) * 2 + np.isnan(table.init_ms)
    _, first, place = np.unique(identity, return_index=True, return_inverse=True)
    for kind, row in enumerate(first):
        lines = logbook.of_row(table, int(row), record, region_name)
        if all(terms.never_in(line.message) for line in lines):
            kept[place == kind] = False
    return kept


def _of_streams(
    table: Columns, streams: StreamFilter | None, gone: frozenset[str]
) -> NDArray[np.bool_]:
    """Which rows were written to the streams wanted; every stream's name is made once."""
    if not len(table):
        return np.zeros(0, np.bool_)
    # Rows of one quarter of a day, version and environment share a stream.
    quarter = table.timestamp_ms // (6 * HOUR_MS)
    identity = np.stack([quarter, table.version, table.environment], axis=1)
    _, first, place = np.unique(identity, axis=0, return_index=True, return_inverse=True)
    names = [logbook.stream_name(table, int(row)) for row in first]
    wanted = [name not in gone and (streams is None or streams.accepts(name)) for name in names]
    kept: NDArray[np.bool_] = np.array(wanted, np.bool_)[place.reshape(-1)]
    return kept


def _stored(stream: StoredStream, start_ms: int, end_ms: int, *, newest_first: bool) -> list[Event]:
    chosen = [event for event in sorted(stream.events) if start_ms <= event.timestamp_ms < end_ms]
    if newest_first:
        chosen.reverse()
    return [
        Event(
            event.timestamp_ms,
            event.message,
            stream.name,
            event_id(event.timestamp_ms, stream.name, event.number),
            event.ingested_ms,
        )
        for event in chosen
    ]
