"""Two or more functions beside each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.agent.turn import Turn
from lambda_autotuner.agent.writing.figures import count, memory, milliseconds, percent, usd

Show = Callable[[object], str]

_LOW_END = re.compile(
    r"\b(?:cheap(?:er|est)|less|least|lower|lowest|fewer|fewest|fast(?:er|est)|quick(?:er|est)|small(?:er|est)|short(?:er|est)|light(?:er|est))\b",
    re.IGNORECASE,
)
_LOWEST_WORD = {
    "is the most expensive": "is the cheapest",
    "is the slowest": "is the fastest",
    "has the most": "has the fewest",
    "has the highest": "has the lowest",
    "has the largest": "has the smallest",
    "has the longest": "has the shortest",
}

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
    """A line for each thing that both have, naming the highest, or the lowest if that is asked."""
    question = turn.question
    lowest = bool(_LOW_END.search(question.text))
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
            lines.append(_line(label, values, show, word, lowest=lowest))
    return lines


def _asked(question: Question) -> bool:
    return any(question.about(*row[4]) for row in _ROWS)


def _line(
    label: str, values: list[tuple[str, Any, int]], show: Show, word: str, *, lowest: bool
) -> str:
    shown = ", ".join(f"{name} {show(value)} [{number}]" for name, value, number in values)
    numbers = [(value, name) for name, value, _ in values if isinstance(value, (int, float))]
    verdict = ""
    if word and len(numbers) == len(values):
        _, named = min(numbers) if lowest else max(numbers)
        told = _LOWEST_WORD[word] if lowest else word
        verdict = "; equal" if len({value for value, _ in numbers}) == 1 else f"; {named} {told}"
    return f"{label}: {shown}{verdict}."
