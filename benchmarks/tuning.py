"""What the tuning engine claims, measured beside what others do, on the same curves.

    python -m benchmarks.tuning --curves FILE --budget 25 --replications 200 --seed 7 --json OUT

Every invocation counts, warm-ups too; the request fee is left out and the engine is told so; cost
is memory x duration rounded up to 1 ms, and the truth is the lowest mean cost over the measured
sizes. The engine's priors are refitted without the family of the curve under test; `in_sample`
beside it is the engine with everything that was learned.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves import Curve, load_curves
from benchmarks.engine import run_engine
from benchmarks.peers import exhaustive, gaussian_process, parrotfish, power_tuning, random_search
from benchmarks.sampler import Sampler, pick_cheapest, pick_fastest
from lambda_autotuner.errors import AutotunerError, UsageError
from lambda_autotuner.tuning import FastestWithin
from lambda_autotuner.tuning.priors import default_priors
from lambda_autotuner.tuning.units import Floats

WINDOW_PCT = 5.0
_SHORTEST_MS = 0.01
_PROCESSES = 2
_NICE = 10
_PEERS: dict[str, Callable[[Sampler], dict[int, float]]] = {
    "power_tuning_n10": partial(power_tuning.estimate, count=10),
    "power_tuning_n50": partial(power_tuning.estimate, count=50),
    "power_tuning_every_size_n10": partial(power_tuning.estimate, count=10, every_size=True),
    "parrotfish_paper": parrotfish.estimate,
    "gp_bo_5": partial(gaussian_process.estimate, sizes=5),
    "gp_bo_6": partial(gaussian_process.estimate, sizes=6),
    "exhaustive_n10": partial(exhaustive.estimate, count=10),
}
_ENGINES = ("engine", "engine_in_sample")


@dataclass(frozen=True)
class Score:
    """One replication of one method on one curve."""

    regret: float
    invocations: int
    exploration: float
    covered: bool | None
    latency_ratio: float | None
    beyond_window: bool | None
    cpu_seconds: float | None
    decisions: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _options(arguments)
    try:
        curves = load_curves(options.curves)
        report = benchmark(curves, options.budget, options.replications, options.seed)
        report["settings"]["curves"] = str(options.curves.name)
        if options.json is not None:
            text = json.dumps(report, indent=1, allow_nan=False)
            options.json.write_text(text + "\n", encoding="utf-8")
    except (AutotunerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return UsageError.exit_code
    print_table(report)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--curves", type=Path, required=True)
    parser.add_argument("--budget", type=_positive, default=25)
    parser.add_argument("--replications", type=_positive, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def benchmark(curves: Sequence[Curve], budget: int, replications: int, seed: int) -> dict[str, Any]:
    """Every method on every curve: the report as it is written to JSON."""
    jobs = [
        (method, index, replication)
        for method in (*_ENGINES, *_PEERS, "random")
        for index in range(len(curves))
        for replication in range(replications)
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(_PROCESSES, _start, (tuple(curves), budget, seed)) as pool:
        scores = pool.map(_job, jobs, chunksize=8)
    methods: dict[str, Any] = {}
    for method in (*_ENGINES, *_PEERS, "random"):
        mine = [(i, s) for (m, i, _), s in zip(jobs, scores, strict=True) if m == method]
        methods[method] = _summary(curves, mine)
    settings = {"budget": budget, "replications": replications, "seed": seed}
    return {"settings": settings, "methods": methods}


_context: dict[str, Any] = {}


def _start(curves: tuple[Curve, ...], budget: int, seed: int) -> None:
    """Prepare a worker: one BLAS thread is set by the parent's environment, niceness here."""
    os.nice(_NICE)
    _context.update(curves=curves, budget=budget, seed=seed)


def _job(job: tuple[str, int, int]) -> Score:
    method, index, replication = job
    curve: Curve = _context["curves"][index]
    # The same replication of every method starts from the same seed.
    rng = np.random.default_rng([_context["seed"], index, replication])
    sampler = Sampler(curve, rng)
    if method in _ENGINES:
        return _engine(sampler, method, _context["budget"], replication)
    if method == "random":
        estimates = random_search.estimate(sampler, _context["budget"])
    else:
        estimates = _PEERS[method](sampler)
    return _score(sampler, pick_cheapest(estimates), pick_fastest(estimates, WINDOW_PCT))


def _engine(sampler: Sampler, method: str, budget: int, replication: int) -> Score:
    families = () if method == "engine_in_sample" else (sampler.curve.family,)
    priors = default_priors(without=families)
    run = run_engine(sampler, budget, priors)
    fastest_mb = None
    if method != "engine_in_sample":
        # The window is another question and so another search, with draws of its own.
        other = Sampler(sampler.curve, np.random.default_rng([_context["seed"], replication]))
        fastest_mb = run_engine(other, budget, priors, FastestWithin(WINDOW_PCT)).pick_mb
    score = _score(sampler, run.pick_mb, fastest_mb)
    truth = float(sampler.curve.true_cost()[sampler.sizes_mb.index(run.pick_mb)])
    covered = run.interval is not None and run.interval.low <= truth <= run.interval.high
    measured = {"covered": covered, "cpu_seconds": run.cpu_seconds, "decisions": run.decisions}
    return Score(**{**asdict(score), **measured})


