"""Faults planted below the toolbox: the suite must notice each of them.

A fault is caught when a question that passes without it fails with it. One that changes nothing
at all would be missed for the wrong reason, so each has to act at least once.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import Telemetry
from lambda_autotuner.evaluation.contestants import AgentContestant
from lambda_autotuner.evaluation.runner import Task, run_tasks
from lambda_autotuner.evaluation.suite import load_suite
from lambda_autotuner.evaluation.venue import Venue

sys.path.insert(0, str(Path(__file__).parent))
from planting import FAULTS, Fault


@contextmanager
def planted(fault: Fault | None) -> Iterator[list[str]]:
    """The toolbox with a fault below it, for as long as the block runs; yields where it acted."""
    acted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        if fault is not None:
            _plant(fault, patch, acted)
        yield acted


def _plant(fault: Fault, patch: pytest.MonkeyPatch, acted: list[str]) -> None:
    original = Account.call
    assemble = Telemetry.__init__

    def call(
        self: Account, service: str, operation: str, /, **parameters: Any
    ) -> Mapping[str, Any]:
        if operation not in fault.operations:
            return original(self, service, operation, **parameters)
        if fault.asked is not None:
            before, parameters = repr(parameters), copy.deepcopy(parameters)
            fault.asked(parameters)
            if repr(parameters) != before:
                acted.append(operation)
        answer = original(self, service, operation, **parameters)
        if fault.answered is not None:
            before, answer = repr(answer), copy.deepcopy(answer)
            fault.answered(answer)
            if repr(answer) != before:
                acted.append(operation)
        return answer

    def figures(self: Telemetry, *args: Any, **named: Any) -> None:
        before = dict(named)
        if fault.figures is not None:
            fault.figures(named)
        if named != before:
            acted.append("telemetry")
        assemble(self, *args, **named)

    patch.setattr(Account, "call", call)
    patch.setattr(Telemetry, "__init__", figures)
    if fault.patch is not None:
        owner, name, wrap = fault.patch
        patch.setattr(owner, name, wrap(getattr(owner, name)))
        acted.append(name)


def passed(names, contestant, venue, number, fault) -> set[str]:
    """The questions that pass with a fault below the toolbox."""
    known = load_suite().by_id()
    with planted(fault) as acted:
        tasks = [Task(known[name], number) for name in names]
        results = run_tasks(tasks, contestant, venue, None, concurrency=2)
    assert fault is None or acted, f"{fault.name!r} changed nothing"
    return {result.question_id for result in results if result.success}


def uncaught(faults, settings) -> list[str]:
    """The faults that no question notices."""
    contestant = AgentContestant(None, settings)
    names = list(dict.fromkeys(name for fault in faults for name in fault.questions))
    with Venue(settings) as venue:
        sound = passed(names, contestant, venue, 0, None)
        return [
            fault.name
            for number, fault in enumerate(faults, start=1)
            if not (sound & set(fault.questions))
            - passed(fault.questions, contestant, venue, number, fault)
        ]


def test_there_are_enough_faults_and_their_questions_exist() -> None:
    assert len(FAULTS) >= 63
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    known = load_suite().by_id()
    for fault in FAULTS:
        assert all(name in known and not known[name].held_out for name in fault.questions), (
            fault.name
        )


@pytest.mark.timeout(300)
def test_a_tenth_of_the_planted_faults_is_caught(settings) -> None:
    chosen = random.Random(19).sample(FAULTS, 4)
    assert uncaught(chosen, settings) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_planted_fault_is_caught(settings) -> None:
    missed = uncaught(FAULTS, settings)
    print(
        f"{len(FAULTS) - len(missed)} of {len(FAULTS)} planted faults are caught; missed: {missed}"
    )
    assert missed == []
