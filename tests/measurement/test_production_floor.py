"""How much memory production asks for, before anything is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lambda_autotuner.measurement.beginning import production_floor
from lambda_autotuner.tuning.evidence import Evidence, Outcome, Sample
from lambda_autotuner.tuning.workload import Workload


def floor_mb(used_mb: Any, *, killed: int, size_mb: int = 1_024) -> int:
    """The floor where so many lines tell what they used and some were killed."""
    ended = [
        Sample(
            size_mb, "x86_64", 100.0, max_memory_used_mb=int(min(mb, size_mb)), source="report_line"
        )
        for mb in used_mb
    ]
    crashed = [
        Sample(size_mb, "x86_64", 50.0, Outcome.OUT_OF_MEMORY, source="report_line")
        for _ in range(killed)
    ]
    background: Any = SimpleNamespace(
        evidence=Evidence([*ended, *crashed]), workload=Workload(memory_headroom=0.1)
    )
    return production_floor(background)[0]


def test_twice_the_size_where_a_few_lines_say_nothing_of_the_spread() -> None:
    assert floor_mb([800.0] * 20, killed=1) == 2_048


def test_one_killed_of_hundreds_that_are_far_below_asks_for_more_than_that_size_only() -> None:
    used = np.random.default_rng(1).normal(790, 40, 800)
    assert floor_mb(used, killed=1) == 1_025


@pytest.mark.parametrize("killed", [40, 80])
def test_many_killed_ask_for_what_the_spread_says(killed: int) -> None:
    used = np.random.default_rng(2).uniform(700, 1_020, 400)
    assert 1_100 < floor_mb(used, killed=killed) < 3_000
    assert floor_mb(used, killed=80) > floor_mb(used, killed=40)
