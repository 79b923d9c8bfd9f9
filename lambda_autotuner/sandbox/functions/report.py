"""What Lambda writes about an invocation: START, END and REPORT in its exact form.

The JSON form of the same records is in `report_json`. Shapes follow the Developer Guide ("Log
format of Lambda", "Monitoring for SnapStart", the Telemetry API's schema) and recorded answers.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from typing import Final

from lambda_autotuner.sandbox.functions import failures
from lambda_autotuner.sandbox.functions.records import LATEST, Configuration
from lambda_autotuner.sandbox.world.archetypes import ARCHETYPES, Archetype
from lambda_autotuner.sandbox.world.invocations import Outcome
from lambda_autotuner.sandbox.world.randomness import key_of, mix

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
    configuration: Configuration
    region: str

    @property
    def restored(self) -> bool:
        """Whether a cold start of this version restores a snapshot."""
        return restores(self.configuration, self.version)

    @property
    def billed_restore_ms(self) -> int:
        """The part of a restore that is paid for: what is billed beyond the handler's time."""
        return max(0, round(self.billed_ms - math.ceil(self.duration_ms)))

    @property
    def trace(self) -> tuple[str, str] | None:
        """The ids of the trace and of its segment, when the function is traced."""
        if self.configuration.tracing != "Active":
            return None
        first = key_of("trace", self.request_id)
        rest = f"{mix(first):016x}{mix(first ^ 1):016x}"
        return f"1-{self.timestamp_ms // 1000:08x}-{rest[:24]}", f"{mix(first ^ 2):016x}"


def restores(configuration: Configuration, version: str) -> bool:
    """SnapStart works for published versions only."""
    return configuration.snap_start == "PublishedVersions" and version != LATEST


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
        if facts.restored:
            parts.append(f"Restore Duration: {facts.init_ms:.2f} ms")
            parts.append(f"Billed Restore Duration: {facts.billed_restore_ms} ms")
        else:
            parts.append(f"Init Duration: {facts.init_ms:.2f} ms")
    if facts.outcome is Outcome.TIMEOUT:
        parts.append("Status: timeout")
    elif facts.outcome is Outcome.OUT_OF_MEMORY:
        parts += ["Status: error", "Error Type: Runtime.OutOfMemory"]
    line = "\t".join(parts) + "\t\n"
    if facts.trace:
        trace, segment = facts.trace
        line += f"XRAY TraceId: {trace}\tSegmentId: {segment}\tSampled: true\t\n"
    return line


def utc(ms: float) -> str:
    """`2026-11-22T10:00:00.000Z`."""
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def runtime_version(facts: Facts) -> tuple[str, str] | None:
    """(`python:3.12.v38`, its ARN) of the managed runtime; None for container images."""
    runtime = facts.configuration.runtime
    if not runtime:
        return None
    name = runtime.removesuffix(".x")
    family = re.split(r"[\d.]", name)[0]
    number = name.removeprefix(family).removeprefix(".")
    key = key_of("runtime", runtime)
    digest = "".join(f"{mix(key ^ n):016x}" for n in range(4))
    arn = facts.configuration.runtime_arn or f"arn:aws:lambda:{facts.region}::runtime:{digest}"
    return f"{family}:{number}.v{key % 60 + 1}", arn


def opening(facts: Facts) -> list[str]:
    """What a new environment writes to its stream before its first invocation (Text format)."""
    version = None if facts.init_ms is None else runtime_version(facts)
    if version is None:
        return []
    start = f"Runtime Version: {version[0]}\tRuntime Version ARN: {version[1]}\n"
    if not facts.restored:
        return [f"INIT_START {start}"]
    return [f"RESTORE_START {start}", f"RESTORE_REPORT Restore Duration: {facts.init_ms:.2f} ms\n"]


def lines(facts: Facts, archetype: str) -> list[str]:
    """Every line of an invocation, in order, as a log group gets them (Text format)."""
    found = [f"START RequestId: {facts.request_id} Version: {facts.version}\n"]
    found += application_lines(facts, about(archetype))
    if facts.outcome is Outcome.TIMEOUT:
        end = utc(facts.timestamp_ms + facts.duration_ms)
        found.append(
            f"{end} {facts.request_id} Task timed out after {facts.timeout_s:.2f} seconds\n\n"
        )
    if facts.outcome is Outcome.OUT_OF_MEMORY:
        found.append(
            f"RequestId: {facts.request_id} Error: Runtime exited with error: signal: killed\n"
            "Runtime.ExitError\n"
        )
    return [*found, f"END RequestId: {facts.request_id}\n", report_line(facts)]


def about(archetype: str) -> Archetype | None:
    """What kind of function this is; None for those that users made."""
    return _BY_NAME.get(archetype)


def application_lines(facts: Facts, kind: Archetype | None) -> list[str]:
    """What the function's own code writes."""
    found = []
    stamp = utc(facts.timestamp_ms)
    if kind is not None and kind.application_lines:
        found = [f"{stamp}\t{facts.request_id}\t{line}\n" for line in kind.application_lines]
    if facts.outcome is Outcome.ERROR:
        runtime = facts.configuration.runtime
        found.append(failures.log_text(kind, runtime, facts.request_id, stamp))
    return found


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
        body = failures.payload(about(archetype), facts.configuration.runtime, rid)
    return json.dumps(body).encode()
