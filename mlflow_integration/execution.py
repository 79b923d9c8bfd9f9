"""One question to the agent: a root AGENT span, its tags, and a run with the figures."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from mlflow_integration import pipeline
from mlflow_integration.decorators import decorate
from mlflow_integration.recorder import Recorder
from mlflow_integration.records import storable_text
from mlflow_integration.spans import OpenSpan, SpanHandle

_logger = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])

SOFT_FAILURES = (
    "tool_error_handled",
    "unknown_tool",
    "refusal",
    "budget_reached",
    "interrupted",
    "empty_answer",
)
_MAX_TAG = 4000
_MAX_PARAM = 500
_RUN_NAME = 80
_PREVIEW = 1000
_active: contextvars.ContextVar[AgentExecution | None] = contextvars.ContextVar(
    "mlflow_integration_execution", default=None
)
_common_tags: dict[str, str] = {}


_of_trace: OrderedDict[str, tuple[str, Mapping[str, str]]] = OrderedDict()
_REMEMBERED_TRACES = 10_000


def run_of_trace(trace_id: str) -> str | None:
    """Return our id of the run that an execution of this process logged for a trace."""
    found = _of_trace.get(trace_id)
    return found[0] if found else None


def tags_of_trace(trace_id: str) -> Mapping[str, str]:
    """Return the tags that an execution of this process gave a trace; they need not be set again."""
    found = _of_trace.get(trace_id)
    return found[1] if found else {}


def _remember(trace_id: str, run: str, tags: Mapping[str, str]) -> None:
    _of_trace[trace_id] = run, dict(tags)
    while len(_of_trace) > _REMEMBERED_TRACES:
        _of_trace.popitem(last=False)


def active_execution() -> AgentExecution | None:
    """Return the innermost execution that runs in this context."""
    return _active.get()


def text_of(value: Any, limit: int = _MAX_TAG) -> str:
    """Return a tag's text: `True` and `False` as MLflow's filters spell them, cut to fit."""
    text = storable_text(value if isinstance(value, str) else str(value))
    if len(text) > limit:
        # Half a secret is no longer recognised as one.
        text = pipeline.masker().mask_text(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class AgentExecution:
    """Tracks one question; a context manager (sync and async) and a decorator.

    Attributes:
        trace_id: The trace's id, None when nothing is recorded.
        run_id: Our id of the run until the back end has given its own, None without a run.
    """

    def __init__(
        self,
        question: str | None = None,
        *,
        name: str = "agent",
        session_id: str | None = None,
        user: str | None = None,
        model: str | None = None,
        prompt_version: str | None = None,
        account: str | None = None,
        region: str | None = None,
        workflow: str | None = None,
        question_id: str | None = None,
        category: str | None = None,
        difficulty: str | None = None,
        tags: Mapping[str, Any] | None = None,
        log_run: bool = True,
    ) -> None:
        self.question = question
        self.name = name
        self.session_id = session_id
        self.user = user
        self.log_run = log_run
        self.trace_id: str | None = None
        self.run_id: str | None = None
        self.answer: str | None = None
        self.error: BaseException | None = None
        named = {
            "model": model,
            "prompt_version": prompt_version,
            "account": account,
            "region": region,
            "workflow": workflow,
            "question_id": question_id,
            "category": category,
            "difficulty": difficulty,
        }
        self.tags = {k: text_of(v) for k, v in named.items() if v is not None}
        self.tags.update({text_of(k): text_of(v) for k, v in (tags or {}).items()})
        self.metrics: dict[str, float] = {}
        self._soft: dict[str, int] = {}
        self._approvals: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._span: OpenSpan | None = None
        self._handle = SpanHandle()
        self._recorder: Recorder | None = None
        self._parent: AgentExecution | None = None
        self._token: contextvars.Token[AgentExecution | None] | None = None
        self._began = 0.0
        self._success: bool | None = None

    # What happens during the execution

    def set_answer(self, text: str) -> None:
        """Set the answer; it becomes the output of the AGENT span."""
        self.answer = text
        self._handle.set_outputs({"answer": text})

    def set_error(self, error: BaseException | str) -> None:
        """Mark the execution as failed although no exception leaves it."""
        if isinstance(error, str):
            error = RuntimeError(error)
        self.error = error
        self._handle.record_exception(error)

    def set_success(self, success: bool) -> None:  # noqa: FBT001 - the value is the point
        """Override the verdict, which is otherwise "no error"."""
        self._success = success

    def classify(self, kind: str, detail: str | None = None) -> None:
        """Count a soft failure (see `SOFT_FAILURES`); it becomes a tag one can query."""
        with self._lock:
            self._soft[kind] = self._soft.get(kind, 0) + 1
        if self._parent is not None:
            self._parent.classify(kind)
        self._handle.add_event("soft_failure", {"kind": kind, "detail": detail or ""})

    def record_approval(
        self,
        tool: str,
        decision: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> None:
        """Record a person's or a policy's decision (`requested`, `approved`, `rejected`, ...)."""
        approval = {"tool": tool, "decision": decision, "reason": reason, "by": by}
        with self._lock:
            self._approvals.append(approval)
        with OpenSpan(
            f"approval:{tool}",
            "GUARDRAIL",
            {"tool": tool, "arguments": dict(arguments or {})},
            {"approval.decision": decision, "approval.tool": tool},
        ) as span:
            span.set_outputs({"decision": decision, "reason": reason, "by": by})

    def tag(self, **tags: Any) -> None:
        """Set tags of this execution's trace and run."""
        with self._lock:
            self.tags.update({k: text_of(v) for k, v in tags.items() if v is not None})

    def log_metrics(self, **metrics: float) -> None:
        """Set metrics of this execution's run."""
        with self._lock:
            self.metrics.update({k: float(v) for k, v in metrics.items()})

    # Entering and leaving

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._parent = _active.get()
        self._token = _active.set(self)
        try:
            found = pipeline.current()
            if found is not None:
                self._begin(found.recorder)
        except Exception:
            _logger.debug("the execution could not be recorded", exc_info=True)
        return self

    def _begin(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.tags = {**_common_tags, **self.tags}
        if self._parent is not None:
            self.session_id = self.session_id or self._parent.session_id
        inputs = {"question": self.question} if self.question is not None else None
        self._span = OpenSpan(self.name, "AGENT", inputs, dict(self.tags))
        self._handle = self._span.__enter__()
        self.trace_id = self._handle.trace_id
        if self.trace_id is None:
            return
        root = self._parent is None or self._parent.trace_id != self.trace_id
        # A turn of an execution that has a run is part of that run: one question, one run.
        if self.log_run and (self._parent is None or self._parent.run_id is None):
            self.run_id = recorder.start_run(
                text_of(self.question or self.name, _RUN_NAME),
                tags={**self.tags, "trace_id": self.trace_id, "session_id": self.session_id or ""},
                params=self._params(),
            )
            if root:
                _remember(self.trace_id, self.run_id, self.tags)
        if root:
            metadata = self._metadata()
            self._update_trace(self.tags, metadata)
            recorder.record_open(
                self.trace_id,
                self._handle.span_id,
                name=self.name,
                tags=self.tags,
                metadata=metadata,
                question=text_of(self.question, _PREVIEW) if self.question else None,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        elapsed = time.perf_counter() - self._began
        if self._token is not None:
            try:
                _active.reset(self._token)
            except ValueError:
                # A generator may be closed in another context than it was opened in.
                _logger.debug("the execution ended in another context")
        try:
            self._finish(error, elapsed)
        except Exception:
            _logger.debug("the execution could not be recorded", exc_info=True)

    def _finish(self, error: BaseException | None, elapsed: float) -> None:
        if self._span is None:
            return
        failure = error or self.error
        success = failure is None if self._success is None else self._success
        with self._lock:
            outcome = {
                **self.tags,
                "success": str(success),
                "execution_time_seconds": f"{elapsed:.3f}",
                "response_length_chars": str(len(self.answer or "")),
                **{f"soft_failure.{kind}": "True" for kind in self._soft},
            }
            if self._soft:
                outcome["soft_failures"] = ",".join(sorted(self._soft))
            if self._approvals:
                outcome["approvals"] = ",".join(a["decision"] for a in self._approvals)
        if failure is not None:
            outcome["error_type"] = type(failure).__name__
            outcome["error_message"] = text_of(str(failure), _MAX_PARAM)
        self._handle.set_attributes({f"outcome.{k}": v for k, v in outcome.items()})
        if self._parent is None or self._parent.trace_id != self.trace_id:
            self._update_trace(outcome)
            if self.trace_id and self.run_id:
                _remember(self.trace_id, self.run_id, outcome)
        elif not success:
            self._parent._note_failed_turn()  # noqa: SLF001 - a turn of the same conversation
        self._span.__exit__(type(error) if error else None, error, None)
        if self._recorder is not None and self.run_id is not None:
            self._finish_run(self._recorder, failure, outcome, elapsed, success=success)

    def _note_failed_turn(self) -> None:
        if self._success is None:
            self._success = False

    def _finish_run(
        self,
        recorder: Recorder,
        failure: BaseException | None,
        outcome: dict[str, str],
        elapsed: float,
        *,
        success: bool,
    ) -> None:
        run = self.run_id or ""
        metrics = {
            "execution_time_seconds": elapsed,
            "response_length_chars": float(len(self.answer or "")),
            "success": 1.0 if success else 0.0,
            "soft_failures": float(sum(self._soft.values())),
            **self.metrics,
        }
        if self.answer is not None:
            outcome = {**outcome, "response": text_of(self.answer)}
        recorder.log_to_run(run, tags=outcome, metrics=metrics)
        if self.question is not None or self.answer is not None:
            document = {"question": self.question, "answer": self.answer}
            recorder.add_artifact(
                run, "interaction.json", json.dumps(document, ensure_ascii=False, indent=2)
            )
        if failure is not None:
            recorder.add_artifact(run, "error.txt", "".join(traceback.format_exception(failure)))
        if self.trace_id and self._parent is not None:
            # A trace belongs to one run by its metadata; further turns are linked.
            recorder.link_traces(run, [self.trace_id])
        recorder.end_run(run, "FINISHED" if failure is None else "FAILED")

    def _params(self) -> dict[str, str]:
        chosen = ("model", "prompt_version", "category", "difficulty", "question_id", "workflow")
        params = {k: text_of(self.tags[k], _MAX_PARAM) for k in chosen if k in self.tags}
        if self.question is not None:
            params["question"] = text_of(self.question, _MAX_PARAM)
        return params

    def _metadata(self) -> dict[str, str]:
        named = {
            "mlflow.trace.session": text_of(self.session_id or ""),
            "mlflow.trace.user": text_of(self.user or ""),
            # The delivery worker puts the back end's id here.
            "mlflow.sourceRun": self.run_id,
        }
        return {key: value for key, value in named.items() if value}

    def _update_trace(
        self, tags: Mapping[str, str], metadata: Mapping[str, str] | None = None
    ) -> None:
        import mlflow

        previews = {}
        if self.question is not None:
            previews["request_preview"] = text_of(self.question, _PREVIEW)
        if self.answer is not None:
            previews["response_preview"] = text_of(self.answer, _PREVIEW)
        mlflow.update_current_trace(
            tags=dict(tags), metadata=dict(metadata) if metadata else None, **previews
        )

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Track every call of `function`: its first text argument is the question."""
        return decorate(function, self._again)

    def _again(self, question: str | None) -> AgentExecution:
        return AgentExecution(
            question if self.question is None else self.question,
            name=self.name,
            session_id=self.session_id,
            user=self.user,
            tags=self.tags,
            log_run=self.log_run,
        )


def track_agent_execution(question: Any = None, **options: Any) -> Any:
    """Track one question to the agent.

    As a context manager (`with` or `async with`): `track_agent_execution("Which ...?",
    session_id=..., model=..., category=..., tags={...}) as execution`, then
    `execution.set_answer(text)`. As a decorator, bare or with options, of a sync or async
    function: the question is its first text argument, the answer what it returns. Inside
    another execution it becomes a turn: a child AGENT span of the same trace.

    Args:
        question: The question, or the function to decorate.
        **options: See `AgentExecution`.
    """
    if callable(question):
        return decorate(question, lambda text: AgentExecution(text, **options))
    return AgentExecution(question, **options)


def set_common_tags(tags: Mapping[str, Any]) -> None:
    """Set tags that every later execution of this process carries."""
    _common_tags.update({str(k): text_of(v) for k, v in tags.items()})
