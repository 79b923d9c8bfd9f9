"""The tests that may be looked at any number of times keep their error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.rollout.sequential import (
    Mean,
    Share,
    Verdict,
    dispersion,
    judge_mean,
    judge_share,
    log_evidence,
    upper_limit,
)

ALPHA = 0.05


def first_alarm(rng, share: float, limit: float, *, looks: int, each: int, clump: int = 1) -> int:
    """Invocations until the alarm; 0 when there is none."""
    trials, hits = [], []
    for _ in range(looks):
        trials.append(each)
        hits.append(clump * int(rng.binomial(each // clump, share)))
        factor = dispersion(trials, hits) or float(clump)
        seen = Share("errors", sum(trials), sum(hits), limit, ALPHA, factor)
        if judge_share(seen) is Verdict.BROKEN:
            return seen.count
    return 0


@pytest.mark.parametrize(("share", "limit"), [(0.01, 0.01), (0.05, 0.05), (0.5, 0.5), (0.0, 0.01)])
def test_false_alarms_stay_below_the_stated_rate_at_the_bound_itself(share, limit):
    rng = np.random.default_rng(1)
    alarms = sum(first_alarm(rng, share, limit, looks=60, each=50) > 0 for _ in range(300))
    # 300 runs at a rate of 5 %: more than 25 have a chance below 1 %.
    assert alarms <= 25


def test_bursts_raise_no_alarms():
    rng = np.random.default_rng(2)
    bursty = sum(first_alarm(rng, 0.04, 0.05, looks=40, each=500, clump=50) > 0 for _ in range(100))
    assert bursty <= 8


@pytest.mark.parametrize(
    ("share", "limit", "within"), [(0.03, 0.01, 3_000), (0.10, 0.05, 1_500), (1.0, 0.01, 50)]
)
def test_breaks_are_found_soon(share, limit, within):
    rng = np.random.default_rng(3)
    found = [first_alarm(rng, share, limit, looks=100, each=50) for _ in range(100)]
    assert sum(0 < count <= within for count in found) >= 95


@settings(max_examples=60)
@given(
    count=st.integers(1, 5_000),
    limit=st.floats(1e-4, 0.9),
    one=st.floats(0, 1),
    other=st.floats(0, 1),
)
def test_more_hits_are_never_less_evidence(count, limit, one, other):
    low, high = sorted((round(one * count), round(other * count)))
    if low / count >= limit:
        assert log_evidence(count, high, limit) >= log_evidence(count, low, limit) - 1e-9


@settings(max_examples=60)
@given(count=st.integers(1, 3_000), part=st.floats(0, 1))
def test_the_upper_limit_lies_above_the_estimate(count, part):
    hits = round(part * count)
    assert hits / count <= upper_limit(count, hits) <= 1


def test_the_upper_limit_is_clopper_and_pearsons():
    # The rule of three, exactly: without a hit the limit is 1 - (1 - confidence)^(1/n).
    assert upper_limit(300, 0, 0.95) == pytest.approx(1 - 0.05 ** (1 / 300))


def test_no_traffic_says_nothing():
    assert judge_share(Share("errors", 0, 0, 0.01, ALPHA)) is Verdict.UNKNOWN
    assert judge_mean(Mean("cost", (), (), 1.0, ALPHA)) is Verdict.UNKNOWN
    assert judge_share(Share("errors", 20, 0, 0.01, ALPHA)) is Verdict.OPEN
    assert judge_share(Share("errors", 5_000, 0, 0.01, ALPHA)) is Verdict.WITHIN


def test_dispersion_measures_clumps():
    rng = np.random.default_rng(4)
    alone = rng.binomial(200, 0.1, size=400)
    clumped = 20 * rng.binomial(10, 0.1, size=400)
    trials = np.full(400, 200)
    assert dispersion(trials, alone) == pytest.approx(1, abs=0.2)
    assert dispersion(trials, clumped) == pytest.approx(20, rel=0.2)
    assert dispersion([200] * 3, [1, 2, 3]) is None
    assert dispersion([200] * 50, [0] * 50) is None


def test_a_mean_is_judged_in_both_directions():
    rng = np.random.default_rng(5)

    def judged(mean: float) -> Verdict:
        counts = rng.integers(20, 60, size=120)
        sums = [rng.gamma(4, mean / 4, size=count).sum() for count in counts]
        return judge_mean(Mean("cost", sums, counts, 100.0, ALPHA))

    assert judged(130) is Verdict.BROKEN
    assert judged(70) is Verdict.WITHIN
    at_the_limit = [judged(100) for _ in range(60)]
    assert at_the_limit.count(Verdict.BROKEN) <= 3


def test_evidence_is_a_supermartingale_in_expectation():
    limit, count = 0.05, 200
    # Sum over all outcomes of their probability times the likelihood ratio: at most one.
    total = 0.0
    for hits in range(count + 1):
        log_chance = (
            math.lgamma(count + 1)
            - math.lgamma(hits + 1)
            - math.lgamma(count - hits + 1)
            + hits * math.log(limit)
            + (count - hits) * math.log1p(-limit)
        )
        total += math.exp(log_chance + log_evidence(count, hits, limit))
    assert total == pytest.approx(1, abs=1e-6)
