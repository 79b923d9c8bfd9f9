"""One invocation among several that takes far longer than everything else says."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import Configuration, Evidence, Model, PriceBook, Sample, Workload

RATES = PriceBook.load().all_rates("us-east-1")
SIZES = (256, 512, 1_024, 1_792)
SPREAD = (0.9, 1.0, 1.1)


def duration_ms(memory_mb):
    return 60 + 250_000 / min(memory_mb, 1_769)


def model(extra=(), *, left_out=()):
    samples = [
        Sample(size, "x86_64", duration_ms(size) * factor)
        for size in SIZES
        for factor in SPREAD
        if (size, factor) not in left_out
    ]
    samples += [Sample(size, "x86_64", duration_ms(size) * factor) for size, factor in extra]
    return Model(Evidence(samples), Workload(cold_rate=0), RATES)


def believed(known, memory_mb):
    return float(known.durations((Configuration(memory_mb),)).expected()[0])


def ratio(known, of, to):
    return believed(known, of) / believed(known, to)


def test_it_does_not_make_its_size_the_dearer_one():
    usual, hit = model(), model([(512, 5.0)])
    for other in (256, 1_024, 1_792):
        assert ratio(hit, 512, other) == pytest.approx(ratio(usual, 512, other), rel=0.03)


def test_it_makes_everything_longer_a_little():
    usual, hit = model(), model([(512, 5.0)])
    for size in SIZES:
        assert 1.005 < believed(hit, size) / believed(usual, size) < 1.1


def left_out(known):
    return len(known.evidence) - known.warm._seen.count.sum()


def test_two_at_the_same_size_stay_in():
    assert left_out(model([(512, 5.0)])) == 1
    assert left_out(model([(512, 5.0), (512, 5.2)])) == 0
    assert left_out(model([(512, 5.0), (1_024, 5.2)])) == 2


def test_a_size_that_is_slow_throughout_is_believed():
    hit = model([(512, 3.0), (512, 3.1), (512, 2.9)], left_out={(512, f) for f in SPREAD})
    assert ratio(hit, 512, 1_024) > 2 * ratio(model(), 512, 1_024)


def test_what_noise_explains_stays_in():
    """A function whose invocations all spread by a factor: the longest one is part of its mean."""
    rng = np.random.default_rng(5)
    samples = [
        Sample(size, "x86_64", duration_ms(size) * factor)
        for size in SIZES
        for factor in rng.lognormal(0, 0.5, 6)
    ]
    samples.append(Sample(512, "x86_64", duration_ms(512) * 2.2))
    noisy = Model(Evidence(samples), Workload(cold_rate=0), RATES)
    assert left_out(noisy) == 0


def test_the_tail_still_shows_it():
    assert model([(512, 5.0)]).tail_ratio(99) > 1.5 * model().tail_ratio(99)


def test_durations_that_are_longer_by_a_factor_give_the_same_answer_longer():
    hit = model([(512, 5.0)])
    scaled = Model(
        Evidence(
            Sample(s.memory_mb, "x86_64", s.duration_ms * 1_000) for s in hit.evidence.samples
        ),
        Workload(cold_rate=0),
        RATES,
    )
    # Quotas of a period matter to short work alone, so the shapes differ a little.
    assert ratio(scaled, 512, 1_024) == pytest.approx(ratio(hit, 512, 1_024), rel=0.05)
