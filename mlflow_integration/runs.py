"""Runs: the figures of one question, where MLflow's run table and its filters find them."""

from __future__ import annotations

import json
import logging
import traceback
import uuid
from collections.abc import Mapping
from typing import Any

from mlflow_integration import pipeline
from mlflow_integration.execution import (
    active_execution,
    run_of_trace,
    set_common_tags,
    tags_of_trace,
    text_of,
)
from mlflow_integration.records import storable, storable_text

_logger = logging.getLogger(__name__)
_MAX_PARAM = 500


def log_agent_run(
    question: str,
    response: str | None,
    *,
    success: bool,
    execution_time_seconds: float,
    trace_id: str | None = None,
    error: BaseException | str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    artifacts: Mapping[str, str] | None = None,
) -> str | None:
    """Log a run for one answered question; for code that does not use track_agent_execution.

    Args:
        question: What was asked.
        response: The answer, None when there was none.
        success: Becomes the metric `success` (1 or 0) and the tag `success` (True or False).
        execution_time_seconds: Wall-clock time of the answer.
        trace_id: The trace to link, if any.
        error: What went wrong; its stack is attached as `error.txt`.
        tags: Further tags.
        params: Further parameters.
        metrics: Further metrics.
        artifacts: Text files by path.

    Returns:
        Our id of the run, or None when nothing is recorded.
    """
    try:
        found = pipeline.current()
        if found is None:
            return None
        recorder = found.recorder
        all_tags = {str(k): text_of(v) for k, v in (tags or {}).items()}
        all_tags["success"] = str(success)
        if response is not None:
            all_tags["response"] = text_of(response)
        if trace_id:
            all_tags["trace_id"] = trace_id
        if error is not None:
            all_tags["error_type"] = (
                type(error).__name__ if isinstance(error, BaseException) else "error"
            )
            all_tags["error_message"] = text_of(str(error), _MAX_PARAM)
        run = recorder.start_run(
            text_of(question, 80),
            tags=all_tags,
            params={
                "question": text_of(question, _MAX_PARAM),
                **{k: text_of(v, _MAX_PARAM) for k, v in (params or {}).items()},
            },
        )
        recorder.log_to_run(
            run,
            metrics={
                "execution_time_seconds": float(execution_time_seconds),
                "response_length_chars": float(len(response or "")),
                "success": 1.0 if success else 0.0,
                **{k: float(v) for k, v in (metrics or {}).items()},
            },
        )
        document = {"question": question, "answer": response}
        files = {
            "interaction.json": json.dumps(document, ensure_ascii=False, indent=2),
            **(artifacts or {}),
        }
        if error is not None:
            files["error.txt"] = (
                "".join(traceback.format_exception(error))
                if isinstance(error, BaseException)
                else str(error)
            )
        for path, text in files.items():
            recorder.add_artifact(run, path, text)
        if trace_id:
            recorder.link_traces(run, [trace_id])
        recorder.end_run(run, "FINISHED" if error is None else "FAILED")
    except Exception:
        _logger.debug("the run could not be recorded", exc_info=True)
        return None
    return run


