"""Sizes that saw different events are compared as if each had seen the whole mix."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, Sample
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.payload_mix import learn
from lambda_autotuner.tuning.pricing import PriceBook
from lambda_autotuner.tuning.workload import Workload

RATES = {"x86_64": PriceBook.load().rates("us-east-1", "x86_64")}
SHARES = {"light": 0.8, "heavy": 0.2}
WORK = {"light": 1.0, "heavy": 12.0}
MIX = sum(SHARES[name] * WORK[name] for name in SHARES)
SIZES = (128, 256, 512, 1024, 1769)


def ms(memory_mb: int) -> float:
    return 20 + 100 * 1769 / memory_mb


def seen(names: dict[int, list[str]], *, noise: float = 0.0, seed: int = 1) -> Evidence:
    rng = np.random.default_rng(seed)
    return Evidence(
        Sample(
            size,
            "x86_64",
            ms(size) * WORK[name] * math.exp(noise * rng.standard_normal()),
            payload=name,
        )
        for size, events in names.items()
        for name in events
    )


def believed(evidence: Evidence, shares: dict[str, float]) -> np.ndarray:
    workload = Workload(payload_shares=tuple(shares.items()))
    model = Model(evidence, workload, RATES)
    return np.asarray(model.durations([Configuration(m) for m in SIZES]).expected())


def test_the_luck_of_the_events_is_divided_out() -> None:
    evidence = seen(
        {128: ["light"], 256: ["heavy"], 512: ["light", "heavy"], 1024: ["light"], 1769: ["heavy"]}
    )
    truth = np.asarray([ms(m) * MIX for m in SIZES])
    assert believed(evidence, SHARES) == pytest.approx(truth, rel=0.08)
    # Without the shares, the same evidence is off by more than half somewhere.
    assert np.abs(np.log(believed(evidence, {}) / truth)).max() > math.log(1.5)


def test_the_mean_is_weighted_by_the_shares_whatever_was_invoked_how_often() -> None:
    half = seen({512: ["light", "heavy"] * 4}, noise=0.02)
    assert believed(half, SHARES)[2] == pytest.approx(ms(512) * MIX, rel=0.05)


def test_events_that_are_alike_change_nothing() -> None:
    rng = np.random.default_rng(3)
    evidence = Evidence(
        Sample(m, "x86_64", ms(m) * math.exp(0.05 * rng.standard_normal()), payload=name)
        for m in SIZES
        for name in ("light", "heavy")
    )
    found = learn(evidence, SHARES)
    assert found is not None
    assert found.factors == pytest.approx({"light": 1.0, "heavy": 1.0}, abs=0.05)


def test_one_event_production_and_failures_teach_nothing() -> None:
    assert learn(seen({512: ["light", "light"]}), SHARES) is None
    lines = [
        Sample(512, "x86_64", 10.0, payload="light", source="report_line"),
        Sample(512, "x86_64", 10.0, payload="heavy", outcome=Outcome.ERROR),
        Sample(512, "x86_64", 10.0, payload="light"),
    ]
    assert learn(Evidence(lines), SHARES) is None
    both = seen({512: ["light", "heavy"]}).with_samples(lines[:2])
    found = learn(both, SHARES)
    assert found is not None
    # What is not one of our own successful invocations stays as it was seen.
    assert [s.duration_ms for s in found.standardised(both)][-2:] == [10.0, 10.0]


def test_an_event_that_was_never_invoked_widens_the_interval() -> None:
    evidence = seen({512: ["light", "heavy"] * 3}, noise=0.02)
    known = learn(evidence, SHARES)
    open_ = learn(evidence, {"light": 0.4, "heavy": 0.1, "unseen": 0.5})
    assert known is not None
    assert open_ is not None
    assert open_.variance > 4 * known.variance


def test_the_tail_holds_the_heavy_events() -> None:
    evidence = seen({512: ["light", "heavy"] * 10}, noise=0.02)
    model = Model(evidence, Workload(payload_shares=tuple(SHARES.items())), RATES)
    # A fifth of the events takes twelve times as long, so the 95th percentile is one of those.
    assert model.tail_ratio(95) == pytest.approx(12 / MIX, rel=0.1)
    assert model.tail_ratio(50) == pytest.approx(1 / MIX, rel=0.1)
