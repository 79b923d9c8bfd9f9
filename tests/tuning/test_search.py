"""Searches against made-up functions: what is asked, when it ends, what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning import (
    Budget,
    Change,
    Configuration,
    CostUnderSlo,
    Evidence,
    FastestWithin,
    Infeasible,
    Keep,
    LowestCost,
    NeedMoreData,
    Outcome,
    PriceBook,
    Probe,
    Sample,
    Search,
    Settled,
    Space,
    Stop,
    Weighted,
    Workload,
)

RATES = PriceBook.load().all_rates("us-east-1")


class Function:
    """A function with a law of its own that answers probes."""

    def __init__(self, seed=0, *, work=4e5, floor=250.0, noise=0.02, overlap=8, out_below=0):
        self.rng = np.random.default_rng(seed)
        self.work, self.floor, self.noise, self.overlap = work, floor, noise, overlap
        self.out_below = out_below
        self.timeout_ms = None
        self.cold_factor = None
        self.warmed = set()

    def mean_ms(self, memory_mb, architecture="x86_64"):
        speed = 0.85 if architecture == "arm64" else 1.0
        work = self.work / min(memory_mb, 1_769) * speed
        return (self.floor**self.overlap + work**self.overlap) ** (1 / self.overlap)

    def invoke(self, probe):
        for _ in range(probe.invocations):
            yield self.one(probe.memory_mb, probe.architecture)

    def one(self, memory_mb, architecture):
        if memory_mb < self.out_below:
            used = memory_mb
            return Sample(
                memory_mb, architecture, 40.0, Outcome.OUT_OF_MEMORY, max_memory_used_mb=used
            )
        duration = self.mean_ms(memory_mb, architecture) * self.rng.lognormal(0, self.noise)
        if self.timeout_ms is not None and duration > self.timeout_ms:
            return Sample(memory_mb, architecture, self.timeout_ms, Outcome.TIMEOUT)
        init = None
        if self.cold_factor is not None and (memory_mb, architecture) not in self.warmed:
            self.warmed.add((memory_mb, architecture))
            duration, init = duration * self.cold_factor, 300.0
        return Sample(memory_mb, architecture, duration, init_ms=init, max_memory_used_mb=90)

    def best_cost(self, sizes):
        return min(size * self.mean_ms(size) for size in sizes)


def run(function, space=None, objective=None, **options):
    options.setdefault("workload", Workload(request_fee=False, cold_rate=0.0))
    rng = np.random.default_rng(5)
    search = Search(
        space or Space.range(128, 3_008), objective or LowestCost(), RATES, rng, **options
    )
    for _ in range(200):
        probe = search.ask()
        if isinstance(probe, Stop):
            return search, probe
        search.tell(function.invoke(probe))
    pytest.fail("the search does not end")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("work", "floor"), [(4e5, 250), (3e4, 900), (3e6, 20)])
def test_the_pick_costs_little_more_than_the_best(seed, work, floor):
    function = Function(seed, work=work, floor=floor)
    search, stop = run(function)
    answer = search.recommendation()
    assert isinstance(answer, Change)
    cost = answer.proposed.memory_mb * function.mean_ms(answer.proposed.memory_mb)
    assert cost <= 1.05 * function.best_cost(search.space.sizes_mb)
    assert search.spent_invocations <= 25
    assert stop.code in {"settled", "invocations", "cost"}


def test_a_clear_case_ends_early():
    search, stop = run(Function(1, work=2_000, floor=900))
    assert stop.code == "settled"
    assert search.spent_invocations <= 12
    assert search.recommendation().proposed.memory_mb == 128


def test_asking_twice_gives_the_same_answer():
    search = Search(Space.range(128, 1_024), LowestCost(), RATES, np.random.default_rng(0))
    assert search.ask() == search.ask()
    search.tell(Function().invoke(search.ask()))
    assert search.ask() == search.ask()


def test_the_same_samples_give_the_same_answer():
    first, second = run(Function(3))[0], run(Function(3))[0]
    assert first.evidence.samples == second.evidence.samples
    assert first.recommendation() == second.recommendation()


@pytest.mark.parametrize("invocations", [1, 3, 7])
def test_no_budget_is_exceeded(invocations):
    search, stop = run(Function(2, noise=0.2), budget=Budget(invocations))
    assert search.spent_invocations == invocations
    assert stop.code == "invocations"
    assert isinstance(search.recommendation(), Settled)


def test_a_budget_of_dollars_and_seconds_ends_it():
    price = 128 / 1024 * 3.2 * RATES["x86_64"].gb_second_usd
    search, stop = run(Function(2, noise=0.2), budget=Budget(None, cost_usd=4 * price))
    assert stop.code == "cost"
    assert search.spent_usd <= 5 * price
    search = Search(
        Space.range(128, 512),
        LowestCost(),
        RATES,
        np.random.default_rng(0),
        budget=Budget(seconds=10),
    )
    search.tell(Function().invoke(search.ask()), seconds=11)
    assert search.ask().code == "seconds"


def test_running_out_of_memory_moves_the_floor_and_goes_on():
    function = Function(1, out_below=512, work=2e4, floor=600)
    search, _ = run(function)
    answer = search.recommendation()
    assert isinstance(answer, Settled)
    assert answer.proposed.memory_mb >= 512
    crashed = [s for s in search.evidence if s.outcome is Outcome.OUT_OF_MEMORY]
    assert 1 <= len(crashed) <= 4
    assert answer.measurement.invocations == len(search.evidence)


def test_a_size_that_times_out_is_expensive_but_not_the_end():
    function = Function(1, work=2e6, floor=50)
    function.timeout_ms = 4_000
    search, _ = run(function, workload=Workload(timeout_ms=4_000, cold_rate=0))
    answer = search.recommendation()
    assert isinstance(answer, Settled)
    assert function.mean_ms(answer.proposed.memory_mb) < 4_000
    assert any(s.outcome is Outcome.TIMEOUT for s in search.evidence)


def test_a_function_that_always_times_out_is_infeasible():
    function = Function(1, work=1e9)
    function.timeout_ms = 1_000
    search, stop = run(function)
    answer = search.recommendation()
    assert isinstance(answer, Infeasible)
    assert "timed out" in " ".join(answer.violated)
    assert stop.code == "failing"
    assert search.spent_invocations <= 8


def test_a_payload_that_always_fails_is_infeasible_after_a_few_sizes():
    search = Search(Space.range(128, 3_008), LowestCost(), RATES, np.random.default_rng(0))
    while isinstance(probe := search.ask(), Probe):
        search.tell([Sample(probe.memory_mb, "x86_64", 5.0, Outcome.ERROR)])
    assert search.ask().code == "failing"
    assert search.spent_invocations <= 8
    answer = search.recommendation()
    assert isinstance(answer, Infeasible)
    assert "failed" in " ".join(answer.violated)


def test_throttling_costs_nothing_and_ends():
    search = Search(Space.range(128, 3_008), LowestCost(), RATES, np.random.default_rng(0))
    while isinstance(probe := search.ask(), Probe):
        search.tell([Sample(probe.memory_mb, "x86_64", 0.0, Outcome.THROTTLED)])
    assert search.ask().code == "throttled"
    assert search.spent_invocations == 0
    assert search.spent_usd == 0
    assert isinstance(search.recommendation(), NeedMoreData)


def test_nothing_told_yet_is_said_so():
    search = Search(Space.range(128, 3_008), LowestCost(), RATES, np.random.default_rng(0))
    answer = search.recommendation()
    assert isinstance(answer, NeedMoreData)
    assert answer.to_dict()["kind"] == "need_more_data"


def test_only_cold_invocations_are_evidence_too():
    function = Function(4)
    function.cold_factor = 1.2
    search, _ = run(function)
    assert any(s.cold for s in search.evidence)
    size = search.recommendation().proposed.memory_mb
    assert size * function.mean_ms(size) <= 1.06 * function.best_cost(search.space.sizes_mb)


def test_cold_starts_are_blended_and_billed():
    evidence = [Sample(m, "x86_64", 100.0) for m in (128, 256, 512) for _ in range(4)]
    evidence += [Sample(m, "x86_64", 100.0, init_ms=3_000.0) for m in (128, 256, 512)]
    costs = []
    for rate in (0.0, 0.3):
        search = Search(
            Space((128, 256, 512)),
            LowestCost(),
            RATES,
            np.random.default_rng(0),
            evidence=Evidence(evidence),
            workload=Workload(cold_rate=rate, request_fee=False),
        )
        at = {p.memory_mb: p.cost_usd.value for p in search.recommendation().curve}
        costs.append(at)
    added = costs[1][128] - costs[0][128]
    price = 128 / 1024 / 1000 * RATES["x86_64"].gb_second_usd
    assert added == pytest.approx(0.3 * 3_000 * price, rel=0.1)


def test_an_slo_is_kept_and_costs_more():
    function = Function(1, work=4e5, floor=100, overlap=4)
    slo = CostUnderSlo(95, 700.0)
    search, _ = run(function, objective=slo)
    answer = search.recommendation()
    assert isinstance(answer, Settled)
    met = {c.name: c.met for c in answer.constraints}
    assert met["p95"]
    assert function.mean_ms(answer.proposed.memory_mb) <= 700


def test_an_slo_that_nothing_meets_is_infeasible():
    search, stop = run(Function(1, floor=250), objective=CostUnderSlo(99, 20.0))
    answer = search.recommendation()
    assert isinstance(answer, Infeasible)
    assert answer.nearest is not None
    assert stop.code == "nothing_allowed"


def test_telemetrys_tail_decides_about_an_slo():
    """A tail seen a million times outweighs what a few invocations look like."""
    samples = [Sample(1_024, "x86_64", 400.0, source="metric", weight=1e6)]
    answers = []
    for ratio in (1.1, 3.0):
        workload = Workload(tail_ratios=((95.0, ratio),), cold_rate=0)
        search = Search(
            Space((1_024,)),
            CostUnderSlo(95, 600.0),
            RATES,
            np.random.default_rng(0),
            evidence=Evidence(samples),
            workload=workload,
            budget=Budget(1),
        )
        search.tell([Sample(1_024, "x86_64", 401.0)])
        answers.append(search.recommendation())
    assert isinstance(answers[0], Settled)
    assert isinstance(answers[1], Infeasible)


def test_the_fastest_within_a_window_stays_in_it():
    function = Function(1, work=4e5, floor=250)
    search, _ = run(function, objective=FastestWithin(10.0))
    size = search.recommendation().proposed.memory_mb
    sizes = search.space.sizes_mb
    assert size * function.mean_ms(size) <= 1.12 * function.best_cost(sizes)
    cheapest = run(Function(1, work=4e5, floor=250))[0].recommendation().proposed.memory_mb
    assert function.mean_ms(size) <= function.mean_ms(cheapest) * 1.01


def test_weight_moves_the_pick_from_cheap_to_fast():
    sizes = [
        run(Function(1, overlap=2), objective=Weighted(w))[0].recommendation().proposed.memory_mb
        for w in (1.0, 0.5, 0.0)
    ]
    assert sizes[0] <= sizes[1] <= sizes[2]
    assert sizes[0] < sizes[2]


def test_both_architectures_share_one_search():
    function = Function(1)
    space = Space.range(128, 2_048, step=128, architectures=("x86_64", "arm64"))
    search, _ = run(function, space)
    answer = search.recommendation()
    assert answer.proposed.architecture == "arm64"
    assert {s.architecture for s in search.evidence} == {"x86_64", "arm64"}
    assert search.spent_invocations <= 25
    assert "arm64" in answer.infrastructure["terraform"]


def test_the_memory_cap_of_a_new_account_is_respected():
    function = Function(1, work=4e6, floor=1)
    search, _ = run(function, Space.range(128, 3_008))
    assert max(s.memory_mb for s in search.evidence) <= 3_008
    assert search.recommendation().proposed.memory_mb <= 3_008


def test_any_size_in_steps_of_one_mb():
    function = Function(1)
    search, _ = run(function, Space.range(128, 3_008, step=1), budget=Budget(12))
    answer = search.recommendation()
    size = answer.proposed.memory_mb
    assert size * function.mean_ms(size) <= 1.05 * function.best_cost(search.space.sizes_mb)


def test_a_window_over_thousands_of_sizes_is_looked_for_on_thinned_ones():
    function = Function(1)
    space = Space.range(128, 10_240, step=1)
    search, _ = run(function, space, FastestWithin(10.0), budget=Budget(6))
    size = search.recommendation(picture=False).proposed.memory_mb
    assert size * function.mean_ms(size) <= 1.2 * function.best_cost(space.sizes_mb)


def test_a_current_size_that_is_tied_is_kept():
    function = Function(1, work=2_000, floor=900)
    search, _ = run(function, current=Configuration(128))
    answer = search.recommendation()
    assert isinstance(answer, Keep)
    assert answer.saving_pct.value == 0


def test_zero_traffic_saves_nothing_and_never_pays_back():
    workload = Workload(invocations_per_month=0, cold_rate=0)
    search, _ = run(Function(1, floor=900), current=Configuration(1_024), workload=workload)
    answer = search.recommendation()
    assert answer.saving_month_usd.value == 0
    assert answer.measurement.payback_days is None


def test_a_busy_function_pays_back_and_says_when():
    workload = Workload(invocations_per_month=1e7, cold_rate=0)
    search, _ = run(Function(1, floor=900), current=Configuration(3_008), workload=workload)
    answer = search.recommendation()
    assert answer.saving_month_usd.value > 100
    assert 0 < answer.measurement.payback_days < 1
    assert answer.measurement.cost_usd == pytest.approx(search.spent_usd)


def test_an_outlier_is_kept_and_does_not_decide():
    samples = [Sample(m, "x86_64", 4e5 / m) for m in (128, 256, 512, 768, 1_024)]
    samples.append(Sample(640, "x86_64", 4e5 / 640 * 6))
    search = Search(
        Space((128, 256, 512, 640, 768, 1_024)),
        LowestCost(),
        RATES,
        np.random.default_rng(0),
        evidence=Evidence(samples),
        workload=Workload(request_fee=False, cold_rate=0),
    )
    point = {p.memory_mb: p for p in search.recommendation().curve}[640]
    assert point.measured == 1
    assert point.mean_ms.value < 2 * 4e5 / 640
    quiet = {p.memory_mb: p for p in search.recommendation().curve}[512]
    assert point.mean_ms.high / point.mean_ms.low > quiet.mean_ms.high / quiet.mean_ms.low


def test_a_size_that_one_slow_invocation_rules_out_is_tried_again():
    """The very first invocation takes four times as long: an accident, at the best size."""
    function = Function(1, work=2e4, floor=900)
    usual, calls = function.one, []

    def one(memory_mb, architecture):
        sample = usual(memory_mb, architecture)
        calls.append(memory_mb)
        if len(calls) > 1:
            return sample
        return Sample(memory_mb, architecture, sample.duration_ms * 4)

    function.one = one
    search, _ = run(function)
    assert calls[0] == 128
    assert calls.count(128) > 1
    assert search.recommendation().proposed.memory_mb == 128


def test_prices_of_an_architecture_that_is_missing_are_asked_for():
    with pytest.raises(UsageError, match="arm64"):
        Search(
            Space((128,), ("arm64",)),
            LowestCost(),
            {"x86_64": RATES["x86_64"]},
            np.random.default_rng(0),
        )
