"""The filters and conditions of a question as arguments of the tools that list and rank."""

from __future__ import annotations

from typing import Any

from lambda_autotuner.agent.reading.model import Question

_SORTS = {
    "errors": "errors", "error_rate_pct": "error_rate", "p50_duration_ms": "duration_p50", "p95_duration_ms": "duration",
    "p99_duration_ms": "duration_p99", "mean_duration_ms": "duration", "max_duration_ms": "timeouts", "timeout_used_pct": "timeouts",
    "throttles": "throttles", "memory_used_pct": "memory_used", "max_memory_used_mb": "memory_used", "cold_start_rate_pct": "cold_starts", "mean_init_ms": "cold_starts",
    "cost_usd_month": "cost", "cost_usd_per_million": "cost", "invocations": "invocations",
}  # fmt: skip


def sorted_by(question: Question) -> str:
    """What was said to rank by; else what the first condition on something seen is about."""
    metric = question.ranking.metric
    if metric != "savings" or question.about("saving", "recommend"):
        return metric
    fields = [said.field for said in question.conditions if said.field in _SORTS]
    return _SORTS[fields[0]] if fields else ("cost" if question.conditions else metric)


def narrowing(question: Question) -> dict[str, Any]:
    """The filters and conditions of a question as arguments of the tools that take them."""
    filters = question.filters
    comparison, memory_mb = filters.memory_mb or (None, None)
    bounds: dict[str, Any] = {}
    if filters.timeout_seconds is not None:
        compared, limit = filters.timeout_seconds
        if compared in {">", ">=", "="}:
            bounds["min_timeout_seconds"] = limit + 1 if compared == ">" else limit
        if compared in {"<", "<=", "="}:
            bounds["max_timeout_seconds"] = limit - 1 if compared == "<" else limit
    if memory_mb is not None:
        lower = memory_mb + 1 if comparison == ">" else memory_mb
        upper = memory_mb - 1 if comparison == "<" else memory_mb
        if comparison in {">", ">=", "="}:
            bounds["min_memory_mb"] = lower
        if comparison in {"<", "<=", "="}:
            bounds["max_memory_mb"] = upper
    said: list[dict[str, Any]] = [
        {"field": said.field, "op": said.op} | ({} if said.value is None else {"value": said.value})
        for said in question.conditions
    ]
    return {
        "runtime": filters.runtime,
        "architecture": filters.architecture,
        "name_contains": filters.name_contains,
        "name_prefix": filters.name_prefix,
        "matching": filters.matching,
        "package_type": filters.package_type,
        "tag": filters.tag,
        "where": said or None,
        **bounds,
    }
