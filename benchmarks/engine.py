"""The product's engine on a curve: one search, told that the request fee does not count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.sampler import Sampler
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.tuning import (
    Budget,
    Interval,
    LowestCost,
    Objective,
    PriceBook,
    Probe,
    Sample,
    Search,
    Settled,
    Space,
    Workload,
)
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.units import MB_PER_GB, MS_PER_SECOND, Floats

_BOOK = PriceBook.load()


class UnsettledError(AutotunerError):
    """The engine gave no pick for a curve on which every invocation succeeds."""


@dataclass(frozen=True)
class Run:
    """What one search ended with; the interval is of the cost at the pick, in MB x ms."""

    pick_mb: int
    interval: Interval | None
    decisions: int
    cpu_seconds: float
    stopped: str
    measured: int


def run_engine(
    sampler: Sampler, budget: int, priors: Priors, objective: Objective | None = None
) -> Run:
    """Search until the engine stops by itself or the budget is used.

    Raises:
        UnsettledError: The engine did not settle on a size, which no measured curve justifies.
    """
    architecture = sampler.curve.architecture
    rates = {architecture: _BOOK.rates("us-east-1", architecture)}
    search = Search(
        Space(sampler.sizes_mb, (architecture,)),
        objective or LowestCost(),
        rates,
        sampler.rng,
        budget=Budget(invocations=budget),
        workload=Workload(request_fee=False, cold_rate=0.0),
        priors=priors,
    )
    decisions, seconds = 0, 0.0
    while True:
        started = time.process_time()
        answer = search.ask()
        seconds += time.process_time() - started
        decisions += 1
        if not isinstance(answer, Probe):
            break
        drawn = sampler.draw(answer.memory_mb, answer.invocations)
        samples = _samples(answer, drawn)
        started = time.process_time()
        search.tell(samples)
        seconds += time.process_time() - started
    result = search.recommendation(picture=False)
    if not isinstance(result, Settled):
        raise UnsettledError(f"{sampler.curve.name}: {result.kind}")
    per_unit = rates[architecture].gb_second_usd / MB_PER_GB / MS_PER_SECOND
    cost = result.proposed.cost_usd
    interval = Interval(cost.value / per_unit, cost.low / per_unit, cost.high / per_unit)
    return Run(
        result.proposed.memory_mb,
        interval,
        decisions,
        seconds,
        answer.code,
        result.proposed.measured,
    )


def _samples(probe: Probe, drawn: Floats | Sequence[float]) -> list[Sample]:
    return [
        Sample(probe.memory_mb, probe.architecture, float(duration))
        for duration in np.asarray(drawn)
    ]
