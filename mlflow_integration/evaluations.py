"""An evaluation as MLflow knows it: a parent run, children, a data set, and a logged model.

The parent's id is ours until the back end has given its own; it survives the process, so that an
evaluation that was interrupted goes on in the run that it began.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlflow_integration import pipeline
from mlflow_integration.evaluation_entities import DATASET_TAG, MODEL_TAG, PARENT_TAG
from mlflow_integration.execution import AgentExecution, text_of

_logger = logging.getLogger(__name__)

_MAX_PARAM = 500


class Evaluation:
    """The parent run of an evaluation; every method is harmless when nothing is recorded."""

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Set figures of the whole evaluation."""
        self._record("log_to_run", metrics={k: float(v) for k, v in metrics.items()})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the parent run."""
        self._record("log_to_run", tags={str(k): text_of(v) for k, v in tags.items()})

    def add_artifact(self, path: str, text: str) -> None:
        """Attach a text file."""
        self._record("add_artifact", path, text)

    def finish(self, status: str = "FINISHED") -> None:
        """End the parent run (`FINISHED`, `FAILED` or `KILLED`)."""
        self._record("end_run", status)

    def _record(self, method: str, *values: Any, **named: Any) -> None:
        if self.run_id is None:
            return
        try:
            found = pipeline.current()
            if found is not None:
                getattr(found.recorder, method)(self.run_id, *values, **named)
        except Exception:
            _logger.debug("the evaluation could not be recorded", exc_info=True)


def start_evaluation(
    name: str,
    *,
    run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Begin an evaluation, or go on with one that an earlier process began.

    Args:
        name: the evaluation's name; it becomes the run's.
        run_id: what `Evaluation.run_id` was in the process that began it.
        params: what is evaluated, and how.
        tags: how to find it.
        dataset: `name`, `digest` and `questions` (plain rows) of the data set that is asked.
        model: `name` and `params` of the configuration under test; becomes a logged model.
    """
    if run_id is not None:
        return Evaluation(run_id)
    try:
        found = pipeline.current()
        if found is None:
            return Evaluation(None)
        recorder = found.recorder
        labels = {str(k): text_of(v) for k, v in (tags or {}).items()}
        if dataset is not None:
            short = {"name": dataset["name"], "digest": dataset["digest"]}
            labels[DATASET_TAG] = json.dumps(short)
        if model is not None:
            kept = {str(k): str(v)[:100] for k, v in model["params"].items()}
            labels[MODEL_TAG] = _fitting({"name": str(model["name"]), "params": kept})
        run = recorder.start_run(
            text_of(name, 200),
            tags=labels,
            params={str(k): text_of(v, _MAX_PARAM) for k, v in (params or {}).items()},
        )
        if dataset is not None:
            rows = json.dumps(dataset.get("questions", []), ensure_ascii=False, indent=1)
            recorder.add_artifact(run, "dataset/questions.json", rows)
    except Exception:
        _logger.debug("the evaluation could not be recorded", exc_info=True)
        return Evaluation(None)
    return Evaluation(run)


def _fitting(document: dict[str, Any], limit: int = 3900) -> str:
    """JSON that fits a tag: parameters beyond the limit are left out, last ones first."""
    while len(text := json.dumps(document)) > limit and document["params"]:
        document["params"].popitem()
    return text


@contextmanager
def unrecorded() -> Iterator[None]:
    """What happens inside leaves no trace and no run: a rehearsal that nobody should count.

    It holds for the whole process, so nothing else may be traced meanwhile.
    """
    found = pipeline.current()
    writer = found.recorder.writer if found is not None else None
    if writer is not None:
        writer.muted = True
    try:
        yield
    finally:
        if writer is not None:
            writer.muted = False


def adopt(execution: AgentExecution, parent: str | None) -> None:
    """Make an execution's run a child of an evaluation."""
    try:
        found = pipeline.current()
        if found is not None and parent and execution.run_id:
            found.recorder.log_to_run(execution.run_id, tags={PARENT_TAG: parent})
    except Exception:
        _logger.debug("the run could not be adopted", exc_info=True)


def log_expectations(trace_id: str | None, expectations: Mapping[str, str]) -> None:
    """Attach what the answer should have stated to a question's trace."""
    try:
        found = pipeline.current()
        if found is None or not trace_id:
            return
        from mlflow.entities import AssessmentSource, Expectation

        for name, value in expectations.items():
            expectation = Expectation(
                name=name,
                value=value,
                trace_id=trace_id,
                source=AssessmentSource(source_type="CODE", source_id="lambda-autotuner"),
                metadata={"spool_id": uuid.uuid4().hex},
            )
            found.recorder.record_assessment(expectation)
    except Exception:
        _logger.debug("the expectations could not be recorded", exc_info=True)
