"""Facts about money. The arithmetic is the oracle's own; only the price file is shared."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from lambda_autotuner.evaluation.facts import Choice, Fact, Number, Ranking
from lambda_autotuner.evaluation.oracle.configuration import field, universe
from lambda_autotuner.evaluation.oracle.metrics import FORTNIGHT_HOURS, measure
from lambda_autotuner.evaluation.oracle.registry import (
    names_argument,
    number_argument,
    oracle,
    text_argument,
)
from lambda_autotuner.evaluation.oracle.witness import REGION, Witness
from lambda_autotuner.evaluation.schema import FactSpec

MONTH_HOURS = 730.0
_ROUND_UP_MS = 0.5
_INCLUDED_EPHEMERAL_MB = 512


@functools.cache
def prices(architecture: str) -> dict[str, Any]:
    """The price file's entry for the sandbox's region, first tier."""
    content = (resources.files("lambda_autotuner.data") / "prices.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(content)["regions"][REGION][architecture]
    return found


def cost_usd(
    architecture: str,
    memory_mb: float,
    invocations: float,
    duration_sum_ms: float,
    ephemeral_mb: float = 512,
) -> float:
    """What invocations cost: GB-seconds, requests and storage beyond what is included.

    Source of the formula: https://aws.amazon.com/lambda/pricing/. Each invocation is billed in
    whole milliseconds, which adds half a millisecond on average.
    """
    rates = prices(architecture)
    seconds = (duration_sum_ms + _ROUND_UP_MS * invocations) / 1000
    compute = seconds * memory_mb / 1024 * rates["duration_tiers"][0]["usd"]
    storage_gb = max(0.0, ephemeral_mb - _INCLUDED_EPHEMERAL_MB) / 1024
    storage = seconds * storage_gb * rates["ephemeral_gb_second"]["usd"]
    return float(compute + storage + invocations * rates["request"]["usd"])


def monthly_cost(witness: Witness, function: str, hours: float = FORTNIGHT_HOURS) -> float:
    """A month of a function at the pace of the last hours, in US dollars."""
    configuration = witness.function(function)
    invocations = measure(witness, "invocations", function, hours) or 0.0
    mean = measure(witness, "average", function, hours) or 0.0
    spent = cost_usd(
        field(configuration, "architecture"),
        field(configuration, "memory"),
        invocations,
        mean * invocations,
        field(configuration, "ephemeral"),
    )
    return spent * MONTH_HOURS / hours


@oracle("monthly_cost", required=("function",), optional=("hours", "per", "compare_with"))
def monthly(witness: Witness, spec: FactSpec) -> Fact:
    """What a function costs a month (or a day, a year, a million invocations)."""
    name = text_argument(spec.args, "function")
    hours = number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    value = monthly_cost(witness, name, hours)
    per = text_argument(spec.args, "per", "month")
    if per == "million":
        invocations = (measure(witness, "invocations", name, hours) or 0.0) * MONTH_HOURS / hours
        value = value / invocations * 1e6
    else:
        value *= {"month": 1.0, "day": 24 / MONTH_HOURS, "year": 12.0, "week": 168 / MONTH_HOURS}[
            per
        ]
    # A month may be 30 days or a twelfth of a year, and cold starts are billed too.
    tolerance = max(spec.tolerance_pct, 6.0)
    others = tuple(n for n in universe(witness) if n != name) if "compare_with" in spec.args else ()
    return Number(
        f"cost per {per}", value, "usd", tolerance, near=spec.near,
        subject=name if others else None, others=others,
    )  # fmt: skip


@oracle("total_cost", optional=("hours",))
def total(witness: Witness, spec: FactSpec) -> Fact:
    """What all functions cost a month."""
    value = sum(monthly_cost(witness, name) for name in witness.functions())
    return Number(
        "total cost per month", value, "usd", max(spec.tolerance_pct, 8.0), near=spec.near
    )


@oracle("cost_ranking", optional=("top", "among", "lowest"))
def ranking(witness: Witness, spec: FactSpec) -> Fact:
    """The most expensive functions, in order."""
    among = names_argument(spec.args, "among") or universe(witness)
    figures = {name: monthly_cost(witness, name) for name in among}
    ordered = sorted(figures, key=lambda name: figures[name], reverse=not spec.args.get("lowest"))
    return Ranking(
        "order by cost",
        tuple(ordered),
        tuple(figures[name] for name in ordered),
        universe(witness),
        top=int(number_argument(spec.args, "top", 1)),
        tie_pct=max(spec.tolerance_pct, 6.0),
    )


@oracle("cost_choice", required=("functions",), optional=("more", "less", "lowest"))
def choice(witness: Witness, spec: FactSpec) -> Fact:
    """Which of some functions costs more (or less) a month."""
    functions = names_argument(spec.args, "functions")
    figures = {name: monthly_cost(witness, name) for name in functions}
    ordered = sorted(functions, key=lambda name: figures[name], reverse=not spec.args.get("lowest"))
    more = names_argument(spec.args, "more") or (
        "more",
        "most",
        "expensive",
        "higher",
        "highest",
        "costs",
    )
    less = names_argument(spec.args, "less") or ("less", "cheaper", "cheapest", "lower", "lowest")
    if spec.args.get("lowest"):
        more, less = less, more
    return Choice("by monthly cost", ordered[0], tuple(ordered[1:]), more, less)
