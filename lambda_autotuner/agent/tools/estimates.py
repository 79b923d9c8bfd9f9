"""What if: a function's expected figures at another size or on another architecture.

Nothing is changed and nothing is invoked. The figures are the engine's prediction from the
function's own telemetry, with their interval, and are named a prediction wherever they appear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, rounded
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.tools.telemetry import REPORT_LINES
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.measurement import NotApplicable, Sized, recommend
from lambda_autotuner.sizing.telemetry import read_reports
from lambda_autotuner.tuning.pricing import PriceBook, mean_cost_usd
from lambda_autotuner.tuning.recommendation import CurvePoint

MIN_MB = 128
MAX_MB = 10_240
_MILLION = 1_000_000
_PERCENT = 100.0
_SIZES = 4


class EstimateArguments(Arguments):
    """A function and what to suppose about it."""

    function: FunctionName
    sizes_mb: list[int] | None = Field(
        None, max_length=_SIZES, description="Memory sizes to suppose, in MB (128..10240)."
    )
    times: float | None = Field(
        None, gt=0, le=80, description="Suppose the present memory times this: 2 doubles it."
    )
    plus_mb: int | None = Field(None, ge=-MAX_MB, le=MAX_MB, description="Or plus this many MB.")
    architecture: Literal["x86_64", "arm64"] | None = None


def run_estimate_change(context: ToolContext, arguments: EstimateArguments) -> ToolResult:
    """Expected duration and cost at other sizes, beside the present ones."""
    name = context.function(arguments.function)
    sized: Sized = context.once(
        f"sized {name}",
        lambda: recommend(context.account, name, settings=context.workspace.settings),
    )
    configuration = sized.configuration
    sizes = _wanted(arguments, configuration.memory_mb)
    window = describe_window(sized.window) if sized.window else None
    data: dict[str, Any] = {
        "function": name, "window": window, "is_a_prediction": True,
        "current_memory_mb": configuration.memory_mb, "current_architecture": configuration.architecture,
        "invocations_month": rounded(sized.workload.invocations_per_month, 0),
    }  # fmt: skip
    if isinstance(sized.answer, NotApplicable) or not sized.answer.curve:
        reason = (
            sized.answer.reason
            if isinstance(sized.answer, NotApplicable)
            else "too little is recorded about it"
        )
        data |= {"supposed": [], "sizes_asked_mb": sizes, "reason": reason}
    else:
        data |= _figures(context, sized, sizes, arguments.architecture)
    return ToolResult(
        data, function=name, window=window, source="tuning engine on REPORT lines and metrics"
    )


def _wanted(arguments: EstimateArguments, current_mb: int) -> list[int]:
    """The sizes that are meant.

    Raises:
        ToolError: one is no size that Lambda has.
    """
    sizes = list(arguments.sizes_mb or ())
    if arguments.times is not None:
        sizes.append(round(current_mb * arguments.times))
    if arguments.plus_mb is not None:
        sizes.append(current_mb + arguments.plus_mb)
    sizes = list(dict.fromkeys(sizes or [current_mb]))
    odd = [size for size in sizes if not MIN_MB <= size <= MAX_MB]
    if odd:
        raise ToolError(
            ErrorCode.INVALID_ARGUMENTS,
            f"{odd[0]} MB is no memory size of Lambda (the present size is {current_mb} MB).",
            remedy=f"Sizes are {MIN_MB} to {MAX_MB} MB.",
        )
    return sizes


def _figures(
    context: ToolContext, sized: Sized, sizes: Sequence[int], architecture: str | None
) -> dict[str, Any]:
    """Today as it was observed, and the engine's curve scaled to go through it."""
    present = sized.configuration
    side = architecture or present.architecture
    own = [point for point in sized.answer.curve if point.architecture == present.architecture]
    other = [point for point in sized.answer.curve if point.architecture == side]
    anchor = _at(own, present.memory_mb)
    seen = sized.telemetry.mean_duration_ms if sized.telemetry else None
    scale = seen / anchor["mean"] if seen else 1.0
    now = _priced(context, sized, present.memory_mb, present.architecture, _scaled(anchor, scale))
    rows = []
    for size in sizes:
        point = _scaled(_at(other or own, size), scale)
        row = _priced(context, sized, size, side, point)
        rows.append(row | _against(row, now))
    return {
        "now": now | {"observed": seen is not None},
        "supposed": rows,
        "same_duration_assumed": not other,
        **_floor(context, sized),
    }


