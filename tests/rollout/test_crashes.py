"""kill -9 at every boundary, two processes at once, and a stranger in between."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import crashing
from crashing import Job

from lambda_autotuner.aws import AwsError, ErrorCode, functions
from lambda_autotuner.errors import AutotunerError

ALIAS = ("product-search", {"memory_mb": 1024})
DIRECT = (
    "image-resize",
    {"memory_mb": 1024, "timeout_seconds": 45, "architecture": "arm64", "reserved_concurrency": 50},
)
SWITCH = ("provisioned-login", {"memory_mb": 1769, "provisioned_concurrency": 7})
# Enough traffic to be promoted at the first look, and little enough to be drawn quickly.
PROMOTED = ("cart-service", {"memory_mb": 512})
SCENARIOS = {
    "apply to an alias": ("apply", ALIAS),
    "apply to $LATEST": ("apply", DIRECT),
    "apply at once": ("apply", SWITCH),
    "promote": ("watch", PROMOTED),
    "undo a bad canary": ("watch", ("product-search", {"memory_mb": 128})),
    "roll back an alias": ("rollback", ALIAS),
    "roll back $LATEST": ("rollback", DIRECT),
}
FINAL_BEFORE = {"planned", "approved", "undone", "rolled_back", None}
FINAL_AFTER = {"canary", "verifying"}


@pytest.fixture(scope="session")
def processes():
    """Children fork from a process that has everything loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crashing"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        first = context.Process(target=crashing.warm)
        first.start()
        first.join(60)
    return context


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch):
    """A call whose sender died has arrived at a server on this machine by then."""
    monkeypatch.setattr("lambda_autotuner.rollout.executor._GRACE_SECONDS", 0.2)


def job_for(world, verb: str, function: str, changes: dict) -> Job:
    plan_id = "" if verb == "apply" else world.applied(function, **changes).id
    return Job(
        world.server.endpoint_url,
        world.account_id,
        world.journal_url,
        world.settings,
        verb,
        function,
        changes,
        plan_id,
    )


def plain(standing: dict) -> dict:
    """Weights are a matter of time; who gets traffic at all is not."""
    aliases = {
        name: (version, sorted(weights)) for name, (version, weights) in standing["aliases"].items()
    }
    return {**standing, "aliases": aliases}


# One canary step is enough for every boundary there is.
BRISK = {"rollout.canary_steps": [0.5], "rollout.step_minutes": 45}


def boundaries(make_world, name: str) -> tuple[int, dict, dict, dict]:
    """Count the boundaries of a scenario, and see before, applied and after without a crash."""
    verb, (function, changes) = SCENARIOS[name]
    world = make_world(**BRISK)
    before = plain(world.standing(function))
    job = job_for(world, verb, function, changes)
    applied = plain(world.standing(function))
    count = crashing.count_boundaries(job)
    after = plain(world.standing(function))
    if verb == "apply":
        applied = after
    return count, before, applied, after


def check_one(make_world, processes, name: str, at: int, known: tuple) -> str:
    """Crash once, run the next command, and look at account and journal."""
    _, before, applied, after = known
    verb, (function, changes) = SCENARIOS[name]
    world = make_world(**BRISK)
    job = job_for(world, verb, function, changes)
    child = processes.Process(target=crashing.crash_at, args=(job, at))
    child.start()
    child.join(120)
    assert child.exitcode == -9, f"{name} at {at}: exit {child.exitcode}"
    # The next command, whichever it is, reconciles first.
    assert "could not" not in str(world.reconcile())
    plans = world.journal.plans()
    state = world.state(plans[0]) if plans else None
    found = plain(world.standing(function))
    if state in FINAL_BEFORE:
        assert found == before, f"{name} at {at}: {state}"
    elif state in FINAL_AFTER:
        assert found == applied, f"{name} at {at}: {state}"
    else:
        assert (state, found) == ("promoted", after), f"{name} at {at}: {state}"
    assert world.reconcile() == []
    if at % 3 == 0:
        _go_on(world, plans, state, after, name)
    world.close()
    return str(state)


