"""How much memory production asks for, before anything is measured."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lambda_autotuner.aws.reports import Outcome as ReportOutcome
from lambda_autotuner.aws.reports import Report
from lambda_autotuner.aws.session import Account
from lambda_autotuner.measurement import Choices
from lambda_autotuner.measurement.beginning import production_floor
from lambda_autotuner.sandbox.truth import Truth
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing import background as background_module
from lambda_autotuner.sizing.background import _subject, read_background
from lambda_autotuner.sizing.telemetry import Reports, read_more_where_memory_ran_out
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


CHOICES = Choices.from_settings(Settings())


def test_how_much_a_leak_asks_for_is_told_from_thousands_of_lines(account: Account) -> None:
    background = read_background(account, "report-generator-leaky", CHOICES)
    law: Any = Truth(seed=7, functions=60).function("report-generator-leaky").behaviour
    enough_mb = law.working_set_mb + 40 * law.leak_mb * math.log(1 / 0.002)
    assert len(background.evidence) > 2_500
    assert production_floor(background)[0] == pytest.approx(enough_mb, rel=0.1)


def test_no_more_is_read_where_nothing_was_killed_at_this_size_or_all_was_read(
    account: Account,
) -> None:
    background = read_background(account, "report-generator-leaky", CHOICES)
    assert background.window is not None
    fine = Report("a", 1.0, 1.0, 512, 100)
    killed = Report("b", 1.0, 1.0, 512, 512, outcome=ReportOutcome.OUT_OF_MEMORY)
    account.calls.clear()
    elsewhere = Report("c", 1.0, 1.0, 128, 128, outcome=ReportOutcome.OUT_OF_MEMORY)
    for reports in (
        Reports((fine,), complete=False),
        Reports((fine, killed), complete=True),
        Reports((fine, elsewhere), complete=False),
    ):
        found = read_more_where_memory_ran_out(
            account, background.configuration, background.window, reports
        )
        assert found is reports
    assert not account.calls


def test_lines_are_from_everywhere_in_the_window(account: Account) -> None:
    background = read_background(account, "report-generator-leaky", CHOICES)
    window = background.window
    assert window is not None
    killed = Report("b", 1.0, 1.0, 512, 512, outcome=ReportOutcome.OUT_OF_MEMORY)
    found = read_more_where_memory_ran_out(
        account, background.configuration, window, Reports((killed,), complete=False)
    )
    stamps = [line.timestamp for line in found.lines if line.timestamp is not None]
    assert len(stamps) == len(found.lines) - 1
    part = (window.end - window.start) / 16
    counts = Counter(int((stamp - window.start) / part) for stamp in stamps)
    assert set(counts) == set(range(16))
    assert max(counts.values()) <= 250


def test_every_attempt_of_one_event_counts(account: Account) -> None:
    background = read_background(account, "report-generator-leaky", CHOICES)
    window = background.window
    assert window is not None
    killed = Report(
        "event", 1.0, 1.0, 512, 512, outcome=ReportOutcome.OUT_OF_MEMORY, timestamp=window.start
    )
    again = Report("event", 9.0, 9.0, 512, 300, timestamp=window.start + timedelta(minutes=1))
    found = read_more_where_memory_ran_out(
        account, background.configuration, window, Reports((killed, again), complete=False)
    )
    assert {killed, again} <= set(found.lines)


def test_the_version_is_told_before_more_lines_are_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of older lines would outvote a version that was released hours ago."""
    told: list[int] = []

    def remember(_account: Any, _configuration: Any, _qualifier: Any, reports: Reports) -> Any:
        told.append(len(reports.lines))
        return _subject(_account, _configuration, _qualifier, reports)

    monkeypatch.setattr(background_module, "_subject", remember)
    background = read_background(account, "report-generator-leaky", CHOICES)
    assert len(background.evidence) > 2_500
    assert told[0] <= 800
