"""The price that is foretold, beside what is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lambda_autotuner import measurement
from lambda_autotuner.aws.session import Account
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement import Choices, Options, PayloadMix, forecasting
from lambda_autotuner.measurement.beginning import Beginning
from lambda_autotuner.measurement.forecasting import forecast
from lambda_autotuner.measurement.payloads import EMPTY_EVENT
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.background import read_background
from lambda_autotuner.tuning import Configuration, Evidence, Model, PriceBook, Sample, Workload
from lambda_autotuner.tuning.objective import CostUnderSlo
from lambda_autotuner.tuning.pricing import invocation_cost_usd
from lambda_autotuner.tuning.units import Floats

CHOICES = replace(Choices.from_settings(Settings()), max_invocations=10)
COPY = Options(where="copy", agreed=True)


@pytest.fixture(scope="module")
def seeded(connect: Callable[[str], Account]) -> Account:
    return connect("123456789012")


FORETOLD = (
    *("cart-service", "image-resize", "session-store"),
    *("pdf-invoice-render", "inventory-sync", "fraud-scoring"),
)


def test_what_is_spent_lies_in_what_was_foretold(seeded: Account, journal: Journal) -> None:
    """Nine of ten should; fewer than four of six come by chance once in sixty times."""
    ratios, held = [], 0
    for name in FORETOLD:
        foretold = measurement.preview(seeded, name, choices=CHOICES, options=COPY).forecast
        assert foretold is not None
        assert 0 < foretold.low_usd <= foretold.usd <= foretold.high_usd
        assert foretold.most_invocations <= 10
        answer = measurement.tune(seeded, journal, name, choices=CHOICES, options=COPY).answer
        ratios.append(answer.measurement.cost_usd / foretold.usd)
        held += foretold.low_usd <= answer.measurement.cost_usd <= foretold.high_usd
    assert held >= 4, ratios
    assert all(0.1 < ratio < 4 for ratio in ratios), ratios


def beginning(account: Account, name: str, choices: Choices = CHOICES) -> Beginning:
    background = read_background(account, name, choices)
    return Beginning(
        background, choices, COPY, choices.rates("us-east-1"), PayloadMix([EMPTY_EVENT])
    )


def test_init_and_dear_sizes_are_in_the_price(seeded: Account) -> None:
    start = beginning(seeded, "cart-service")
    found = forecast(start, played=8)
    assert found is not None
    current = start.background.current
    warm = start.background.evidence.at(current.memory_mb, current.architecture).mean_ms
    assert warm is not None
    one = invocation_cost_usd(warm, current.memory_mb, start.rates[current.architecture])
    # A function of some 100 ms starts cold in 300 ms and more: so many warm ones are far cheaper.
    assert found.usd > 1.5 * found.invocations * one


def test_first_invocations_are_imagined_as_they_were_seen() -> None:
    rates = PriceBook.load().all_rates("us-east-1")
    warm = [Sample(512, "x86_64", 20.0 + i % 3) for i in range(30)]
    cold = [Sample(512, "x86_64", 415.0 + i, init_ms=300.0) for i in range(10)]
    places = (Configuration(256), Configuration(512))
    at_once = np.full((4_000, 2), 21.0)

    def drawn(samples: list[Sample]) -> Floats:
        known = Model(Evidence(samples), Workload(cold_rate=0.1), rates)
        return forecasting._starts(known, places, at_once, np.random.default_rng(0))[1]

    seen = drawn(warm + cold)
    assert seen[:, 1].mean() == pytest.approx(400, rel=0.05)
    low, high = np.quantile(seen[:, 0], [0.02, 0.98])
    # Waiting stays as it is with half of the memory, processor time takes twice as long.
    assert low < 430
    assert high > 770
    assert (drawn(warm) <= 0.3 * 21.0).all()


def test_the_same_question_has_the_same_price(seeded: Account) -> None:
    start = beginning(seeded, "cart-service")
    assert forecast(start, played=3) == forecast(start, played=3)


def test_a_forecast_stays_inside_of_the_limits(seeded: Account) -> None:
    choices = replace(CHOICES, max_cost_usd=0.0004)
    found = forecast(beginning(seeded, "image-resize", choices), played=4)
    assert found is not None
    assert found.high_usd <= 0.0004


def test_without_a_recorded_duration_there_is_no_price(account: Account, released: str) -> None:
    found = measurement.preview(account, released, choices=CHOICES)
    assert found.forecast is None
    assert found.likely_usd is None
    assert found.at_most_usd > 0


def test_an_slo_begins_where_production_runs(seeded: Account, journal: Journal) -> None:
    slo = replace(CHOICES, objective=CostUnderSlo(95, 5_000))
    start = beginning(seeded, "image-resize", slo)
    anchor, current = start.anchor(), start.background.current
    assert anchor is not None
    assert anchor.memory_mb == current.memory_mb
    result = measurement.tune(seeded, journal, "image-resize", choices=slo, options=COPY)
    first = [s for s in result.evidence if s.source == "invocation"][:3]
    assert [s.configuration for s in first] == [current] * 3
    # Production's own percentile at today's size, whatever our event weighs beside its own.
    p95 = dict(start.background.workload.production_ms)[95.0]
    assert result.answer.current is not None
    assert result.answer.current.p95_ms.value == pytest.approx(p95, rel=0.02)
    assert beginning(seeded, "image-resize").anchor() is None
