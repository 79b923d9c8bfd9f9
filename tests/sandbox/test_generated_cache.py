"""What is kept of generated traffic, and the order that percentiles are read from."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.sandbox.cloudwatch.statistics import group
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
