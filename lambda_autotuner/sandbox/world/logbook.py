"""A function's log group, out of the same columns as its metrics."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.functions.report import Facts, report_line
from lambda_autotuner.sandbox.functions.report_json import report_record, written
from lambda_autotuner.sandbox.world.columns import Columns, request_id
from lambda_autotuner.sandbox.world.generation import HOUR_MS
from lambda_autotuner.sandbox.world.invocations import Outcome
from lambda_autotuner.sandbox.world.randomness import key_of, mix
from lambda_autotuner.sandbox.world.telemetry import columns, records

if TYPE_CHECKING:
    from lambda_autotuner.sandbox.state import RegionState

PREFIX: Final = "/aws/lambda/"
_CHUNK_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line; it is ingested when it is written."""

    timestamp_ms: int
    message: str
    stream: str
    event_id: str


@dataclass(frozen=True, slots=True)
class LogStream:
    """One environment's stream."""

    name: str
    created_ms: int
    first_ms: int
    last_ms: int


def log_group(region: RegionState, function_name: str) -> str:
    """The group that a function writes to."""
    record = region.functions.get(function_name)
    named = record.latest.log_group if record else None
    return named or PREFIX + function_name


def functions_of_group(region: RegionState, group: str) -> list[str]:
    """The functions, deleted ones too, that write to a group."""
    found = []
    if group.startswith(PREFIX):
        name = group.removeprefix(PREFIX)
        if (name in region.functions or name in region.buried) and log_group(region, name) == group:
            found.append(name)
    found += [
        name
        for name, record in region.functions.items()
        if record.latest.log_group == group and name not in found
    ]
    return found


def log_group_created_ms(region: RegionState, function_name: str) -> int | None:
    """When the group came into being: with the first invocation; None before it."""
    times = []
    for record in records(region, function_name):
        traffic = record.traffic
        if traffic.per_month > 0 and traffic.shape != "never":
            times.append(record.created_ms)
        elif span := record.log.span_ms():
            times.append(span[0])
    return min(times, default=None)


def stream_name(table: Columns, row: int) -> str:
    """`2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef`."""
    return _stream(
        int(table.timestamp_ms[row]),
        table.versions[int(table.version[row])],
        int(table.environment[row]),
    )


