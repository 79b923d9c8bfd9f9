"""Sentences about the account: listings, rankings, alarms, history, reference."""

from __future__ import annotations

import re
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
from lambda_autotuner.agent.writing.narrowing import narrowed_by, values

Data = Mapping[str, Any]

_SHOWN = 40
_GROUPS_SHOWN = 60
_METRICS = {
    "savings": ("saving_usd_month", "what they could save", usd),
    "modified": ("last_modified", "last change", str),
    "code_size": ("code_size_mb", "code size in MB", count),
    "cost": ("cost_usd_month", "cost a month", usd),
    "errors": ("errors", "errors", count),
    "error_rate": ("error_rate_pct", "error rate", percent),
    "duration": ("p95_duration_ms", "p95 duration", milliseconds),
    "duration_p50": ("p50_duration_ms", "p50 duration", milliseconds),
    "duration_p99": ("p99_duration_ms", "p99 duration", milliseconds),
    "invocations": ("invocations", "invocations", count),
    "throttles": ("throttles", "throttles", count),
    "memory": ("memory_mb", "memory size", memory),
    "memory_used": ("memory_used_pct", "share of the memory used", percent),
    "cold_starts": ("cold_start_rate_pct", "cold start rate", percent),
    "timeouts": (
        "timeout_used_pct",
        "share of the timeout used by the longest invocation",
        percent,
    ),
    "timeout": ("timeout_seconds", "timeout in s", count),
    "idle": ("invocations", "invocations", count),
}


def functions(data: Data, q: Question, cite: str) -> list[str]:
    """How many functions, and which."""
    where = f"account {data.get('account')}, {data.get('region')}"
    narrowed = data.get("narrowed_by") or {}
    how = narrowed_by(narrowed)
    lines = [f"{count(data.get('count'))} functions{how} in {where}. {cite}"]
    if narrowed:
        lines[0] = (
            f"{count(data.get('count'))} of {count(data.get('of_functions'))} functions{how} in {where}. {cite}"
        )
    rows = data.get("functions") or []
    if q.about("count") and not q.about("list") and not narrowed:
        return lines
    lines += [
        f"  - {row['function']}: {memory(row['memory_mb'])}, {count(row['timeout_seconds'])} s, {row['runtime']}, {row['architecture']}{values(row, narrowed)}"
        for row in rows[:_SHOWN]
    ]
    if len(rows) > _SHOWN:
        lines.append(
            f"  and others ({len(rows)} in all); narrow by name, runtime, architecture or memory size."
        )
    return lines


def found(data: Data, _q: Question, cite: str) -> list[str]:
    """Nearest names."""
    if data.get("found"):
        return [f"{data['asked']} exists. {cite}"]
    return [
        f"There is no function {data['asked']!r} in {data.get('searched')}. Nearest names: {listing(list(data.get('nearest') or []))}. {cite}"
    ]


def fleet(data: Data, q: Question, cite: str) -> list[str]:
    """A ranking of the account."""
    metric = str(data.get("sort_by") or "savings")
    field, label, show = _METRICS.get(metric, _METRICS["savings"])
    rows = data.get("functions") or []
    lines = [_fleet_lead(data, q, metric, cite)]
    narrowing = data.get("narrowed_by") or {}
    if data.get("could_not_be_judged"):
        lines.append(
            f"{count(data['could_not_be_judged'])} more could not be judged: what the condition is about was not seen for them."
        )
    summed = _TOTAL.search(q.text) or (narrowing and q.about("count"))
    if summed and metric in {"invocations", "errors", "throttles", "error_rate"}:
        lines.append(f"Together: {_together(data, metric)}.")
    if metric == "idle":
        idle = [row["function"] for row in rows if not row.get("invocations")]
        lines.append(
            f"Without invocations: {listing(idle, 30)}."
            if idle
            else "Every function was invoked in that window."
        )
        return lines
    if not rows:
        return [*lines, f"Nothing to rank by {label}: no function has it."]
    lines.append(f"By {label}, {'lowest' if data.get('ascending') else 'highest'} first:")
    lines += [
        f"  {number}. {_row(row, field, show, metric)}{_further(row, narrowing, field)}"
        for number, row in enumerate(rows, 1)
    ]
    return lines


