"""Facts about how functions behave, from CloudWatch's statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.facts import Choice, Fact, Names, Number, Ranking, Words
from lambda_autotuner.evaluation.oracle.configuration import universe
from lambda_autotuner.evaluation.oracle.registry import (
    names_argument,
    number_argument,
    oracle,
    text_argument,
)
from lambda_autotuner.evaluation.oracle.witness import Witness
from lambda_autotuner.evaluation.schema import FactSpec

DAY_HOURS = 24.0
FORTNIGHT_HOURS = 14 * DAY_HOURS
Unit = Literal["ms", "count", "percent"]
_NO_DATA = (
    "no invocation", "no data", "not been invoked", "never been invoked", "never invoked",
    "not invoked", "no traffic", "no metrics", "no calls", "0 invocations", "zero invocations",
    "no datapoints", "no telemetry", "no activity", "no requests", "invocations: 0", "idle",
    "never called", "not been called",
)  # fmt: skip


def measure(witness: Witness, what: str, function: str, hours: float) -> float | None:
    """One figure of a function over the last hours; None without data.

    Raises:
        UsageError: there is no such figure.
    """
    return witness.remembered(
        f"{what} {function} {hours}", lambda: _measured(witness, what, function, hours)
    )


def _measured(witness: Witness, what: str, function: str, hours: float) -> float | None:
    figures: dict[str, Callable[[], float | None]] = {
        "invocations": lambda: witness.metric_sum("Invocations", function, hours),
        "errors": lambda: witness.metric_sum("Errors", function, hours),
        "throttles": lambda: witness.metric_sum("Throttles", function, hours),
        "error_rate": lambda: _rate(witness, "Errors", function, hours),
        "throttle_rate": lambda: _throttle_rate(witness, function, hours),
        "average": lambda: witness.metric_mean("Duration", function, hours),
        "maximum": lambda: witness.metric_extreme("Duration", function, hours),
        "concurrency": lambda: witness.metric_extreme("ConcurrentExecutions", function, hours),
    }
    if what in figures:
        return figures[what]()
    if what.startswith("p") and what[1:].replace(".", "").isdigit():
        return witness.metric_percentile("Duration", function, hours, what)
    raise UsageError(f"There is no figure {what!r}; there are p50..p99, {', '.join(figures)}.")


def _rate(witness: Witness, metric: str, function: str, hours: float) -> float | None:
    invocations = witness.metric_sum("Invocations", function, hours)
    return 100 * witness.metric_sum(metric, function, hours) / invocations if invocations else None


def _throttle_rate(witness: Witness, function: str, hours: float) -> float | None:
    throttles = witness.metric_sum("Throttles", function, hours)
    asked = witness.metric_sum("Invocations", function, hours) + throttles
    return 100 * throttles / asked if asked else None


def unit_of(what: str) -> Unit:
    """The unit of a figure."""
    if what in {"invocations", "errors", "throttles", "concurrency"}:
        return "count"
    return "percent" if what.endswith("_rate") else "ms"


def _near(what: str, spec: FactSpec) -> tuple[str, ...]:
    words = {
        "invocations": (
            "invocation",
            "call",
            "invoked",
            "request",
            "times",
            "ran",
            "executions",
            "runs",
        ),
        "errors": ("error", "fail"),
        "error_rate": ("error", "fail"),
        "throttles": ("throttl", "reject"),
        "throttle_rate": ("throttl", "reject"),
        "concurrency": ("concurren", "parallel", "at the same time", "at once"),
        "average": ("average", "mean", "avg"),
        "maximum": ("max", "longest", "slowest", "worst"),
        "p50": ("p50", "median", "50th"),
    }
    if spec.near:
        return spec.near
    return words.get(what, (what, f"{what[1:]}th") if what.startswith("p") else ())


@oracle("metric", required=("metric", "function"), optional=("hours", "compare_with"))
def metric(witness: Witness, spec: FactSpec) -> Fact:
    """A figure of a function over the last hours (any of several windows, where either is meant)."""
    what, function = text_argument(spec.args, "metric"), text_argument(spec.args, "function")
    windows: Any = spec.args.get("hours", FORTNIGHT_HOURS)
    values = [
        value
        for hours in (windows if isinstance(windows, list) else [windows])
        if (value := measure(witness, what, function, float(hours))) is not None
    ]
    if not values:
        return Words(f"no data for {what}", _NO_DATA)
    low, high = min(values), max(values)
    slack = max(spec.tolerance_abs, high * spec.tolerance_pct / 100)
    wide = len(values) > 1
    others = (
        tuple(n for n in universe(witness) if n != function) if "compare_with" in spec.args else ()
    )
    return Number(
        f"{what}",
        values[0],
        unit_of(what),
        spec.tolerance_pct,
        spec.tolerance_abs,
        near=_near(what, spec),
        subject=function if others else None,
        others=others,
        low=low - slack if wide else None,
        high=high + slack if wide else None,
        kind=what,
    )


@oracle("account_total", required=("metric",), optional=("hours",))
def account_total(witness: Witness, spec: FactSpec) -> Fact:
    """A count over all functions of the account."""
    what = text_argument(spec.args, "metric")
    hours = number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    name = {"invocations": "Invocations", "errors": "Errors", "throttles": "Throttles"}[what]
    value = sum(witness.metric_sum(name, function, hours) for function in witness.functions())
    return Number(
        f"total {what}", value, "count", spec.tolerance_pct, near=_near(what, spec), kind=what
    )


@oracle(
    "metric_choice", required=("metric", "functions", "more"), optional=("hours", "less", "lowest")
)
def metric_choice(witness: Witness, spec: FactSpec) -> Fact:
    """Which of some functions has the larger (or smaller) figure."""
    what, functions = text_argument(spec.args, "metric"), names_argument(spec.args, "functions")
    hours = number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    figures = {name: measure(witness, what, name, hours) or 0.0 for name in functions}
    ordered = sorted(functions, key=lambda name: figures[name], reverse=not spec.args.get("lowest"))
    return Choice(
        f"{what}: " + ", ".join(f"{name} {figures[name]:.4g}" for name in ordered),
        ordered[0],
        tuple(ordered[1:]),
        names_argument(spec.args, "more"),
        names_argument(spec.args, "less"),
    )


@oracle("metric_ranking", required=("metric",), optional=("hours", "top", "lowest", "among"))
def metric_ranking(witness: Witness, spec: FactSpec) -> Fact:
    """The functions with the largest (or smallest) figure, in order."""
    what = text_argument(spec.args, "metric")
    hours = number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    among = names_argument(spec.args, "among") or universe(witness)
    figures = {name: measure(witness, what, name, hours) for name in among}
    known = {name: value for name, value in figures.items() if value is not None}
    ordered = sorted(known, key=lambda name: known[name], reverse=not spec.args.get("lowest"))
    return Ranking(
        f"order by {what}",
        tuple(ordered),
        tuple(known[name] for name in ordered),
        universe(witness),
        top=int(number_argument(spec.args, "top", 1)),
        tie_pct=max(spec.tolerance_pct, 5.0),
    )


@oracle("idle", optional=("hours", "extra"))
def idle(witness: Witness, spec: FactSpec) -> Fact:
    """The functions that nobody invoked in the last hours."""
    hours = number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    names = tuple(
        name for name in universe(witness) if not witness.metric_sum("Invocations", name, hours)
    )
    extra = int(number_argument(spec.args, "extra", 0))
    return Names("idle functions", names, universe(witness), extra=extra)


@oracle("never_throttled", required=("function",), optional=("hours",))
def never_throttled(witness: Witness, spec: FactSpec) -> Fact:
    """Whether a function was throttled at all, in words or as a number."""
    function = text_argument(spec.args, "function")
    value = witness.metric_sum(
        "Throttles", function, number_argument(spec.args, "hours", FORTNIGHT_HOURS)
    )
    return Number(
        "throttles", value, "count", max(spec.tolerance_pct, 5), near=("throttl", "reject")
    )