def _stream(time_ms: int, version: str, environment: int) -> str:
    # Small numbers are a generated hour's environments, large ones those of real invocations.
    real = environment >= 1 << 20
    quarter = time_ms // (6 * HOUR_MS)
    return _stream_of(quarter // 4, 0 if real else quarter, version, environment)


@functools.lru_cache(maxsize=4096)
def _stream_of(day: int, block: int, version: str, environment: int) -> str:
    # Thousands of lines share a stream, and each of them names it.
    date = dt.datetime.fromtimestamp(day * 24 * HOUR_MS / 1000, dt.UTC).strftime("%Y/%m/%d")
    key = key_of(version, environment, block)
    return f"{date}/[{version}]{key:016x}{mix(key):016x}"


def facts_of(table: Columns, row: int, record: FunctionRecord, region_name: str) -> Facts:
    """What the lines of one row tell."""
    init = float(table.init_ms[row])
    outcome = Outcome(int(table.outcome[row]))
    version = table.versions[int(table.version[row])]
    duration_ms = float(table.duration_ms[row])
    timeout_s = round(duration_ms / 1000) if outcome is Outcome.TIMEOUT else 0
    return Facts(
        request_id=request_id(int(table.key[row])),
        version=version,
        timestamp_ms=int(table.timestamp_ms[row]),
        duration_ms=duration_ms,
        billed_ms=float(table.billed_ms[row]),
        init_ms=None if np.isnan(init) else init,
        memory_mb=int(table.memory_mb[row]),
        max_memory_mb=int(table.max_memory_mb[row]),
        outcome=outcome,
        timeout_s=timeout_s,
        configuration=record.configuration_at(version, int(table.timestamp_ms[row])),
        region=region_name,
    )


def report_lines(table: Columns, record: FunctionRecord, region_name: str) -> list[str]:
    """The text of each row's REPORT line; throttled rows have none and give an empty string."""
    return [
        ""
        if table.outcome[row] == Outcome.THROTTLED
        else _report(facts_of(table, row, record, region_name))
        for row in range(len(table))
    ]


def traces(
    table: Columns, record: FunctionRecord, region_name: str
) -> list[tuple[str, str] | None]:
    """The ids of each row's trace and segment; None for what is not traced."""
    return [facts_of(table, row, record, region_name).trace for row in range(len(table))]


def _report(facts: Facts) -> str:
    if facts.configuration.log_format == "JSON":
        return "".join(report_record(facts))
    return report_line(facts)


def log_events(
    region: RegionState,
    function_name: str,
    start_ms: int,
    end_ms: int,
    *,
    reverse: bool = False,
) -> Iterator[list[LogEvent]]:
    """Lines in [start_ms, end_ms) in order of time (or against it), a few hundred at a time."""
    found = records(region, function_name)
    if not found:
        return
    record = found[-1]
    now_ms = region.account.world.clock.now_ms()
    start_ms = max(start_ms, min(each.created_ms for each in found))
    first, last = start_ms // HOUR_MS, (min(end_ms, now_ms + 1) - 1) // HOUR_MS
    hours = range(last, first - 1, -1) if reverse else range(first, last + 1)
    for hour in hours:
        table = columns(
            region, function_name, max(hour * HOUR_MS, start_ms), min((hour + 1) * HOUR_MS, end_ms)
        )
        table = table.where(table.outcome != Outcome.THROTTLED).expand()
        yield from _chunks(table, record, region.name, reverse=reverse)


def _chunks(
    table: Columns, record: FunctionRecord, region_name: str, *, reverse: bool
) -> Iterator[list[LogEvent]]:
    # In small steps: most readers want one page, and a busy hour has a hundred thousand lines.
    starts = list(range(0, len(table), _CHUNK_ROWS))
    for start in reversed(starts) if reverse else starts:
        events: list[LogEvent] = []
        for row in range(start, min(start + _CHUNK_ROWS, len(table))):
            events += of_row(table, row, record, region_name)
        if reverse:
            events.reverse()
        yield events


def of_row(table: Columns, row: int, record: FunctionRecord, region_name: str) -> list[LogEvent]:
    """The lines of one invocation; all at its own time, so that a window holds all or none."""
    facts = facts_of(table, row, record, region_name)
    stream = stream_name(table, row)
    key = int(table.key[row])
    said = written(facts, record.archetype, with_opening=True)
    return [
        LogEvent(facts.timestamp_ms, line, stream, f"{facts.timestamp_ms:016d}{key:020d}{i:020d}")
        for i, line in enumerate(said)
    ]


def log_streams(
    region: RegionState, function_name: str, start_ms: int, end_ms: int
) -> list[LogStream]:
    """The streams with lines in [start_ms, end_ms), the newest first."""
    table = columns(region, function_name, start_ms, end_ms)
    table = table.where(table.outcome != Outcome.THROTTLED)
    if not len(table):
        return []
    block = np.where(table.environment >= 1 << 20, 0, table.timestamp_ms // (6 * HOUR_MS))
    day = table.timestamp_ms // (24 * HOUR_MS)
    identity = np.stack([block, day, table.version, table.environment], axis=1)
    _, first, place = np.unique(identity, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    last = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, place, table.timestamp_ms)
    streams = [
        LogStream(
            stream_name(table, int(row)),
            int(table.timestamp_ms[row]),
            int(table.timestamp_ms[row]),
            int(last[index]),
        )
        for index, row in enumerate(first)
    ]
    streams.sort(key=lambda stream: (-stream.last_ms, stream.name))
    return streams
