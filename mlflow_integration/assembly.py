"""From records to a whole MLflow trace: spans once each, one TOOL span a call, a terminal state."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlflow_integration import fitting

TOOL_CALL_ATTRIBUTE = "tool_call.id"
CRASH_REASON = "the process ended before the trace did"
_TYPE = "mlflow.spanType"
_INPUTS = "mlflow.spanInputs"
_SIZE_STATS = "mlflow.trace.sizeStats"


@dataclass
class AssembledTrace:
    """Spans as MLflow writes them (`Span.to_dict`), and the header as `TraceInfo.to_dict`.

    Of a crashed trace `recorded` holds the spans without what was made up.
    """

    trace_id: str
    spans: list[dict[str, Any]]
    info: dict[str, Any]
    crashed: bool = False
    late: bool = False
    recorded: list[dict[str, Any]] = field(default_factory=list)


def assemble(
    trace_id: str,
    span_records: Iterable[dict[str, Any]],
    opened: dict[str, Any] | None,
    closed: dict[str, Any] | None,
) -> AssembledTrace:
    """Put one trace together; a missing header is made up from what is there."""
    spans: dict[str, dict[str, Any]] = {}
    for record in span_records:
        span = record.get("s")
        if isinstance(span, dict) and span.get("span_id"):
            spans[span["span_id"]] = _in_order(fitting.span(span))
    merged = fold_tool_spans(list(spans.values()))
    if closed is not None:
        info = dict(closed["info"])
        if int(info.get("execution_duration_ms") or 0) < 0:
            info["execution_duration_ms"] = 0
        _recount(info, merged)
        return AssembledTrace(trace_id, merged, info)
    return _close_crashed(trace_id, merged, opened)


def _in_order(span: dict[str, Any]) -> dict[str, Any]:
    """A clock that was set back between begin and end makes no negative time."""
    start, end = int(span["start_time_unix_nano"]), span.get("end_time_unix_nano")
    return span if not end or int(end) >= start else {**span, "end_time_unix_nano": start}


def _recount(info: dict[str, Any], spans: list[dict[str, Any]]) -> None:
    """Correct the number of spans: MLflow shows no trace that has fewer than announced."""
    metadata = info.setdefault("trace_metadata", {})
    try:
        stats = json.loads(metadata.get(_SIZE_STATS) or "")
    except ValueError:
        return
    if isinstance(stats, dict) and "num_spans" in stats:
        metadata[_SIZE_STATS] = json.dumps({**stats, "num_spans": len(spans)})


def attribute(span: dict[str, Any], key: str) -> Any:
    """Return an attribute's value, which MLflow keeps as JSON text."""
    raw = (span.get("attributes") or {}).get(key)
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def fold_tool_spans(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fold autolog's TOOL span into the middleware's span for the same call."""
    tools = [span for span in spans if attribute(span, _TYPE) == "TOOL"]
    ours = [span for span in tools if attribute(span, TOOL_CALL_ATTRIBUTE)]
    if not ours:
        return spans
    others = [span for span in tools if not attribute(span, TOOL_CALL_ATTRIBUTE)]
    replaced: dict[str, str] = {}
    for own in sorted(ours, key=lambda span: int(span["start_time_unix_nano"])):
        twin = _twin(own, [span for span in others if span["span_id"] not in replaced])
        if twin is not None:
            replaced[twin["span_id"]] = own["span_id"]
            own["attributes"] = {**twin["attributes"], **own["attributes"]}
            if own.get("parent_span_id") != twin.get("parent_span_id") and (
                twin.get("parent_span_id") not in {own["span_id"], None}
            ):
                own["parent_span_id"] = _outer(own, twin, spans)
    kept = [span for span in spans if span["span_id"] not in replaced]
    for span in kept:
        parent = span.get("parent_span_id")
        if parent in replaced:
            span["parent_span_id"] = replaced[parent]
    return kept


def _twin(own: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Find autolog's span for the call: same tool, inside our time, child of ours or same input."""
    start, end = int(own["start_time_unix_nano"]), int(own.get("end_time_unix_nano") or 0)
    inside = [
        span
        for span in candidates
        if _same_name(span["name"], own["name"])
        and int(span["start_time_unix_nano"]) >= start
        and (not end or int(span.get("end_time_unix_nano") or 0) <= end)
    ]
    children = [span for span in inside if span.get("parent_span_id") == own["span_id"]]
    if children:
        return children[0]
    wanted = _canonical(attribute(own, _INPUTS))
    alike = [span for span in inside if _canonical(attribute(span, _INPUTS)) == wanted]
    return next(iter(alike or inside), None)


def _same_name(first: str, second: str) -> bool:
    # MLflow numbers spans of the same name: `search`, `search_1`, ...
    return first == second or first.rpartition("_")[0] == second


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _outer(own: dict[str, Any], twin: dict[str, Any], spans: list[dict[str, Any]]) -> str | None:
    """Return the more deeply nested of the two parents, never one below our own span."""
    parents = {span["span_id"]: span.get("parent_span_id") for span in spans}

    def path(identifier: str | None) -> list[str]:
        seen: list[str] = []
        while identifier and identifier not in seen:
            seen.append(identifier)
            identifier = parents.get(identifier)
        return seen

    candidate = twin.get("parent_span_id")
    current = own.get("parent_span_id")
    if own["span_id"] in path(candidate):
        return current
    return candidate if current in path(candidate) else current


def _close_crashed(
    trace_id: str, spans: list[dict[str, Any]], opened: dict[str, Any] | None
) -> AssembledTrace:
    opened = opened or {}
    recorded = [{**span, "attributes": dict(span["attributes"])} for span in spans]
    starts = [int(span["start_time_unix_nano"]) for span in spans]
    ends = [int(span.get("end_time_unix_nano") or span["start_time_unix_nano"]) for span in spans]
    begun_ms = int(opened.get("at") or (min(starts) // 1_000_000 if starts else 0))
    start = min([begun_ms * 1_000_000, *starts])
    end = max([start, *ends])
    name = str(opened.get("name") or (spans[0]["name"] if spans else "trace"))
    root = opened.get("root")
    if root and not any(span["span_id"] == root for span in spans):
        spans = [_root(trace_id, root, name, start, end, opened), *spans]
        _adopt_orphans(root, spans)
    info = {
        "trace_id": trace_id,
        "request_time": begun_ms,
        "execution_duration_ms": (end - start) // 1_000_000,
        "state": "ERROR",
        "trace_metadata": {
            "mlflow.trace_schema.version": "3",
            **{str(k): str(v) for k, v in (opened.get("metadata") or {}).items()},
        },
        "tags": {
            **{str(k): str(v) for k, v in (opened.get("tags") or {}).items()},
            "mlflow.traceName": name,
            "success": "False",
            "error_type": "ProcessEnded",
            "closed_reason": CRASH_REASON,
        },
        "request_preview": opened.get("preview"),
    }
    return AssembledTrace(trace_id, spans, info, crashed=True, recorded=recorded)


def _root(
    trace_id: str, root: str, name: str, start: int, end: int, opened: dict[str, Any]
) -> dict[str, Any]:
    attributes = {
        "mlflow.traceRequestId": json.dumps(trace_id),
        _TYPE: json.dumps("AGENT"),
        "closed_reason": json.dumps(CRASH_REASON),
    }
    if opened.get("preview") is not None:
        attributes[_INPUTS] = json.dumps({"question": opened["preview"]})
    identifier = bytes.fromhex(trace_id.removeprefix("tr-"))
    return {
        "trace_id": base64.b64encode(identifier).decode(),
        "span_id": root,
        "parent_span_id": None,
        "name": name,
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "events": [],
        "status": {"code": "STATUS_CODE_ERROR", "message": CRASH_REASON},
        "attributes": attributes,
        "links": [],
    }


def _adopt_orphans(root: str, spans: list[dict[str, Any]]) -> None:
    """Hang spans whose parent never ended under the root; the lost parent stays named."""
    present = {span["span_id"] for span in spans}
    for span in spans:
        parent = span.get("parent_span_id")
        if span["span_id"] != root and parent not in present:
            span["parent_span_id"] = root
            if parent:
                span["attributes"]["lost_parent"] = json.dumps(parent)
