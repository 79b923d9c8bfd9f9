"""What Lambda writes about an invocation: START, END and REPORT in its exact form."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Final

from lambda_autotuner.sandbox.world.archetypes import ARCHETYPES, Archetype
from lambda_autotuner.sandbox.world.invocations import Outcome

_BY_NAME: Final = {archetype.name: archetype for archetype in ARCHETYPES}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the lines of one invocation tell."""

    request_id: str
    version: str
    timestamp_ms: int
    duration_ms: float
    billed_ms: float
    init_ms: float | None
    memory_mb: int
    max_memory_mb: int
    outcome: Outcome
    timeout_s: int
    snap_start: bool = False


def report_line(facts: Facts) -> str:
    r"""`REPORT RequestId: ...\tDuration: 12.34 ms\tBilled Duration: 13 ms\t...`."""
    parts = [
        f"REPORT RequestId: {facts.request_id}",
        f"Duration: {facts.duration_ms:.2f} ms",
        f"Billed Duration: {facts.billed_ms:.0f} ms",
        f"Memory Size: {facts.memory_mb} MB",
        f"Max Memory Used: {facts.max_memory_mb} MB",
    ]
    if facts.init_ms is not None:
        if facts.snap_start:
            billed = -(-facts.init_ms // 1)
            parts.append(f"Restore Duration: {facts.init_ms:.2f} ms")
            parts.append(f"Billed Restore Duration: {billed:.0f} ms")
        else:
            parts.append(f"Init Duration: {facts.init_ms:.2f} ms")
    if facts.outcome is Outcome.TIMEOUT:
        parts.append("Status: timeout")
    elif facts.outcome is Outcome.OUT_OF_MEMORY:
        parts += ["Status: error", "Error Type: Runtime.OutOfMemory"]
    return "\t".join(parts) + "\t\n"


def utc(ms: float) -> str:
    """`2026-11-22T10:00:00.000Z`."""
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def lines(facts: Facts, archetype: str) -> list[str]:
    """Every line of an invocation, in order, as a log group gets them (Text format)."""
    found = [f"START RequestId: {facts.request_id} Version: {facts.version}\n"]
    if facts.init_ms is not None and facts.snap_start:
        found.insert(0, "RESTORE_START Runtime Version: java:21.v20\n")
    about = _BY_NAME.get(archetype)
    found += application_lines(facts, about)
    if facts.outcome is Outcome.TIMEOUT:
        end = utc(facts.timestamp_ms + facts.duration_ms)
        found.append(
            f"{end} {facts.request_id} Task timed out after {facts.timeout_s:.2f} seconds\n\n"
        )
    found.append(f"END RequestId: {facts.request_id}\n")
    found.append(report_line(facts))
    if facts.outcome is Outcome.OUT_OF_MEMORY:
        found.insert(
            -2,
            f"RequestId: {facts.request_id} Error: Runtime exited with error: signal: killed\n"
            "Runtime.ExitError\n",
        )
    return found


def application_lines(facts: Facts, about: Archetype | None) -> list[str]:
    """What the function's own code writes."""
    stamp = utc(facts.timestamp_ms)
    found = []
    if about is not None:
        found = [f"{stamp}\t{facts.request_id}\t{line}\n" for line in about.application_lines]
    if facts.outcome is Outcome.ERROR:
        kind, message = error_of(about)
        found.append(
            f"[ERROR] {kind}: {message}\nTraceback (most recent call last):\n"
            f'  File "/var/task/app.py", line 41, in handler\n    raise {kind}({message!r})\n'
        )
    return found


def error_of(about: Archetype | None) -> tuple[str, str]:
    """The exception that this kind of function raises."""
    if about is None:
        return "ValueError", "Invalid request"
    return about.error_type, about.error_message


def error_payload(facts: Facts, archetype: str) -> bytes:
    """The payload that an invocation answers with when it fails."""
    rid = facts.request_id
    if facts.outcome is Outcome.TIMEOUT:
        body: dict[str, object] = {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {rid} Error: Task timed out after {facts.timeout_s:.2f} seconds",
        }
    elif facts.outcome is Outcome.OUT_OF_MEMORY:
        body = {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {rid} Error: Runtime exited with error: signal: killed",
        }
    else:
        kind, message = error_of(_BY_NAME.get(archetype))
        body = {
            "errorMessage": message,
            "errorType": kind,
            "requestId": rid,
            "stackTrace": [
                f'  File "/var/task/app.py", line 41, in handler\n    raise {kind}({message!r})\n'
            ],
        }
    return json.dumps(body).encode()
