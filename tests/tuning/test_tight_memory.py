"""Sizes with little room above the memory that is used: slow by an unknown, shared amount."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import Configuration, Evidence, Model, PriceBook, Sample, Workload
from lambda_autotuner.tuning.law import ensemble
from lambda_autotuner.tuning.observation import memory_used

RATES = PriceBook.load().all_rates("us-east-1")
USED = 300


def duration_ms(memory_mb):
    """Waiting and work; a size without room takes twice as long for the work."""
    squeeze = 1 + np.exp(-(memory_mb / USED - 1) / 0.12)
    return 300 + 400_000 / memory_mb * squeeze


def error(used_mb, *, asked_mb):
    """How far the belief is off, as a logarithm, after two tight sizes and a roomy one."""
    seen = Evidence(
        Sample(size, "x86_64", duration_ms(size) * noise, max_memory_used_mb=used_mb)
        for size in (320, 384, 704)
        for noise in (0.98, 1.02)
    )
    model = Model(seen, Workload(cold_rate=0), RATES)
    believed = model.durations((Configuration(asked_mb),)).expected()[0]
    return float(np.log(believed / duration_ms(asked_mb)))


def test_what_is_slow_for_lack_of_room_does_not_bend_the_law_elsewhere():
    for roomy in (1_024, 1_408, 1_792):
        assert abs(error(USED, asked_mb=roomy)) < abs(error(None, asked_mb=roomy))
    assert abs(error(USED, asked_mb=1_408)) < 0.09
    assert error(None, asked_mb=1_408) < -0.1


def test_what_was_measured_without_room_is_believed_there():
    assert error(USED, asked_mb=320) == pytest.approx(0, abs=0.03)


def test_memory_that_is_far_from_used_up_changes_nothing():
    assert error(20, asked_mb=1_408) == pytest.approx(error(None, asked_mb=1_408), abs=1e-6)


def test_the_smallest_figure_counts():
    samples = [
        Sample(512, "x86_64", 10.0, max_memory_used_mb=200),
        Sample(1_024, "x86_64", 5.0, max_memory_used_mb=260),
    ]
    assert memory_used(Evidence(samples)) == 200
    assert memory_used(Evidence()) is None


def test_a_size_without_room_is_expected_to_be_slower():
    def expected(used_mb):
        seen = Evidence(
            Sample(size, "x86_64", 400_000 / size, max_memory_used_mb=used_mb)
            for size in (704, 1_024, 1_408)
        )
        model = Model(seen, Workload(cold_rate=0), RATES)
        return model.durations((Configuration(320),)).expected()[0]

    assert 1.2 < expected(USED) / expected(20) < 2.0


def test_a_size_without_room_is_never_expected_to_be_faster_and_may_be_far_slower():
    def quantiles(used_mb):
        seen = Evidence(
            Sample(size, "x86_64", 400_000 / size, max_memory_used_mb=used_mb)
            for size in (704, 1_024, 1_408)
            for _ in range(3)
        )
        model = Model(seen, Workload(cold_rate=0), RATES)
        return model.durations((Configuration(320),)).quantiles((0.05, 0.5, 0.95)).ravel()

    low, middle, high = quantiles(USED)
    assert low > quantiles(20)[0]
    assert high - middle > 1.5 * (middle - low)


def test_amounts_are_exponential_and_apart_from_what_else_shapes_differ_in():
    shapes = ensemble()
    amount = shapes.squeezed
    assert np.all(amount > 0)
    for quantile in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(amount, quantile) == pytest.approx(-np.log1p(-quantile), rel=0.03)
    for other in (shapes.waiting, shapes.overlap, shapes.exponent, shapes.parallel):
        assert abs(np.corrcoef(amount, other)[0, 1]) < 0.05
