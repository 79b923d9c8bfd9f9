"""Cold starts: init is nearly flat in memory, and the first invocation a ratio of the next."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import Configuration, Evidence, Model, PriceBook, Sample, Workload

RATES = PriceBook.load().all_rates("us-east-1")


def model(init_ms, *, slowness=1.0, sizes=(256,), rate=0.5):
    rng = np.random.default_rng(0)
    samples = []
    for size in sizes:
        for _ in range(8):
            warm = 20.0 * rng.lognormal(0, 0.02)
            samples.append(Sample(size, "x86_64", warm))
            samples.append(Sample(size, "x86_64", warm * slowness, init_ms=init_ms))
    return Model(Evidence(samples), Workload(cold_rate=rate, request_fee=False), RATES)


def test_init_at_one_size_is_not_stretched_along_the_processor_law():
    known = model(690.0)
    init, variance = known.cold.init_ms([Configuration(128), Configuration(256)])
    assert init[1] == pytest.approx(690, rel=0.03)
    assert init[0] <= 690 * 1.25
    assert 0 < variance[0] < 0.1


def test_a_slope_that_is_seen_is_learned():
    rng = np.random.default_rng(1)
    samples = [
        Sample(size, "x86_64", 20.0, init_ms=700.0 * (256 / size) ** 0.6 * rng.lognormal(0, 0.02))
        for size in (128, 512, 2_048)
        for _ in range(20)
    ]
    known = Model(Evidence(samples), Workload(cold_rate=0.5), RATES)
    init, _ = known.cold.init_ms([Configuration(128), Configuration(2_048)])
    assert init[0] / init[1] > 3


def test_a_slow_first_invocation_is_told_from_warm_ones():
    slow, _ = model(300.0, slowness=3.0).cold.slowness([Configuration(256)])
    assert slow[0] == pytest.approx(3.0, rel=0.15)


def test_cost_rises_with_the_share_of_cold_starts():
    where = (Configuration(256),)
    costs = [model(500.0, rate=rate).costs(where).expected()[0] for rate in (0.0, 0.1, 0.5)]
    price = 256 / 1024 / 1000 * RATES["x86_64"].gb_second_usd
    assert costs[1] - costs[0] == pytest.approx(0.1 * 500 * price, rel=0.1)
    assert costs[2] - costs[0] == pytest.approx(0.5 * 500 * price, rel=0.1)


def test_without_cold_starts_nothing_is_added():
    assert model(500.0, rate=0.0).cold is None
