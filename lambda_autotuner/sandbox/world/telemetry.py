"""What a function's telemetry tells of a span of time: generated traffic and real invocations."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.functions.report import restores
from lambda_autotuner.sandbox.world.columns import Columns, empty, joined
from lambda_autotuner.sandbox.world.execution import ERROR, error_rates, execute
from lambda_autotuner.sandbox.world.generation import (
    HOUR_MS,
    MINUTE_MS,
    Arrivals,
    arrivals,
    together,
)
from lambda_autotuner.sandbox.world.invocations import InvocationLog, Outcome
from lambda_autotuner.sandbox.world.randomness import uniforms
from lambda_autotuner.sandbox.world.timeline import Route, Segment, segments

if TYPE_CHECKING:
    from lambda_autotuner.sandbox.state import RegionState

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

IDLE_MINUTES: Final = 8.0
# Two weeks of the whole catalogue are 3.5 million rows, some 75 bytes each.
_CACHE_ROWS: Final = 4_500_000
_CACHE_SPANS: Final = 4
_SERVED, _BLOCKED, _ENVIRONMENT = 0, 601, 602
_COLD, _ROUTE = 509, 510
# A canary's figures rest on that many distinct invocations a row, or they would come in lumps.
DISTINCT: Final = 16
_ACTIVITY_DAYS: Final = 14
_DAY_MS: Final = 86_400_000


_Key: TypeAlias = tuple[str, int, int, int, int]
_Span: TypeAlias = tuple[_Key, int, int]


class _Cache:
    """Generated tables of each function, those used last, up to a number of rows in all."""

    def __init__(self) -> None:
        self.tables: OrderedDict[_Span, Columns] = OrderedDict()
        self.spans: dict[_Key, list[_Span]] = {}
        self.rows = 0

    def get(self, key: _Key, first: int, last: int) -> Columns | None:
        for span in self.spans.get(key, ()):
            if span[1] <= first and last <= span[2]:
                self.tables.move_to_end(span)
                return self.tables[span]
        return None

    def put(self, key: _Key, first: int, last: int, table: Columns) -> None:
        # A look at a single hour must not cost the two weeks that the next question needs.
        for span in [s for s in self.spans.get(key, ()) if first <= s[1] and s[2] <= last]:
            self._drop(span)
        held = self.spans.get(key, [])
        if len(held) == _CACHE_SPANS:
            self._drop(min(held, key=lambda span: span[2] - span[1]))
        self.spans.setdefault(key, []).append((key, first, last))
        self.tables[key, first, last] = table
        self.rows += len(table) + 1
        while self.rows > _CACHE_ROWS and len(self.tables) > 1:
            self._drop(next(iter(self.tables)))

    def _drop(self, span: _Span) -> None:
        self.rows -= len(self.tables.pop(span)) + 1
        held = self.spans[span[0]]
        held.remove(span)
        if not held:
            del self.spans[span[0]]


_cache = _Cache()


def columns(region: RegionState, function_name: str, start_ms: int, end_ms: int) -> Columns:
    """All invocations of a function in [start_ms, end_ms), by time; none later than now."""
    now_ms = region.account.world.clock.now_ms()
    end_ms = min(end_ms, now_ms + 1)
    if end_ms <= start_ms:
        return empty()
    parts = [
        part
        for record in records(region, function_name)
        for part in _of_record(region, record, start_ms, end_ms)
    ]
    return joined(parts) if parts else empty()


def latest_ms(region: RegionState, function_name: str, start_ms: int, end_ms: int) -> int:
    """The time of the last of `columns`; `start_ms` where there is none."""
    # Times alone: cutting a dozen columns out would cost more than what the answer is for.
    end_ms = min(end_ms, region.account.world.clock.now_ms() + 1)
    latest = start_ms
    for record in records(region, function_name):
        last_ms = end_ms if record.deleted_ms is None else min(end_ms, record.deleted_ms)
        if record.traffic.shape != "never" and record.traffic.per_month > 0 and last_ms > start_ms:
            times = _generated(region, record, start_ms, last_ms).timestamp_ms
            place = int(np.searchsorted(times, last_ms))
            if place:
                latest = max(latest, int(times[place - 1]))
        if len(record.log):
            inside = record.log.column("timestamp_ms")
            inside = inside[(inside >= start_ms) & (inside < end_ms)]
            latest = max(latest, int(inside.max(initial=latest)))
    return latest


def records(region: RegionState, function_name: str) -> list[FunctionRecord]:
    """The function and those of the same name before it that were deleted."""
    found = list(region.buried.get(function_name, ()))
    record = region.functions.get(function_name)
    if record is not None:
        found.append(record)
    return found


def _of_record(
    region: RegionState, record: FunctionRecord, start_ms: int, end_ms: int
) -> Iterator[Columns]:
    last_ms = end_ms if record.deleted_ms is None else min(end_ms, record.deleted_ms)
    if record.traffic.shape != "never" and record.traffic.per_month > 0 and last_ms > start_ms:
        table = _generated(region, record, start_ms, last_ms)
        low = np.searchsorted(table.timestamp_ms, start_ms)
        high = np.searchsorted(table.timestamp_ms, last_ms)
        if high > low:
            yield table.where(slice(int(low), int(high)))
    if len(record.log):
        real = recorded(record.log)
        times = real.timestamp_ms
        mask = (times >= start_ms) & (times < end_ms)
        if mask.any():
            yield real.where(mask)


def recorded(log: InvocationLog) -> Columns:
    """Real invocations as columns."""
    names = tuple(log.names)
    return Columns(
        timestamp_ms=log.column("timestamp_ms"),
        weight=np.ones(len(log), dtype=np.int64),
        duration_ms=log.column("duration_ms"),
        billed_ms=log.column("billed_ms"),
        init_ms=log.column("init_ms"),
        memory_mb=log.column("memory_mb"),
        max_memory_mb=log.column("max_memory_mb"),
        outcome=log.column("outcome").astype(np.uint8),
        version=log.column("version"),
        qualifier=log.column("qualifier"),
        architecture=log.column("arm").astype(np.uint8),
        key=log.column("key"),
        environment=log.column("environment"),
        versions=names,
        qualifiers=names,
    )


def _generated(region: RegionState, record: FunctionRecord, start_ms: int, end_ms: int) -> Columns:
    aged_ms = region.account.aged_ms
    first = (start_ms + aged_ms) // HOUR_MS
    last = -(-(end_ms + aged_ms) // HOUR_MS)
    # Accounts of one world are seeded alike: until something changes they share what is generated.
    owner = f"{region.account.account_id}/{region.name}" if record.stamp else ""
    key: _Key = (owner, record.key, record.created_ms, record.stamp, aged_ms)
    found = _cache.get(key, int(first), int(last))
    if found is None:
        found = _generate(record, aged_ms, int(first), int(last))
        _cache.put(key, int(first), int(last), found)
    return found


def _generate(record: FunctionRecord, aged_ms: int, first: int, last: int) -> Columns:
    asked = arrivals(record.traffic, record.key, first, last)
    course = segments(record)
    if not len(asked) or not course:
        return empty()
    starts = np.array([segment.start_ms for segment in course]) + aged_ms
    which = np.searchsorted(starts, asked.time_ms, side="right") - 1
    parts: list[Columns] = []
    for index in np.unique(which[which >= 0]):
        until_ms = float(starts[index + 1]) if index + 1 < len(starts) else math.inf
        inside = replace(
            asked.where(which == index), since_ms=float(starts[index]), until_ms=until_ms
        )
        parts += _of_segment(record, course[int(index)], inside, aged_ms)
    return joined(parts) if parts else empty()


def _of_segment(
    record: FunctionRecord, segment: Segment, asked: Arrivals, aged_ms: int
) -> Iterator[Columns]:
    if len(segment.routes) == 1:
        yield _of_route(record, segment, segment.routes[0], asked, aged_ms)
        return
    left, remaining = asked.weight, 1.0
    for number, route in enumerate(segment.routes):
        share = np.full(len(asked), min(1.0, route.weight / remaining))
        drawn = asked.drawn(left, share, _ROUTE + number)
        left, remaining = left - drawn, max(remaining - route.weight, route.weight * 1e-9)
        chosen = asked.part(drawn, _ROUTE + number).fanned(DISTINCT)
        if len(chosen):
            yield _of_route(record, segment, route, chosen, aged_ms)


def _fates(
    record: FunctionRecord, segment: Segment, asked: Arrivals, load: Floats, concurrency: float
) -> tuple[Arrivals, Integers]:
    """The invocations by what befalls them: each for itself, also where one row is many."""
    cold = asked.cold_chance(IDLE_MINUTES, concurrency)
    if segment.provisioned:
        # Environments that are kept warm: only what spills over starts cold, and pays for init.
        cold = np.where(load > segment.provisioned, cold, 0.0)
    failed = error_rates(record.traffic, asked.time_ms.astype(np.float64))
    chances = {_COLD: cold, ERROR: failed}
    if segment.reserved is not None:
        chances = {_BLOCKED: blocking(load, segment.reserved), **chances}
    left, parts = asked.weight, []
    for fate, chance in chances.items():
        drawn = asked.drawn(left, chance, fate)
        left = left - drawn
        parts.append(asked.part(drawn, fate))
    some = left > 0
    rest = replace(asked.where(some), weight=left[some])
    found, source = together([*parts, rest])
    return found, np.array([*chances, _SERVED])[source]


def _of_route(
    record: FunctionRecord, segment: Segment, route: Route, asked: Arrivals, aged_ms: int
) -> Columns:
    configuration = route.configuration
    memory_mb, architecture = configuration.memory_mb, configuration.architecture
    mean_ms = min(
        record.behaviour.mean_duration_ms(memory_mb, architecture), configuration.timeout_s * 1000
    )
    per_hour = route.weight * mean_ms / HOUR_MS
    concurrency = float((asked.hour_rate * per_hour).mean())
    asked, fate = _fates(record, segment, asked, asked.hour_rate * per_hour, concurrency)
    load = asked.hour_rate * per_hour
    run = execute(
        record.behaviour,
        record.traffic,
        configuration,
        asked.key,
        asked.time_ms.astype(np.float64),
        asked.payload_scale(record.traffic.payload_spread),
        fate == _COLD,
        failed=fate == ERROR,
        restored=restores(configuration, route.version),
    )
    outcome, duration, billed, init = run.outcome, run.duration_ms, run.billed_ms, run.init_ms
    if segment.reserved is not None:
        blocked = fate == _BLOCKED
        outcome = np.where(blocked, np.uint8(Outcome.THROTTLED), outcome)
        duration, billed, init = (
            np.where(blocked, np.nan, each) for each in (duration, billed, init)
        )
    size = len(asked)
    return Columns(
        timestamp_ms=asked.time_ms - aged_ms,
        weight=asked.weight,
        duration_ms=duration,
        billed_ms=billed,
        init_ms=init,
        memory_mb=_constant(memory_mb, size),
        max_memory_mb=run.max_memory_mb,
        outcome=outcome.astype(np.uint8),
        version=_constant(0, size),
        qualifier=_constant(0, size),
        architecture=np.broadcast_to(np.uint8(architecture == "arm64"), size),
        key=asked.key,
        environment=_environments(asked, load),
        versions=(route.version,),
        qualifiers=(record.traffic.qualifier,),
    )


def _environments(asked: Arrivals, load: Floats) -> Integers:
    # As many streams as environments are busy on average, within reason.
    many = np.clip(np.ceil(load), 1.0, 50.0)
    chosen: Integers = np.floor(uniforms(asked.key, _ENVIRONMENT) * many).astype(np.int64)
    return chosen


def _constant(value: int, size: int) -> Integers:
    # One number seen `size` times: a fifth of the memory of a table of a single configuration.
    return np.broadcast_to(np.int64(value), size)


def blocking(load: Floats, servers: int) -> Floats:
    """Share of requests that find all `servers` busy at an offered load (Erlang's B formula)."""
    if servers <= 0:
        return np.ones(len(load))
    inverse = np.ones(len(load))
    safe = np.maximum(load, 1e-9)
    for n in range(1, servers + 1):
        inverse = 1.0 + inverse * n / safe
    result: Floats = 1.0 / inverse
    return result


def metric_catalogue(region: RegionState, first: str = "") -> Iterator[tuple[str, str | None]]:
    """What was called in the last 14 days, from function `first` on.

    Yields (function, None) for the function as a whole, then (function, qualifier) for what its
    callers named; "" when they named nothing.
    """
    now_ms = region.account.world.clock.now_ms()
    since_ms = now_ms - _ACTIVITY_DAYS * _DAY_MS
    for name in sorted(name for name in {*region.functions, *region.buried} if name >= first):
        seen: dict[str, None] = {}
        for record in records(region, name):
            for qualifier in sorted(_called(region, record, since_ms, now_ms)):
                seen.setdefault(qualifier)
        if seen:
            yield name, None
            for qualifier in seen:
                yield name, qualifier


def _called(region: RegionState, record: FunctionRecord, since_ms: int, now_ms: int) -> set[str]:
    found = set()
    if record.traffic.per_month > 0 and record.traffic.shape != "never":
        often = record.traffic.per_month > 100  # noqa: PLR2004 - sure to be called in 14 days
        if often or len(_generated(region, record, since_ms, now_ms)):
            found.add(record.traffic.qualifier)
    span = record.log.span_ms()
    if span is not None and span[1] >= since_ms:
        found |= record.log.qualifiers()
    return found


def concurrency(
    region: RegionState,
    function_name: str,
    start_ms: int,
    end_ms: int,
    qualifier: str | None = None,
) -> tuple[Integers, Floats]:
    """Highest number of environments at work in each minute with any: (minute starts, numbers)."""
    table = columns(region, function_name, start_ms, end_ms)
    served = table.outcome != Outcome.THROTTLED
    if qualifier is not None:
        indices = [i for i, name in enumerate(table.qualifiers) if name == qualifier]
        served &= np.isin(table.qualifier, indices)
    table = table.where(served)
    if not len(table):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    minutes = table.timestamp_ms // MINUTE_MS * MINUTE_MS
    unique, place = np.unique(minutes, return_inverse=True)
    busy_ms = np.nan_to_num(table.duration_ms) + np.nan_to_num(table.init_ms)
    mean = np.bincount(place, table.weight * busy_ms) / MINUTE_MS
    # The highest of a Poisson number of busy environments, seen over a minute.
    peak = np.ceil(mean + 2.0 * np.sqrt(mean))
    number = np.bincount(place, table.weight)
    result = np.clip(peak, 1.0, number)
    held = _reserved(region, function_name)
    return unique, np.minimum(result, held) if held else result


def _reserved(region: RegionState, function_name: str) -> int | None:
    record = region.functions.get(function_name)
    return record.reserved_concurrency if record else None