def log_question_evaluation(
    *,
    question_id: str,
    category: str,
    difficulty: str,
    question: str,
    response: str | None,
    success: bool,
    execution_time_seconds: float,
    trace_id: str | None = None,
    error: BaseException | str | None = None,
    scores: Mapping[str, float | bool] | None = None,
    rationale: str | None = None,
    tags: Mapping[str, Any] | None = None,
    evaluation: str | None = None,
) -> str | None:
    """Log the verdict on one question of an evaluation: a run, and assessments of its trace.

    Args:
        question_id: The question's id in the suite.
        category: Such as `basic_listing` or `metrics_analysis`.
        difficulty: `easy`, `medium` or `hard`.
        question: What was asked.
        response: The answer, None when there was none.
        success: Whether the answer passed.
        execution_time_seconds: Wall-clock time of the answer.
        trace_id: The question's trace; scores become assessments of it.
        error: What went wrong, if the agent failed.
        scores: Score by scorer's name.
        rationale: Why it passed or failed.
        tags: Further tags.
        evaluation: Name or id of the evaluation, as the tag `evaluation`.

    Returns:
        Our id of the run, or None when nothing is recorded.
    """
    labels = {"question_id": question_id, "category": category, "difficulty": difficulty}
    merged = {**labels, **(tags or {}), "kind": "question_evaluation"}
    if evaluation:
        merged["evaluation"] = evaluation
    metrics = {f"score.{k}": float(v) for k, v in (scores or {}).items()}
    run = run_of_trace(trace_id) if trace_id else None
    if run is not None:
        # The execution has a run already; a second one would count the question twice.
        _extend_run(run, {**merged, "success": str(success)}, metrics, success=success)
    else:
        run = log_agent_run(
            question,
            response,
            success=success,
            execution_time_seconds=execution_time_seconds,
            trace_id=trace_id,
            error=error,
            tags=merged,
            params=labels,
            metrics=metrics,
        )
    if trace_id and run:
        for name, value in {"success": success, **(scores or {})}.items():
            log_assessment(trace_id, name, value, rationale=rationale, source_type="CODE")
        labels = {k: text_of(v) for k, v in merged.items()} | {"success": str(success)}
        known = tags_of_trace(trace_id)
        # Each tag is a request of its own: those that the trace has already are left alone.
        set_trace_tags(trace_id, {k: v for k, v in labels.items() if known.get(k) != v})
    return run


def _extend_run(
    run: str, tags: Mapping[str, Any], metrics: Mapping[str, float], *, success: bool
) -> None:
    try:
        found = pipeline.current()
        if found is not None:
            found.recorder.log_to_run(
                run,
                tags={k: text_of(v) for k, v in tags.items()},
                metrics={**metrics, "success": 1.0 if success else 0.0},
                wake=True,
            )
    except Exception:
        _logger.debug("the run could not be extended", exc_info=True)


def set_run_tags(tags: Mapping[str, Any] | None = None, **more: Any) -> None:
    """Tag the current execution's run and trace, and all later ones of this process.

    Example: `set_run_tags({"environment": "production", "version": "1.0.0", "team": "platform"})`.
    """
    merged = {**(tags or {}), **more}
    set_common_tags(merged)
    execution = active_execution()
    if execution is not None:
        execution.tag(**{str(k): v for k, v in merged.items()})


def set_trace_tags(trace_id: str, tags: Mapping[str, Any]) -> bool:
    """Set tags of a trace that has ended; return whether that was recorded."""
    try:
        found = pipeline.current()
        if found is None:
            return False
        found.recorder.record_trace_tags(trace_id, {str(k): text_of(v) for k, v in tags.items()})
    except Exception:
        _logger.debug("the tags could not be recorded", exc_info=True)
        return False
    return True


def log_assessment(
    trace_id: str,
    name: str,
    value: float | bool | str,  # noqa: FBT001 - the verdict is the point
    *,
    rationale: str | None = None,
    source_type: str = "HUMAN",
    source_id: str = "lambda-autotuner",
) -> bool:
    """Attach feedback to a trace; return whether that was recorded.

    Args:
        trace_id: The trace that is rated.
        name: What is rated, such as `helpful`.
        value: The verdict.
        rationale: A comment.
        source_type: `HUMAN`, `CODE` or `LLM_JUDGE`.
        source_id: Who or what rates.
    """
    try:
        found = pipeline.current()
        if found is None:
            return False
        from mlflow.entities import AssessmentSource, Feedback

        feedback = Feedback(
            name=storable_text(name).strip() or "unnamed",
            value=storable(value),
            rationale=storable(rationale),
            trace_id=trace_id,
            source=AssessmentSource(source_type=source_type, source_id=source_id),
            # The back end names assessments itself; this is how a repeated delivery is noticed.
            metadata={"spool_id": uuid.uuid4().hex},
        )
        found.recorder.record_assessment(feedback)
    except Exception:
        _logger.debug("the assessment could not be recorded", exc_info=True)
        return False
    return True
