"""What holds whatever the numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning import (
    Configuration,
    CostUnderSlo,
    Evidence,
    FastestWithin,
    LowestCost,
    Model,
    Outcome,
    Policy,
    PriceBook,
    Sample,
    Settled,
    Space,
    Weighted,
    Workload,
    invocation_cost_usd,
    parse_objective,
)
from lambda_autotuner.tuning.decision import choose
from lambda_autotuner.tuning.units import billed_duration_ms
from lambda_autotuner.tuning.verdict import conclude

RATES = PriceBook.load().all_rates("us-east-1")
ARCHITECTURE = st.sampled_from(["x86_64", "arm64"])
DURATION = st.floats(0, 900_000)
MEMORY = st.integers(128, 10_240)


@given(DURATION, DURATION, MEMORY, ARCHITECTURE)
def test_cost_never_falls_when_duration_rises(first, second, memory, architecture):
    low, high = sorted((first, second))
    rates = RATES[architecture]
    assert invocation_cost_usd(low, memory, rates) <= invocation_cost_usd(high, memory, rates)


@given(DURATION, MEMORY, ARCHITECTURE)
def test_rounding_never_undercharges(duration, memory, architecture):
    rates = RATES[architecture]
    assert billed_duration_ms(duration) >= duration
    exact = duration / 1_000 * memory / 1_024 * rates.gb_second_usd
    assert invocation_cost_usd(duration, memory, rates, request_fee=False) >= exact * (1 - 1e-12)


@given(st.floats(0, 4e10), st.floats(0, 4e10), ARCHITECTURE)
def test_tiers_add_up_and_never_rise(first, second, architecture):
    rates = RATES[architecture]
    together = rates.duration_usd(first + second)
    apart = rates.duration_usd(first) + rates.duration_usd(second, gb_seconds_before=first)
    assert together == pytest.approx(apart, rel=1e-9, abs=1e-9)
    assert together <= (first + second) * rates.gb_second_usd * (1 + 1e-12)


@st.composite
def bodies_of_evidence(draw):
    """Samples of some function: an arbitrary law, arbitrary noise, a few sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = draw(st.lists(st.integers(2, 47), min_size=1, max_size=6, unique=True))
    floor = draw(st.floats(0.2, 900))
    work = draw(st.floats(1e2, 3e6))
    noise = draw(st.floats(0.0, 0.4))
    samples = [
        Sample(size * 64, "x86_64", (floor + work / (size * 64)) * rng.lognormal(0, noise))
        for size in sizes
        for _ in range(draw(st.integers(1, 4)))
    ]
    return Evidence(samples)


@settings(max_examples=25, deadline=None)
@given(
    bodies_of_evidence(),
    st.sets(st.integers(128, 3_008), min_size=2, max_size=12),
    st.integers(128, 3_008),
    st.sampled_from([LowestCost(), CostUnderSlo(95, 500), Weighted(0.6)]),
)
def test_another_candidate_changes_the_pick_only_by_winning(evidence, sizes, extra, objective):
    model = Model(evidence, Workload(request_fee=False, cold_rate=0), RATES)
    before = tuple(Configuration(size) for size in sorted(sizes))
    after = tuple(Configuration(size) for size in sorted({*sizes, extra}))
    old = choose(model, objective, before, Policy())
    new = choose(model, objective, after, Policy())
    if old is None:
        assert new is None or after[new].memory_mb == extra
    else:
        assert new is not None
        assert after[new] in {before[old], Configuration(extra)}