def _fleet_lead(data: Data, q: Question, metric: str, cite: str) -> str:
    """How many functions were looked at and, for money, what they cost together."""
    how = narrowed_by(data.get("narrowed_by") or {})
    many = f"{count(data.get('scanned'))} functions"
    if how:
        many = f"{count(data.get('matching'))} of {many}{how}"
    if metric not in {"savings", "cost"} and not q.about("cost", "saving"):
        return f"{many}{'' if how else ' looked at'}, {data.get('window')}. {cite}"
    parts = [f"{many} cost {usd(data.get('total_cost_usd_month'))} a month together"]
    if q.windowed and data.get("total_cost_usd_window") is not None:
        parts.append(f"{usd(data['total_cost_usd_window'])} in the window itself")
    saving = data.get("total_saving_usd_month")
    if saving is not None:
        parts.append(f"{usd(saving)} a month of it could be saved, if measurements confirm it")
    return f"{'; '.join(parts)}, {data.get('window')}. {cite}"


def _further(row: Data, narrowing: Data, field: str) -> str:
    """What the conditions looked at, apart from what it is ranked by."""
    where = [item for item in narrowing.get("where") or () if item["field"] != field]
    return values(row, {"where": where})


_TOTAL = re.compile(
    r"\b(?:total|altogether|overall|sum|together|all|in all|combined|insgesamt)\b", re.IGNORECASE
)


def _together(data: Data, metric: str) -> str:
    if metric == "invocations":
        return f"{count(data.get('total_invocations'))} invocations"
    if metric == "error_rate":
        return (
            f"an error rate of {percent(data.get('overall_error_rate_pct'))} "
            f"({count(data.get('total_errors'))} errors of {count(data.get('total_invocations'))} invocations)"
        )
    return f"{count(data.get(f'total_{metric}'))} {metric}"


def _row(row: Data, field: str, show: Any, metric: str) -> str:
    text = f"{row['function']}: {show(row.get(field))}"
    if metric == "savings" and row.get("recommended_memory_mb"):
        text += (
            f" a month, {memory(row.get('memory_mb'))} -> {memory(row['recommended_memory_mb'])}"
        )
        if row.get("recommended_architecture") and row.get("recommended_architecture") != row.get(
            "architecture"
        ):
            text += f" on {row['recommended_architecture']}"
    elif metric == "savings":
        text += f" a month if a measurement confirms it (lambda-autotuner tune {row['function']})"
    elif metric == "cost":
        text += (
            f" a month, {count(row.get('invocations'))} invocations in the window, "
            f"{memory(row.get('memory_mb'))}"
        )
    elif metric == "memory_used":
        text += (
            f", at most {memory(row.get('max_memory_used_mb'))} of {memory(row.get('memory_mb'))}"
        )
        if row.get("out_of_memory"):
            text += f", ran out of memory {count(row['out_of_memory'])} times in a sample"
    elif metric == "errors":
        text += f" errors, {percent(row.get('error_rate_pct'))} of {count(row.get('invocations'))} invocations"
    elif metric.startswith("duration"):
        text += "".join(
            f", {p} {milliseconds(row.get(f'{p}_duration_ms'))}"
            for p in ("p50", "p95", "p99")
            if f"{p}_duration_ms" != field
        )
    return text


def account(data: Data, _q: Question, cite: str) -> list[str]:
    """Where we are."""
    writes = "changes are allowed after approval" if data.get("writes_allowed") else "read-only"
    kind = "the embedded sandbox" if data.get("kind") == "sandbox" else "AWS"
    return [
        f"This is account {data.get('account')} in {data.get('region')} ({kind}), as {data.get('caller', 'an unknown caller')}; {count(data.get('functions'))} functions; {writes}. {cite}"
    ]


def permissions(data: Data, _q: Question, cite: str) -> list[str]:
    """What is missing."""
    missing = list(data.get("missing") or [])
    unknown = list(data.get("could_not_check") or [])
    lines = []
    if missing:
        lines.append(f"Missing permissions: {listing(missing, 20)}. {cite}")
    if unknown:
        lines.append(
            f"Could not check (iam:SimulatePrincipalPolicy is needed): {listing(unknown, 20)}. {cite}"
        )
    if not lines:
        lines.append(
            f"Nothing is missing: all {count(data.get('checked'))} IAM actions that reading and changing need are allowed. {cite}"
        )
    if data.get("allowed") and (missing or unknown):
        lines.append(f"Allowed: {listing(list(data['allowed']), 20)}.")
    return lines


