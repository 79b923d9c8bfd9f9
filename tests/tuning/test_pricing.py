"""Prices, tiers and months."""

from __future__ import annotations

import math

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning import (
    Configuration,
    Evidence,
    Interval,
    Model,
    PriceBook,
    Sample,
    Workload,
    invocation_cost_usd,
)
from lambda_autotuner.tuning.outlook import month_usd
from lambda_autotuner.tuning.pricing import provisioned_month_usd

BOOK = PriceBook.load()


def test_known_prices_of_us_east_1():
    x86, arm = BOOK.rates("us-east-1", "x86_64"), BOOK.rates("us-east-1", "arm64")
    assert x86.gb_second_usd == pytest.approx(1.66667e-5)
    assert arm.gb_second_usd == pytest.approx(1.33334e-5)
    assert x86.request_usd == pytest.approx(2e-7)
    assert invocation_cost_usd(1_000, 1_024, x86) == pytest.approx(1.66667e-5 + 2e-7)


def test_a_fraction_of_a_millisecond_is_a_whole_one():
    rates = BOOK.rates("us-east-1", "x86_64")
    assert invocation_cost_usd(0.2, 128, rates) == invocation_cost_usd(1, 128, rates)
    assert invocation_cost_usd(1.01, 128, rates) == invocation_cost_usd(2, 128, rates)


def test_every_price_has_a_source_and_says_how_it_was_checked():
    content = BOOK._content
    for region in content["regions"].values():
        for entry in region.values():
            prices = [
                *entry["duration_tiers"],
                *(v for k, v in entry.items() if k != "duration_tiers"),
            ]
            for price in prices:
                assert price["source"] in content["sources"]
                assert price["check"] in content["checks"]
                assert math.isfinite(price["usd"])
                assert price["usd"] > 0


@pytest.mark.parametrize("region", BOOK.regions)
def test_tiers_fall_and_arm_is_cheaper_everywhere(region):
    rates = BOOK.all_rates(region)
    for found in rates.values():
        prices = [tier.gb_second_usd for tier in found.tiers]
        assert prices == sorted(prices, reverse=True)
        assert found.tiers[-1].up_to_gb_seconds is None
    assert rates["arm64"].gb_second_usd < rates["x86_64"].gb_second_usd


def test_an_unknown_region_names_the_known_ones():
    with pytest.raises(UsageError, match="us-east-1"):
        BOOK.rates("mars-north-1", "x86_64")


def test_tiers_of_a_month():
    rates = BOOK.rates("us-east-1", "x86_64")
    six, fifteen = 6e9, 15e9
    expected = six * 1.66667e-5 + (fifteen - six) * 1.5e-5 + 1e9 * 1.33334e-5
    assert rates.duration_usd(16e9) == pytest.approx(expected, rel=1e-5)
    assert rates.marginal_gb_second_usd(7e9) == pytest.approx(1.5e-5, rel=1e-4)


def test_a_savings_plan_covers_duration_but_not_requests():
    rates = BOOK.rates("us-east-1", "x86_64")
    cheaper = rates.discounted(12)
    assert cheaper.gb_second_usd == pytest.approx(rates.gb_second_usd * 0.88)
    assert cheaper.request_usd == rates.request_usd
    with pytest.raises(UsageError):
        rates.discounted(100)


def test_ephemeral_storage_above_512_mb_is_paid_for():
    rates = BOOK.rates("us-east-1", "x86_64")
    plain = invocation_cost_usd(1_000, 1_024, rates)
    larger = invocation_cost_usd(1_000, 1_024, rates, ephemeral_mb=1_536)
    assert larger - plain == pytest.approx(3.09e-8)
    with pytest.raises(UsageError):
        invocation_cost_usd(1_000, 1_024, rates, ephemeral_mb=100)


def test_provisioned_concurrency_is_rounded_up_to_five_minutes():
    rates = BOOK.rates("us-east-1", "x86_64")
    one_second = provisioned_month_usd(1_024, 1, rates, days=1 / 86_400)
    assert one_second == pytest.approx(300 * 4.1667e-6)


def test_a_month_walks_through_the_tiers_and_adds_what_is_provisioned():
    where = Configuration(1_024)
    evidence = Evidence([Sample(1_024, "x86_64", 1_000.0)])
    cost = Interval(1.66667e-5 + 2e-7, 1.6e-5, 1.7e-5)
    rates = BOOK.all_rates("us-east-1")
    volume = 1e10
    plain = month_usd(Model(evidence, Workload(volume), rates), where, cost)
    expected = 6e9 * 1.66667e-5 + 4e9 * 1.5e-5 + volume * 2e-7
    assert plain.value == pytest.approx(expected, rel=1e-4)
    kept = Model(evidence, Workload(volume, provisioned_concurrency=2), rates)
    more = month_usd(kept, where, cost).value - plain.value
    assert more == pytest.approx(provisioned_month_usd(1_024, 2, rates["x86_64"]))
    assert month_usd(Model(evidence, Workload(), rates), where, cost) is None


@pytest.mark.parametrize("field", ["cold_rate", "timeout_share"])
def test_a_share_is_a_share(field):
    with pytest.raises(UsageError, match=field):
        Workload(**{field: 1.5})
