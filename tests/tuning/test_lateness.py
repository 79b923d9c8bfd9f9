"""Latency limits: what is known of production counts exactly, and the search finds the cheapest size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from lambda_autotuner.tuning import (
    Budget,
    Configuration,
    CostUnderSlo,
    Evidence,
    Model,
    Policy,
    PriceBook,
    Probe,
    Sample,
    Search,
    Settled,
    Space,
    Workload,
    lateness,
)
from lambda_autotuner.tuning.belief import Belief, Marginal
from lambda_autotuner.tuning.decision import decide
from lambda_autotuner.tuning.gradient import probe_gains
from lambda_autotuner.tuning.lateness import meets_slo
from lambda_autotuner.tuning.sharing import SharedPosteriors
from lambda_autotuner.tuning.verdict import conclude

RATES = PriceBook.load().all_rates("us-east-1")
TODAY = Configuration(3_008)
SIZES = tuple(Configuration(size) for size in range(128, 3_009, 64))
P95_MS, NOISE = 118.0, 0.1


def mean_ms(size):
    """Waiting and work on one thread, which is as fast as it gets from 1,769 MB on."""
    return 45 + 53 * max(1_769 / size, 1.0)


def workload(**changes):
    known = {"production_ms": ((95.0, P95_MS),), "production_at": TODAY, "cold_rate": 0.0}
    return Workload(**{**known, **changes})


def draw(size, rng):
    return Sample(size, "x86_64", mean_ms(size) * float(np.exp(rng.normal(-(NOISE**2) / 2, NOISE))))


def model(samples, **changes):
    return Model(Evidence(samples), workload(**changes), RATES)


def three_noisy():
    return [Sample(3_008, "x86_64", value) for value in (80.0, 98.0, 140.0)]


@pytest.mark.parametrize(("slo_ms", "chance"), [(119.0, 1.0), (117.0, 0.0)])
def test_productions_own_percentile_is_not_in_doubt_where_it_was_seen(slo_ms, chance):
    """However noisy our own few invocations at that size are."""
    found = meets_slo(model(three_noisy()), CostUnderSlo(95, slo_ms), [TODAY])
    assert found[0] == pytest.approx(chance, abs=1e-6)


def test_a_near_size_is_surer_to_be_like_production_than_a_far_one():
    chance = meets_slo(model(three_noisy()), CostUnderSlo(95, 125.0), SIZES)
    assert chance[-2] > 0.8
    assert np.all(np.diff(chance[SIZES.index(Configuration(512)) :]) > -0.02)


def test_without_production_the_tails_own_error_counts_and_falls_with_invocations():
    rng = np.random.default_rng(4)
    samples = [draw(3_008, rng) for _ in range(60)]
    unknown = {"production_ms": (), "production_at": None}
    few, many = model(samples[:5], **unknown), model(samples, **unknown)
    assert few.tail_error(95) > many.tail_error(95) > 0
    assert few.tail_error(99) > few.tail_error(95)
    assert few.tail_error(95) > model(samples[:5]).tail_error(95) == 0
    assert model(samples, tail_ratios=((95.0, 1.2),), **unknown).tail_error(95) == 0


def test_a_ratio_is_the_difference_of_both_and_nothing_against_itself():
    rng = np.random.default_rng(5)
    known = model([draw(size, rng) for size in (256, 1_024, 3_008, 3_008)])
    ratio = known.warm.relative(SIZES, TODAY)
    single = known.durations(SIZES).mean() - known.durations([TODAY]).mean()
    assert np.allclose(ratio.mean(), single, atol=1e-9)
    assert ratio.deviations[-1].max() < 1e-4 < ratio.deviations[:-1].min()
    shared = Model(known.evidence, workload(), RATES, None, SharedPosteriors()).warm
    assert np.allclose(shared.relative(SIZES, TODAY).means, ratio.means, atol=1e-6)


def test_a_probe_that_only_narrows_the_belief_lets_a_cheaper_size_in(monkeypatch):
    """One standard deviation inside the limit: 84 % sure now, and surely right or wrong afterwards."""
    believed = Belief(np.zeros(2), np.diag([1.0, 1e-9]), np.full(2, 1e-9))
    late = Marginal(np.array([[-1.0], [-1.0]]), np.array([[1.0], [1e-3]]))
    monkeypatch.setattr(lateness, "joint", lambda *_: (believed, np.eye(2)))
    monkeypatch.setattr(lateness, "lateness", lambda *_: late)
    score, still = np.array([0.0, 0.5]), np.zeros(2)
    found = lateness.limited_gains(None, None, SIZES[:2], score, still, 0.9, 1)
    assert found[0] == pytest.approx(0.5 * norm.cdf(1.0), rel=0.03)
    assert found[1] == pytest.approx(0, abs=1e-12)
    assert lateness.limited_gains(None, None, SIZES[:2], score, still, 0.8, 1).max() < 0.01


def test_a_search_under_a_limit_gains_by_measuring():
    slo = CostUnderSlo(95, 126.0)
    rng = np.random.default_rng(6)
    seen = model([draw(size, rng) for size in (640, 1_216, 3_008, 3_008, 3_008)])
    assert probe_gains(seen, slo, decide(seen, slo, SIZES, Policy()), 3).max() > 0.005


def test_what_is_not_sure_to_meet_the_limit_is_not_tied_with_the_pick():
    slo = CostUnderSlo(95, 126.0)
    rng = np.random.default_rng(8)
    for _ in range(6):
        seen = model([draw(int(s), rng) for s in rng.choice(np.arange(192, 3_009, 64), 8)])
        decision = decide(seen, slo, SIZES, Policy())
        if decision is None:
            continue
        sure = meets_slo(seen, slo, SIZES)
        cost = decision.expected_cost
        for index in decision.tied:
            assert sure[index] >= 0.9
            # What is only safer, and dearer, is no tie.
            assert cost[index] < cost[decision.pick] * 1.1


def search_once(seed, slo):
    rng = np.random.default_rng(seed)
    search = Search(
        Space.range(128, 3_008),
        slo,
        RATES,
        rng,
        budget=Budget(25, cost_usd=1.0, relative_cost=None),
        current=TODAY,
        workload=workload(),
    )
    search.tell([draw(3_008, rng) for _ in range(3)])
    while isinstance(probe := search.ask(), Probe):
        search.tell([draw(probe.memory_mb, rng)])
    return search.recommendation(picture=False)


def test_a_search_from_a_size_that_is_too_large_comes_down_to_the_one_that_meets_the_limit():
    """p95 is 1.204 times the mean, so 126 ms hold from 1,579 MB on; 3,008 MB costs 80 % more."""
    slo = CostUnderSlo(95, 126.0)
    ratio = P95_MS / mean_ms(3_008)
    found = [search_once(seed, slo) for seed in range(12)]
    assert all(isinstance(answer, Settled) for answer in found)
    picks = [3_008 if a.kind == "keep" else a.proposed.memory_mb for a in found]
    assert max(picks) < 3_008, picks
    assert np.median(picks) <= 1_792, picks
    assert sum(pick <= 2_048 for pick in picks) >= 8, picks
    late = [pick for pick in picks if mean_ms(pick) * ratio > slo.slo_ms]
    assert len(late) <= 1, picks


@pytest.mark.parametrize(("percentile", "said"), [(99, True), (50, False)])
def test_a_percentile_that_too_few_invocations_can_show_is_called_an_assumption(percentile, said):
    rng = np.random.default_rng(9)
    seen = model([draw(3_008, rng) for _ in range(20)], production_ms=(), production_at=None)
    slo = CostUnderSlo(percentile, 900.0)
    answer = conclude(seen, Space.range(128, 3_008), slo, Policy(), current=TODAY, picture=False)
    assert any("tail is assumed" in note for note in answer.notes) is said
