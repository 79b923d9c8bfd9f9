"""How well a search keeps a latency limit, against truths that it cannot see and without HTTP.

    python -m benchmarks.limits --runs 300 --seed 1 --json limits.json

Functions are the embedded account's own laws (drawn afresh, production's mix of payloads where
they have one), made-up ones of other laws (`benchmarks.synthetic`) and, with `--curves FILE`,
measured ones. An SLO is 3 or 10 % above what a share of the sizes has, or 10 % above the fastest. Where production
is known, a percentile of its duration at today's size is given, as `tune` reads it; the first
three invocations are then at that size. Regret is the true cost of the pick against the cheapest
size that truly meets the SLO, over picks that meet it; a violation is a pick that truly does not,
by more than 1 % (and by anything, beside it).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves import load_curves
from benchmarks.synthetic import make_curve
from lambda_autotuner.sandbox.truth import FunctionTruth, Truth
from lambda_autotuner.tuning import (
    Budget,
    CostUnderSlo,
    FastestWithin,
    Objective,
    PriceBook,
    Probe,
    Sample,
    Search,
    Settled,
    Space,
    Workload,
)
from lambda_autotuner.tuning.evidence import Configuration, Outcome
from lambda_autotuner.tuning.units import Architecture, Floats

_BOOK = PriceBook.load()
_SIZES = tuple(range(128, 3_009, 64))
_DRAWS = 8_000
_FAILING = 0.01
_SHARES = (1 / 2, 1 / 3, 1 / 10, None)
_ABOVE_FASTEST, _ROOMS = 1.1, (1.03, 1.1)
_PERCENTILES = (50.0, 95.0, 99.0)
_ANCHORS = 3
_CLEARLY = 1.01
_WINDOW_PCT = 5.0
_KEPT_TOO_LARGE = 10.0


@dataclass(frozen=True)
class Subject:
    """A function whose truth is known.

    Attributes:
        kind: "law", "made-up" or the measured family.
        name: For a person.
        architecture: It runs on.
        sizes_mb: Where it may run.
        safe: Which sizes do not fail, shape (M,).
        mean_ms: True mean duration of the event that is measured, shape (M,).
        production: Durations of production's invocations at each size.
        invoke: One invocation at a size.
    """

    kind: str
    name: str
    architecture: Architecture
    sizes_mb: tuple[int, ...]
    safe: np.ndarray
    mean_ms: Floats
    production: tuple[Floats, ...]
    invoke: Callable[[int, np.random.Generator], Sample]

    def cost(self) -> Floats:
        """True mean cost of an invocation in US dollars, shape (M,)."""
        rates = _BOOK.rates("us-east-1", self.architecture)
        gb_seconds = np.asarray(self.sizes_mb) / 1_024 * (self.mean_ms + 0.5) / 1_000
        return np.asarray(gb_seconds * rates.gb_second_usd + rates.request_usd)

    def percentile(self, percentile: float) -> Floats:
        """True percentile of production's duration in ms, shape (M,)."""
        return np.asarray([np.percentile(values, percentile) for values in self.production])


def of_law(truth: FunctionTruth, *, mixed: bool) -> Subject:
    """A function of the embedded account; events of ours are ordinary ones, production's a mix.

    Where production is not known, its events are taken to be like ours.
    """
    behaviour, spread = truth.behaviour, truth.traffic.payload_spread if mixed else 0.0
    architecture: Architecture = "arm64" if truth.archetype.architecture == "arm64" else "x86_64"
    rng = np.random.default_rng(truth.key)
    scale = np.exp(spread * rng.normal(size=_DRAWS) - spread**2 / 2)
    keys = rng.integers(1, 2**63, _DRAWS).astype(np.uint64)
    times = np.linspace(0, 28 * 86_400_000.0, _DRAWS)
    production = tuple(
        behaviour.durations_ms(size, architecture, keys, times, scale) for size in _SIZES
    )
    used = behaviour.memory_used_mb(_SIZES[0], keys, scale)
    safe = np.asarray([np.mean(used > size) < _FAILING for size in _SIZES])
    mean = np.asarray([behaviour.mean_duration_ms(size, architecture) for size in _SIZES])

    def invoke(size: int, random: np.random.Generator) -> Sample:
        key = random.integers(1, 2**63, 1).astype(np.uint64)
        when, one = np.asarray([random.uniform(0, 28 * 86_400_000.0)]), np.ones(1)
        duration = float(behaviour.durations_ms(size, architecture, key, when, one)[0])
        peak = math.ceil(float(behaviour.memory_used_mb(size, key, one)[0]))
        failed = peak > size
        return Sample(
            size,
            architecture,
            duration * (0.6 if failed else 1.0),
            Outcome.OUT_OF_MEMORY if failed else Outcome.OK,
            max_memory_used_mb=min(peak, size),
        )

    return Subject("law", truth.name, architecture, _SIZES, safe, mean, production, invoke)


