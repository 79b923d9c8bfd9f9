"""The arithmetic of the gradient and of means of few invocations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from lambda_autotuner.tuning import (
    Configuration,
    Evidence,
    LowestCost,
    Model,
    Policy,
    PriceBook,
    Sample,
    Workload,
)
from lambda_autotuner.tuning.decision import decide, duration_share
from lambda_autotuner.tuning.gradient import _linear_gains, knowledge_gradient, probe_gains

RATES = PriceBook.load().all_rates("us-east-1")
SIZES = tuple(Configuration(size) for size in (128, 256, 512, 1_024, 2_048))


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_the_gain_between_two_is_the_closed_form(gap):
    """A probe that moves one of two scores by one standard deviation: s (phi(z) - z Phi(-z))."""
    found = _linear_gains(np.array([0.0, gap]), np.array([[0.0, 0.0], [0.0, 1.0]]))
    exact = norm.pdf(gap) - gap * norm.sf(gap)
    assert found[1] == pytest.approx(exact, rel=0.03, abs=1e-4)
    assert found[0] == 0


def test_where_only_a_great_surprise_turns_the_decision_there_still_is_a_gain():
    found = _linear_gains(np.array([0.0, 3.5]), np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert found[1] > 0


def _model(samples, **workload):
    return Model(Evidence(samples), Workload(cold_rate=0, **workload), RATES)


def test_a_fee_that_dwarfs_the_duration_leaves_little_to_gain():
    samples = [Sample(256, "x86_64", 20.0), Sample(512, "x86_64", 11.0)]
    free, paid = _model(samples, request_fee=False), _model(samples)
    assert duration_share(paid, SIZES)[0] < 0.5 < duration_share(free, SIZES)[0]
    gains = [
        probe_gains(model, LowestCost(), decide(model, LowestCost(), SIZES, Policy())).max()
        for model in (free, paid)
    ]
    assert 0 < gains[1] < gains[0]


def test_the_logarithm_of_few_noisy_durations_is_not_taken_for_that_of_their_mean():
    """One invocation at each of many sizes with 40 % noise, whose median is 8 % below its mean."""
    noise = 0.4
    sizes = tuple(Configuration(size) for size in range(512, 1_664, 64))
    surprise = norm.ppf((np.arange(len(sizes)) + 0.5) / len(sizes))
    order = np.random.default_rng(3).permutation(len(sizes))
    factors = np.exp(noise * surprise[order] - noise**2 / 2)
    samples = [
        Sample(where.memory_mb, "x86_64", 900 * factor)
        for where, factor in zip(sizes, factors, strict=True)
    ]
    error = _model(samples).durations(sizes).mean().mean() - np.log(900)
    # Without the correction it is noise**2 / 2; some noise is taken for differences of sizes.
    assert abs(error) < noise**2 * 0.4


def test_what_is_scarce_decides_which_probe_is_worth_it():
    """A cheap size wins while money is short, the one that tells most while invocations are."""
    # Waiting or work? Large sizes tell, and cost much if it was waiting.
    model = _model([Sample(128, "x86_64", 800.0)], request_fee=False)
    decision = decide(model, LowestCost(), SIZES, Policy())
    price = decision.expected_cost
    few = {"money_usd": float(price.sum()) * 100, "invocations": 3}
    poor = {"money_usd": float(price.max()) * 1.1, "invocations": 1_000}
    told = knowledge_gradient(model, LowestCost(), decision, **few)
    cheap = knowledge_gradient(model, LowestCost(), decision, **poor)
    assert price[cheap.index] < price[told.index]
    assert cheap.gain < told.gain
    gains = [probe_gains(model, LowestCost(), decision, n) / n for n in (1, 3)]
    assert told.gain == pytest.approx(np.max(gains))
