"""A function's invocations in a window of any edges, so that counts and single lines agree.

A row of the account's telemetry stands for equal invocations spread over one minute. Where a
window begins or ends within a minute, that minute is told invocation by invocation.
"""

from __future__ import annotations

from typing import Final

from lambda_autotuner.sandbox.state import RegionState
from lambda_autotuner.sandbox.world import telemetry
from lambda_autotuner.sandbox.world.columns import Columns, joined

MINUTE_MS: Final = 60_000
_THROTTLED: Final = 4


def invocations(
    region: RegionState, function: str, start_ms: int, end_ms: int, *, single: bool = False
) -> Columns:
    """Invocations in [start_ms, end_ms), refused requests left out.

    Args:
        region: where the function is.
        function: its name.
        start_ms: first moment, epoch ms.
        end_ms: the moment after the last one.
        single: one row per invocation, whatever it costs.
    """
    first_ms = start_ms // MINUTE_MS * MINUTE_MS
    last_ms = -(-end_ms // MINUTE_MS) * MINUTE_MS
    table = telemetry.columns(region, function, first_ms, last_ms)
    table = table.where(table.outcome != _THROTTLED)
    if single:
        return _within(table.expand(), start_ms, end_ms)
    minute = table.timestamp_ms // MINUTE_MS * MINUTE_MS
    edge = (minute < start_ms) | (minute + MINUTE_MS > end_ms)
    if not edge.any():
        return table
    return joined([_within(table.where(edge).expand(), start_ms, end_ms), table.where(~edge)])


def _within(table: Columns, start_ms: int, end_ms: int) -> Columns:
    return table.where((table.timestamp_ms >= start_ms) & (table.timestamp_ms < end_ms))
