"""How good `tune` and `recommend` are against the truth of the embedded account.

The account is asked through its HTTP interface alone, as any AWS account would be; the truth is
computed afterwards from the same seed, out of band. Run it with

    python -m benchmarks.measurement --functions 120 --seeds 7,8 --json figures.json

Regret is what the pick truly costs more than the best size that does not fail, over the same
sizes, INIT and first invocations of cold starts included at the rate that was observed. The strict figures leave out
rivals that fail more often than 0.2 %; they say nothing against a pick that does. Coverage is the share of 90 %
intervals for the cost at the pick that hold the true cost of the event that was measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lambda_autotuner import measurement
from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement import Choices, Options, Sized
from lambda_autotuner.sandbox.process import SandboxProcess, start_private
from lambda_autotuner.sandbox.truth import FunctionTruth, Truth
from lambda_autotuner.settings import Settings
from lambda_autotuner.tuning.recommendation import Settled

# Which sizes count as the best one's rivals: those that fail less often than one in a hundred, and, as
# a stricter reading, than the share of killed invocations that a proposal tolerates.
_FAILING, _FAILING_STRICTLY = 0.01, 0.002
_BEYOND = 100.0
# Rounding up to whole milliseconds adds half a one on average.
_ROUNDING_MS = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """One function's answer against the truth; None where there was no pick."""

    function: str
    kind: str
    pick_mb: int | None = None
    best_mb: int | None = None
    regret_pct: float | None = None
    strict_regret_pct: float | None = None
    unsafe: bool = False
    below_floor: bool = False
    covered: bool | None = None
    invocations: int = 0
    seconds: float = 0.0
    spent_usd: float | None = None
    forecast_usd: tuple[float, float, float] | None = None
    note: str = ""


def connect(sandbox: SandboxProcess) -> Account:
    """The administrator of the default account of a sandbox."""
    return Account.connect(
        AccountTarget(
            kind="sandbox",
            region="us-east-1",
            endpoint_url=sandbox.endpoint_url,
            access_key_id="123456789012",
            secret_access_key="sandbox",  # noqa: S106 - any text is the secret of a plain account id
        )
    )


def mixed_cost(truth: FunctionTruth, memory_mb: int, architecture: str, cold_rate: float) -> float:
    """Mean cost of a production invocation in dollars, cold starts blended in at a rate."""
    warm = truth.mean_cost_usd(memory_mb, architecture)
    return warm + _init_cost(truth, memory_mb, architecture, cold_rate)


def event_cost(truth: FunctionTruth, memory_mb: int, architecture: str, cold_rate: float) -> float:
    """The same for the ordinary event that `tune` invokes with, instead of production's mix."""
    fee = truth.mean_cost_usd(memory_mb, architecture) - truth.mean_cost_usd(
        memory_mb, architecture, request_fee=False
    )
    ordinary_ms = truth.behaviour.mean_duration_ms(memory_mb, architecture) + _ROUNDING_MS
    warm = fee + ordinary_ms * _usd_per_ms(truth, memory_mb, architecture)
    return warm + _init_cost(truth, memory_mb, architecture, cold_rate)


def _usd_per_ms(truth: FunctionTruth, memory_mb: int, architecture: str) -> float:
    duration_usd = truth.mean_cost_usd(memory_mb, architecture, request_fee=False)
    return duration_usd / (truth.mean_duration_ms(memory_mb, architecture) + _ROUNDING_MS)


def _init_cost(truth: FunctionTruth, memory_mb: int, architecture: str, cold_rate: float) -> float:
    if cold_rate <= 0:
        return 0.0
    starting_ms = truth.mean_init_ms(memory_mb, architecture)
    starting_ms += truth.mean_first_ms(memory_mb, architecture)
    return cold_rate * starting_ms * _usd_per_ms(truth, memory_mb, architecture)


def score(
    result: Sized, truth: FunctionTruth, sizes: Iterable[int], *, event: bool, seconds: float
) -> Score:
    """Compare an answer with the truth."""
    answer = result.answer
    base: dict[str, Any] = {
        "function": result.function,
        "kind": answer.kind,
        "invocations": answer.measurement.invocations,
        "seconds": seconds,
        "note": result.verdict[:160],
    }
    if not isinstance(answer, Settled):
        return Score(**base)
    rate = result.workload.cold_rate or 0.0
    cost = event_cost if event else mixed_cost
    side = answer.proposed.architecture
    safe = [m for m in sizes if truth.failure_share(m, side) < _FAILING]
    pick = answer.proposed.memory_mb
    costs = {m: cost(truth, m, side, rate) for m in safe}
    interval = answer.proposed.cost_usd
    actual = cost(truth, pick, side, rate)
    if not costs:
        # Where every size fails there is no best one; only a change is a wrong answer.
        return Score(**base, pick_mb=pick, unsafe=answer.kind != "keep")
    best = min(costs, key=costs.__getitem__)
    strictly = [c for m, c in costs.items() if truth.failure_share(m, side) < _FAILING_STRICTLY]
    return Score(
        **base,
        pick_mb=pick,
        best_mb=best,
        regret_pct=100 * (actual / costs[best] - 1),
        # A pick that fails more often than that is no cheaper for it.
        strict_regret_pct=100 * max(actual / min(strictly, default=costs[best]) - 1, 0.0),
        unsafe=pick not in costs,
        below_floor=pick < truth.out_of_memory_below_mb,
        covered=bool(interval.low <= actual <= interval.high),
    )


