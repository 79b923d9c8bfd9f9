"""Each fault of the account at each call: a clear outcome, nothing half-done."""

from __future__ import annotations

import contextlib
import itertools
import random

import pytest

from lambda_autotuner.aws import session
from lambda_autotuner.errors import AutotunerError

FUNCTIONS = {
    "product-search": {"memory_mb": 1024},
    "image-resize": {"memory_mb": 1024, "architecture": "arm64", "reserved_concurrency": 50},
}
CALLS = {
    "product-search": (
        "GetFunctionConfiguration",
        "ListTags",
        "GetAlias",
        "UpdateFunctionConfiguration",
        "ListVersionsByFunction",
        "PublishVersion",
        "UpdateAlias",
    ),
    "image-resize": (
        "GetFunction",
        "UpdateFunctionCode",
        "GetFunctionConcurrency",
        "PutFunctionConcurrency",
    ),
}
UNDOING = {
    "product-search": ("DeleteFunction", "UpdateAlias"),
    "image-resize": ("DeleteFunctionConcurrency",),
}
KINDS = ("throttle", "access-denied", "error", "cut", "lost", "slow", "stale")
ONCE, ALWAYS = 1, None
MATRIX = [
    (function, operation, kind, count)
    for function, operations in CALLS.items()
    for operation, kind, count in itertools.product(operations, KINDS, (ONCE, ALWAYS))
]
# A call that never answers in time, and one that is for ever stale, are the same as no account.
MATRIX = [case for case in MATRIX if not (case[2] in {"slow", "stale"} and case[3] is ALWAYS)]


def apply_under(make_world, function: str, operation: str, kind: str, count: int | None) -> str:
    world = make_world()
    before = world.standing(function)
    plan = world.plan(function, **FUNCTIONS[function])
    world.approve(plan)
    world.server.add_fault(
        kind=kind, service="lambda", operation=operation, count=count, seconds=0.4
    )
    trouble = None
    try:
        world.apply(plan, sleep=lambda seconds: None if count is ALWAYS else _nap(seconds))
    except AutotunerError as error:
        trouble = error
    if trouble is not None:
        assert str(trouble), "a clear word"
        assert trouble.exit_code in {1, 3, 4}
    world.server.clear_faults()
    world.reconcile()
    state, after = world.state(plan), world.standing(function)
    if state in {"canary", "verifying"}:
        assert after["latest"]["MemorySize"] == 1024
        world.roll_back(plan)
        assert world.standing(function) == before
    else:
        assert state in {"approved", "undone"}, f"{function} {operation} {kind} {count}: {state}"
        assert after == before, f"{function} {operation} {kind} {count}: {state}"
    world.close()
    return state


def roll_back_under(make_world, function: str, operation: str, kind: str, count: int | None) -> str:
    world = make_world()
    before = world.standing(function)
    plan = world.applied(function, **FUNCTIONS[function])
    applied = world.standing(function)
    world.server.add_fault(
        kind=kind, service="lambda", operation=operation, count=count, seconds=0.4
    )
    with contextlib.suppress(AutotunerError):
        world.roll_back(plan)
    world.server.clear_faults()
    world.reconcile()
    state = world.state(plan)
    wanted = before if state == "rolled_back" else applied
    assert state in {"rolled_back", "canary", "verifying"}
    assert world.standing(function) == wanted, f"{function} {operation} {kind} {count}: {state}"
    world.close()
    return state


def _nap(seconds: float) -> None:
    import time

    time.sleep(min(seconds, 0.3))


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch):
    """Reads that fail for ever are tried twice, and a slow answer is a late one."""
    monkeypatch.setattr(session, "READ_ATTEMPTS", 2)
    monkeypatch.setattr("lambda_autotuner.rollout.executor._FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr("lambda_autotuner.rollout.executor._GRACE_SECONDS", 0.5)


def everything() -> list[tuple]:
    undoing = [
        (roll_back_under, function, operation, kind, ONCE)
        for function, operations in UNDOING.items()
        for operation, kind in itertools.product(operations, KINDS)
    ]
    return [(apply_under, *case) for case in MATRIX] + undoing


def test_a_tenth_of_the_faults(make_world):
    cases = everything()
    picked = random.Random(3).sample(cases, len(cases) // 10)
    for check, *case in picked:
        check(make_world, *case)


@pytest.mark.soak
def test_every_fault_at_every_call(make_world):
    states = [check(make_world, *case) for check, *case in everything()]
    print(f"\nfaults: {len(states)} cases,", {state: states.count(state) for state in set(states)})
