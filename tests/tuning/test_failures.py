"""Errors rule a size out only where they are the size's own."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import (
    Budget,
    Change,
    Configuration,
    Evidence,
    LowestCost,
    NeedMoreData,
    Outcome,
    PriceBook,
    Probe,
    Sample,
    Search,
    Space,
    Workload,
)
from lambda_autotuner.tuning.failures import failing
from lambda_autotuner.tuning.passive import recommend_passive

RATES = PriceBook.load().all_rates("us-east-1")


def ended(memory_mb, *, ok=0, errors=0, source="invocation", weight=1.0):
    fine = [Sample(memory_mb, "x86_64", 100.0, source=source, weight=weight) for _ in range(ok)]
    bad = [
        Sample(memory_mb, "x86_64", 20.0, Outcome.ERROR, source=source, weight=weight)
        for _ in range(errors)
    ]
    return [*fine, *bad]


def ruled_out(*samples):
    return set(failing(Evidence([s for part in samples for s in part])))


def test_a_size_that_fails_where_others_do_not_is_ruled_out():
    assert ruled_out(ended(128, errors=2), ended(256, ok=6)) == {Configuration(128)}
    assert ruled_out(ended(128, errors=3), ended(256, ok=1)) == {Configuration(128)}
    assert ruled_out(ended(128, ok=3, errors=4), ended(256, ok=12)) == {Configuration(128)}


def test_errors_that_come_everywhere_rule_nothing_out():
    assert not ruled_out(ended(128, errors=2), ended(256, ok=4, errors=2), ended(512, ok=2))
    assert not ruled_out(ended(128, ok=2, errors=2), ended(256, ok=6, errors=3))


def test_a_size_that_fails_far_more_often_than_the_many_that_fail_is_ruled_out():
    found = ruled_out(ended(128, errors=6), ended(256, ok=14, errors=6))
    assert found == {Configuration(128)}


def test_where_nothing_ever_succeeded_every_size_is_as_bad_as_it_looks():
    assert len(ruled_out(ended(128, errors=2), ended(256, errors=2))) == 2
    assert ruled_out(ended(128, errors=9)) == {Configuration(128)}


def test_errors_of_other_hours_excuse_nothing_where_we_invoked_ourselves():
    """Production failed half of the time last week; today, our own invocations do not."""
    week = ended(1_024, ok=50, errors=50, source="report_line")
    now = ended(256, ok=10)
    assert ruled_out(ended(128, errors=2), now, week) == {Configuration(128)}
    assert not ruled_out(ended(128, errors=2, source="report_line"), week)


def test_an_event_that_always_fails_does_not_rule_out_where_production_runs():
    fine = ended(1_024, ok=50, source="report_line")
    found = ruled_out(fine, ended(1_024, errors=2), ended(128, errors=2), ended(256, errors=2))
    assert found == {Configuration(128), Configuration(256)}


def test_the_mean_of_a_metric_is_no_invocation_that_succeeded():
    metric = ended(1_024, ok=1, source="metric", weight=50_000.0)
    assert not ruled_out(ended(128, errors=2), ended(256, ok=3, errors=3), metric)


def search_with(fails, seed):
    """A function that waits: the smallest size is cheapest by far."""
    rng = np.random.default_rng(seed)
    search = Search(
        Space(tuple(range(128, 1_025, 64))),
        LowestCost(),
        RATES,
        rng,
        budget=Budget(25, relative_cost=None),
        workload=Workload(cold_rate=0),
    )
    while isinstance(probe := search.ask(), Probe):
        size = probe.memory_mb
        if fails(size, rng):
            search.tell([Sample(size, "x86_64", 30.0, Outcome.ERROR)])
        else:
            took = (300 + 10_000 / size) * rng.lognormal(0, 0.1)
            search.tell([Sample(size, "x86_64", took)])
    return search.recommendation(picture=False)


def test_a_dependency_that_is_down_a_third_of_the_time_does_not_change_the_pick():
    picks = [
        search_with(lambda _, rng: rng.random() < 1 / 3, seed).proposed.memory_mb
        for seed in range(12)
    ]
    assert picks.count(128) >= 11


@pytest.mark.parametrize("elsewhere", [0.0, 0.2])
def test_sizes_that_are_too_small_do_not_excuse_each_other(elsewhere):
    """Three sizes fail by themselves: together they are no background that errors come from."""
    picks = []
    for seed in range(8):
        answer = search_with(lambda size, rng: size < 320 or rng.random() < elsewhere, seed)
        picks.append(answer.proposed.memory_mb if isinstance(answer, Change) else None)
    assert all(pick is None or pick >= 320 for pick in picks)
    assert picks.count(320) >= 7


def test_an_architecture_on_which_nothing_runs_is_not_proposed():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        search = Search(
            Space(tuple(range(128, 1_025, 64)), ("x86_64", "arm64")),
            LowestCost(),
            RATES,
            rng,
            budget=Budget(25),
            workload=Workload(cold_rate=0),
        )
        while isinstance(probe := search.ask(), Probe):
            size, side = probe.memory_mb, probe.architecture
            took = (300 + 10_000 / size) * rng.lognormal(0, 0.05)
            ends = Outcome.ERROR if side == "arm64" else Outcome.OK
            search.tell([Sample(size, side, took, ends)])
        answer = search.recommendation(picture=False)
        assert isinstance(answer, Change)
        assert answer.proposed.architecture == "x86_64"


def test_small_sizes_that_fail_count_together():
    """Five of five below 192 MB, where two of two at 192 MB alone could be luck."""
    found = ruled_out(ended(128, errors=3), ended(192, errors=2), ended(512, ok=1))
    assert found == {Configuration(128), Configuration(192)}
    assert not ruled_out(ended(192, errors=2), ended(512, ok=1))


def test_the_search_gives_up_where_nearly_everything_fails():
    """Production runs; what we send fails nine times in ten."""
    rng = np.random.default_rng(0)
    search = Search(
        Space(tuple(range(128, 2_049, 64))),
        LowestCost(),
        RATES,
        rng,
        budget=Budget(None, relative_cost=None),
        workload=Workload(cold_rate=0),
        evidence=Evidence([Sample(1_024, "x86_64", 300.0, source="report_line")] * 50),
        current=Configuration(1_024),
    )
    while isinstance(probe := search.ask(), Probe):
        ends = Outcome.ERROR if rng.random() < 0.9 else Outcome.OK
        took = (300 + 10_000 / probe.memory_mb) * rng.lognormal(0, 0.05)
        search.tell([Sample(probe.memory_mb, "x86_64", took, ends)])
        assert search.spent_invocations < 50
    assert probe.code == "failing"
    answer = search.recommendation(picture=False)
    assert isinstance(answer, NeedMoreData)
    assert answer.invocations > 10


def test_telemetry_proposes_no_size_at_which_nothing_ended_well():
    def lines(size, ok, errors):
        fine = [
            Sample(size, "x86_64", 300 + 10_000 / size, source="report_line", max_memory_used_mb=80)
            for _ in range(ok)
        ]
        return [*fine, *ended(size, errors=errors, source="report_line")]

    seen = Evidence([*lines(128, 0, 3), *lines(256, 200, 180), *lines(1_024, 360, 440)])
    answer = recommend_passive(
        seen,
        Space(tuple(range(128, 2_049, 64))),
        LowestCost(),
        RATES,
        current=Configuration(1_024),
        workload=Workload(cold_rate=0),
        picture=False,
    )
    assert getattr(answer, "proposed", Configuration(1_024)).memory_mb != 128


def test_hours_that_differ_rule_nothing_out_however_many_lines_there_are():
    slow = ended(1_024, ok=980, errors=1_020, source="report_line")
    assert not ruled_out(slow, ended(512, ok=1_060, errors=940, source="report_line"))
    assert not ruled_out(ended(512, ok=360, errors=440, source="report_line"))


def test_a_size_at_which_nothing_ended_well_is_not_proposed_when_the_budget_ends():
    search = Search(
        Space((128, 1_024)),
        LowestCost(),
        RATES,
        np.random.default_rng(0),
        budget=Budget(12),
        workload=Workload(cold_rate=0),
    )
    seen = [*ended(1_024, ok=5, errors=5), *ended(128, errors=2)]
    search.tell(seen)
    answer = search.recommendation(picture=False)
    assert isinstance(answer, NeedMoreData)
    assert "2 failed" in " ".join(answer.missing)


@pytest.mark.parametrize("errors", [1, 2])
def test_few_errors_among_many_that_end_well_rule_nothing_out(errors):
    assert not ruled_out(ended(128, ok=10, errors=errors), ended(256, ok=10))
