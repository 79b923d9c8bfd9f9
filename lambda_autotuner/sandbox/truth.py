"""The truth about the functions, computed from the same seed and never through the API.

For tests, the demo's score and the evaluation's answers: what a function's duration and cost
really are at any size, and where its optimum is. Costs use the price data of the product; the
arithmetic is the sandbox's own.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.errors import NotFoundError
from lambda_autotuner.sandbox.functions.records import Configuration
from lambda_autotuner.sandbox.world.archetypes import Archetype
from lambda_autotuner.sandbox.world.execution import execute
from lambda_autotuner.sandbox.world.law import Behaviour, Law
from lambda_autotuner.sandbox.world.randomness import mixed
from lambda_autotuner.sandbox.world.replay import read_curves, replayed
from lambda_autotuner.sandbox.world.seeding import chosen, function_key
from lambda_autotuner.sandbox.world.traffic import Traffic

MB_PER_GB: Final = 1024.0
MS_PER_SECOND: Final = 1000.0
_DRAWS: Final = 4000
_DAY_MS: Final = 86_400_000
_TYPICAL_SIZES: Final = tuple(range(128, 3009, 64))


@dataclass(frozen=True, slots=True)
class FunctionTruth:
    """What is really so about one function."""

    name: str
    archetype: Archetype
    behaviour: Behaviour
    traffic: Traffic
    key: int
    region: str

    @property
    def out_of_memory_below_mb(self) -> int:
        """The size below which a typical invocation runs out of memory."""
        below = getattr(self.behaviour, "out_of_memory_below_mb", None)
        return int(below()) if callable(below) else 0

    def mean_duration_ms(self, memory_mb: int, architecture: str | None = None) -> float:
        """Expected duration of a warm invocation that ends well, over the traffic's payloads."""
        chosen_architecture = architecture or self.archetype.architecture
        if isinstance(self.behaviour, Law) and self.behaviour.payload_power:
            return self._mean_over_payloads(self.behaviour, memory_mb, chosen_architecture)
        return self.behaviour.mean_duration_ms(memory_mb, chosen_architecture)

    def _mean_over_payloads(self, law: Law, memory_mb: int, architecture: str) -> float:
        # E[s^p] of a log-normal s with mean 1 is exp(sigma^2 (p^2 - p) / 2).
        power, sigma = law.payload_power, self.traffic.payload_spread
        grown = math.exp(sigma**2 * (power**2 - power) / 2)
        work = law.base_ms(memory_mb, architecture) - law.io_ms
        return (law.io_ms + work * grown) * law.noise_mean()

    def durations_ms(
        self, memory_mb: int, architecture: str | None = None, count: int = _DRAWS
    ) -> NDArray[np.float64]:
        """Durations of `count` warm invocations, as they would be drawn (timeouts not applied)."""
        keys = self._keys(count)
        times = np.linspace(0, 28 * _DAY_MS, count)
        return self.behaviour.durations_ms(
            memory_mb, architecture or self.archetype.architecture, keys, times, np.ones(count)
        )

    def percentile_ms(
        self, percentile: float, memory_mb: int, architecture: str | None = None
    ) -> float:
        """A percentile (0..100) of warm durations, to about 1 %."""
        drawn = self.durations_ms(memory_mb, architecture, 40_000)
        return float(np.percentile(drawn, percentile))

    def failure_share(
        self, memory_mb: int, architecture: str | None = None, timeout_s: int | None = None
    ) -> float:
        """Share of invocations that time out or run out of memory."""
        keys = self._keys(_DRAWS)
        configuration = Configuration(
            memory_mb=memory_mb,
            timeout_s=timeout_s or self.archetype.timeout_s,
            architecture=architecture or self.archetype.architecture,
        )
        spread = self.traffic.payload_spread
        scale = np.exp(spread * np.random.default_rng(self.key).normal(size=_DRAWS) - spread**2 / 2)
        run = execute(
            self.behaviour,
            self.traffic,
            configuration,
            keys,
            np.linspace(0, 28 * _DAY_MS, _DRAWS),
            scale,
            np.zeros(_DRAWS, dtype=bool),
        )
        return float(np.mean(run.outcome >= 2))  # noqa: PLR2004 - Outcome.TIMEOUT and worse

    def mean_init_ms(self, memory_mb: int, architecture: str | None = None) -> float:
        """Expected init phase of a cold start."""
        keys = self._keys(_DRAWS)
        inits = self.behaviour.inits_ms(
            memory_mb, architecture or self.archetype.architecture, keys
        )
        return float(np.mean(inits))

    def mean_first_ms(self, memory_mb: int, architecture: str | None = None) -> float:
        """Expected ms that the first invocation of an environment takes longer than the others."""
        keys = self._keys(_DRAWS)
        side = architecture or self.archetype.architecture
        return float(np.mean(self.behaviour.firsts_ms(memory_mb, side, keys)))

    def mean_cost_usd(
        self, memory_mb: int, architecture: str | None = None, *, request_fee: bool = True
    ) -> float:
        """Expected cost of one warm invocation, billed by the millisecond rounded up."""
        side = architecture or self.archetype.architecture
        # Rounding up adds half a millisecond on average to durations with a spread.
        billed_ms = self.mean_duration_ms(memory_mb, side) + 0.5
        rates = _rates(self.region, side)
        seconds = billed_ms / MS_PER_SECOND
        cost = seconds * memory_mb / MB_PER_GB * rates["gb_second"]
        return cost + (rates["request"] if request_fee else 0.0)

    def best_memory_mb(
        self,
        sizes_mb: Iterable[int] = _TYPICAL_SIZES,
        architecture: str | None = None,
        *,
        slo_ms: float | None = None,
        percentile: float | None = None,
    ) -> int:
        """The cheapest size at which invocations do not die, within a latency goal if given.

        Raises:
            NotFoundError: no size satisfies both.
        """
        allowed = [
            size
            for size in sizes_mb
            if self.failure_share(size, architecture) < 0.01  # noqa: PLR2004 - one in a hundred
            and (slo_ms is None or self._latency(size, architecture, percentile) <= slo_ms)
        ]
        if not allowed:
            raise NotFoundError(f"No size of {self.name} satisfies the goal.")
        return min(allowed, key=lambda size: (self.mean_cost_usd(size, architecture), size))

    def _latency(self, size: int, architecture: str | None, percentile: float | None) -> float:
        if percentile is None:
            return self.mean_duration_ms(size, architecture)
        return self.percentile_ms(percentile, size, architecture)

    def monthly_invocations(self) -> float:
        """Expected invocations in a month."""
        return self.traffic.per_month

    def _keys(self, count: int) -> NDArray[np.uint64]:
        return mixed(np.arange(count, dtype=np.uint64) ^ np.uint64(self.key))


