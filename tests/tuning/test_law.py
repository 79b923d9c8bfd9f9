"""The shapes of the law, against the mechanism that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning.evidence import Configuration, Evidence, Sample
from lambda_autotuner.tuning.law import Ensemble, ensemble
from lambda_autotuner.tuning.observation import warm_observations
from lambda_autotuner.tuning.posterior import Posterior
from lambda_autotuner.tuning.priors import default_priors

CORE_MB, PERIOD_MS = 1769, 20.0
SIZES = np.array([128.0, 256.0, 704.0, 1088.0, 1536.0])


def shape(**given: float) -> Ensemble:
    """One thread's work alone, if not told otherwise."""
    usual = {
        "waiting": 1e-9, "overlap": 1.0, "exponent": 1.0, "knee_mb": CORE_MB, "parallel": 0.0,
        "threads": 6.0, "pressure_mb": 0.0, "stepped": 0.0, "metered": 1.0, "squeezed": 0.0,
    }  # fmt: skip
    return Ensemble(**{name: np.array([float(x)]) for name, x in (usual | given).items()})


def handed_out(work_ms: np.ndarray, memory_mb: float) -> np.ndarray:
    """How long work takes that is run until a period's quota is used, and then waits."""
    quota = PERIOD_MS * memory_mb / CORE_MB
    whole = np.floor(work_ms / quota)
    return whole * PERIOD_MS + (work_ms - whole * quota)


@pytest.mark.parametrize("periods", [2, 12, 60])
def test_metering_is_what_quotas_of_a_period_save_on_average(periods):
    for memory in SIZES:
        quota = PERIOD_MS * memory / CORE_MB
        work = quota * (periods + (np.arange(1000) + 0.5) / 1000)
        proportional = work.mean() * CORE_MB / memory
        expected = handed_out(work, memory).mean() / proportional
        found = np.exp(shape().metering(np.array([memory]), np.log([work.mean()])))[0, 0]
        assert found == pytest.approx(expected, rel=1e-6), memory


def test_work_that_ends_within_the_first_quota_runs_at_full_speed():
    law = shape()
    scale = np.log([1.0])  # ms of processor time: less than 128 MB's quota of 1.45 ms
    short = law.log_duration(SIZES) + law.metering(SIZES, scale) + scale
    # Where a thread's share is small, half a period is the most that is saved.
    assert np.exp(short[SIZES >= 256]) == pytest.approx(1.0, abs=1e-6)


def test_metering_shortens_work_only_and_only_below_a_whole_core():
    sizes = np.array([128.0, 1024.0, 1769.0, 1770.0, 10_240.0])
    shapes = ensemble()
    for scale in (0.1, 10.0, 1e3, 1e6):
        found = shapes.metering(sizes, np.full(shapes.size, np.log(scale)))
        assert np.all(np.isfinite(found))
        assert np.all(found <= 0)
        assert np.all(found[:, shapes.metered == 0] == 0)
        below = sizes[:, None] < shapes.knee_mb
        assert np.all(found[~below & (shapes.metered > 0)[None, :]] == 0)
        # Half a period is the most that is saved, however work and waiting overlap.
        saved = -np.expm1(found) * scale * np.exp(shapes.log_duration(sizes))
        assert np.all(saved[:, shapes.pressure_mb == 0] <= PERIOD_MS / 2 + 1e-6)
    assert abs(ensemble().metered.mean() - 0.75) < 0.02


def test_a_short_function_is_believed_cheaper_between_than_the_same_one_slowed_down():
    """The sag is a few percent at 700 MB where work takes 100 ms, and nothing where it takes minutes."""

    def cost_between(factor: float) -> float:
        samples = [
            Sample(size, "x86_64", factor * 100.0 * CORE_MB / size)
            for size in (128, 1_728)
            for _ in range(4)
        ]
        seen = warm_observations(Evidence(samples))
        assert seen is not None
        asked = [Configuration(704, "x86_64"), Configuration(128, "x86_64")]
        mean = Posterior(seen, default_priors()).marginal(asked).mean()
        return float(mean[0] - mean[1] + np.log(704 / 128))

    assert cost_between(1.0) < cost_between(3_000.0) - 0.003
