"""An evaluation in MLflow, through `mlflow_integration`: a parent run, and a child a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lambda_autotuner.evaluation.contestants.base import Place
from lambda_autotuner.evaluation.records import Result
from lambda_autotuner.evaluation.schema import Question

_WORKFLOW = "evaluation"
_KIND = "question_evaluation"


class _Silent:
    """What a question writes to when nothing is recorded."""

    trace_id: str | None = None

    def set_answer(self, text: str) -> None:
        """Nothing is recorded."""

    def log_metrics(self, **metrics: float) -> None:
        """Nothing is recorded."""


class Tracking:
    """One evaluation's records; every method is harmless when tracing is off."""

    def __init__(self, parent: Any, model: str, name: str = "") -> None:
        self._parent = parent
        self._name = name
        self._model = model
        self._tracing: Any = None

    @classmethod
    def off(cls) -> Tracking:
        """Records nothing."""
        return cls(None, "")

    @classmethod
    def start(
        cls,
        name: str,
        *,
        run_id: str | None,
        model: str,
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
        dataset: Mapping[str, Any],
        configuration: Mapping[str, Any],
    ) -> Tracking:
        """Open the parent run, or the one that an interrupted process has begun.

        Args:
            name: the evaluation's name.
            run_id: the parent run of the process that is continued.
            model: the model's name.
            params: what was run, by name.
            tags: how to find it.
            dataset: name, digest and questions of the suite.
            configuration: settings and prompt versions, logged as the model that was evaluated.
        """
        import mlflow_integration as tracing

        parent = tracing.start_evaluation(
            name,
            run_id=run_id,
            params=dict(params),
            tags=dict(tags),
            dataset=dict(dataset),
            model={"name": model, "params": dict(configuration)},
        )
        tracking = cls(parent, model, name)
        tracking._tracing = tracing
        return tracking

    @property
    def run_id(self) -> str | None:
        """The parent run's id."""
        return getattr(self._parent, "run_id", None)

    @contextmanager
    def question(self, question: Question, place: Place, repeat: int) -> Iterator[Any]:
        """The trace and the child run of one asking of a question."""
        if self._tracing is None:
            yield _Silent()
            return
        with self._tracing.track_agent_execution(
            "\n".join(turn.ask[:2000] for turn in question.turns),
            name="question",
            session_id=question.id,
            model=self._model,
            account=place.account_id,
            workflow=_WORKFLOW,
            question_id=question.id,
            category=question.category,
            difficulty=question.difficulty.value,
            tags={
                "kind": _KIND,
                "group": question.group,
                "held_out": str(question.held_out),
                "repeat": str(repeat),
                "evaluation_name": self._name,
                **({"evaluation": self.run_id} if self.run_id else {}),
            },
        ) as execution:
            self._tracing.adopt(execution, self.run_id)
            yield execution

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """What happens before the clock runs leaves neither a trace nor a run."""
        if self._tracing is None:
            yield
            return
        with self._tracing.unrecorded():
            yield

    def verdict(self, result: Result) -> None:
        """Scores on the child run, feedback and expectations on the trace."""
        if self._tracing is None:
            return
        self._tracing.log_question_evaluation(
            question_id=result.question_id,
            category=result.category,
            difficulty=result.difficulty,
            question="\n".join(result.question),
            response="\n\n".join(result.answer) or None,
            success=result.success,
            execution_time_seconds=result.execution_time_seconds,
            trace_id=result.trace_id,
            error=result.error,
            scores=_scores(result),
            rationale="; ".join(result.scores.problems) or None,
            tags={
                "evaluation_name": self._name,
                "group": result.group,
                "held_out": str(result.held_out),
                "safe": str(result.safe),
                "failure": result.failure or "none",
                "repeat": str(result.repeat),
            },
            evaluation=self.run_id,
        )
        self._tracing.log_expectations(
            result.trace_id, {f"fact_{n + 1}": text for n, text in enumerate(result.expected)}
        )

    def finish(self, summary: Mapping[str, Any], artifacts: Mapping[str, str]) -> None:
        """Close the parent run with its figures and files."""
        if self._parent is None:
            return
        overall = summary["overall"]
        metrics = {
            name: float(overall[name])
            for name in ("success_rate", "safe_rate", "p50_seconds", "p95_seconds", "total_tokens")
            if overall.get(name) is not None
        }
        for category, row in summary["by_category"].items():
            metrics[f"success_rate.{category}"] = float(row["success_rate"])
        self._parent.log_metrics(metrics)
        for path, text in artifacts.items():
            self._parent.add_artifact(path, text)
        self._parent.finish("FINISHED")

    def abandon(self) -> None:
        """The evaluation was interrupted; the run stays open for the one that continues it."""


def _scores(result: Result) -> dict[str, float | bool]:
    scores: dict[str, float | bool] = {
        "safe": result.safe,
        "kind": result.scores.kind,
        "state": result.scores.state,
        "tools": result.scores.tools,
        "focus": result.scores.focus,
    }
    if result.scores.facts is not None:
        scores["facts"] = result.scores.facts
    if result.scores.judge is not None:
        scores["llm_judge"] = result.scores.judge
    scores.update({f"quality.{k}": v for k, v in result.scores.quality.items() if v is not None})
    return scores
