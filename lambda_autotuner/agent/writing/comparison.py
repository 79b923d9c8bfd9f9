"""Two or more functions beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.agent.turn import Turn
from lambda_autotuner.agent.writing.figures import count, memory, milliseconds, percent, usd

Show = Callable[[object], str]

# (tool, field, label, how to show it, concepts that ask for it, word for the highest)
_ROWS: tuple[tuple[str, str, str, Show, tuple[str, ...], str], ...] = (
    (
        "get_configuration",
        "memory_mb",
        "memory size",
        memory,
        ("memory", "configuration"),
        "has the largest",
    ),
    (
        "get_configuration",
        "timeout_seconds",
        "timeout (s)",
        count,
        ("timeout", "configuration"),
        "has the longest",
    ),
    ("get_configuration", "runtime", "runtime", str, ("runtime", "configuration"), ""),
    (
        "get_configuration",
        "architecture",
        "architecture",
        str,
        ("architecture", "configuration"),
        "",
    ),
    (
        "get_metrics",
        "invocations",
        "invocations",
        count,
        ("invocations", "metrics"),
        "has the most",
    ),
    (
        "get_metrics",
        "error_rate_pct",
        "error rate",
        percent,
        ("errors", "metrics"),
        "has the highest",
    ),
    ("get_metrics", "errors", "errors", count, ("errors",), "has the most"),
    (
        "get_metrics",
        "mean_duration_ms",
        "mean duration",
        milliseconds,
        ("duration", "metrics"),
        "is the slowest",
    ),
    (
        "get_metrics",
        "p50_duration_ms",
        "p50 duration",
        milliseconds,
        ("duration",),
        "is the slowest",
    ),
    (
        "get_metrics",
        "p95_duration_ms",
        "p95 duration",
        milliseconds,
        ("duration", "metrics"),
        "is the slowest",
    ),
    (
        "get_metrics",
        "p99_duration_ms",
        "p99 duration",
        milliseconds,
        ("duration",),
        "is the slowest",
    ),
    ("get_metrics", "throttles", "throttles", count, ("throttles", "metrics"), "has the most"),
    (
        "get_cost",
        "cost_usd_month",
        "cost a month",
        usd,
        ("cost", "saving"),
        "is the most expensive",
    ),
    (
        "get_cost",
        "cost_usd_per_million",
        "cost per million invocations",
        usd,
        ("cost",),
        "is the most expensive",
    ),
    (
        "get_report_statistics",
        "cold_start_rate_pct",
        "cold start rate",
        percent,
        ("cold_starts",),
        "has the highest",
    ),
    (
        "get_report_statistics",
        "mean_init_ms",
        "mean init duration",
        milliseconds,
        ("cold_starts",),
        "has the longest",
    ),
    (
        "get_report_statistics",
        "max_memory_used_mb",
        "memory used",
        memory,
        ("memory_used",),
        "has the highest",
    ),
)


def compare(turn: Turn) -> list[str]:
    """A line for each thing that both have, naming the highest."""
    question = turn.question
    lines = []
    for tool, field, label, show, concepts, word in _ROWS:
        if _asked(question) and not question.about(*concepts):
            continue
        values: list[tuple[str, Any, int]] = []
        for name in question.functions:
            item = next((e for e in turn.found(tool) if e.result.function == name), None)
            if item is not None:
                values.append((name, item.result.data.get(field), item.citation.number))
        if len(values) > 1:
            lines.append(_line(label, values, show, word))
    return lines


def _asked(question: Question) -> bool:
    return any(question.about(*row[4]) for row in _ROWS)


def _line(label: str, values: list[tuple[str, Any, int]], show: Show, word: str) -> str:
    shown = ", ".join(f"{name} {show(value)} [{number}]" for name, value, number in values)
    numbers = [(value, name) for name, value, _ in values if isinstance(value, (int, float))]
    verdict = ""
    if word and len(numbers) == len(values):
        top = max(numbers)
        verdict = "; equal" if len({value for value, _ in numbers}) == 1 else f"; {top[1]} {word}"
    return f"{label}: {shown}{verdict}."
