"""A plan says beforehand when it is expected to break its own bound."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner import rollout
from lambda_autotuner.rollout import RefusedPlanError
from lambda_autotuner.rollout.expectation import check_expectation, expectation_of
from lambda_autotuner.tuning import (
    Budget,
    Configuration,
    LowestCost,
    PriceBook,
    Probe,
    Sample,
    Search,
    Space,
)


def outlook(value: float, high: float) -> dict:
    return {"p95_ms": {"value": value, "low": value, "high": high}}


@pytest.mark.parametrize(
    ("high", "value", "explicit", "severities"),
    [
        (115, 110, False, []),
        (130, 110, False, ["warn"]),
        (190, 170, False, ["block"]),
        (190, 170, True, ["warn"]),
    ],
)
def test_the_expected_rise_is_held_against_the_bound(high, value, explicit, severities):
    expected = {"current": outlook(100, 100), "proposed": outlook(value, high)}
    found = check_expectation(expected, 20, explicit=explicit)
    assert [item.severity for item in found] == severities


def test_what_is_unknown_stands_in_nobodys_way():
    assert check_expectation(expectation_of(None), 20, explicit=False) == []


@pytest.fixture(scope="module")
def change():
    """An engine's own answer: mostly waiting, so that the smallest size is cheapest and slower."""
    rng = np.random.default_rng(7)
    rates = PriceBook.load().all_rates("us-east-1")
    search = Search(
        Space((128, 256, 512), ("x86_64",)),
        LowestCost(),
        rates,
        rng,
        budget=Budget(25),
        current=Configuration(512),
    )
    while isinstance(probe := search.ask(), Probe):
        mean = 60 + 40_000 / probe.memory_mb
        search.tell(
            [
                Sample(probe.memory_mb, "x86_64", float(mean * rng.lognormal(0, 0.02)))
                for _ in range(probe.invocations)
            ]
        )
    return search.recommendation()


def test_a_recommendation_becomes_a_plan_with_its_evidence(world, change):
    assert (change.kind, change.proposed.memory_mb < 512) == ("change", True)
    arguments = (world.account, world.journal, world.settings, "exchange-rates")
    with pytest.raises(RefusedPlanError, match="would be rolled back") as caught:
        rollout.make_plan(*arguments, recommendation=change)
    assert "--latency-bound" in caught.value.remedy
    draft = rollout.make_plan(*arguments, recommendation=change, latency_bound_pct=900)
    plan = draft.plan
    assert plan.after == {"memory_mb": change.proposed.memory_mb}
    assert plan.evidence["kind"] == "recommendation"
    assert plan.expected["proposed"]["cost_usd"]["low"] > 0
    assert plan.bounds.cost_ratio >= 1
    assert rollout.read_plan(world.journal.get_plan(plan.id)) == plan
