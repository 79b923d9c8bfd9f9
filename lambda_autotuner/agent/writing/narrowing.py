"""What functions were narrowed by, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lambda_autotuner.agent.writing.figures import (
    count,
    listing,
    memory,
    milliseconds,
    percent,
    usd,
)

Show = Callable[[object], str]

_WORDS = {
    "min_memory_mb": "at least", "max_memory_mb": "at most", "name_contains": "a name with", "name_prefix": "a name starting with",
    "matching": "a name or a tag with", "min_timeout_seconds": "a timeout of at least", "max_timeout_seconds": "a timeout of at most",
    "tag": "tag",
}  # fmt: skip
_FIELDS: dict[str, tuple[str, Show]] = {
    "dead_letter": ("dead-letter target", str), "vpc": ("VPC", str), "layers": ("layers", count), "environment": ("environment variables", count),
    "tracing": ("X-Ray tracing", str), "snap_start": ("SnapStart", str), "file_system": ("file system", str), "description": ("description", str),
    "kms_key": ("KMS key of its own", str), "reserved_concurrency": ("reserved concurrency", count),
    "provisioned_concurrency": ("provisioned concurrency", count), "aliases": ("aliases", count), "alarms": ("alarm", str), "tags": ("tags", count),
    "last_modified": ("last modification", str), "last_modified_days_ago": ("days since the last modification", count),
    "max_memory_used_mb": ("memory used", memory),
    "memory_mb": ("memory", memory), "ephemeral_storage_mb": ("ephemeral storage", memory), "code_size_mb": ("code size", memory),
    "timeout_seconds": ("timeout in s", count), "cost_usd_month": ("cost a month", usd), "cost_usd_per_million": ("cost per million invocations", usd),
    "invocations": ("invocations", count), "errors": ("errors", count), "error_rate_pct": ("error rate", percent), "throttles": ("throttles", count),
    "mean_duration_ms": ("mean duration", milliseconds), "p50_duration_ms": ("p50 duration", milliseconds), "p95_duration_ms": ("p95 duration", milliseconds),
    "p99_duration_ms": ("p99 duration", milliseconds), "max_duration_ms": ("longest duration", milliseconds),
    "timeout_used_pct": ("share of the timeout used", percent), "memory_used_pct": ("share of the memory used", percent),
    "cold_start_rate_pct": ("cold start rate", percent), "mean_init_ms": ("mean init duration", milliseconds),
}  # fmt: skip
_OPERATORS = {
    "<": "below", "<=": "of at most", "=": "of", "!=": "other than", ">=": "of at least", ">": "above", "in": "in", "before": "before", "since": "since",
}  # fmt: skip


def narrowed_by(narrowing: Mapping[str, Any]) -> str:
    """` with a timeout of at most 5 s, and without a VPC`; empty where nothing narrows."""
    said = [_narrowing(name, value) for name, value in narrowing.items() if name != "where"]
    where = narrowing.get("where") or ()
    said += [_condition(item) for item in where if item["op"] != "absent"]
    absent = [_label(item) for item in where if item["op"] == "absent"]
    parts = [f"with {listing(said)}"] if said else []
    parts += [f"without {listing(absent)}"] if absent else []
    return " " + ", ".join(parts) if parts else ""


def values(row: Mapping[str, Any], narrowing: Mapping[str, Any]) -> str:
    """The values of a row that the conditions looked at, where they say more than yes."""
    found = []
    for item in narrowing.get("where") or ():
        label, show = _FIELDS[item["field"]]
        value = row.get(item["field"])
        if item["op"] != "absent" and value is not None and not isinstance(value, bool):
            found.append(f"{label} {show(value)}")
    return "".join(f", {text}" for text in dict.fromkeys(found))


def _label(item: Mapping[str, Any]) -> str:
    label = _FIELDS[item["field"]][0]
    return f"the tag {item['value']}" if item["field"] == "tags" and item.get("value") else label


def _condition(item: Mapping[str, Any]) -> str:
    label, show = _FIELDS[item["field"]]
    if item["op"] == "present":
        return _label(item)
    value = item.get("value")
    return (
        f"{label} {_OPERATORS[item['op']]} {show(value) if not isinstance(value, str) else value}"
    )


def _narrowing(name: str, value: object) -> str:
    if name == "retired_runtime":
        return "a runtime that AWS has deprecated" if value else "a runtime that is not deprecated"
    unit = " MB" if name.endswith("_mb") else ""
    unit = " s" if name.endswith("_timeout_seconds") else unit
    return f"{_WORDS.get(name, name)} {value}{unit}"
