"""One trace to one back end, with MLflow's own classes."""

from __future__ import annotations

import logging
from typing import Any

from mlflow.entities import Span, Trace, TraceData, TraceInfo, TraceLocation
from mlflow.entities.trace_state import TraceState
from mlflow.exceptions import MlflowException, RestException

from mlflow_integration import fitting
from mlflow_integration.assembly import AssembledTrace
from mlflow_integration.environment import Destination

_logger = logging.getLogger(__name__)
_PLACEHOLDERS = frozenset({"1152921504606846975", "0", ""})


def make_info(trace: AssembledTrace, experiment_id: str) -> TraceInfo:
    """Return the trace's header, at home in the experiment that the back end named."""
    raw = _fitted(trace.info)
    location = raw.get("trace_location") or {}
    recorded = str((location.get("mlflow_experiment") or {}).get("experiment_id") or "")
    home = experiment_id if recorded in _PLACEHOLDERS else recorded
    began = raw.get("request_time")
    if isinstance(began, str):
        return _from_recorded(raw, home)
    return TraceInfo(
        trace_id=trace.trace_id,
        trace_location=TraceLocation.from_experiment_id(home),
        request_time=int(began or 0),
        execution_duration=raw.get("execution_duration_ms"),
        state=TraceState(raw["state"]),
        trace_metadata=raw.get("trace_metadata") or {},
        tags=raw.get("tags") or {},
        request_preview=raw.get("request_preview"),
        response_preview=raw.get("response_preview"),
    )


def _fitted(info: dict[str, Any]) -> dict[str, Any]:
    """Return a trace's header that no back end refuses for a length or a character."""
    raw = dict(info)
    raw["tags"] = fitting.trace_tags(raw.get("tags") or {})
    raw["trace_metadata"] = fitting.trace_metadata(raw.get("trace_metadata") or {})
    if raw.get("client_request_id"):
        raw["client_request_id"] = fitting.cut(raw["client_request_id"], fitting.REQUEST_ID_LENGTH)
    return raw


def _from_recorded(raw: dict[str, Any], experiment_id: str) -> TraceInfo:
    raw["trace_location"] = TraceLocation.from_experiment_id(experiment_id).to_dict()
    info = TraceInfo.from_dict(raw)
    info.trace_location = TraceLocation.from_experiment_id(experiment_id)
    return info


def ship_spans(
    store: Any, destination: Destination, traces: list[tuple[TraceInfo, list[Span]]]
) -> bool:
    """Store the spans of several traces; return whether the back end keeps spans itself."""
    if destination.kind == "databricks":
        return False
    by_experiment: dict[str, list[Span]] = {}
    for info, spans in traces:
        by_experiment.setdefault(str(info.experiment_id), []).extend(spans)
    try:
        for experiment_id, spans in by_experiment.items():
            if spans:
                store.log_spans(experiment_id, spans)
    except NotImplementedError:
        return False
    except RestException as error:
        if "REST OTLP span logging is not supported" in str(error):
            return False
        raise
    except MlflowException as error:
        # A server before 3.5 has no such endpoint; spans then travel as an artifact.
        if error.get_http_status_code() in {404, 405, 501}:
            return False
        raise
    return True


def ship_header(
    store: Any, destination: Destination, info: TraceInfo, spans: list[Span], *, stored: bool
) -> None:
    """Store a trace's header, and its spans as an artifact where they are not stored yet."""
    returned = store.start_trace(info)
    if stored:
        return
    from mlflow.tracing.client import TracingClient

    client = TracingClient(destination.uri)
    client._upload_trace_data(  # noqa: SLF001 - MLflow's exporter has no public name for this
        returned, Trace(info, TraceData(spans=spans)).data
    )
