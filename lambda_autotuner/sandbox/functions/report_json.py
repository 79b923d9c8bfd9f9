"""The same records in the JSON log format, held to the function's log levels.

Which system event has which level is a table of the Developer Guide ("Log-level filtering"): the
start of an environment, `platform.start` and a successful `platform.report` are INFO, a report of
a failure is WARN, `platform.runtimeDone` of a success is DEBUG.
"""

from __future__ import annotations

import json
from typing import Any, Final

from lambda_autotuner.sandbox.functions import failures
from lambda_autotuner.sandbox.functions.report import (
    Facts,
    about,
    lines,
    opening,
    runtime_version,
    utc,
)
from lambda_autotuner.sandbox.world.invocations import Outcome

_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_STATUS: Final = {
    Outcome.OK: "success",
    Outcome.ERROR: "error",
    Outcome.TIMEOUT: "timeout",
    Outcome.OUT_OF_MEMORY: "error",
}


def written(facts: Facts, archetype: str, *, with_opening: bool = False) -> list[str]:
    """Every line of an invocation in the function's own log format.

    Args:
        facts: the invocation.
        archetype: what kind of function it is.
        with_opening: also what a new environment writes, which a log group has and a tail has not.
    """
    if facts.configuration.log_format != "JSON":
        return [*(opening(facts) if with_opening else ()), *lines(facts, archetype)]
    return [
        *(_opening(facts) if with_opening else ()),
        *_system(facts, "INFO", "platform.start", 0.0, {"version": facts.version}),
        *_application(facts, archetype),
        *_system(facts, _ending(facts, "DEBUG"), "platform.runtimeDone", 1.0, _done(facts)),
        *report_record(facts),
    ]


def report_record(facts: Facts) -> list[str]:
    """The `platform.report` record; nothing when the function's log level leaves it out."""
    return _system(facts, _ending(facts, "INFO"), "platform.report", 1.0, _report(facts))


def _ending(facts: Facts, success: str) -> str:
    return success if _STATUS[facts.outcome] == "success" else "WARN"


def _done(facts: Facts) -> dict[str, Any]:
    metrics = {"durationMs": facts.duration_ms}
    return {"status": _STATUS[facts.outcome], "metrics": metrics}


def _report(facts: Facts) -> dict[str, Any]:
    metrics: dict[str, float] = {
        "durationMs": facts.duration_ms,
        "billedDurationMs": round(facts.billed_ms),
        "memorySizeMB": facts.memory_mb,
        "maxMemoryUsedMB": facts.max_memory_mb,
    }
    if facts.init_ms is not None:
        if facts.restored:
            metrics["restoreDurationMs"] = facts.init_ms
            metrics["billedRestoreDurationMs"] = facts.billed_restore_ms
        else:
            metrics["initDurationMs"] = facts.init_ms
    record: dict[str, Any] = {"metrics": metrics, "status": _STATUS[facts.outcome]}
    if facts.outcome is Outcome.OUT_OF_MEMORY:
        record["errorType"] = "Runtime.OutOfMemory"
    if facts.trace:
        trace, segment = facts.trace
        value = f"Root={trace};Parent={segment};Sampled=1"
        record["tracing"] = {"spanId": segment, "type": "X-Amzn-Trace-Id", "value": value}
    return record


def _opening(facts: Facts) -> list[str]:
    version = runtime_version(facts)
    if facts.init_ms is None or version is None:
        return []
    record = {
        "initializationType": "snap-start" if facts.restored else "on-demand",
        "phase": "init",
        "runtimeVersion": version[0],
        "runtimeVersionArn": version[1],
    }
    kind = "platform.restoreStart" if facts.restored else "platform.initStart"
    return _line(facts, "INFO", kind, utc(facts.timestamp_ms), record)


def _system(
    facts: Facts, level: str, kind: str, moment: float, record: dict[str, Any]
) -> list[str]:
    time = utc(facts.timestamp_ms + moment * facts.duration_ms)
    return _line(facts, level, kind, time, {"requestId": facts.request_id, **record})


def _line(facts: Facts, level: str, kind: str, time: str, record: dict[str, Any]) -> list[str]:
    if not _kept(level, facts.configuration.system_log_level):
        return []
    return [_text({"time": time, "type": kind, "record": record})]


def _application(facts: Facts, archetype: str) -> list[str]:
    kind = about(archetype)
    wanted = facts.configuration.application_log_level
    stamp = utc(facts.timestamp_ms)
    found = []
    for text in kind.application_lines if kind else ():
        level, _, message = text.partition(" ")
        if _kept(level, wanted):
            line = {"timestamp": stamp, "level": level, "message": message}
            found.append(_text({**line, "requestId": facts.request_id}))
    if facts.outcome is Outcome.ERROR and _kept("ERROR", wanted):
        said = failures.payload(kind, facts.configuration.runtime, facts.request_id)
        python = failures.family(facts.configuration.runtime) == "python"
        told: dict[str, Any] = (
            {"timestamp": stamp, "log_level": "ERROR", **said}
            if python
            else {"timestamp": stamp, "level": "ERROR", "message": said}
        )
        found.append(_text({**told, "requestId": facts.request_id}))
    return found


def _kept(level: str, wanted: str | None) -> bool:
    known = level if level in _LEVELS else "INFO"
    return _LEVELS.index(known) >= _LEVELS.index(wanted or "INFO")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"