@settings(max_examples=15, deadline=None)
@given(bodies_of_evidence(), st.sets(st.integers(128, 3_008), min_size=2, max_size=10))
def test_a_belief_does_not_depend_on_what_else_is_asked(evidence, sizes):
    model = Model(evidence, Workload(), RATES)
    asked = tuple(Configuration(size) for size in sorted(sizes))
    alone = model.costs((asked[0],))
    together = model.costs(asked)
    assert np.allclose(alone.means[0], together.means[0], rtol=1e-9, atol=1e-9)
    # Without noise, variances are small differences of large numbers: exact to some digits only,
    # of which those below a thousandth of a percent of the cost mean nothing.
    assert np.allclose(alone.deviations[0], together.deviations[0], rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    bodies_of_evidence(),
    st.floats(5, 5_000),
    st.sampled_from([50.0, 95.0, 99.0]),
    st.integers(60, 900),
)
def test_a_constraint_that_is_reported_as_met_is_met(evidence, slo, percentile, used):
    samples = [
        Sample(
            s.memory_mb, s.architecture, s.duration_ms, max_memory_used_mb=min(used, s.memory_mb)
        )
        for s in evidence
    ]
    model = Model(Evidence(samples), Workload(cold_rate=0), RATES)
    answer = conclude(
        model, Space.range(128, 3_008), CostUnderSlo(percentile, slo), Policy(), current=None
    )
    if isinstance(answer, Settled):
        for constraint in answer.constraints:
            if not constraint.met:
                continue
            if constraint.unit == "ms":
                assert constraint.probability >= 0.9
                assert constraint.value <= slo
                tail = answer.proposed.mean_ms.value * model.tail_ratio(percentile)
                assert tail <= slo
            else:
                assert answer.proposed.memory_mb >= constraint.limit
        assert answer.proposed.memory_mb >= model.floor.memory_mb


@settings(max_examples=20, deadline=None)
@given(bodies_of_evidence())
def test_intervals_hold_their_value_and_are_finite(evidence):
    model = Model(evidence, Workload(invocations_per_month=1e6), RATES)
    answer = conclude(
        model, Space.range(128, 3_008), LowestCost(), Policy(), current=Configuration(1_024)
    )
    found = [answer.proposed.cost_usd, answer.proposed.p99_ms, answer.proposed.month_usd]
    found += [point.cost_usd for point in answer.curve] + [answer.saving_pct]
    for interval in found:
        assert interval.low <= interval.value <= interval.high
        assert all(math.isfinite(v) for v in (interval.low, interval.value, interval.high))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
@pytest.mark.parametrize("field", ["duration_ms", "billed_ms", "init_ms"])
def test_numbers_that_are_none_are_refused_at_the_door(value, field):
    given_values = {"duration_ms": 1.0, field: value}
    with pytest.raises(UsageError, match=field):
        Sample(128, "x86_64", **given_values)


@pytest.mark.parametrize("memory", [127, 10_241, 512.5, True, 0, -128])
def test_sizes_that_lambda_does_not_have_are_refused(memory):
    with pytest.raises(UsageError, match="Memory size"):
        Sample(memory, "x86_64", 1.0)


@given(
    st.one_of(
        st.just(LowestCost()),
        st.builds(FastestWithin, st.floats(0, 50).map(lambda x: round(x, 3))),
        st.builds(Weighted, st.floats(0, 1).map(lambda x: round(x, 3))),
        st.builds(
            CostUnderSlo,
            st.sampled_from([50.0, 95.0, 99.0, 99.9]),
            st.integers(1, 90_000).map(float),
        ),
    )
)
def test_an_objective_reads_back_what_it_writes(objective):
    assert parse_objective(str(objective)) == objective


@pytest.mark.parametrize(
    "text", ["", "best", "slo:p95", "weighted:2", "fastest-within:-3%", "p101<5"]
)
def test_an_objective_that_is_none_says_which_there_are(text):
    with pytest.raises(UsageError):
        parse_objective(text)


def test_a_failed_sample_stays_what_it_was():
    evidence = Evidence([Sample(128, "x86_64", 3_000, Outcome.TIMEOUT), Sample(256, "x86_64", 900)])
    more = evidence.with_samples([Sample(128, "x86_64", 10, Outcome.OUT_OF_MEMORY)])
    assert [s.outcome for s in more] == [Outcome.TIMEOUT, Outcome.OK, Outcome.OUT_OF_MEMORY]
    assert more.at(128).failed == 2
    assert evidence.at(128).failed == 1
