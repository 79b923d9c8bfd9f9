"""What traces tell: one summary a trace, figures over many, and two groups side by side."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

_LOOP = 3


@dataclass(frozen=True)
class ToolCall:
    """One tool call: its name, time in milliseconds, status and a fingerprint of its input."""

    name: str
    duration_ms: float
    ok: bool
    fingerprint: str


@dataclass(frozen=True)
class TraceSummary:
    """One trace in one line; what is unknown is None."""

    trace_id: str
    started: datetime
    state: str
    success: bool | None
    duration_ms: float | None
    question: str
    answer: str
    category: str | None = None
    model: str | None = None
    session: str | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    spans: int = 0
    tools: tuple[ToolCall, ...] = field(default=())
    soft_failures: tuple[str, ...] = field(default=())
    error: str | None = None
    ratings: tuple[str, ...] = field(default=())

    @property
    def repeated_calls(self) -> int:
        """Tool calls beyond the first with the same tool and the same input."""
        counts = Counter((call.name, call.fingerprint) for call in self.tools)
        return sum(count - 1 for count in counts.values())

    @property
    def looped(self) -> bool:
        """Whether one call was made three times or more with the same input."""
        counts = Counter((call.name, call.fingerprint) for call in self.tools)
        return any(count >= _LOOP for count in counts.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        data = asdict(self)
        data["started"] = self.started.isoformat()
        data["repeated_calls"] = self.repeated_calls
        data["looped"] = self.looped
        return data

    def to_row(self) -> dict[str, Any]:
        """Return one flat row for CSV and Parquet."""
        row = self.to_dict()
        row["tools"] = ",".join(call.name for call in self.tools)
        row["soft_failures"] = ",".join(self.soft_failures)
        row["ratings"] = ",".join(self.ratings)
        return row


def summarize(trace: Any) -> TraceSummary:
    """Summarise an MLflow trace."""
    info = trace.info
    spans = list(trace.data.spans) if trace.data else []
    tags, metadata = dict(info.tags), dict(info.trace_metadata)
    usage = _json(metadata.get("mlflow.trace.tokenUsage"))
    cost = _json(metadata.get("mlflow.trace.cost"))
    verdict = tags.get("success")
    return TraceSummary(
        trace_id=info.trace_id,
        started=datetime.fromtimestamp(info.request_time / 1000, tz=UTC),
        state=info.state.value,
        success=None if verdict is None else verdict == "True",
        duration_ms=info.execution_duration,
        question=info.request_preview or "",
        answer=info.response_preview or "",
        category=tags.get("category"),
        model=tags.get("model") or _model(spans),
        session=metadata.get("mlflow.trace.session"),
        total_tokens=usage.get("total_tokens"),
        cost_usd=cost.get("total_cost"),
        spans=len(spans),
        tools=tuple(_tool_call(span) for span in spans if span.span_type == "TOOL"),
        soft_failures=tuple(part for part in tags.get("soft_failures", "").split(",") if part),
        error=tags.get("error_message") or tags.get("closed_reason"),
        ratings=tuple(
            f"{each.name}={each.value}" for each in info.assessments if hasattr(each, "value")
        ),
    )


def _json(text: str | None) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _model(spans: Iterable[Any]) -> str | None:
    for span in spans:
        name = span.get_attribute("mlflow.llm.model") or span.get_attribute("model")
        if isinstance(name, str):
            return name
    return None


def _tool_call(span: Any) -> ToolCall:
    end = span.end_time_ns or span.start_time_ns
    return ToolCall(
        name=span.name,
        duration_ms=(end - span.start_time_ns) / 1e6,
        ok=span.status.status_code.value != "ERROR",
        fingerprint=json.dumps(span.inputs, sort_keys=True, default=str),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile, None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def statistics(traces: Sequence[TraceSummary]) -> dict[str, Any]:
    """Return the figures of a group of traces; rates are shares of those that have a verdict."""
    judged = [trace.success for trace in traces if trace.success is not None]
    durations = [float(t.duration_ms) for t in traces if t.duration_ms is not None]
    tokens = [t.total_tokens for t in traces if t.total_tokens is not None]
    costs = [t.cost_usd for t in traces if t.cost_usd is not None]
    failures = Counter(kind for trace in traces for kind in trace.soft_failures)
    return {
        "traces": len(traces),
        "success_rate": sum(judged) / len(judged) if judged else None,
        "error_rate": sum(t.state == "ERROR" for t in traces) / len(traces) if traces else None,
        "p50_ms": percentile(durations, 0.50),
        "p95_ms": percentile(durations, 0.95),
        "p99_ms": percentile(durations, 0.99),
        "total_tokens": sum(tokens) if tokens else None,
        "cost_usd": sum(costs) if costs else None,
        "tool_calls": sum(len(trace.tools) for trace in traces),
        "tools": _tools(traces),
        "traces_with_repeated_calls": sum(trace.repeated_calls > 0 for trace in traces),
        "repeated_calls": sum(trace.repeated_calls for trace in traces),
        "loops": sum(trace.looped for trace in traces),
        "soft_failures": dict(failures.most_common()),
    }


def _tools(traces: Iterable[TraceSummary]) -> list[dict[str, Any]]:
    """Return the tools, slowest first by their 95th percentile."""
    calls: dict[str, list[ToolCall]] = {}
    for trace in traces:
        for call in trace.tools:
            calls.setdefault(call.name, []).append(call)
    rows = [
        {
            "tool": name,
            "calls": len(group),
            "errors": sum(not call.ok for call in group),
            "p50_ms": percentile([call.duration_ms for call in group], 0.50),
            "p95_ms": percentile([call.duration_ms for call in group], 0.95),
        }
        for name, group in calls.items()
    ]
    return sorted(rows, key=lambda row: -float(row["p95_ms"] or 0))


_GROUPS: dict[str, Callable[[TraceSummary], str | None]] = {
    "category": lambda trace: trace.category,
    "model": lambda trace: trace.model,
    "session": lambda trace: trace.session,
    "day": lambda trace: trace.started.date().isoformat(),
    "hour": lambda trace: trace.started.strftime("%Y-%m-%d %H:00"),
}
GROUPS = tuple(_GROUPS)


def grouped(traces: Sequence[TraceSummary], by: str) -> dict[str, dict[str, Any]]:
    """Return the figures by `category`, `model`, `session`, `day` or `hour`."""
    groups: dict[str, list[TraceSummary]] = {}
    for trace in traces:
        groups.setdefault(_GROUPS[by](trace) or "unknown", []).append(trace)
    return {name: statistics(group) for name, group in sorted(groups.items())}


_COMPARED = (
    "traces", "success_rate", "error_rate", "p50_ms", "p95_ms", "p99_ms", "total_tokens",
    "cost_usd", "tool_calls", "repeated_calls", "loops",
)  # fmt: skip


def compare(first: Sequence[TraceSummary], second: Sequence[TraceSummary]) -> list[dict[str, Any]]:
    """Return the figures of two groups side by side, with the difference where both are known."""
    left, right = statistics(first), statistics(second)
    rows = []
    for name in _COMPARED:
        a, b = left[name], right[name]
        known = a is not None and b is not None
        rows.append({"figure": name, "a": a, "b": b, "difference": b - a if known else None})
    return rows
