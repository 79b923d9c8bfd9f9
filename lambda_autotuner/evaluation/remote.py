"""Results of an evaluation read back from MLflow, for comparisons without the files."""

from __future__ import annotations

import math
from typing import Any

from lambda_autotuner.errors import AccountError, UsageError
from lambda_autotuner.evaluation.records import Result, Scores

_KIND = "question_evaluation"


def results_of(name: str, status: Any) -> list[Result]:
    """The results of an evaluation by the name or the id of its parent run.

    Args:
        name: the evaluation's name (that of its results folder) or its run id.
        status: the tracing status; tracing must be on.

    Raises:
        AccountError: MLflow cannot be reached.
        UsageError: there is no such evaluation, or it holds no questions.
    """
    import mlflow_integration as tracing

    if not status.enabled:
        raise AccountError(
            f"MLflow cannot be read: {status.reason}.",
            remedy=status.remedy or "Compare the results folders instead.",
        )
    frame = tracing.search_runs(filter_string=f"tags.kind = '{_KIND}'", max_results=50_000)
    rows = [row for row in frame.to_dict("records") if _belongs(row, name)]
    if not rows:
        raise UsageError(
            f"MLflow holds no questions of an evaluation {name!r} in {status.experiment}.",
            remedy="Name the evaluation's folder or its parent run id.",
        )
    return [_result(row) for row in rows]


def _belongs(row: dict[str, Any], name: str) -> bool:
    tags = ("tags.evaluation", "tags.evaluation_name", "tags.mlflow.parentRunId")
    return any(row.get(tag) == name for tag in tags)


def _result(row: dict[str, Any]) -> Result:
    def tag(name: str, default: str = "") -> str:
        value = row.get(f"tags.{name}")
        return value if isinstance(value, str) else default

    def metric(name: str) -> float | None:
        value = row.get(f"metrics.{name}")
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    success = tag("success") == "True"
    failure = tag("failure", "none")
    return Result(
        question_id=tag("question_id"),
        repeat=int(tag("repeat", "0")),
        category=tag("category"),
        difficulty=tag("difficulty"),
        group=tag("group") or tag("question_id"),
        held_out=tag("held_out") == "True",
        success=success,
        safe=tag("safe", "True") == "True",
        failure=None
        if success
        else ("infrastructure" if failure == "infrastructure" else "answer"),
        execution_time_seconds=metric("execution_time_seconds") or 0.0,
        response_length_chars=int(metric("response_length_chars") or 0),
        total_tokens=int(metric("total_tokens") or 0),
        model_calls=int(metric("model_calls") or 0),
        tool_calls=int(metric("tool_calls") or 0),
        cost_usd=metric("cost_usd"),
        error=tag("error_message") or None,
        trace_id=tag("trace_id") or None,
        question=(tag("question"),),
        answer=(tag("response"),),
        expected=(),
        tools=(),
        scores=Scores(
            facts=metric("score.facts"),
            kind=metric("score.kind") == 1,
            state=metric("score.state") == 1,
            tools=metric("score.tools") == 1,
            grounded=None,
            cited=None,
            focus=metric("score.focus") == 1,
        ),
        started_at="",
    )