def alarms(data: Data, _q: Question, cite: str) -> list[str]:
    """Alarms and their state."""
    whose = f" for {data['function']}" if data.get("function") else ""
    if not data.get("count"):
        return [f"There are no alarms{whose}. {cite}"]
    lines = [
        f"{count(data['count'])} alarms{whose}, {count(data.get('in_alarm'))} in alarm. {cite}"
    ]
    ordered = sorted(data.get("alarms") or [], key=lambda alarm: alarm.get("state") != "ALARM")
    lines += [
        f"  - {a['alarm']}: {a['state']} ({a.get('metric')} {a.get('comparison')} {a.get('threshold')})"
        for a in ordered[:15]
    ]
    return lines


def dashboards(data: Data, _q: Question, cite: str) -> list[str]:
    """Dashboards."""
    names = [row["dashboard"] for row in data.get("dashboards") or []]
    return [f"{count(data.get('count'))} dashboards: {listing(names, 30)}. {cite}"]


def dashboard(data: Data, _q: Question, cite: str) -> list[str]:
    """One dashboard."""
    return [
        (
            f"Dashboard {data['dashboard']}: {count(data.get('widgets'))} widgets ({listing([f'{n} {k}' for k, n in (data.get('widget_types') or {}).items()])}); "
            f"metrics {listing(list(data.get('metrics') or []), 10)}; functions {listing(list(data.get('functions') or []), 10)}. {cite}"
        )
    ]


def log_groups(data: Data, q: Question, cite: str) -> list[str]:
    """Log groups."""
    lines = [
        (
            f"{count(data.get('count'))} log groups, {count(data.get('without_retention'))} of them kept for ever, "
            f"{data.get('stored_mb', 0)} MB stored in all. {cite}"
        )
    ]
    lines += [
        f"  - {g['log_group']}: {g['stored_mb']} MB, "
        + (f"kept {g['retention_days']} days" if g.get("retention_days") else "kept for ever")
        for g in _ordered(data.get("log_groups") or [], q)[:_GROUPS_SHOWN]
    ]
    return lines


def _ordered(groups: list[Data], q: Question) -> list[Data]:
    """By size where the biggest were asked for; else as they came, those kept for ever first."""
    if re.search(r"\b(?:big|large|most|size|heav|fat|stor)\w*", q.text, re.IGNORECASE):
        return sorted(groups, key=lambda g: (-(g.get("stored_mb") or 0), str(g["log_group"])))
    return sorted(groups, key=lambda g: bool(g.get("retention_days")))


def history(data: Data, _q: Question, cite: str) -> list[str]:
    """What the journal knows."""
    whose = f" of {data['function']}" if data.get("function") else ""
    entries = data.get("entries") or []
    lines = []
    if data.get("pending"):
        lines.append(
            f"{len(data['pending'])} proposals wait for a decision: {listing([str(p) for p in data['pending']])}."
        )
    if not entries:
        return [*lines, f"The journal holds no changes{whose}. {cite}"]
    lines.append(f"{count(data.get('count'))} entries in the journal{whose}, newest first: {cite}")
    lines += [
        f"  - {entry['time']} {entry.get('function') or ''} {entry['what']}"
        for entry in entries[:10]
    ]
    return lines


def guidance(data: Data, _q: Question, cite: str) -> list[str]:
    """Passages of the reference with their sources."""
    passages = data.get("passages") or []
    if not passages:
        return [f"The reference has nothing on that. {cite}"]
    return [f"{passage['text']} ({passage['source']}) {cite}" for passage in passages[:2]]


def proposal(data: Data, _q: Question, cite: str) -> list[str]:
    """A write that waits for a decision."""
    lines = [f"{data.get('summary')} {cite}"]
    lines += [
        f"  {row['name']}: {row['before']} -> {row['after']}"
        for row in data.get("differences") or []
    ]
    if data.get("price_usd") is not None:
        lines.append(
            f"  Carrying it out costs about {usd(data['price_usd'])} (at most {count(data.get('max_invocations'))} invocations)."
        )
    if data.get("saving_usd_month") is not None:
        verb = "saves" if data["saving_usd_month"] >= 0 else "costs"
        lines.append(f"  Expected: {verb} about {usd(abs(data['saving_usd_month']))} a month.")
    lines += [f"  Note: {warning}" for warning in (data.get("warnings") or [])[:4]]
    lines.append(f"  Nothing has been changed. To decide: {data.get('command')}")
    return lines
