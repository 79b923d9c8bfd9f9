"""REPORT lines: what Lambda itself says about each invocation, and statistics over them.

Both log formats are read: the text line (`REPORT RequestId: ...`), with tabs or with the spaces
that copying leaves, and the JSON record of type `platform.report`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_VALUE = re.compile(
    r"\b(Billed Restore Duration|Restore Duration|Billed Duration|Init Duration|Duration"
    r"|Max Memory Used|Memory Size): (\d+(?:\.\d+)?) (ms|MB)"
)
_NAMES = {
    ("Duration", "ms"): "duration_ms",
    ("Billed Duration", "ms"): "billed_ms",
    ("Init Duration", "ms"): "init_ms",
    ("Restore Duration", "ms"): "restore_ms",
    ("Billed Restore Duration", "ms"): "billed_restore_ms",
    ("Memory Size", "MB"): "memory_mb",
    ("Max Memory Used", "MB"): "max_memory_used_mb",
}
_NEEDED = {"duration_ms", "billed_ms", "memory_mb"}
_REQUEST_ID = re.compile(r"\bREPORT RequestId: (\S+)")
_STATUS = re.compile(r"\bStatus: (\w+)")
_ERROR_TYPE = re.compile(r"\bError Type: (\S+)")
_XRAY = re.compile(r"\bXRAY TraceId: (\S+)")
_STREAM_VERSION = re.compile(r"\[([^\]]+)\]")
_TIMED_OUT = "Task timed out after"
_KILLED = re.compile(r"signal: killed|Runtime\.OutOfMemory|OutOfMemoryError", re.IGNORECASE)


class Outcome(StrEnum):
    """How an invocation ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Report:
    """One invocation as its REPORT line tells it.

    Attributes:
        init_ms: duration of the INIT phase; None for a warm start.
        restore_ms: duration of a SnapStart restore; None without one.
        version: function version from the log stream's name; None when not known.
    """

    request_id: str
    duration_ms: float
    billed_ms: float
    memory_mb: int
    max_memory_used_mb: int | None = None
    init_ms: float | None = None
    restore_ms: float | None = None
    billed_restore_ms: float | None = None
    outcome: Outcome = Outcome.OK
    error_type: str | None = None
    xray_trace_id: str | None = None
    timestamp: datetime | None = None
    version: str | None = None

    @property
    def cold(self) -> bool:
        """Whether an environment was started for it."""
        return self.init_ms is not None or self.restore_ms is not None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the log says about a line beside its text."""

    timestamp: datetime | None
    version: str | None


def parse_report(
    text: str, *, timestamp: datetime | None = None, stream: str | None = None
) -> Report | None:
    """Read a REPORT line or a `platform.report` record; None when the text holds neither.

    A tail log of several lines is fine: what it says about timeouts and killed processes counts.

    Args:
        text: a log event or a tail log.
        timestamp: when CloudWatch Logs received it.
        stream: name of the log stream, which holds the version.
    """
    version = _STREAM_VERSION.search(stream) if stream else None
    seen = _Seen(timestamp, version[1] if version else None)
    return _from_json(text, seen) if text.lstrip().startswith("{") else _from_text(text, seen)


def _from_text(text: str, seen: _Seen) -> Report | None:
    start = text.find("REPORT RequestId:")
    request = _REQUEST_ID.search(text)
    if start < 0 or request is None:
        return None
    line = text[start:]
    values: dict[str, float] = {}
    for label, number, unit in _VALUE.findall(line):
        name = _NAMES.get((label, unit))
        if name is not None:
            values.setdefault(name, float(number))
    if not values.keys() >= _NEEDED:
        return None
    # Most lines hold none of these, and searching for a word is cheaper than for a pattern.
    status = _STATUS.search(line) if "Status: " in line else None
    error_type = _ERROR_TYPE.search(line) if "Error Type: " in line else None
    xray = _XRAY.search(line) if "XRAY TraceId: " in line else None
    return _build(
        request[1],
        values,
        seen,
        status=status[1] if status else None,
        error_type=error_type[1] if error_type else None,
        xray=xray[1] if xray else None,
        context=text,
    )


def _report_record(text: str) -> dict[str, Any] | None:
    # A tail log holds one record a line.
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and document.get("type") == "platform.report":
            return document
    return None


def _from_json(text: str, seen: _Seen) -> Report | None:
    document = _report_record(text)
    if document is None:
        return None
    record = document.get("record") or {}
    metrics: Mapping[str, Any] = record.get("metrics") or {}
    names = {
        "duration_ms": "durationMs",
        "billed_ms": "billedDurationMs",
        "init_ms": "initDurationMs",
        "restore_ms": "restoreDurationMs",
        "billed_restore_ms": "billedRestoreDurationMs",
        "memory_mb": "memorySizeMB",
        "max_memory_used_mb": "maxMemoryUsedMB",
    }
    values = {
        ours: float(metrics[theirs])
        for ours, theirs in names.items()
        if isinstance(metrics.get(theirs), (int, float))
    }
    if not values.keys() >= _NEEDED:
        return None
    return _build(
        str(record.get("requestId", "")),
        values,
        seen,
        status=record.get("status"),
        error_type=record.get("errorType"),
        xray=(record.get("tracing") or {}).get("value"),
        context="",
    )


def _build(
    request_id: str,
    values: Mapping[str, float],
    seen: _Seen,
    *,
    status: str | None,
    error_type: str | None,
    xray: str | None,
    context: str,
) -> Report:
    memory_mb = int(values["memory_mb"])
    used = values.get("max_memory_used_mb")
    return Report(
        request_id=request_id,
        duration_ms=values["duration_ms"],
        billed_ms=values["billed_ms"],
        memory_mb=memory_mb,
        max_memory_used_mb=None if used is None else int(used),
        init_ms=values.get("init_ms"),
        restore_ms=values.get("restore_ms"),
        billed_restore_ms=values.get("billed_restore_ms"),
        outcome=_outcome(status, error_type, context, full=used is not None and used >= memory_mb),
        error_type=error_type,
        xray_trace_id=xray,
        timestamp=seen.timestamp,
        version=seen.version,
    )


def _outcome(status: str | None, error_type: str | None, context: str, *, full: bool) -> Outcome:
    """How it ended; memory at its limit tells a killed process from any other exit."""
    if status == "timeout" or _TIMED_OUT in context:
        return Outcome.TIMEOUT
    if error_type and "OutOfMemory" in error_type:
        return Outcome.OUT_OF_MEMORY
    if full and (error_type == "Runtime.ExitError" or _KILLED.search(context)):
        return Outcome.OUT_OF_MEMORY
    if status in {"error", "failure"} or error_type:
        return Outcome.ERROR
    return Outcome.OK


@dataclass(frozen=True, slots=True)
class ReportStatistics:
    """Statistics of REPORT lines of one memory size; None where there is nothing to say it from."""

    count: int
    memory_mb: int | None
    cold_count: int
    error_count: int
    timeout_count: int
    out_of_memory_count: int
    mean_duration_ms: float | None
    p50_duration_ms: float | None
    p95_duration_ms: float | None
    p99_duration_ms: float | None
    max_duration_ms: float | None
    mean_billed_ms: float | None
    mean_init_ms: float | None
    max_memory_used_mb: int | None

    @property
    def cold_share(self) -> float | None:
        """Share of invocations that started an environment."""
        return self.cold_count / self.count if self.count else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The percentile by linear interpolation between order statistics; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def report_statistics(reports: Iterable[Report]) -> list[ReportStatistics]:
    """Statistics per memory size, most invocations first.

    Sizes are kept apart: a percentile over a change of size describes no configuration.
    """
    groups: dict[int, list[Report]] = {}
    for report in reports:
        groups.setdefault(report.memory_mb, []).append(report)
    found = [_statistics(size, group) for size, group in groups.items()]
    return sorted(found, key=lambda item: (-item.count, item.memory_mb or 0))


def _statistics(memory_mb: int, group: Sequence[Report]) -> ReportStatistics:
    durations = [report.duration_ms for report in group]
    outcomes = [report.outcome for report in group]
    used = [r.max_memory_used_mb for r in group if r.max_memory_used_mb is not None]
    return ReportStatistics(
        count=len(group),
        memory_mb=memory_mb,
        cold_count=sum(report.cold for report in group),
        error_count=outcomes.count(Outcome.ERROR),
        timeout_count=outcomes.count(Outcome.TIMEOUT),
        out_of_memory_count=outcomes.count(Outcome.OUT_OF_MEMORY),
        mean_duration_ms=_mean(durations),
        p50_duration_ms=percentile(durations, 0.5),
        p95_duration_ms=percentile(durations, 0.95),
        p99_duration_ms=percentile(durations, 0.99),
        max_duration_ms=max(durations, default=None),
        mean_billed_ms=_mean([report.billed_ms for report in group]),
        mean_init_ms=_mean([r.init_ms for r in group if r.init_ms is not None]),
        max_memory_used_mb=max(used, default=None),
    )