def _replayed(kind: str, name: str, curve: Any) -> Subject:
    def invoke(size: int, random: np.random.Generator) -> Sample:
        values = curve.durations_ms[curve.sizes_mb.index(size)]
        return Sample(size, curve.architecture, float(random.choice(values)))

    safe = np.ones(len(curve.sizes_mb), dtype=bool)
    return Subject(
        kind,
        name,
        curve.architecture,
        curve.sizes_mb,
        safe,
        curve.true_latency(),
        curve.durations_ms,
        invoke,
    )


def subjects(seed: int, curves: Path | None) -> Iterator[Subject]:
    """Functions without end: half of them of the embedded account's laws, then made-up ones."""
    laws = iter(Truth(seed=seed, functions=400)._functions.values())  # noqa: SLF001 - all of them
    measured = [] if curves is None else load_curves(curves)
    for number in range(10**6):
        if measured and number % 4 == 3:
            # A percentile of ten invocations is none.
            known = [c for c in measured if min(map(len, c.durations_ms)) >= 50]
            curve = known[number // 4 % len(known)]
            yield _replayed(curve.family, curve.name, curve)
        elif number % 2:
            curve = make_curve(number, seed, samples=2_000)
            yield _replayed("made-up", curve.name, curve)
        else:
            yield of_law(next(laws), mixed=known_at(number))


def known_at(number: int) -> bool:
    """Whether production is known in the run of this number."""
    return number // 2 % 2 == 0


def slo_at(subject: Subject, percentile: float, share: float | None, room: float) -> float:
    """An SLO that the fastest `share` of the sizes meets; without one, 10 % above the fastest.

    It has some room above the slowest of them: where many sizes are as fast as each other, no measurement
    could tell which of them meet a limit in their midst.
    """
    tail = np.sort(subject.percentile(percentile)[subject.safe])
    if share is None:
        return float(tail[0] * _ABOVE_FASTEST)
    return float(tail[max(1, math.ceil(share * len(tail))) - 1] * room)


def search_for(
    subject: Subject,
    objective: Objective,
    current_mb: int,
    rng: np.random.Generator,
    *,
    known: bool,
) -> tuple[Search, Any]:
    """Search as `tune` does, and its answer."""
    current = Configuration(current_mb, subject.architecture)
    rates = {subject.architecture: _BOOK.rates("us-east-1", subject.architecture)}
    workload = Workload(cold_rate=0.0)
    if known:
        values = subject.production[subject.sizes_mb.index(current_mb)]
        seen = tuple((p, float(np.percentile(values, p))) for p in _PERCENTILES)
        workload = Workload(cold_rate=0.0, production_ms=seen, production_at=current)
    search = Search(
        Space(subject.sizes_mb, (subject.architecture,)),
        objective,
        rates,
        rng,
        budget=Budget(invocations=25, cost_usd=1.0, relative_cost=None),
        current=current,
        workload=workload,
    )
    if known and isinstance(objective, CostUnderSlo):
        search.tell([subject.invoke(current_mb, rng) for _ in range(_ANCHORS)])
    while isinstance(probe := search.ask(), Probe):
        search.tell([subject.invoke(probe.memory_mb, rng) for _ in range(probe.invocations)])
    return search, search.recommendation(picture=False)


@dataclass(frozen=True)
class Score:
    """One run against the truth; regret is None without a pick and where the pick violates."""

    kind: str
    name: str
    objective: str
    share: float | None
    known: bool
    answer: str
    current_mb: int
    pick_mb: int | None
    best_mb: int
    regret_pct: float | None
    over_pct: float
    probability: float | None
    stopped: str
    invocations: int
    staying_pct: float | None = None


def run_one(subject: Subject, number: int, seed: int, *, known: bool, window: bool) -> Score:
    """One search for one function."""
    rng = np.random.default_rng([seed, number])
    sizes = np.asarray(subject.sizes_mb)
    allowed = sizes[subject.safe]
    current = int(allowed[-1] if rng.random() < 0.5 else rng.choice(allowed))
    percentile, share = _PERCENTILES[int(rng.integers(3))], _SHARES[int(rng.integers(4))]
    room = _ROOMS[int(rng.integers(2))]
    cost = np.where(subject.safe, subject.cost(), np.inf)
    objective: Objective
    if window:
        objective = FastestWithin(_WINDOW_PCT)
        beyond = cost / cost.min() / (1 + _WINDOW_PCT / 100)
        score = subject.mean_ms
    else:
        objective = CostUnderSlo(percentile, slo_at(subject, percentile, share, room))
        beyond = subject.percentile(percentile) / objective.slo_ms
        score = cost
    best = int(np.argmin(np.where(subject.safe & (beyond <= 1), score, np.inf)))
    search, answer = search_for(subject, objective, current, rng, known=known)
    regret, over, pick, chance = None, 0.0, None, None
    if isinstance(answer, Settled):
        # What to do: "keep" proposes today's size.
        pick = current if answer.kind == "keep" else answer.proposed.memory_mb
        at = subject.sizes_mb.index(pick)
        over = 100 * (float(beyond[at]) - 1)
        if not subject.safe[at]:
            over = 100.0
        if over <= 0:
            regret = 100 * (float(score[at] / score[best]) - 1)
        chance = next((c.probability for c in answer.constraints if c.name.startswith("p")), None)
    stop = search.ask()
    return Score(
        subject.kind,
        subject.name,
        str(objective),
        share,
        known,
        answer.kind,
        current,
        pick,
        int(sizes[best]),
        regret,
        over,
        chance,
        getattr(stop, "code", ""),
        search.spent_invocations,
        _staying(subject, current, score / score[best], beyond),
    )


def _staying(subject: Subject, current_mb: int, ratio: Floats, beyond: Floats) -> float | None:
    """Regret of today's size, which stays where there is no answer; None where it violates."""
    at = subject.sizes_mb.index(current_mb)
    return 100 * (float(ratio[at]) - 1) if beyond[at] <= 1 else None


def summary(scores: list[Score]) -> dict[str, Any]:
    """The figures."""
    picked = [s for s in scores if s.pick_mb is not None]
    regrets = np.asarray([s.regret_pct for s in picked if s.regret_pct is not None])
    regrets = regrets if len(regrets) else np.asarray([math.nan])
    # Without an answer things stay as they are.
    after = [s.regret_pct if s.pick_mb else s.staying_pct for s in scores]
    after_all = np.asarray([x for x in after if x is not None] or [math.nan])
    return {
        "runs": len(scores),
        "picked_pct": 100 * len(picked) / len(scores),
        "after_capped_pct": float(np.minimum(after_all, 100.0).mean()),
        "after_median_pct": float(np.median(after_all)),
        "after_10pct_too_dear": 100 * float((after_all > _KEPT_TOO_LARGE).mean()),
        "mean_regret_pct": float(regrets.mean()),
        "median_regret_pct": float(np.median(regrets)),
        "p90_regret_pct": float(np.quantile(regrets, 0.9)),
        "violations_pct": 100 * float(np.mean([s.over_pct > 0 for s in picked])),
        "violations_over_1pct": 100
        * float(np.mean([s.over_pct > 100 * (_CLEARLY - 1) for s in picked])),
        "violations_over_5pct": 100 * float(np.mean([s.over_pct > 5 for s in picked])),
        "invocations": float(np.mean([s.invocations for s in scores])),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--curves", type=Path, help="measured curves, as for benchmarks.tuning")
    parser.add_argument("--window", action="store_true", help="fastest within 5 %% instead of SLOs")
    parser.add_argument("--worst", type=int, default=8)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    scores = []
    for number, subject in zip(
        range(chosen.runs), subjects(chosen.seed, chosen.curves), strict=False
    ):
        known = known_at(number)
        scores.append(run_one(subject, number, chosen.seed, known=known, window=chosen.window))
    groups = {"all": scores}
    for kind in sorted({s.kind for s in scores}):
        groups[kind] = [s for s in scores if s.kind == kind]
    for known in (True, False):
        groups["known" if known else "unknown"] = [s for s in scores if s.known == known]
    if not chosen.window:
        for p in _PERCENTILES:
            groups[f"p{p:g}"] = [s for s in scores if s.objective.startswith(f"slo:p{p:g}<")]
        for share in _SHARES:
            groups[f"share {share}"] = [s for s in scores if s.share == share]
    figures = {name: summary(group) for name, group in groups.items() if group}
    for name, found in figures.items():
        print(f"{name:12}", " ".join(f"{k}={v:.4g}" for k, v in found.items()))
    worst = sorted(scores, key=lambda s: -max(s.regret_pct or 0, s.over_pct))
    for item in worst[: chosen.worst]:
        print("  ", item)
    if chosen.json:
        detail = [vars(s) for s in scores]
        chosen.json.write_text(json.dumps({"figures": figures, "scores": detail}, indent=1))


if __name__ == "__main__":
    main()