class Truth:
    """The truth about every function of a world with this seed, size and curves."""

    def __init__(
        self,
        *,
        seed: int = 7,
        functions: int | None = None,
        curves: str | Path | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._functions: dict[str, FunctionTruth] = {}
        for archetype in chosen(seed, functions):
            self._add(seed, archetype, archetype.law, region)
        if curves is not None:
            for archetype, behaviour in replayed(read_curves(Path(curves))):
                self._add(seed, archetype, behaviour, region)

    def _add(self, seed: int, archetype: Archetype, behaviour: Behaviour, region: str) -> None:
        key = function_key(seed, archetype.name)
        self._functions[archetype.name] = FunctionTruth(
            archetype.name, archetype, behaviour, archetype.traffic, key, region
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All functions."""
        return tuple(self._functions)

    def function(self, name: str) -> FunctionTruth:
        """One function.

        Raises:
            NotFoundError: there is none of that name.
        """
        found = self._functions.get(name)
        if found is None:
            raise NotFoundError(f"The sandbox has no seeded function {name!r}.")
        return found


@functools.cache
def _prices() -> dict[str, Any]:
    file = importlib.resources.files("lambda_autotuner").joinpath("data/prices.json")
    prices: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return prices


def _rates(region: str, architecture: str) -> dict[str, float]:
    table = _prices()["regions"][region][architecture]
    return {
        "gb_second": float(table["duration_tiers"][0]["usd"]),
        "request": float(table["request"]["usd"]),
    }
