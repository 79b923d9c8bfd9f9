"""Changes that break their bound are undone in time, harmless ones are not: against the truth."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest

from lambda_autotuner.aws import functions, telemetry
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.rollout import RefusedPlanError
from lambda_autotuner.sandbox.truth import Truth

SIZES = (256, 1024, 128, 3008, 512, 1769)
LOOK_MINUTES = 15
# Of ratios this near to the bound no test can tell the side; they are counted apart.
NEAR = (1.1, 1.3)
GUARDS = {
    "guardrails.allow_iac_managed": True,
    "guardrails.max_step_factor": 100,
    "guardrails.max_changes_per_hour": 10_000,
}


@dataclass(frozen=True)
class Trial:
    function: str
    memory_mb: int
    ratio: float
    failures_points: float
    state: str
    minutes: float
    invocations: int

    @property
    def breaks(self) -> bool:
        return self.ratio > 1.2 or self.failures_points > 1

    @property
    def near(self) -> bool:
        sure = self.failures_points > 1.5
        return not sure and (NEAR[0] <= self.ratio <= NEAR[1] or 0.5 < self.failures_points <= 1.5)


@functools.cache
def truth() -> Truth:
    return Truth(seed=7)


def effect(function: str, before_mb: int, after_mb: int, architecture: str) -> tuple[float, float]:
    """What a change really does: ratio of p95, and points of failures."""
    known = truth().function(function)
    failures = [known.failure_share(size, architecture) for size in (before_mb, after_mb)]
    limit_ms = known.archetype.timeout_s * 1_000
    p95 = [
        min(limit_ms, known.percentile_ms(95, size, architecture)) for size in (before_mb, after_mb)
    ]
    return p95[1] / p95[0], 100 * (failures[1] - failures[0])


def trial(make_world, function: str, memory_mb: int) -> Trial | None:
    """Apply a change and watch it to its end; None where it is refused."""
    world = make_world(**GUARDS)
    now = functions.get_function(world.account, function)
    try:
        plan = world.plan(function, memory_mb=memory_mb)
    except (RefusedPlanError, AutotunerError):
        return None
    ratio, points = effect(function, plan.before["memory_mb"], memory_mb, now.architecture)
    world.approve(plan)
    world.apply(plan)
    limit = world.settings.rollout.detection_minutes + LOOK_MINUTES
    look, minutes = None, 0.0
    while minutes < limit:
        world.advance(LOOK_MINUTES)
        minutes += LOOK_MINUTES
        watched = world.watch(plan)
        look = watched.look or look
        if watched.settled:
            break
    state = world.state(plan)
    world.close()
    return Trial(function, memory_mb, ratio, points, state, minutes, look.invocations)


def busy_functions(make_world) -> list[str]:
    world = make_world(**GUARDS)
    names = []
    for item in functions.list_functions(world.account):
        day = telemetry.function_telemetry(world.account, item.name, days=1)
        # 500 invocations on the changed side within two hours need about this many a day.
        if (day.invocations or 0) >= 18_000 and item.package_type == "Zip":
            names.append(item.name)
    return names


def test_clear_cases_are_decided_rightly(make_world):
    worse = trial(make_world, "image-resize", 128)
    better = trial(make_world, "image-resize", 1024)
    assert worse.breaks
    assert (worse.state, worse.minutes <= 60) == ("rolled_back", True)
    assert not better.breaks
    assert better.state != "rolled_back"
    canary = trial(make_world, "product-search", 256)
    assert (canary.breaks, canary.state == "rolled_back") in {(True, True), (False, False)}


@pytest.mark.soak
def test_of_breaking_changes_95_percent_are_undone_and_of_harmless_ones_at_most_5(make_world):
    names = busy_functions(make_world)
    trials = []
    for size in SIZES:
        for name in names:
            found = trial(make_world, name, size)
            if found is not None:
                trials.append(found)
                print(found, flush=True)
    enough = [item for item in trials if item.invocations >= 500 or item.state == "rolled_back"]
    clear = [item for item in enough if not item.near]
    breaking = [item for item in clear if item.breaks]
    harmless = [item for item in clear if not item.breaks]
    caught = [item for item in breaking if item.state == "rolled_back"]
    alarms = [item for item in harmless if item.state == "rolled_back"]
    near = [item for item in enough if item.near]
    print(
        f"\nbusy functions {len(names)}, trials {len(trials)}, below the traffic minimum "
        f"{len(trials) - len(enough)}"
    )
    print(
        f"breaking: {len(caught)} of {len(breaking)} undone, median "
        f"{sorted(item.minutes for item in caught)[len(caught) // 2]} min"
    )
    print(f"harmless: {len(alarms)} of {len(harmless)} undone")
    print(f"near the bound: {len(near)}, undone {sum(i.state == 'rolled_back' for i in near)}")
    for item in [*set(breaking) - set(caught), *alarms]:
        print("  wrong:", item)
    assert len(caught) >= 0.95 * len(breaking)
    assert len(alarms) <= 0.05 * len(harmless)
