"""What many invocations tell about memory: leaks and payloads of many sizes need room above."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.tuning import Evidence, Sample
from lambda_autotuner.tuning.evidence import Outcome
from lambda_autotuner.tuning.observation import memory_floor, needed_memory_mb

LEAK = 180.0
"""Mean of what an environment has gathered, in MB, on top of 210 MB."""


def gathered(count, seed=0):
    return 210 + np.random.default_rng(seed).exponential(LEAK, count)


def lines(used, size):
    return [
        Sample(
            size,
            "x86_64",
            900.0,
            Outcome.OUT_OF_MEMORY if mb > size else Outcome.OK,
            max_memory_used_mb=min(int(np.ceil(mb)), size),
            source="report_line",
        )
        for mb in used
    ]


@pytest.mark.parametrize("size", [512, 640, 1_024, 3_008])
def test_a_leak_asks_for_room_for_all_but_a_few_whatever_part_of_it_was_seen(size):
    """At 512 MB one in five is killed, and how much those needed is never seen."""
    truth = 210 + LEAK * np.log(1 / 0.002)
    for seed in range(5):
        used = gathered(800, seed)
        needed = needed_memory_mb(list(used[used <= size]), int((used > size).sum()), size)
        assert truth * 0.85 < needed < truth * 1.15
        floor = memory_floor(Evidence(lines(used, size)), 0.05)
        # The largest that was seen, and a little more, counts where it is larger still.
        assert floor.memory_mb >= needed * 0.99
        assert floor.triable_mb == floor.memory_mb


def test_one_invocation_that_ran_below_proves_nothing_against_the_spread():
    evidence = Evidence(
        [*lines(gathered(800), 1_536), Sample(576, "x86_64", 950.0, max_memory_used_mb=230)]
    )
    assert memory_floor(evidence, 0.05).memory_mb > 1_000


def test_memory_that_is_always_alike_needs_no_more_than_the_headroom():
    used = np.random.default_rng(1).normal(60, 1.8, 800)
    assert memory_floor(Evidence(lines(used, 512)), 0.05).memory_mb <= 72


def test_a_size_at_which_hundreds_ran_is_room_enough():
    used = np.minimum(gathered(400), 500)
    assert memory_floor(Evidence(lines(used, 512)), 0.15).memory_mb == 512


def test_few_invocations_or_mostly_killed_ones_tell_no_spread():
    assert needed_memory_mb(list(gathered(30)), 0, 3_008) is None
    assert needed_memory_mb([200.0] * 40, 60, 256) is None
    assert needed_memory_mb([200.0] * 800, 0, 512) == pytest.approx(200)