def _score(sampler: Sampler, pick_mb: int, fastest_mb: int | None) -> Score:
    cost = sampler.curve.true_cost()
    # A file may round short durations to 0 ms, and a ratio needs something to divide by.
    latency = np.maximum(sampler.curve.true_latency(), _SHORTEST_MS)
    lowest = float(cost.min())
    inside = cost <= lowest * (1 + WINDOW_PCT / 100)
    fastest = None if fastest_mb is None else sampler.sizes_mb.index(fastest_mb)
    return Score(
        regret=float(cost[sampler.sizes_mb.index(pick_mb)]) / lowest - 1,
        invocations=sampler.invocations,
        exploration=sampler.money / lowest,
        covered=None,
        latency_ratio=None if fastest is None else float(latency[fastest] / latency[inside].min()),
        beyond_window=None if fastest is None else not bool(inside[fastest]),
        cpu_seconds=None,
        decisions=0,
    )


def _summary(curves: Sequence[Curve], scores: list[tuple[int, Score]]) -> dict[str, Any]:
    """Means over curves of means over replications; quantiles over all replications."""
    per_curve = {
        f"{curve.name} [{curve.architecture}]": _figures([s for i, s in scores if i == index])
        for index, curve in enumerate(curves)
    }
    regrets = np.asarray([score.regret for _, score in scores])
    mean = {key: _mean([row[key] for row in per_curve.values()]) for key in _KEYS}
    return {
        **mean,
        "p90_regret_pct": float(np.quantile(regrets, 0.9)) * 100,
        "worst_curve_regret_pct": max(row["mean_regret_pct"] for row in per_curve.values()),
        "worst_curve_exploration": max(row["exploration"] for row in per_curve.values()),
        "families": {
            family: _mean(
                [
                    row["mean_regret_pct"]
                    for row, curve in zip(per_curve.values(), curves, strict=True)
                    if curve.family == family
                ]
            )
            for family in sorted({curve.family for curve in curves})
        },
        "curves": per_curve,
    }


_KEYS = (
    "mean_regret_pct",
    "within_5pct",
    "invocations",
    "exploration",
    "interval90_coverage_pct",
    "fastest5_latency_ratio",
    "fastest5_violations_pct",
    "cpu_ms_per_decision",
)


def _figures(scores: list[Score]) -> dict[str, Any]:
    regret: Floats = np.asarray([score.regret for score in scores])
    decisions = sum(score.decisions for score in scores)
    seconds = sum(score.cpu_seconds or 0.0 for score in scores)
    return {
        "mean_regret_pct": float(regret.mean()) * 100,
        "within_5pct": float((regret <= 0.05).mean()) * 100,
        "invocations": float(np.mean([score.invocations for score in scores])),
        "exploration": float(np.mean([score.exploration for score in scores])),
        "interval90_coverage_pct": _percent([score.covered for score in scores]),
        "fastest5_latency_ratio": _mean([score.latency_ratio for score in scores]),
        "fastest5_violations_pct": _percent([score.beyond_window for score in scores]),
        "cpu_ms_per_decision": seconds / decisions * 1_000 if decisions else None,
    }


def _percent(values: Sequence[bool | None]) -> float | None:
    share = _mean([None if value is None else float(value) for value in values])
    return None if share is None else share * 100


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def print_table(report: dict[str, Any]) -> None:
    """One line a method."""
    settings = report["settings"]
    print(
        f"{settings['replications']} replications, budget {settings['budget']}, "
        f"seed {settings['seed']}"
    )
    print(
        f"{'method':28s} {'regret%':>8s} {'p90%':>6s} {'worst%':>7s} {'<=5%':>6s} {'inv':>6s} "
        f"{'explore':>8s} {'max':>6s} {'cover%':>7s} {'fast x':>7s} {'over%':>6s} {'ms':>5s}"
    )
    for name, row in report["methods"].items():
        print(
            f"{name:28s} {row['mean_regret_pct']:8.3f} {row['p90_regret_pct']:6.2f} "
            f"{row['worst_curve_regret_pct']:7.2f} {row['within_5pct']:6.1f} "
            f"{row['invocations']:6.1f} {row['exploration']:8.1f} "
            f"{row['worst_curve_exploration']:6.1f} {_text(row['interval90_coverage_pct'], 7, 1)} "
            f"{_text(row['fastest5_latency_ratio'], 7, 3)} "
            f"{_text(row['fastest5_violations_pct'], 6, 1)} "
            f"{_text(row['cpu_ms_per_decision'], 5, 1)}"
        )
        if name in _ENGINES:
            parts = ", ".join(f"{f} {v:.2f} %" for f, v in row["families"].items())
            print(f"{'':28s} by family: {parts}")


def _text(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}s}" if value is None else f"{value:{width}.{digits}f}"


if __name__ == "__main__":
    # Small matrices are ten times slower on several BLAS threads; workers inherit this.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    sys.exit(main())