def _go_on(world, plans, state: str | None, after: dict, name: str) -> None:
    """What the crash interrupted can be finished by typing it again."""
    verb, (function, _) = SCENARIOS[name]
    if verb == "apply" and state == "approved":
        world.apply(plans[0])
    elif verb == "rollback" and state in FINAL_AFTER:
        world.roll_back(plans[0])
    elif verb == "watch" and state == "canary":
        for _ in range(8):
            world.advance(45)
            if world.watch(plans[0]).settled:
                break
    else:
        return
    assert plain(world.standing(function)) == after


def chosen(make_world, runs: int, seed: int) -> list[tuple[str, int, tuple]]:
    """Boundaries spread over every scenario; each is met before any is met twice."""
    known = {name: boundaries(make_world, name) for name in SCENARIOS}
    every = [(name, at) for name, found in known.items() for at in range(1, found[0] + 1)]
    random.Random(seed).shuffle(every)
    picked = (every * (runs // len(every) + 1))[:runs]
    return [(name, at, known[name]) for name, at in picked]


def test_kill_at_a_tenth_of_the_boundaries(make_world, processes):
    # There are 166; `pytest -m soak` dies at every one.
    met = [check_one(make_world, processes, *case) for case in chosen(make_world, 17, seed=6)]
    assert len(met) == 17


@pytest.mark.soak
def test_kill_at_every_boundary(make_world, processes):
    cases = chosen(make_world, 300, seed=1)
    states: dict[str, int] = {}
    for case in cases:
        state = check_one(make_world, processes, *case)
        states[state] = states.get(state, 0) + 1
    distinct = len({case[:2] for case in cases})
    print(f"\nkill -9: {len(cases)} runs, {distinct} boundaries, nothing left over; {states}")


def race_once(make_world, processes) -> None:
    world = make_world()
    plan = world.plan("product-search", memory_mb=1024)
    job = job_for(world, "apply", "product-search", {})
    job = Job(**{**job.__dict__, "plan_id": plan.id})
    barrier, results = processes.Barrier(2), processes.Queue()
    children = [
        processes.Process(target=crashing.race, args=(job, barrier, results)) for _ in range(2)
    ]
    for child in children:
        child.start()
    won = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)
    assert sorted(item[0] for item in won) == ["UsedError", "approve"]
    assert [item[1] for item in won].count("apply") == 1, won
    actions = world.journal.actions(plan.id)
    assert [action.step for action in actions] == ["configuration", "publish", "route"]
    assert set(world.standing("product-search")["versions"]) == {"1", "2", "3", "4", "5"}
    world.close()


def stranger_once(make_world, seed: int) -> str:
    """Somebody changes the timeout at a random moment of an apply: theirs stays."""
    from concurrent.futures import ThreadPoolExecutor

    world = make_world()
    plan = world.plan("product-search", memory_mb=1024)
    world.approve(plan)
    delay = random.Random(seed).uniform(0, 0.4)

    def interfere() -> None:
        time.sleep(delay)
        for _ in range(50):
            try:
                world.update("product-search", Timeout=13)
            except AwsError as error:
                if error.code is not ErrorCode.IN_PROGRESS:
                    raise
                time.sleep(0.02)
            else:
                return

    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(interfere)
        with contextlib.suppress(AutotunerError):
            world.apply(plan)
        theirs.result()
    found = functions.get_function(world.account, "product-search")
    assert found.timeout_seconds == 13, "their change is never overwritten"
    behind = {
        number: functions.get_function(world.account, "product-search", number).timeout_seconds
        for version, weights in world.standing("product-search")["aliases"].values()
        for number in (version, *weights)
    }
    assert set(behind.values()) == {10}, "and never goes live with ours"
    state = world.state(plan)
    world.close()
    return state


def test_two_processes_write_once_and_strangers_are_respected(make_world, processes):
    for number in range(10):
        race_once(make_world, processes)
        stranger_once(make_world, number)


@pytest.mark.soak
def test_many_races(make_world, processes):
    for _ in range(100):
        race_once(make_world, processes)
    states = [stranger_once(make_world, number) for number in range(100)]
    print("\nraces: 100 of 100 one write; strangers:", {s: states.count(s) for s in set(states)})
