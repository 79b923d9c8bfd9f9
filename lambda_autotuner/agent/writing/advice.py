"""Sentences about a recommendation: what to do, the money, the latency, how sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.agent.writing.figures import count, memory, milliseconds, percent, usd

Data = Mapping[str, Any]


def recommendation(data: Data, q: Question, cite: str) -> list[str]:
    """What to do about a function's size, with money, latency and certainty."""
    name = data["function"]
    decision = data.get("decision")
    lines: list[str] = []
    if decision == "change":
        lines.append(f"{name}: change {_change(data)}. {cite}")
        lines += _expected(data)
    elif decision == "keep":
        lines.append(
            f"{name}: keep {memory(data.get('current_memory_mb'))} on {data.get('current_architecture')}; nothing better by more than the tolerance is known. {cite}"
        )
        lines += _expected(data)[:1]
    elif decision == "not_applicable":
        reason = (data.get("reasons") or ["memory does not size it"])[0]
        return [f"{name}: right-sizing by memory does not apply: {reason} {cite}"]
    elif decision == "infeasible":
        lines.append(f"{name}: no size meets the objective {data.get('objective')}. {cite}")
    else:
        lines.append(f"{name}: the telemetry alone does not settle the best size. {cite}")
        if data.get("leaning_memory_mb"):
            lines.append(f"  It leans to {memory(data['leaning_memory_mb'])}.")
        if data.get("needed_invocations"):
            lines.append(
                f"  About {count(data['needed_invocations'])} invocations, {usd(data.get('needed_cost_usd'))}, would settle it."
            )
    lines += [f"  Why: {reason}" for reason in (data.get("reasons") or [])[:2]]
    lines += _what_if(data, q)
    lines += [f"  Also: {advice}" for advice in (data.get("advice") or [])[:2]]
    if data.get("command"):
        lines.append(f"  Next: {data['command']}")
    return lines


def _change(data: Data) -> str:
    parts = [
        f"memory from {memory(data.get('current_memory_mb'))} to {memory(data.get('recommended_memory_mb'))}"
    ]
    if data.get("recommended_memory_mb") == data.get("current_memory_mb"):
        parts = [f"nothing in memory ({memory(data.get('current_memory_mb'))})"]
    if data.get("recommended_architecture") != data.get("current_architecture"):
        parts.append(
            f"architecture from {data.get('current_architecture')} to {data.get('recommended_architecture')}"
        )
    return " and ".join(parts)


def _expected(data: Data) -> list[str]:
    lines = []
    saving = data.get("saving_usd_month")
    if saving is not None:
        low, high = data.get("saving_low_usd_month"), data.get("saving_high_usd_month")
        share = f", {percent(data.get('saving_pct'))}" if data.get("saving_pct") is not None else ""
        word = "saves" if saving >= 0 else "costs"
        lines.append(
            f"  It {word} about {usd(abs(saving))} a month{share} ({percent(data.get('confidence_pct'))} interval {usd(low)} to {usd(high)}); "
            f"p95 goes from {milliseconds(data.get('current_p95_ms'))} to {milliseconds(data.get('recommended_p95_ms'))}."
        )
    return lines


def _what_if(data: Data, q: Question) -> list[str]:
    points = data.get("sizes") or []
    lines = []
    for wanted in q.sizes_mb[:3]:
        point = next(
            (
                p
                for p in points
                if p["memory_mb"] == wanted
                and p["architecture"] == data.get("current_architecture")
            ),
            None,
        )
        if point:
            lines.append(
                f"  At {memory(wanted)}: mean duration about {milliseconds(point['mean_ms'])}, "
                f"{usd(point['cost_usd_per_million'])} per million invocations."
            )
    return lines
