"""Tools that size: a recommendation for one function, a ranking of the whole account."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.tools.context import ToolContext, describe_window, rounded
from lambda_autotuner.agent.tools.inventory import FunctionName
from lambda_autotuner.agent.tools.narrowing import Condition, Narrowed, Spanned
from lambda_autotuner.agent.tools.ranking import run_scan_fleet
from lambda_autotuner.agent.turn import ToolResult
from lambda_autotuner.measurement import NotApplicable, Sized, recommend
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.objective import parse_objective
from lambda_autotuner.tuning.recommendation import (
    Infeasible,
    Keep,
    NeedMoreData,
    Settled,
)

_MILLION = 1_000_000
_PERCENT = 100.0
_POINTS = (128, 256, 512, 768, 1024, 1536, 1769, 2048, 3008)
_ADVICE = 3

Objective = Annotated[
    str,
    Field(max_length=60, description="cost, speed, balanced, fastest-within:5%, or slo:p95<800ms."),
]


class RecommendationArguments(Arguments):
    """Which function, and what to look for."""

    function: FunctionName
    objective: Objective | None = None


class ScanArguments(Narrowed):
    """How to rank the account, and which functions of it."""

    where: tuple[Condition, ...] | None = Field(
        None,
        max_length=8,
        description="Conditions on settings and on what was seen; all must hold.",
    )

    sort_by: Literal[
        "savings", "cost", "errors", "error_rate", "duration", "duration_p50", "duration_p99", "invocations", "throttles", "memory", "memory_used",
        "cold_starts", "timeouts", "timeout", "idle", "modified", "code_size",
    ] = "savings"  # fmt: skip
    ascending: bool = False
    limit: int = Field(10, ge=1, le=200)
    window_hours: float | None = Field(None, gt=0, le=455 * 24)
    span: str | None = Spanned


def run_get_recommendation(context: ToolContext, arguments: RecommendationArguments) -> ToolResult:
    """What to do about a function's size, from its telemetry alone."""
    name = context.function(arguments.function)
    settings = context.workspace.settings
    choices = Choices.from_settings(settings)
    if arguments.objective:
        choices = replace(choices, objective=parse_objective(arguments.objective))
    key = f"sized {name} {arguments.objective}" if arguments.objective else f"sized {name}"
    sized: Sized = context.once(
        key, lambda: recommend(context.account, name, settings=settings, choices=choices)
    )
    context.keep(f"recommendation {name}", sized.answer)
    window = describe_window(sized.window) if sized.window else None
    return ToolResult(
        recommendation_data(sized),
        function=name,
        window=window,
        source="tuning engine on REPORT lines and metrics",
    )


def recommendation_data(sized: Sized) -> dict[str, Any]:
    """A recommendation as a tool shows it; money in dollars a month."""
    answer = sized.answer
    data: dict[str, Any] = {
        "function": sized.function,
        "decision": answer.kind,
        "verdict": sized.verdict,
        "objective": answer.objective,
        "confidence_pct": rounded(answer.confidence * _PERCENT, 1),
        "current_memory_mb": sized.configuration.memory_mb,
        "current_architecture": sized.configuration.architecture,
        "invocations_month": rounded(sized.workload.invocations_per_month, 0),
        "reasons": list(answer.reasons[:_ADVICE]),
        "advice": [f"{item.action} ({item.evidence})" for item in answer.advice[:_ADVICE]],
        "sizes": _sizes(sized),
        "cautions": list(sized.cautions[:_ADVICE]),
    }
    if isinstance(answer, NotApplicable):
        data |= {"decision": "not_applicable", "reasons": [answer.reason]}
    if isinstance(answer, Settled):
        data |= _settled(sized, answer)
    if isinstance(answer, NeedMoreData):
        data |= {
            "missing": list(answer.missing), "needed_invocations": answer.invocations,
            "needed_cost_usd": rounded(answer.cost_usd, 6),
            "leaning_memory_mb": answer.leaning.memory_mb if answer.leaning else None,
            "command": f"lambda-autotuner tune {sized.function}",
        }  # fmt: skip
    if isinstance(answer, Infeasible):
        data |= {
            "violated": list(answer.violated),
            "nearest_memory_mb": answer.nearest.memory_mb if answer.nearest else None,
        }
    return data


def _settled(sized: Sized, answer: Settled) -> dict[str, Any]:
    proposed, current = answer.proposed, answer.current
    saving, share = answer.saving_month_usd, answer.saving_pct
    command = f"lambda-autotuner plan {sized.function} --memory {proposed.memory_mb}"
    if proposed.architecture != sized.configuration.architecture:
        command += f" --architecture {proposed.architecture}"
    return {
        "recommended_memory_mb": proposed.memory_mb,
        "recommended_architecture": proposed.architecture,
        "recommended_cost_usd_month": rounded(proposed.month_usd.value, 4)
        if proposed.month_usd
        else None,
        "current_cost_usd_month": rounded(current.month_usd.value, 4)
        if current and current.month_usd
        else None,
        "saving_usd_month": rounded(saving.value, 4) if saving else None,
        "saving_low_usd_month": rounded(saving.low, 4) if saving else None,
        "saving_high_usd_month": rounded(saving.high, 4) if saving else None,
        "saving_pct": rounded(share.value, 1) if share else None,
        "current_mean_ms": rounded(current.mean_ms.value, 1) if current else None,
        "recommended_mean_ms": rounded(proposed.mean_ms.value, 1),
        "current_p95_ms": rounded(current.p95_ms.value, 1) if current else None,
        "recommended_p95_ms": rounded(proposed.p95_ms.value, 1),
        "expected_regret_pct": rounded(answer.expected_regret_pct),
        "probability_best": rounded(answer.probability_best, 3),
        "tied_sizes_mb": [item.memory_mb for item in answer.tied[:8]],
        "command": None if isinstance(answer, Keep) else command,
    }


def _sizes(sized: Sized) -> list[dict[str, Any]]:
    wanted = {*_POINTS, sized.configuration.memory_mb}
    return [
        {
            "memory_mb": point.memory_mb,
            "architecture": point.architecture,
            "mean_ms": rounded(point.mean_ms.value, 1),
            "cost_usd_per_million": rounded(point.cost_usd.value * _MILLION, 4),
            "allowed": point.allowed,
        }
        for point in sized.answer.curve
        if point.memory_mb in wanted
    ]


TOOLS = (
    Tool("get_recommendation", "What memory size and architecture a function should have, from its telemetry alone: decision, saving a month with interval, latency before and after, expected figures at other sizes.", RecommendationArguments, run_get_recommendation, iam_actions=("cloudwatch:GetMetricData", "logs:FilterLogEvents")),
    Tool("scan_fleet", "Rank all functions by saving, cost, errors, duration, invocations, throttles, memory, cold starts, timeouts or idleness, with totals.", ScanArguments, run_scan_fleet, reach="account", function_argument=None, iam_actions=("lambda:ListFunctions", "cloudwatch:GetMetricData")),
)  # fmt: skip