def run(account: Account, truth: Truth, *, active: bool, limit: int | None) -> list[Score]:
    """Answer for every seeded function that sizing applies to."""
    scores = []
    choices = Choices.from_settings(Settings())
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(f"sqlite:///{folder}/journal.db") as journal,
    ):
        for function in list(list_functions(account))[:limit]:
            known = truth.function(function.name)
            start = time.monotonic()
            try:
                foretold = None
                if active:
                    options = Options(where="copy", agreed=True)
                    foretold = measurement.preview(
                        account, function.name, choices=choices, options=options
                    ).forecast
                    result = measurement.tune(
                        account, journal, function.name, choices=choices, options=options
                    )
                else:
                    result = measurement.recommend(account, function.name, choices=choices)
            except AutotunerError as error:
                scores.append(Score(function.name, type(error).__name__, note=str(error)[:160]))
                continue
            spent = time.monotonic() - start
            sizes = choices.space_for(known_configuration(result)).sizes_mb
            found = score(result, known, sizes, event=active, seconds=spent)
            if foretold is not None:
                found = replace(
                    found,
                    spent_usd=result.answer.measurement.cost_usd,
                    forecast_usd=(foretold.low_usd, foretold.usd, foretold.high_usd),
                )
            scores.append(found)
    return scores


def known_configuration(result: Sized) -> Any:
    """The configuration that a result is about."""
    from lambda_autotuner.sizing.choices import current_of

    return current_of(result.configuration)


def summary(scores: list[Score]) -> dict[str, Any]:
    """The figures that are claimed."""
    picked = [s for s in scores if s.regret_pct is not None or s.unsafe]
    regrets = np.array([_BEYOND if s.unsafe else s.regret_pct or 0.0 for s in picked])
    strict = np.array([_BEYOND if s.unsafe else s.strict_regret_pct or 0.0 for s in picked])
    covered = [s.covered for s in picked if s.covered is not None]
    return {
        "functions": len(scores),
        "kinds": dict(Counter(s.kind for s in scores)),
        "committed_pct": 100 * len(picked) / len(scores) if scores else None,
        "mean_regret_pct": float(np.mean(regrets)) if picked else None,
        "median_regret_pct": float(np.median(regrets)) if picked else None,
        "p90_regret_pct": float(np.quantile(regrets, 0.9)) if picked else None,
        "within_5pct": float(100 * np.mean(regrets <= 5.0)) if picked else None,
        "strict_mean_regret_pct": float(np.mean(strict)) if picked else None,
        "strict_within_5pct": float(100 * np.mean(strict <= 5.0)) if picked else None,
        "failing_picks": sum(s.unsafe for s in picked),
        "below_out_of_memory": sum(s.below_floor for s in picked),
        "interval90_coverage_pct": float(100 * np.mean(covered)) if covered else None,
        "mean_invocations": float(np.mean([s.invocations for s in picked])) if picked else None,
        "most_invocations": max((s.invocations for s in picked), default=None),
        **_forecasts(scores),
        "mean_seconds": float(np.mean([s.seconds for s in picked])) if picked else None,
    }


def _forecasts(scores: list[Score]) -> dict[str, Any]:
    """How the price that was foretold compares with what was spent; nothing where none was."""
    pairs = [(s.spent_usd, s.forecast_usd) for s in scores if s.spent_usd and s.forecast_usd]
    if not pairs:
        return {}
    ratios = np.array([spent / usd for spent, (_, usd, _) in pairs])
    return {
        "forecasts": len(pairs),
        "forecast_interval90_holds_pct": 100
        * float(np.mean([low <= spent <= high for spent, (low, _, high) in pairs])),
        "spent_above_interval_pct": 100
        * float(np.mean([spent > high for spent, (_, _, high) in pairs])),
        "spent_over_forecast_median": float(np.median(ratios)),
        "spent_over_forecast_p10_p90": np.quantile(ratios, [0.1, 0.9]).tolist(),
        "spent_over_forecast_in_all": sum(s for s, _ in pairs) / sum(u for _, (_, u, _) in pairs),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measurement", description=__doc__)
    parser.add_argument("--functions", type=int, default=120, help="functions of each account")
    parser.add_argument("--seeds", default="7", help="seeds of the accounts, by commas")
    parser.add_argument("--limit", type=int, help="only the first functions of each account")
    parser.add_argument("--only", choices=["active", "passive"], help="only one of the two")
    parser.add_argument("--worst", type=int, default=8, help="how many of the worst to list")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    chosen = parser.parse_args(arguments)
    collected: dict[str, list[Score]] = {"active": [], "passive": []}
    for seed in (int(text) for text in chosen.seeds.split(",")):
        truth = Truth(seed=seed, functions=chosen.functions)
        with (
            start_private(functions=chosen.functions, seed=seed, settle_seconds=0.0) as sandbox,
            connect(sandbox) as account,
        ):
            for mode, found in collected.items():
                if chosen.only in {None, mode}:
                    found.extend(run(account, truth, active=mode == "active", limit=chosen.limit))
    figures = {mode: summary(scores) for mode, scores in collected.items() if scores}
    for mode, scores in collected.items():
        if scores:
            print(mode, json.dumps(figures[mode], indent=1))
            worst = sorted(scores, key=lambda s: -(_BEYOND if s.unsafe else s.regret_pct or -1))
            for item in worst[: chosen.worst]:
                print("  ", asdict(item))
    if chosen.json:
        detail = {mode: [asdict(s) for s in scores] for mode, scores in collected.items()}
        chosen.json.write_text(json.dumps({"figures": figures, "scores": detail}, indent=1))


if __name__ == "__main__":
    main()
