"""Reading a group's events in order of time, lazily: generated traffic and what clients put."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.logs.state import GroupSettings, StoredStream
from lambda_autotuner.sandbox.world import logbook
from lambda_autotuner.sandbox.world.randomness import key_of

_EVENT_ID_DIGITS: Final = 56


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
) -> Iterator[Event]:
    """Events in [start_ms, end_ms) in order of time."""
    start_ms = max(start_ms, groups.kept_from(call, group))
    end_ms = min(end_ms, call.now_ms + 1)
    parts: list[Iterable[Event]] = []
    if start_ms < end_ms:
        parts += [
            _generated(call, group, function, start_ms, end_ms, newest_first, streams)
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
) -> Iterator[Event]:
    gone = frozenset(group.deleted_streams)
    chunks = logbook.log_events(call.region, function, start_ms, end_ms, reverse=newest_first)
    for event in itertools.chain.from_iterable(chunks):
        if not start_ms <= event.timestamp_ms < end_ms or event.stream in gone:
            continue
        if streams is not None and not streams.accepts(event.stream):
            continue
        yield Event(
            event.timestamp_ms, event.message, event.stream, event.event_id, event.timestamp_ms
        )


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
