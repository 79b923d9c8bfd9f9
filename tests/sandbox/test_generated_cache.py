"""What is kept of generated traffic, and the order that percentiles are read from."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.sandbox.cloudwatch import aggregates
from lambda_autotuner.sandbox.cloudwatch.recorded import Key
from lambda_autotuner.sandbox.cloudwatch.source import Source
from lambda_autotuner.sandbox.cloudwatch.statistics import group, parse_statistic
from lambda_autotuner.sandbox.logs.reader import _pieces
from lambda_autotuner.sandbox.serving import Options, build_world
from lambda_autotuner.sandbox.world import telemetry
from lambda_autotuner.sandbox.world.columns import empty


def test_a_look_at_one_hour_does_not_cost_the_two_weeks_before_it() -> None:
    cache, key = telemetry._Cache(), ("", 1, 2, 3, 4)
    cache.put(key, 0, 336, empty())
    cache.put(key, 400, 401, empty())
    assert cache.get(key, 10, 20) is not None
    assert cache.get(key, 400, 401) is not None
    assert cache.get(key, 330, 340) is None
    cache.put(key, 0, 500, empty())
    assert list(cache.tables) == [(key, 0, 500)]
    assert cache.rows == 1


def test_only_so_many_spans_of_a_function_are_kept_and_the_widest_stay() -> None:
    cache, key = telemetry._Cache(), ("", 1, 2, 3, 4)
    cache.put(key, 0, 100, empty())
    for hour in range(200, 220):
        cache.put(key, hour, hour + 1, empty())
    assert cache.get(key, 0, 100) is not None
    assert len(cache.tables) == len(cache.spans[key]) <= 4


@pytest.mark.parametrize("samples", [1, 40, 5_000])
@pytest.mark.parametrize("buckets", [1, 3, 400])
@pytest.mark.parametrize("in_time_order", [True, False])
def test_sorting_within_buckets_is_sorting_by_bucket_and_value(
    *, samples: int, buckets: int, in_time_order: bool
) -> None:
    rng = np.random.default_rng(samples * buckets)
    number = rng.integers(0, buckets, samples)
    number = np.sort(number) if in_time_order else number
    values = rng.integers(0, 50, samples).astype(float)
    weights = rng.integers(0, 3, samples).astype(float)
    found = group(number, values, weights)
    keep = weights > 0
    order = np.lexsort((values[keep], number[keep]))
    assert (found.values == values[keep][order]).all()
    assert (found.buckets == np.unique(number[keep])).all()
    assert found.ahead[-1] == weights.sum()


NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
COUNTED: Key = ("AWS/Lambda", "Invocations", (("FunctionName", "geo-lookup"),))


def test_a_clock_that_ticks_costs_no_new_aggregate_and_a_new_row_one(monkeypatch) -> None:
    world = build_world(Options(now_ms=NOW_MS, settle_seconds=0))
    region = world.account("123456789012").region("us-east-1")
    window = aggregates.Window(
        NOW_MS - 24 * HOUR_MS, HOUR_MS, NOW_MS - 24 * HOUR_MS, NOW_MS + 12 * HOUR_MS
    )
    original, made = aggregates.aggregate, []
    monkeypatch.setattr(aggregates, "_kept", aggregates._Kept())
    monkeypatch.setattr(aggregates, "aggregate", lambda *args: made.append(1) or original(*args))

    def counted() -> float:
        statistic = parse_statistic("Sum")
        return float(
            aggregates.datapoints(Source(region), COUNTED, statistic, None, window)[0].values.sum()
        )

    first = counted()
    for _ in range(5):
        world.clock.tick()
        assert counted() == first
    assert len(made) == 1
    for _ in range(6_000):
        world.clock.tick()
    later = counted()
    assert later > first
    assert len(made) == 2
    table = telemetry.columns(region, "geo-lookup", window.first_ms, window.end_ms)
    assert later == table.weight.sum()


@pytest.mark.parametrize("name", ["geo-lookup", "checkout-api", "etl-hourly", "video-transcode"])
def test_minutes_told_one_after_another_are_the_hour_told_at_once(name: str) -> None:
    world = build_world(Options(now_ms=NOW_MS, settle_seconds=0))
    region = world.account("123456789012").region("us-east-1")
    for hour in range(5, 9):
        start_ms = NOW_MS // HOUR_MS * HOUR_MS - hour * HOUR_MS
        table = telemetry.columns(region, name, start_ms, start_ms + HOUR_MS)
        whole = table.expand()
        parts = [table.where(piece).expand() for piece in _pieces(table)]
        assert sum(len(part) for part in parts) == len(whole)
        if not parts:
            continue
        assert (np.concatenate([part.timestamp_ms for part in parts]) == whole.timestamp_ms).all()
        assert (np.concatenate([part.key for part in parts]) == whole.key).all()
        # A page of a busy hour must not cost the whole hour.
        assert max(len(part) for part in parts) <= max(5_000, len(whole) // 10)
