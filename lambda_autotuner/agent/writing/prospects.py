"""Sentences about what is supposed and about before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.agent.writing.figures import (
    count,
    listing,
    memory,
    milliseconds,
    percent,
    usd,
)

Data = Mapping[str, Any]
_STILL_PCT = 5.0
"""A change below this is called none: it is within the noise of most functions."""


def estimate(data: Data, _q: Question, cite: str) -> list[str]:
    """Expected figures at supposed sizes, named a prediction, beside the present ones."""
    name = data["function"]
    supposed = data.get("supposed") or []
    if not supposed:
        sizes = listing([memory(size) for size in data.get("sizes_asked_mb") or []])
        return [f"{name} at {sizes} cannot be predicted: {data.get('reason')}. {cite}"]
    now = data["now"]
    lines = [
        (
            f"{name} today: {memory(now['memory_mb'])} on {now['architecture']}, mean duration {milliseconds(now['mean_ms'])}, "
            f"{_money(now)}. {cite}"
        )
    ]
    for row in supposed:
        lines += _supposed(data, row, now)
    lines.append(
        "  This is a prediction from telemetry, nothing was changed or measured; "
        f"to be sure: lambda-autotuner tune {name}"
    )
    return lines


def _supposed(data: Data, row: Data, now: Data) -> list[str]:
    size = row["memory_mb"]
    if size == now["memory_mb"] and row["architecture"] == now["architecture"]:
        return [f"  {memory(size)} is what it has today: nothing would change."]
    where = memory(size)
    if row["architecture"] != now["architecture"]:
        where += f" on {row['architecture']}"
    lines = [
        (
            f"  At {where}: mean duration about {milliseconds(row['mean_ms'])} "
            f"({milliseconds(row['mean_low_ms'])} to {milliseconds(row['mean_high_ms'])}), {_than(row['duration_change_pct'], 'slower', 'faster', 'as fast as today')}; "
            f"about {_money(row)}, {_than(row['cost_change_pct'], 'more expensive', 'cheaper', 'the same cost')}{_month(row)}."
        )
    ]
    used = data.get("max_memory_used_mb")
    if used is not None and size <= used:
        lines.append(
            f"  Not safe: it has used up to {memory(used)}, so at {memory(size)} invocations would run out of memory."
        )
    if row["architecture"] != now["architecture"] and data.get("same_duration_assumed"):
        lines.append(
            f"  For {row['architecture']} the same duration is assumed: nothing of this function was seen there, and the code must be built for it."
        )
    return lines


def _money(row: Data) -> str:
    text = f"{usd(row['cost_usd_per_million'])} per million invocations"
    if row.get("cost_usd_month") is not None:
        text = f"{usd(row['cost_usd_month'])} a month, {text}"
    return text


def _month(row: Data) -> str:
    change = row.get("cost_change_usd_month")
    if not change:
        return ""
    return f" ({'+' if change > 0 else '-'}{usd(abs(change))} a month)"


def _than(change: float | None, more: str, less: str, same: str) -> str:
    if change is None:
        return "unknown against today"
    if abs(change) < 1:
        return same
    return f"{percent(abs(change))} {more if change > 0 else less}"


# (concepts that ask for it, field, label, how to show it, whether more is worse)
_ROWS = (
    (("duration",), "mean_duration_ms", "mean duration", milliseconds),
    (("duration",), "p50_duration_ms", "p50", milliseconds),
    (("duration",), "p95_duration_ms", "p95", milliseconds),
    (("duration",), "p99_duration_ms", "p99", milliseconds),
    (("errors", "timed_out"), "error_rate_pct", "error rate", percent),
    (("errors", "timed_out"), "errors_per_day", "errors a day", count),
    (("invocations",), "invocations_per_day", "invocations a day", count),
    (("throttles", "concurrency"), "throttles_per_day", "throttles a day", count),
    (("cost", "saving"), "cost_usd_per_day", "cost a day", usd),
    (("cost",), "cost_usd_per_million", "cost per million invocations", usd),
)
_ALWAYS = frozenset(
    {
        "mean_duration_ms",
        "p95_duration_ms",
        "error_rate_pct",
        "invocations_per_day",
        "cost_usd_per_day",
    }
)
_WORSE = frozenset(
    {
        "cost_usd_per_day",
        "cost_usd_per_million",
        "error_rate_pct",
        "errors_per_day",
        "throttles_per_day",
    }
)


def periods(data: Data, q: Question, cite: str) -> list[str]:
    """Two spans beside each other, of one function or of those that changed most."""
    if "function" not in data:
        return _fleet(data, cite)
    recent, before, change = data["recent"], data["before"], data["change_pct"]
    name = data["function"]
    split = "its last modification, " if data.get("split_is_the_last_modification") else ""
    lines = [
        f"{name}, after against before {split}{data['split_at']} ({recent['window']}; {before['window']}): {cite}"
    ]
    if not before.get("invocations") or not recent.get("invocations"):
        side = "before" if not before.get("invocations") else "after"
        return [*lines, f"  There were no invocations {side} it, so there is nothing to compare."]
    asked = any(q.about(*concepts) for concepts, *_ in _ROWS)
    percentiles = {f"p{value:g}_duration_ms" for value in q.percentiles}
    for concepts, field, label, show in _ROWS:
        wanted = q.about(*concepts) if asked else field in _ALWAYS
        if percentiles and field.endswith("_duration_ms") and field not in percentiles:
            continue
        if wanted:
            lines.append(
                f"  {label}: {show(before.get(field))} -> {show(recent.get(field))}{_verdict(field, change.get(field), recent, before)}"
            )
    if data.get("reason"):
        lines.append(f"  Mind: {data['reason']}.")
    return lines


def _verdict(field: str, change: float | None, recent: Data, before: Data) -> str:
    if change is None:
        return " (none before)" if not before.get(field) and recent.get(field) else ""
    if abs(change) < _STILL_PCT:
        return f" (about the same, {change:+g} %)"
    if field.endswith("_duration_ms"):
        word = "slower" if change > 0 else "faster"
    elif field in _WORSE:
        word = "worse" if change > 0 else "better"
    else:
        word = "more" if change > 0 else "fewer"
    return f" ({percent(abs(change))} {word})"


_FLEET = {
    "duration": ("p95 duration", milliseconds), "errors": ("error rate", percent), "cost": ("cost a day", usd),
    "invocations": ("invocations a day", count), "throttles": ("throttles a day", count),
}  # fmt: skip


def _fleet(data: Data, cite: str) -> list[str]:
    label, show = _FLEET[str(data.get("metric") or "duration")]
    rows = data.get("functions") or []
    lines = [
        f"{count(data.get('compared'))} of {count(data.get('scanned'))} functions have enough invocations to compare, {data.get('window')}. {cite}"
    ]
    if data.get("total_recent") is not None:
        what = label.removesuffix(" a day")
        change = data.get("total_change_pct")
        share = f" ({change:+g} %)" if change is not None else ""
        lines.append(
            f"All together, {what}: {show(data.get('total_before'))} -> {show(data['total_recent'])}{share}."
        )
    if not rows:
        return [*lines, f"None can be compared by {label}."]
    grew = [row for row in rows if (row.get("change_pct") or 0) >= _STILL_PCT]
    if not grew:
        lines.append(f"None got worse by {_STILL_PCT:g} % or more in {label}; the largest changes:")
    else:
        lines.append(f"Largest rise in {label} first:")
    lines += [
        f"  {number}. {row['function']}: {show(row['before'])} -> {show(row['recent'])}"
        + (f" ({row['change_pct']:+g} %)" if row.get("change_pct") is not None else "")
        for number, row in enumerate(rows, 1)
    ]
    return lines
