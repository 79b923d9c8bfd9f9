"""The hidden laws behave as the machine underneath Lambda does."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.errors import NotFoundError, UsageError
from lambda_autotuner.sandbox.functions.records import Configuration
from lambda_autotuner.sandbox.truth import Truth
from lambda_autotuner.sandbox.world.execution import execute
from lambda_autotuner.sandbox.world.law import Law, visible_cores
from lambda_autotuner.sandbox.world.randomness import Ids, mixed, normals, uniforms
from lambda_autotuner.sandbox.world.replay import read_curves, replayed

sizes = st.integers(128, 10240)
laws = st.builds(
    Law,
    io_ms=st.floats(0, 5000),
    cpu_ms=st.floats(0.1, 50_000),
    network_ms=st.floats(0, 500),
    parallel=st.floats(0, 1),
    threads=st.integers(1, 6),
    working_set_mb=st.floats(20, 120),
)


@settings(max_examples=100)
@given(laws, sizes, sizes)
def test_more_memory_is_never_slower(law, one, other):
    small, large = sorted((one, other))
    assert law.mean_duration_ms(large, "x86_64") <= law.mean_duration_ms(small, "x86_64") * 1.0001


@settings(max_examples=100)
@given(laws, sizes)
def test_waiting_is_a_floor(law, size):
    assert law.mean_duration_ms(size, "arm64") >= law.io_ms


def test_a_single_thread_gains_nothing_above_one_processor():
    law = Law(io_ms=5, cpu_ms=1000, threads=1, parallel=0.9)
    assert law.compute_ms(1769, "x86_64") == law.compute_ms(10240, "x86_64") == 1000
    assert law.compute_ms(884, "x86_64") == pytest.approx(1000 * 1769 / 884)


def test_several_threads_follow_amdahl():
    law = Law(io_ms=0, cpu_ms=1000, threads=6, parallel=0.9)
    assert law.compute_ms(3538, "x86_64") == pytest.approx(1000 * (0.1 + 0.9 / 2))


def test_cores_become_visible_at_the_documented_sizes():
    seen = [visible_cores(size) for size in (128, 1769, 1770, 3009, 5308, 7077, 8846, 10240)]
    assert seen == [1, 1, 2, 3, 4, 5, 6, 6]


@settings(max_examples=20)
@given(laws, sizes, st.integers(0, 2**32))
def test_drawn_durations_have_the_laws_mean(law, size, seed):
    keys = mixed(np.arange(20_000, dtype=np.uint64) + np.uint64(seed))
    times = np.linspace(0, law.drift_days * 86_400_000, len(keys))
    drawn = law.durations_ms(size, "x86_64", keys, times, np.ones(len(keys)))
    expected = max(law.mean_duration_ms(size, "x86_64"), 0.6)
    assert np.mean(drawn) == pytest.approx(expected, rel=0.03, abs=0.3)


def test_first_invocations_do_more_work_at_the_share_of_their_size():
    """A .NET 8 function that does nothing took 76 ms first at 1,024 MB and 734 at 128: 1 / share."""
    known = Truth(seed=7).function("pricing-engine-jvm")
    keys = mixed(np.arange(4_000, dtype=np.uint64))
    cold = np.arange(len(keys)) < len(keys) // 2
    extra = {}
    for size in (512, 1024, 1769, 3008):
        configuration = Configuration(memory_mb=size, timeout_s=900, architecture="x86_64")
        traffic = replace(known.traffic, error_rate=0.0, episode_rate=0.0)
        times, scale = np.zeros(len(keys)), np.ones(len(keys))
        all_warm, some_cold = (
            execute(known.behaviour, traffic, configuration, keys, times, scale, mask).duration_ms
            for mask in (np.zeros_like(cold), cold)
        )
        assert (some_cold[~cold] == all_warm[~cold]).all()
        extra[size] = float((some_cold - all_warm)[cold].mean())
        assert extra[size] == pytest.approx(known.mean_first_ms(size), rel=0.02)
    assert extra[512] == pytest.approx(2 * extra[1024], rel=0.02)
    assert extra[1769] == pytest.approx(extra[3008], rel=0.02)
    assert extra[1769] > 10 * known.behaviour.cpu_ms


def test_hashed_numbers_are_uniform_normal_and_independent():
    keys = np.arange(200_000, dtype=np.uint64)
    flat = uniforms(keys, 1)
    counts, _ = np.histogram(flat, 20, (0, 1))
    # chi-squared with 19 degrees of freedom: 43.8 is the 0.1 % point.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 43.8
    bell = normals(keys, 5)
    assert abs(bell.mean()) < 0.01
    assert bell.std() == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(flat, uniforms(keys, 2))[0, 1]) < 0.01


def test_ids_are_a_function_of_seed_account_and_count():
    one, same, other = Ids(7, "a"), Ids(7, "a"), Ids(8, "a")
    first = [one.uuid() for _ in range(3)]
    assert first == [same.uuid() for _ in range(3)]
    assert first != [other.uuid() for _ in range(3)]
    assert all(text[14] == "4" and text[19] in "89ab" for text in first)


def test_the_truth_knows_the_optimum_and_the_dead():
    truth = Truth()
    starved = truth.function("memory-starved-api")
    assert starved.out_of_memory_below_mb == 236
    assert starved.failure_share(192) > 0.95
    best = starved.best_memory_mb(range(128, 3009, 64))
    costs = {size: starved.mean_cost_usd(size) for size in range(256, 3009, 64)}
    assert costs[best] == min(costs.values())
    assert best != 256
    with pytest.raises(NotFoundError):
        truth.function("no-such-function")


def test_worlds_of_other_seeds_are_other_worlds_of_the_same_catalogue():
    one, two = Truth(seed=1, functions=200), Truth(seed=2, functions=200)
    assert one.names[:48] == two.names[:48]
    assert one.names[48:] != two.names[48:]


CSV = """curve_set,curve,architecture,memory_mb,duration_ms
a,f,x86_64,128,100.0
a,f,x86_64,128,120.0
a,f,x86_64,512,20.0
a,f,arm64,128,90.0
"""


def test_curves_are_replayed_and_interpolated(tmp_path):
    path = tmp_path / "curves.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    ((archetype, behaviour),) = replayed(read_curves(path))
    assert archetype.name == "f"
    keys = np.arange(1000, dtype=np.uint64)
    drawn = behaviour.durations_ms(128, "x86_64", keys, np.zeros(1000), np.ones(1000))
    assert set(drawn.tolist()) == {100.0, 120.0}
    assert 0.4 < (drawn == 100.0).mean() < 0.6
    assert behaviour.mean_duration_ms(128, "arm64") == 90.0
    middle = behaviour.mean_duration_ms(256, "x86_64")
    assert middle == pytest.approx((110 * 20) ** 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "curve,memory_mb\nx,1\n",
        CSV + "a,f,x86_64,128,nan\n",
        CSV + "a,f,x86_64,-1,5\n",
        CSV + "a,f,sparc,128,5\n",
        CSV + "a,f,x86_64,128,\n",
    ],
)
def test_files_that_are_no_curves_are_refused(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(UsageError):
        read_curves(path)


@pytest.mark.shared
def test_measured_curves_become_functions(curves_file):
    truth = Truth(curves=curves_file)
    function = truth.function("slapp-App6_f1-x86_64")
    assert function.mean_duration_ms(128) == pytest.approx(5500, rel=0.01)
    drawn = function.durations_ms(128)
    assert np.mean(drawn) == pytest.approx(function.mean_duration_ms(128), rel=0.01)
