"""Spans of one's own: `create_trace_context` and `annotate_span`.

Whatever tracing does, the body of a `with` runs exactly once and its exception leaves as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, cast

from mlflow_integration import pipeline

_logger = logging.getLogger(__name__)
_SHOWN_DEPTH = 20


class SpanHandle:
    """A span that may not exist: every method does nothing when there is none.

    Attributes:
        trace_id: MLflow's id of the trace, or None when nothing is recorded.
        span_id: The span's id, or None.
    """

    def __init__(self, span: Any = None) -> None:
        self._span = span
        self.trace_id: str | None = None
        self.span_id: str | None = None
        if span is not None and getattr(span, "trace_id", None) != "MLFLOW_NO_OP_SPAN_TRACE_ID":
            self.trace_id = span.trace_id
            self.span_id = span.span_id
        else:
            self._span = None

    @property
    def recording(self) -> bool:
        """Whether there is a span behind this handle."""
        return self._span is not None

    def set_inputs(self, inputs: Any) -> None:
        """Set what went in."""
        self._set(lambda span, value: span.set_inputs(value), inputs)

    def set_outputs(self, outputs: Any) -> None:
        """Set what came out."""
        self._set(lambda span, value: span.set_outputs(value), outputs)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self._set(lambda span, shown: span.set_attribute(str(key), shown), value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if self._span is None:
            return
        try:
            self._span.set_attributes(dict(attributes))
        except Exception:  # noqa: BLE001 - one of them; the others are worth keeping
            for key, value in attributes.items():
                self.set_attribute(key, value)

    def set_error(self, message: str) -> None:
        """Mark the span as failed, without an exception."""

        def apply(span: Any) -> None:
            from mlflow.entities import SpanStatus, SpanStatusCode

            span.set_status(SpanStatus(SpanStatusCode.ERROR, message))

        self._do(apply)

    def record_exception(self, error: BaseException) -> None:
        """Mark the span as failed, with type, message and stack."""
        self._do(lambda span: _record(span, error))

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Add an event at this moment."""

        def apply(span: Any) -> None:
            from mlflow.entities import SpanEvent

            # MLflow declares an abstract method here that its own instances lack, too.
            event = SpanEvent(name, attributes=_flat(attributes or {}))  # type: ignore[abstract]
            span.add_event(event)

        self._do(apply)

    def end(self) -> None:
        """End the span; only for spans that `open_span` opened."""
        self._do(lambda span: span.end())

    def _set(self, action: Callable[[Any, Any], Any], value: Any) -> None:
        """Set a value; one that MLflow cannot write is recorded as far as it can be shown."""
        if self._span is None:
            return
        try:
            action(self._span, value)
        except Exception:  # noqa: BLE001 - whatever a value does when it is written
            self._do(lambda span: action(span, _shallow(value)))

    def _do(self, action: Callable[[Any], Any]) -> None:
        if self._span is None:
            return
        try:
            action(self._span)
        except Exception:
            _logger.debug("a span could not be changed", exc_info=True)


def _shallow(value: Any, depth: int = _SHOWN_DEPTH) -> Any:
    """Return what can be shown of a value that is nested without end or breaks when written."""
    if isinstance(value, (bool, int, float, type(None), str)):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _shallow(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shallow(item, depth - 1) for item in value]
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the object's own code
        return f"<{type(value).__name__}>"


def _flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, bool)
    return {k: v if isinstance(v, plain) else str(v) for k, v in attributes.items()}


def _record(span: Any, error: BaseException) -> None:
    from mlflow.entities import SpanEvent, SpanStatus, SpanStatusCode

    # `record_exception` of MLflow takes Exceptions only; Ctrl-C and sys.exit count as well.
    span.add_event(SpanEvent.from_exception(cast("Exception", error)))
    span.set_status(SpanStatus(SpanStatusCode.ERROR, f"{type(error).__name__}: {error}"))


class OpenSpan:
    """Opens a span, makes it current, and closes it; usable with `with` in any function."""

    def __init__(
        self,
        name: str,
        span_type: str = "UNKNOWN",
        inputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        self._type = span_type
        self._inputs = inputs
        self._attributes = attributes
        self._context: Any = None
        self.handle = SpanHandle()

    def __enter__(self) -> SpanHandle:
        try:
            if pipeline.current() is not None:
                self._enter()
        except Exception:
            _logger.debug("the span %s could not be opened", self._name, exc_info=True)
            self._context, self.handle = None, SpanHandle()
        return self.handle

    def _enter(self) -> None:
        import mlflow

        context = mlflow.start_span(name=str(self._name), span_type=str(self._type))
        self.handle = SpanHandle(context.__enter__())
        self._context = context
        # Given to `start_span`, one that MLflow cannot write would cost the span.
        if self._attributes:
            self.handle.set_attributes(self._attributes)
        if self._inputs is not None:
            self.handle.set_inputs(self._inputs)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        if error is not None:
            self.handle.record_exception(error)
        try:
            context.__exit__(None, None, None)
        except Exception:
            _logger.debug("the span %s could not be closed", self._name, exc_info=True)


@contextmanager
def create_trace_context(
    name: str,
    span_type: str = "UNKNOWN",
    inputs: Any = None,
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[SpanHandle]:
    """Record the body of a `with` as a span; a trace of its own when none is running.

    Works with tracing on, off or broken, and in async functions too (`with`, not `async with`).

    Args:
        name: The span's name.
        span_type: MLflow's span type: `AGENT`, `TOOL`, `LLM`, `CHAT_MODEL`, `RETRIEVER`, ...
        inputs: What goes in; anything that JSON can hold, other objects as text.
        attributes: Metadata of the span.

    Yields:
        The span's handle: `set_outputs`, `set_attribute`, `set_error`, `trace_id`, ...
    """
    with OpenSpan(name, span_type, inputs, attributes) as handle:
        yield handle


def annotate_span(attributes: Mapping[str, Any] | None = None, **more: Any) -> bool:
    """Add attributes to the span that is running here; return whether there is one."""
    merged = {**(attributes or {}), **more}
    try:
        if pipeline.current() is None:
            return False
        import mlflow

        span = mlflow.get_current_active_span()
    except Exception:
        _logger.debug("the current span could not be read", exc_info=True)
        return False
    if span is None:
        return False
    SpanHandle(span).set_attributes(merged)
    return True
