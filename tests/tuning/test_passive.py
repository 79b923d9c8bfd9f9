"""Recommendations without an invocation: committed only where telemetry allows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lambda_autotuner.tuning import (
    Change,
    Configuration,
    CostUnderSlo,
    Evidence,
    Infeasible,
    LowestCost,
    NeedMoreData,
    Outcome,
    PriceBook,
    Sample,
    Settled,
    Space,
    Topic,
    Workload,
    recommend_passive,
)
from lambda_autotuner.tuning.observation import warm_observations

RATES = PriceBook.load().all_rates("us-east-1")
SPACE = Space.range(128, 3_008)


def lines(memory_mb, mean_ms, count=200, *, used=80, seed=0, noise=0.1, **more):
    rng = np.random.default_rng(seed)
    return [
        Sample(
            memory_mb,
            "x86_64",
            float(mean_ms * rng.lognormal(0, noise)),
            max_memory_used_mb=used,
            source="report_line",
            **more,
        )
        for _ in range(count)
    ]


def passive(samples, **options):
    options.setdefault("workload", Workload(cold_rate=0.0, request_fee=False))
    return recommend_passive(Evidence(samples), SPACE, LowestCost(), RATES, **options)


def test_one_size_in_the_middle_is_not_enough():
    answer = passive(lines(1_024, 400), current=Configuration(1_024))
    assert isinstance(answer, NeedMoreData)
    assert "one memory size" in answer.missing[0]
    assert 6 <= answer.invocations <= 25
    assert answer.cost_usd > 0
    assert answer.sizes_mb
    assert answer.leaning is not None


def test_noise_raises_what_it_takes_to_settle_it():
    quiet = passive(lines(1_024, 400, noise=0.02))
    loud = passive(lines(1_024, 400, noise=0.3))
    assert quiet.invocations < loud.invocations


def test_a_history_that_shows_waiting_is_enough():
    samples = lines(128, 905) + lines(256, 902, seed=1) + lines(1_024, 900, seed=2)
    answer = passive(samples, current=Configuration(1_024))
    assert isinstance(answer, Settled)
    assert answer.proposed.memory_mb == 128
    assert answer.probability_best >= 0.9
    assert answer.measurement.invocations == 0


def test_a_size_that_is_nearly_full_is_tried_before_it_is_proposed():
    def history(used):
        return (
            lines(128, 905, used=used)
            + lines(256, 902, used=used, seed=1)
            + lines(1_024, 900, used=used, seed=2)
        )

    # The same durations, but with 100 MB in use 128 MB leave too little room.
    assert isinstance(passive(history(88)), Settled)
    answer = passive(history(100))
    assert isinstance(answer, NeedMoreData)
    assert "little room above the 100 MB" in answer.missing[0]
    assert answer.leaning == Configuration(128)


def test_what_settling_costs_holds_the_cold_starts():
    python = Workload(cold_rate=0.0, request_fee=False, runtime="python3.13")
    usual = passive(lines(1_024, 40), workload=python)
    slow = [*lines(1_024, 40), *lines(1_024, 40, count=3, init_ms=3_000.0)]
    # About half of the invocations start at a new size, with three seconds of INIT each.
    assert passive(slow, workload=python).cost_usd > 4 * usual.cost_usd


def test_never_below_what_was_used():
    samples = lines(512, 900, used=300) + lines(1_024, 900, used=310, seed=1)
    answer = passive(samples, current=Configuration(1_024))
    floor = 300 * 1.15
    if isinstance(answer, Settled):
        assert answer.proposed.memory_mb >= floor
    else:
        assert answer.leaning.memory_mb >= floor


def test_unknown_memory_use_forbids_going_below_what_ran():
    samples = [
        Sample(memory, "x86_64", 900.0, source="metric", weight=10_000) for memory in (512, 1_024)
    ]
    answer = passive(samples)
    assert isinstance(answer, NeedMoreData)
    assert "run out of memory" in " ".join(answer.missing)


def test_out_of_memory_in_the_logs_forbids_that_size():
    crashes = [
        Sample(256, "x86_64", 50.0, Outcome.OUT_OF_MEMORY, source="report_line") for _ in range(3)
    ]
    answer = passive([*crashes, *lines(512, 900, used=200), *lines(1_024, 900, seed=1)])
    size = answer.proposed if isinstance(answer, Settled) else answer.leaning
    assert size.memory_mb >= 512


def test_more_memory_is_no_promise_for_what_ran_out_of_it():
    crashes = [
        Sample(256, "x86_64", 50.0, Outcome.OUT_OF_MEMORY, source="report_line") for _ in range(3)
    ]
    ended = [
        Sample(256, "x86_64", 900.0, max_memory_used_mb=200, source="report_line", billed_ms=900)
        for _ in range(40)
    ]
    answer = passive([*ended, *crashes], current=Configuration(256))
    assert isinstance(answer, NeedMoreData)
    assert any("ran out of memory at 256 MB" in reason for reason in answer.missing)


def test_more_memory_is_no_promise_for_what_times_out():
    seen = lines(128, 40, 300, used=60)
    cut = [Sample(128, "x86_64", 3_000.0, Outcome.TIMEOUT, source="report_line") for _ in range(12)]
    answer = passive([*seen, *cut], current=Configuration(128))
    assert isinstance(answer, NeedMoreData)
    assert any("12 of 312 invocations timed out" in reason for reason in answer.missing)


def test_close_to_its_timeout_more_memory_is_no_promise_either():
    """One invocation of 2.9 s with a timeout of 3 s: whether a larger size ends in time, who knows."""
    samples = lines(128, 2_880, count=1, init_ms=330.0)
    known = Workload(cold_rate=1.0, timeout_ms=3_000.0)
    answer = passive(samples, current=Configuration(128), workload=known)
    assert isinstance(answer, NeedMoreData)
    assert any("nearly as long as the timeout" in reason for reason in answer.missing)


MOSTLY_FEE = Workload(cold_rate=0.0)


def test_a_cost_that_is_known_is_no_excuse_for_a_latency_that_is_not():
    """At 2 ms the request fee is most of the cost, so small sizes win; they may take 8 times as long."""
    answer = passive(
        lines(1_024, 2.0, noise=0.05), current=Configuration(1_024), workload=MOSTLY_FEE
    )
    assert isinstance(answer, NeedMoreData)
    (reason,) = answer.missing
    assert "How long it takes" in reason
    assert "today 2 ms" in reason
    assert answer.leaning is not None
    assert answer.leaning_saving_pct > 0


def test_a_limit_on_latency_says_how_long_it_may_take():
    answer = recommend_passive(
        Evidence(lines(1_024, 2.0, noise=0.05)),
        SPACE,
        CostUnderSlo(95.0, 500.0),
        RATES,
        current=Configuration(1_024),
        workload=MOSTLY_FEE,
    )
    assert isinstance(answer, Change)
    assert answer.proposed.p95_ms.high <= 500


def test_half_the_memory_is_known_well_enough_from_one_size():
    answer = passive(
        lines(256, 2.0, used=60, noise=0.05), current=Configuration(256), workload=MOSTLY_FEE
    )
    assert isinstance(answer, Settled)
    assert answer.proposed.mean_ms.high <= 3 * answer.proposed.mean_ms.low


def test_no_traffic_at_all_needs_data():
    answer = passive([])
    assert isinstance(answer, NeedMoreData)
    assert answer.leaning is None


def test_nothing_but_failures_is_infeasible():
    errors = [Sample(512, "x86_64", 5.0, Outcome.ERROR, source="report_line") for _ in range(9)]
    assert isinstance(passive(errors), Infeasible)


def test_the_picture_can_be_left_out():
    samples = lines(128, 900) + lines(1_024, 900, seed=1)
    assert passive(samples).curve
    assert not passive(samples, picture=False).curve


def test_the_timeout_is_advised_from_the_tail_and_what_was_cut_off():
    samples = lines(128, 905) + lines(1_024, 900, seed=2)
    workload = Workload(cold_rate=0.0, timeout_ms=1_300, timeout_share=0.01)
    answer = passive(samples, workload=workload)
    advice = {a.topic: a for a in answer.advice}[Topic.TIMEOUT]
    assert advice.setting["timeout_s"] >= 3
    assert "1.00%" in advice.evidence


def test_snapstart_is_advised_for_slow_starts_of_a_runtime_that_can():
    warm = lines(128, 905) + lines(1_024, 900, seed=2)
    cold = lines(1_024, 1_500, 20, seed=3, init_ms=4_000.0)
    for runtime, expected in (("java21", True), ("nodejs22.x", False), ("python3.11", False)):
        workload = Workload(invocations_per_month=1e6, runtime=runtime)
        answer = passive([*warm, *cold], workload=workload)
        assert (Topic.SNAPSTART in {a.topic for a in answer.advice}) is expected


def test_arm_is_advised_unless_the_code_cannot():
    samples = lines(128, 905) + lines(1_024, 900, seed=2)
    topics = [
        {a.topic for a in passive(samples, workload=Workload(architecture_portable=p)).advice}
        for p in (True, None, False)
    ]
    assert [Topic.ARCHITECTURE in t for t in topics] == [True, True, False]


def test_reserved_concurrency_follows_the_duration():
    samples = [*lines(1_024, 100, used=80), *lines(512, 200, seed=1), *lines(128, 800, seed=2)]
    workload = Workload(cold_rate=0.0, reserved_concurrency=10, peak_concurrency=9.0)
    answer = passive(samples, workload=workload, current=Configuration(3_008))
    advice = [a for a in answer.advice if a.topic is Topic.CONCURRENCY]
    size = answer.proposed.memory_mb if isinstance(answer, Settled) else answer.leaning.memory_mb
    assert (size < 1_024) == bool(advice)


@pytest.mark.parametrize("work", [1e3, 4e5, 3e6])
def test_where_it_commits_it_is_within_five_percent(work):
    """Two sizes of history, many functions: what is committed has to hold."""
    committed = good = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        floor = float(np.exp(rng.uniform(3, 7)))
        sizes = sorted(rng.choice([128, 256, 512, 1_024, 2_048], 2, replace=False).tolist())
        true = {m: floor + work / min(m, 1_769) for m in SPACE.sizes_mb}
        samples = [s for m in sizes for s in lines(m, true[m], 60, seed=seed + m)]
        answer = passive(samples)
        if isinstance(answer, Settled):
            committed += 1
            cost = {m: m * d for m, d in true.items()}
            good += cost[answer.proposed.memory_mb] <= 1.05 * min(cost.values())
    assert good >= 0.9 * committed - 1


def test_a_size_that_was_in_use_for_a_short_while_is_known_less_well():
    """40 of 800 lines: some hours of two weeks, and durations differ from week to week."""
    short, long = lines(128, 60, count=40), lines(256, 35, count=760)
    rows = warm_observations(Evidence(short + long))
    assert rows is not None
    assert np.sqrt(rows.extra_variance) == pytest.approx([0.0894, 0.0205], rel=0.01)
    alone = warm_observations(Evidence(long))
    assert alone is not None
    assert alone.extra_variance == [0.0]
    measured = [replace(sample, source="invocation") for sample in short]
    beside = warm_observations(Evidence(measured + long))
    assert beside is not None
    assert beside.extra_variance.tolist() == [0.0, 0.0]