def _scaled(point: dict[str, float], by: float) -> dict[str, float]:
    return {key: value * by for key, value in point.items()}


def _priced(
    context: ToolContext, sized: Sized, size: int, architecture: str, point: dict[str, float]
) -> dict[str, Any]:
    """A duration with its price: each is billed up to the next whole ms, half a ms on average."""
    rates = PriceBook.load().rates(context.account.region, architecture)
    storage = sized.configuration.ephemeral_storage_mb
    cost = mean_cost_usd(point["mean"] + 0.5, size, rates, ephemeral_mb=storage)
    return _row(size, architecture, point, cost, sized.workload.invocations_per_month)


def _row(
    size: int, architecture: str, point: dict[str, float], cost: float, month: float | None
) -> dict[str, Any]:
    return {
        "memory_mb": size, "architecture": architecture, "mean_ms": rounded(point["mean"], 1),
        "mean_low_ms": rounded(point["low"], 1), "mean_high_ms": rounded(point["high"], 1),
        "cost_usd_per_million": rounded(cost * _MILLION, 4),
        "cost_usd_month": None if month is None else rounded(cost * month, 4 if cost * month < 1 else 2),
    }  # fmt: skip


def _against(row: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    month, present = row["cost_usd_month"], now["cost_usd_month"]
    return {
        "duration_change_pct": rounded((row["mean_ms"] / now["mean_ms"] - 1) * _PERCENT, 1)
        if now["mean_ms"]
        else None,
        "cost_change_pct": rounded(
            (row["cost_usd_per_million"] / now["cost_usd_per_million"] - 1) * _PERCENT, 1
        ),
        "cost_change_usd_month": None if month is None else rounded(month - present),
    }


def _at(curve: Sequence[CurvePoint], size: int) -> dict[str, float]:
    """The curve at a size: between its points on the logarithms, beyond its ends the end itself."""
    ordered = sorted(curve, key=lambda point: point.memory_mb)
    if size <= ordered[0].memory_mb:
        return _values(ordered[0])
    for left, right in pairwise(ordered):
        if size <= right.memory_mb:
            share = math.log(size / left.memory_mb) / math.log(right.memory_mb / left.memory_mb)
            low, high = _values(left), _values(right)
            return {key: low[key] ** (1 - share) * high[key] ** share for key in low}
    return _values(ordered[-1])


def _values(point: CurvePoint) -> dict[str, float]:
    return {
        "mean": point.mean_ms.value,
        "low": max(point.mean_ms.low, 1e-6),
        "high": point.mean_ms.high,
    }


def _floor(context: ToolContext, sized: Sized) -> dict[str, Any]:
    """The memory that was really used: below it an invocation dies."""
    window = sized.window
    if window is None:
        return {}
    found = context.once(
        f"reports {sized.function} floor",
        lambda: read_reports(context.account, sized.configuration, window, lines=REPORT_LINES // 4),
    )
    used = [line.max_memory_used_mb for line in found.lines if line.max_memory_used_mb is not None]
    return {"max_memory_used_mb": max(used)} if used else {}


TOOLS = (
    Tool("estimate_change", "What if: expected duration and cost of a function at other memory sizes or on another architecture, beside the present ones. A prediction; changes nothing.", EstimateArguments, run_estimate_change, iam_actions=("cloudwatch:GetMetricData", "logs:FilterLogEvents")),
)  # fmt: skip
