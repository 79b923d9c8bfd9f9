"""A size that has not timed out yet may only have been lucky."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import (
    Budget,
    Change,
    Configuration,
    Evidence,
    LowestCost,
    Model,
    NeedMoreData,
    Outcome,
    PriceBook,
    Sample,
    Search,
    Space,
    Workload,
)
from lambda_autotuner.tuning.timeouts import unproven

RATES = PriceBook.load().all_rates("us-east-1")
LIMIT_MS = 3_000.0
SLOW, FAST = Configuration(128), Configuration(1_024)


def late(where, count):
    return [Sample(where.memory_mb, "x86_64", LIMIT_MS, Outcome.TIMEOUT) for _ in range(count)]


def ran(where, duration_ms, count):
    spread = np.linspace(0.95, 1.05, count)
    return [Sample(where.memory_mb, "x86_64", duration_ms * factor) for factor in spread]


def believed(samples, **workload):
    return Model(Evidence(samples), Workload(timeout_ms=LIMIT_MS, **workload), RATES)


def test_a_few_that_ended_in_time_are_no_proof():
    seen = [*ran(SLOW, 2_400, 6), *late(SLOW, 2), *ran(FAST, 2_300, 5)]
    found = unproven(believed(seen), FAST, 0.9)
    assert "raise the timeout" in found.reason
    assert found.invocations == pytest.approx(np.log(0.005) / np.log(1 - 2.5 / 9), abs=1)


def test_many_that_ended_in_time_are():
    seen = [*ran(SLOW, 2_400, 6), *late(SLOW, 2), *ran(FAST, 2_300, 17)]
    assert unproven(believed(seen), FAST, 0.9) is None


def test_what_is_far_from_its_timeout_needs_no_proof():
    seen = [*ran(SLOW, 2_600, 6), *late(SLOW, 2), *ran(FAST, 400, 4)]
    assert unproven(believed(seen), FAST, 0.9) is None


def test_invocations_show_the_timeout_where_nothing_else_does():
    seen = Evidence([*ran(SLOW, 2_600, 6), *late(SLOW, 2), *ran(FAST, 400, 4)])
    assert unproven(Model(seen, Workload(), RATES), FAST, 0.9) is None


def test_what_never_timed_out_needs_no_proof():
    assert unproven(believed([*ran(SLOW, 2_600, 6), *ran(FAST, 2_300, 3)]), FAST, 0.9) is None


def test_the_share_of_production_counts():
    seen = [*ran(SLOW, 2_400, 3), *ran(FAST, 2_300, 5)]
    model = believed(seen, timeout_share=0.28, production_at=SLOW, production_ms=((50.0, 2_400.0),))
    assert unproven(model, FAST, 0.9).invocations == 17
    assert unproven(model, SLOW, 0.9) is None


def test_a_size_that_never_ran_is_no_proof_where_production_always_times_out():
    model = believed(ran(SLOW, 2_400, 3), timeout_share=1.0, production_at=SLOW)
    assert unproven(model, FAST, 0.9).invocations == 2


@pytest.mark.parametrize("seed", range(12))
def test_no_size_is_proposed_for_its_luck(seed):
    """Waiting with a spread that reaches the timeout at every size, a quarter of the time."""
    rng = np.random.default_rng(seed)
    space = Space(tuple(range(128, 3_009, 64)), ("x86_64",))
    workload = Workload(timeout_ms=LIMIT_MS, timeout_share=0.25, production_at=SLOW)
    search = Search(
        space, LowestCost(), RATES, rng, budget=Budget(25), current=SLOW, workload=workload
    )
    while not hasattr(probe := search.ask(), "reason"):
        duration = 2_400 * rng.lognormal(0, 0.33)
        if duration < LIMIT_MS:
            search.tell([Sample(probe.memory_mb, "x86_64", duration)])
        else:
            search.tell([Sample(probe.memory_mb, "x86_64", LIMIT_MS, Outcome.TIMEOUT)])
    answer = search.recommendation()
    assert not isinstance(answer, Change)
    if isinstance(answer, NeedMoreData):
        assert any("by luck alone" in reason for reason in answer.missing)


def test_more_memory_that_does_end_timeouts_is_proposed():
    """Work alone: 128 MB takes 4 s, and twice the size half of that."""
    rng = np.random.default_rng(1)
    space = Space(tuple(range(128, 3_009, 64)), ("x86_64",))
    workload = Workload(timeout_ms=LIMIT_MS, timeout_share=1.0, production_at=SLOW)
    search = Search(
        space, LowestCost(), RATES, rng, budget=Budget(25), current=SLOW, workload=workload
    )
    while not hasattr(probe := search.ask(), "reason"):
        duration = (20 + 512_000 / min(probe.memory_mb, 1_769)) * rng.lognormal(0, 0.03)
        outcome = Outcome.OK if duration < LIMIT_MS else Outcome.TIMEOUT
        search.tell([Sample(probe.memory_mb, "x86_64", min(duration, LIMIT_MS), outcome)])
    answer = search.recommendation()
    assert isinstance(answer, Change)
    assert 192 <= answer.proposed.memory_mb < 512
