"""One posterior for all functions that differ in scale alone gives the answers of one each."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lambda_autotuner.fleet.leaning import Leanings
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Sample
from lambda_autotuner.tuning.observation import warm_observations
from lambda_autotuner.tuning.posterior import Posterior
from lambda_autotuner.tuning.priors import default_priors
from lambda_autotuner.tuning.sharing import SharedPosteriors

_SIZES = (128, 256, 512, 1024, 3008)


def _observed(scale: float, sizes: tuple[int, ...]):
    samples = [
        Sample(size, "x86_64", scale * (900 / size + 20 + noise), init_ms=init)
        for size in sizes
        for noise, init in ((0.0, None), (1.5, None), (4.0, 180.0))
    ]
    found = warm_observations(Evidence(samples))
    assert found is not None
    return found


@pytest.mark.parametrize("sizes", [(512,), (256, 1024)])
def test_a_slower_function_is_the_same_function_scaled(sizes: tuple[int, ...]) -> None:
    shared = SharedPosteriors()
    asked = tuple(Configuration(size, "x86_64") for size in _SIZES)
    for scale in (1.0, 7.5, 0.3):
        seen = _observed(scale, sizes)
        ours, alone = shared(seen, default_priors()), Posterior(seen, default_priors())
        assert np.allclose(ours.marginal(asked).means, alone.marginal(asked).means)
        assert np.allclose(ours.marginal(asked).deviations, alone.marginal(asked).deviations)
        assert np.allclose(ours.belief(asked).mean, alone.belief(asked).mean)
        assert np.allclose(ours.belief(asked).covariance, alone.belief(asked).covariance)
        assert ours.noise_level == pytest.approx(alone.noise_level)


def test_a_scan_leans_as_it_would_with_a_posterior_a_function() -> None:
    choices = Choices.from_settings(Settings())
    rates = choices.rates("us-east-1")
    shared, alone = Leanings(choices, rates), Leanings(choices, rates, _posteriors=Posterior)
    rng = random.Random(3)
    for _ in range(25):
        where = Configuration(rng.choice(_SIZES), rng.choice(["x86_64", "arm64"]))
        mean_ms, timeout = rng.lognormvariate(5, 2), rng.choice([3, 60, 900])
        ours, theirs = shared.of(where, mean_ms, timeout), alone.of(where, mean_ms, timeout)
        assert ours.pick == theirs.pick
        assert ours.saving_share == pytest.approx(theirs.saving_share)
        assert ours.confidence == pytest.approx(theirs.confidence)
