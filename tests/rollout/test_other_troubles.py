"""Troubles that the embedded account's archetypes do not have: the decision against drawn traffic.

Both sides are drawn minute by minute; what is decided from them is the product's own code. The
account's part, counting what happened, is tested against the account itself.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from lambda_autotuner.rollout.decision import Decision, decide_from
from lambda_autotuner.rollout.measures import PERCENTILES, Counts, Minutes, Observation
from lambda_autotuner.rollout.plan import Bounds
from lambda_autotuner.settings import load_settings

BOUNDS = Bounds(latency_pct=20, error_points=1, cost_ratio=1.2, false_alarm_rate=0.05)
STEPS = (0.05, 0.25, 0.5)
TIMEOUT_MS = 30_000.0
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
LOOK, END, STEP_MINUTES, DAY = 15, 135, 30, 1440
Effect = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def nothing(ms: np.ndarray, _at: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return ms


def times(factor: float) -> Effect:
    return lambda ms, _at, _rng: ms * factor


def some(share: float, factor: float) -> Effect:
    """A share of the invocations, those of some payloads, takes longer."""
    return lambda ms, _at, rng: np.where(rng.random(len(ms)) < share, ms * factor, ms)


def after(minute: float, effect: Effect) -> Effect:
    return lambda ms, at, rng: np.where(at >= minute, effect(ms, at, rng), ms)


@dataclass(frozen=True)
class Trouble:
    """What the change does, what the world does to both sides, and what should follow."""

    breaks: bool
    change: Effect = nothing
    world: Effect = nothing
    errors: Callable[[np.ndarray], np.ndarray] = field(default=lambda at: 0 * at)
    world_errors: Callable[[np.ndarray], np.ndarray] = field(default=lambda at: 0 * at)
    throttled: Callable[[np.ndarray], np.ndarray] = field(default=lambda at: 0 * at)
    rate: Callable[[np.ndarray], np.ndarray] = field(default=lambda at: 0 * at + 1)
    canary: bool = True


def diurnal(at: np.ndarray) -> np.ndarray:
    return 1 + 0.8 * np.sin(2 * math.pi * at / DAY)


def spike(at: np.ndarray) -> np.ndarray:
    return np.where((at >= 20) & (at < 40), 5.0, 1.0)


TROUBLES = {
    "errors for 2 % of the payloads": Trouble(True, errors=lambda at: 0 * at + 0.02),
    "p95 alone": Trouble(True, change=some(0.08, 3)),
    "p99 alone": Trouble(True, change=some(0.03, 4)),
    "everything half again": Trouble(True, change=times(1.5)),
    "memory runs full after a while": Trouble(
        True, errors=lambda at: np.clip((at - 30) / 60, 0, 1) * 0.06
    ),
    "throttled since it takes longer": Trouble(
        True, change=times(1.15), throttled=lambda at: 0 * at + 0.03, canary=False
    ),
    "dearer without being slow": Trouble(True, change=some(0.9, 1.5)),
    "slow from minute 60 on": Trouble(True, change=after(60, times(1.6))),
    "worse and the world, too": Trouble(True, change=times(1.6), world=times(2)),
    "nothing": Trouble(False),
    "nothing, to all traffic": Trouble(False, canary=False),
    "faster": Trouble(False, change=times(0.7)),
    "a little slower": Trouble(False, change=times(1.06)),
    "downstream slow for both": Trouble(False, world=times(2)),
    "downstream slow for both later": Trouble(False, world=after(10, times(2))),
    "downstream fails for both": Trouble(False, world_errors=lambda at: 0 * at + 0.05),
    "day and night": Trouble(False, rate=diurnal),
    "day and night, to all traffic": Trouble(False, rate=diurnal, canary=False),
    "a spike that throttles": Trouble(
        False, rate=spike, throttled=lambda at: np.where((at >= 20) & (at < 40), 0.1, 0)
    ),
    "a spike that throttles, to all traffic": Trouble(
        False,
        rate=spike,
        throttled=lambda at: np.where((at >= 20) & (at < 40), 0.1, 0),
        canary=False,
    ),
}


@dataclass(frozen=True)
class Drawn:
    """Invocations of one side: minute, duration and failure of each."""

    at: np.ndarray
    ms: np.ndarray
    failed: np.ndarray

    def until(self, minute: float) -> Drawn:
        kept = self.at < minute
        return Drawn(self.at[kept], self.ms[kept], self.failed[kept])

    def counts(self, minutes: int, first: int, limits: dict[str, float]) -> Counts:
        index = self.at.astype(int) - first

        def each(weights: np.ndarray | None = None) -> tuple[float, ...]:
            return tuple(np.bincount(index, weights, minlength=minutes).astype(float))

        trials = each()
        found = {name: Minutes(trials, each(self.ms >= at)) for name, at in limits.items()}
        points = np.percentile(self.ms, [50, 95, 99]) if len(self.ms) else [None] * 3
        return Counts(
            errors=Minutes(trials, each(self.failed)),
            beyond=found,
            sums_ms=Minutes(trials, each(self.ms)),
            percentiles_ms=dict(zip(PERCENTILES, points, strict=True)),
        )


def draw(rng, per_minute: np.ndarray, first: int, effects, errors) -> Drawn:
    count = rng.poisson(per_minute)
    at = np.repeat(np.arange(len(count)) + first, count).astype(float)
    ms = 80 * np.exp(0.45 * rng.standard_normal(len(at)))
    for effect in effects:
        ms = effect(ms, at, rng)
    return Drawn(at, ms, rng.random(len(at)) < 0.002 + errors(at))


def outcome(trouble: Trouble, rate: float, seed: int, settings) -> tuple[str, int]:
    """Watch to the end: what was decided, and after how many minutes."""
    rng = np.random.default_rng(seed)
    minutes = np.arange(END)
    flow = rate * trouble.rate(minutes.astype(float))
    weight = np.asarray(STEPS)[np.minimum(minutes // STEP_MINUTES, len(STEPS) - 1)]
    share = weight if trouble.canary else np.ones(END)
    day = np.arange(-DAY, 0)
    before = draw(rng, rate * trouble.rate(day.astype(float)), -DAY, (), lambda at: 0 * at)
    both = trouble.world_errors
    old = draw(rng, flow * (1 - share), 0, (trouble.world,), both)
    new = draw(
        rng,
        flow * share * (1 - trouble.throttled(minutes.astype(float))),
        0,
        (trouble.world, trouble.change),
        lambda at: both(at) + trouble.errors(at),
    )
    refused = rng.binomial(rng.poisson(flow), trouble.throttled(minutes.astype(float)))
    for minute in range(LOOK, END + 1, LOOK):
        seen = observation(trouble, before, old.until(minute), new.until(minute), minute, refused)
        plan = SimpleNamespace(
            bounds=BOUNDS,
            after={"memory_mb": 512},
            before={"memory_mb": 512},
            concurrency_changes={},
        )
        decision = decide_from(plan, seen, settings).decision
        if decision is Decision.ROLL_BACK:
            return "undone", minute
        if decision is Decision.PROMOTE and minute >= STEP_MINUTES * len(STEPS):
            return "kept", minute
    return "held", END


def observation(
    trouble: Trouble, before: Drawn, old: Drawn, new: Drawn, minute: int, refused: np.ndarray
) -> Observation:
    concurrent = trouble.canary and len(old.at) >= 1_000 and len(np.unique(old.at)) >= 30
    base, span, first = (old, minute, 0) if concurrent else (before, DAY, -DAY)
    percentiles = dict(zip(PERCENTILES, np.percentile(base.ms, [50, 95, 99]), strict=True))
    limits = {name: 1.2 * value for name, value in percentiles.items()}
    limits["timeouts"] = TIMEOUT_MS
    beside = old.counts(minute, 0, limits) if trouble.canary and not concurrent else None
    arrived = np.bincount(np.concatenate([old.at, new.at]).astype(int), minlength=minute)
    rejected = refused[:minute].astype(float)
    return Observation(
        started=START,
        latest=START + timedelta(minutes=minute),
        changed=new.counts(minute, 0, limits),
        baseline=base.counts(span, first, percentiles),
        baseline_is="concurrent" if concurrent else "before",
        limits_ms=limits,
        requests_now=Minutes(tuple(arrived[:minute] + rejected), tuple(rejected)),
        requests_before=Minutes((float(len(before.at)),), (0.0,)),
        beside=beside,
    )


def run(tmp_path, runs: int, rates: tuple[float, ...]) -> dict[str, list[tuple[str, int]]]:
    settings = load_settings({}, environ={}, cwd=tmp_path).rollout
    return {
        name: [
            outcome(trouble, rate, zlib.crc32(f"{name}/{number}/{rate}".encode()), settings)
            for rate in rates
            for number in range(runs)
        ]
        for name, trouble in TROUBLES.items()
    }


def share_undone(found: list[tuple[str, int]]) -> float:
    return sum(state == "undone" for state, _ in found) / len(found)


def test_troubles_are_undone_and_weather_is_not(tmp_path):
    found = run(tmp_path, 3, (30,))
    missed = [n for n, t in TROUBLES.items() for s, _ in found[n] if t.breaks and s != "undone"]
    alarms = [n for n, t in TROUBLES.items() for s, _ in found[n] if not t.breaks and s == "undone"]
    assert len(missed) <= 1, missed
    assert len(alarms) <= 1, alarms


def test_next_to_no_traffic_is_no_reason_for_anything(tmp_path):
    settings = load_settings({}, environ={}, cwd=tmp_path).rollout
    found = [outcome(TROUBLES["nothing"], 0.5, seed, settings) for seed in range(10)]
    assert {state for state, _ in found} == {"held"}


@pytest.mark.soak
def test_troubles_at_large(tmp_path):
    found = run(tmp_path, 60, (30, 120))
    for name, states in found.items():
        wanted = "undone" if TROUBLES[name].breaks else "kept"
        late = sorted(minute for state, minute in states if state == "undone")
        middle = late[len(late) // 2] if late else "-"
        print(f"{share_undone(states):6.1%} undone, median {middle:>3} min, {wanted}: {name}")
    for breaks in (True, False):
        kind = [item for name, t in TROUBLES.items() if t.breaks is breaks for item in found[name]]
        print(
            f"{'breaking' if breaks else 'harmless'}: {share_undone(kind):.1%} undone of {len(kind)}"
        )
        assert share_undone(kind) >= 0.95 if breaks else share_undone(kind) <= 0.05
