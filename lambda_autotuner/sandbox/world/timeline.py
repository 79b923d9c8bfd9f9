"""Which settings received a function's traffic, and when: the alias's history over the versions'.

A change of an alias, of $LATEST or of reserved concurrency begins a new segment; generated traffic
falls into the segment of its time, so that what was configured at the time is what is seen.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    Alias,
    Configuration,
    FunctionRecord,
    Version,
)


@dataclass(frozen=True, slots=True)
class Route:
    """A share of the traffic: a version with its settings."""

    version: str
    configuration: Configuration
    weight: float


@dataclass(frozen=True, slots=True)
class Segment:
    """From `start_ms` on, traffic went these ways."""

    start_ms: int
    routes: tuple[Route, ...]
    reserved: int | None
    provisioned: int


def segments(record: FunctionRecord) -> list[Segment]:
    """The segments of a function's traffic, oldest first; empty when nobody could receive it."""
    qualifier = record.traffic.qualifier
    alias = record.aliases.get(qualifier) if qualifier else None
    cuts = {start for start, _ in record.reserved_history}
    held = record.provisioned.get(qualifier)
    if held is not None:
        cuts |= {start for start, _ in held.history}
    if alias is not None:
        cuts |= {start for start, _, _ in alias.history}
        # An alias may name $LATEST itself.
        if any(version == LATEST for _, version, _ in alias.history):
            cuts |= {start for start, _ in record.history}
        first = min(start for start, _, _ in alias.history)
    else:
        cuts |= {start for start, _ in record.history}
        first = min(start for start, _ in record.history)
    found = []
    for start_ms in sorted(cut for cut in cuts if cut >= first):
        routes = _routes(record, alias, start_ms)
        if routes:
            found.append(
                Segment(
                    start_ms,
                    routes,
                    _last(record.reserved_history, start_ms),
                    (_last(held.history, start_ms) or 0) if held is not None else 0,
                )
            )
    return found


def _last(history: list[tuple[int, int | None]] | list[tuple[int, int]], at_ms: int) -> int | None:
    value: int | None = None
    for start_ms, item in history:
        if start_ms <= at_ms:
            value = item
    return value


def _routes(record: FunctionRecord, alias: Alias | None, at_ms: int) -> tuple[Route, ...]:
    if alias is None:
        return (Route(LATEST, latest_at(record, at_ms), 1.0),)
    version, weights = "", {}
    for start_ms, number, shares in alias.history:
        if start_ms <= at_ms:
            version, weights = number, shares
    shares_of = {**weights}
    shares_of[version] = 1.0 - sum(weights.values())
    routes = []
    for number, share in shares_of.items():
        configuration = _configuration(record, number, at_ms)
        if configuration is not None and share > 0:
            routes.append(Route(number, configuration, share))
    return tuple(routes)


def latest_at(record: FunctionRecord, at_ms: int) -> Configuration:
    """What $LATEST was at a time."""
    index = bisect_right([start for start, _ in record.history], at_ms) - 1
    return record.history[max(index, 0)][1]


def _configuration(record: FunctionRecord, number: str, at_ms: int) -> Configuration | None:
    if number == LATEST:
        return latest_at(record, at_ms)
    version: Version | None = record.versions.get(number) or record.retired.get(number)
    return version.configuration if version else None
