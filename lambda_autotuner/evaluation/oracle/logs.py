"""Facts from log lines: kinds of errors, cold starts, memory that was really used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lambda_autotuner.evaluation.facts import Fact, Number, Words
from lambda_autotuner.evaluation.oracle.metrics import DAY_HOURS
from lambda_autotuner.evaluation.oracle.registry import number_argument, oracle, text_argument
from lambda_autotuner.evaluation.oracle.witness import Witness
from lambda_autotuner.evaluation.schema import FactSpec

_REPORT = re.compile(
    r"Duration: (?P<duration>[\d.]+) ms\s+Billed Duration: (?P<billed>\d+) ms\s+Memory Size: (?P<memory>\d+) MB"
    r"\s+Max Memory Used: (?P<used>\d+) MB(?:\s+Init Duration: (?P<init>[\d.]+) ms)?"
)
_MOST_REPORTS = 4_000


def reports(
    witness: Witness, function: str, hours: float, pattern: str = "REPORT"
) -> list[dict[str, float | None]]:
    """The REPORT lines of the last hours that hold a pattern, up to a few thousand."""
    end = int(witness.now().timestamp() * 1000)
    start = end - int(hours * 3_600_000)
    found = []
    for event in _events(witness, function, start, end, pattern):
        match = _REPORT.search(event["message"])
        if match:
            found.append(
                {key: float(value) if value else None for key, value in match.groupdict().items()}
            )
        if len(found) >= _MOST_REPORTS:
            break
    return found


def _events(
    witness: Witness, function: str, start_ms: int, end_ms: int, pattern: str
) -> Iterator[dict[str, Any]]:
    pages = (
        witness.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=f"/aws/lambda/{function}",
            startTime=start_ms,
            endTime=end_ms,
            filterPattern=pattern,
        )
    )
    for page in pages:
        yield from page["events"]


@oracle("cold_start_share", required=("function",), optional=("hours",))
def cold_start_share(witness: Witness, spec: FactSpec) -> Fact:
    """The share of invocations that started cold."""
    found = _reports_of(witness, spec)
    value = 100 * sum(r["init"] is not None for r in found) / len(found)
    return Number(
        "share of cold starts",
        value,
        "percent",
        spec.tolerance_pct,
        spec.tolerance_abs,
        near=spec.near or ("cold", "init"),
    )


@oracle("init_duration", required=("function",), optional=("hours", "figure"))
def init_duration(witness: Witness, spec: FactSpec) -> Fact:
    """How long initialisation takes (mean, or the range from median to p99 when any will do)."""
    found = _reports_of(witness, spec, '"Init Duration"')
    inits = sorted(report["init"] for report in found if report["init"] is not None)
    mean = sum(inits) / len(inits)
    near = spec.near or ("init", "cold", "start")
    if spec.args.get("figure") == "mean":
        return Number("mean init duration", mean, "ms", spec.tolerance_pct, near=near)
    return Number(
        "init duration",
        mean,
        "ms",
        spec.tolerance_pct,
        near=near,
        low=inits[0] * 0.9,
        high=inits[-1] * 1.1,
    )


@oracle("memory_used", required=("function",), optional=("hours",))
def memory_used(witness: Witness, spec: FactSpec) -> Fact:
    """How much memory invocations really used: the peak, or a high percentile of it."""
    used = sorted(r["used"] or 0.0 for r in _reports_of(witness, spec))
    typical = used[len(used) // 2]
    return Number(
        "max memory used", used[-1], "mb", spec.tolerance_pct, near=spec.near or ("used", "use", "peak", "max"),
        low=typical * 0.97, high=used[-1] * 1.05, kind="memory used",
    )  # fmt: skip


def _reports_of(
    witness: Witness, spec: FactSpec, pattern: str = "REPORT"
) -> list[dict[str, float | None]]:
    name = text_argument(spec.args, "function")
    found = reports(witness, name, number_argument(spec.args, "hours", DAY_HOURS), pattern)
    if not found:
        raise LookupError(f"{name} wrote no REPORT lines in the window")
    return found


@oracle("error_kind", required=("function",), optional=("hours", "words"))
def error_kind(witness: Witness, spec: FactSpec) -> Fact:
    """The kind of error that a function's log shows most."""
    name = text_argument(spec.args, "function")
    end = int(witness.now().timestamp() * 1000)
    start = end - int(number_argument(spec.args, "hours", DAY_HOURS) * 3_600_000)
    kinds: Counter[str] = Counter()
    for event in _events(witness, name, start, end, "?ERROR ?Error ?error ?Exception ?Task"):
        kind = _kind(event["message"])
        if kind:
            kinds[kind] += 1
        if kinds.total() >= 300:  # noqa: PLR2004 - enough to know which is the most frequent
            break
    if not kinds:
        raise LookupError(f"{name} logged no errors in the window")
    most = kinds.most_common(1)[0][0]
    words = spec.args.get("words")
    extra = tuple(str(w) for w in words) if isinstance(words, list) else ()
    return Words("kind of error", (most, most.rsplit(".", 1)[-1], *extra))


def _kind(message: str) -> str | None:
    if "Task timed out" in message:
        return "timed out"
    if "signal: killed" in message or "OutOfMemory" in message:
        return "out of memory"
    match = re.search(r'"errorType"\s*:\s*"([^"]+)"', message) or re.search(
        r"\b([A-Za-z_][\w.:]*(?:Error|Exception|Fault|Declined|Expired|Incomplete|Busy|Invalid|Timeout))\b",
        message,
    )
    return match[1] if match else None
