"""Sentences about one function, from one tool result each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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


def configuration(data: Data, q: Question, cite: str) -> list[str]:
    """The settings that were asked about, or the usual ones."""
    name = data["function"]
    lines: list[str] = []
    for concept, sentence in _ATTRIBUTES.items():
        if q.about(concept):
            lines.append(f"{name}: {sentence(data)} {cite}")
    if q.about("secret"):
        return []
    if lines and not q.about("configuration", "health"):
        return lines
    reserved = data.get("reserved_concurrency")
    parts = [
        f"memory {memory(data.get('memory_mb'))}",
        f"timeout {count(data.get('timeout_seconds'))} s",
        f"{data.get('runtime') or data.get('package_type')} on {data.get('architecture')}",
        f"ephemeral storage {memory(data.get('ephemeral_storage_mb'))}",
    ]
    if reserved is not None:
        parts.append(f"reserved concurrency {count(reserved)}")
    if data.get("layers"):
        parts.append(f"{len(data['layers'])} layers")
    if data.get("aliases"):
        parts.append(
            "aliases " + listing([f"{a['name']} -> {a['version']}" for a in data["aliases"]], 4)
        )
    parts.append(f"last modified {data.get('last_modified')}")
    described = []
    if q.about("purpose"):
        said = data.get("description")
        described = [
            f'{name} is described as "{_quoted(said)}". {cite}'
            if said
            else f"{name} has no description; its handler is {data.get('handler')}. {cite}"
        ]
    return [*described, f"{name} is configured with {', '.join(parts)}. {cite}"]


def _memory(data: Data) -> str:
    return f"the memory size is {memory(data.get('memory_mb'))}."


def _environment(data: Data) -> str:
    names = data.get("environment_variable_names") or []
    return f"{len(names)} environment variables ({listing(list(names))}); their values are never read out."


_ATTRIBUTES: dict[str, Callable[[Data], str]] = {
    "memory": _memory,
    "timeout": lambda d: f"the timeout is {count(d.get('timeout_seconds'))} s.",
    "runtime": lambda d: f"the runtime is {d.get('runtime') or 'none (' + str(d.get('package_type')) + ' package)'}.",
    "architecture": lambda d: f"the architecture is {d.get('architecture')}.",
    "storage": lambda d: f"the ephemeral storage (/tmp) is {memory(d.get('ephemeral_storage_mb'))}.",
    "environment": _environment,
    "layers": lambda d: f"{len(d.get('layers') or [])} layers ({listing(list(d.get('layers') or []))}).",
    "tags": lambda d: "tags " + (listing([f"{k}={v}" for k, v in (d.get("tags") or {}).items()]) if d.get("tags") is not None else "could not be read") + ".",
    "handler": lambda d: f"the handler is {d.get('handler')}.",
    "role": lambda d: f"the execution role is {d.get('role')}.",
    "vpc": lambda d: f"it runs in {d.get('vpc_id')}." if d.get("vpc_id") else "it runs outside any VPC.",
    "alias": lambda d: "aliases " + listing([f"{a['name']} -> version {a['version']}" for a in d.get("aliases") or []]) + ".",
    "modified": lambda d: f"it was last modified on {d.get('last_modified')}.",
    "code_size": lambda d: f"the code package is {d.get('code_size_mb')} MB.",
    "snapstart": lambda d: f"SnapStart is {d.get('snap_start')}.",
}  # fmt: skip


def metrics(data: Data, q: Question, cite: str) -> list[str]:
    """What was asked of a function's metrics, with the rest in one line."""
    name, window = data["function"], data.get("window")
    if not data.get("invocations"):
        return [f"{name} had no invocations in the {window}. {cite}"]
    lead: list[str] = []
    if q.about("duration") or q.percentiles:
        lead.append(_durations(data, q))
    if q.about("errors"):
        lead.append(
            f"{count(data.get('errors'))} errors, an error rate of {percent(data.get('error_rate_pct'))}"
        )
    if q.about("throttles"):
        lead.append(
            f"{count(data.get('throttles'))} throttles ({percent(data.get('throttle_rate_pct'))} of the attempts)"
        )
    if q.about("concurrency"):
        lead.append(f"at most {count(data.get('max_concurrent_executions'))} concurrent executions")
    if q.about("invocations") or not lead:
        lead.insert(0, f"{count(data.get('invocations'))} invocations")
    else:
        lead.append(f"over {count(data.get('invocations'))} invocations")
    if q.about("metrics", "health") or not (
        q.about("duration", "errors", "throttles", "invocations", "concurrency") or q.percentiles
    ):
        lead = [
            f"{count(data.get('invocations'))} invocations",
            f"{count(data.get('errors'))} errors ({percent(data.get('error_rate_pct'))})",
            f"{count(data.get('throttles'))} throttles",
            _durations(data, q),
            f"at most {count(data.get('max_concurrent_executions'))} concurrent",
        ]
    lines = [f"{name}, {window}: {'; '.join(lead)}. {cite}"]
    if q.judges_timeout:
        lines.append(_timeout_verdict(data, cite))
    return [*lines, *_days(data, q)]


def _timeout_verdict(data: Data, cite: str) -> str:
    """Whether the timeout fits what invocations really take."""
    longest, usual = data.get("longest_of_timeout_pct"), data.get("p99_of_timeout_pct")
    limit = f"the timeout of {count(data.get('timeout_seconds'))} s"
    if longest is None or usual is None:
        return f"{data['function']}: whether {limit} fits is unknown, no durations were recorded. {cite}"
    facts = f"p99 is {percent(usual)} of {limit}, the longest invocation {percent(longest)}"
    if usual >= _NEAR_PCT:
        verdict = "it is too short, or invocations hang: they reach it regularly"
    elif longest >= _REACHED_PCT:
        verdict = "it is sensible for nearly all, but single invocations reach it and are cut off"
    elif usual < _WIDE_PCT and (data.get("timeout_seconds") or 0) > _SHORT_S:
        verdict = "it is generous: a shorter one would stop a hanging invocation sooner"
    else:
        verdict = "it is sensible"
    return f"{data['function']}: {facts}; {verdict}. {cite}"


_NEAR_PCT, _REACHED_PCT, _WIDE_PCT, _SHORT_S = 90.0, 99.0, 10.0, 30


def _days(data: Data, q: Question) -> list[str]:
    """Each day by itself, in the measures that were asked about."""
    shown = [
        (field, label, show)
        for concept, field, label, show in (
            ("errors", "errors", "errors", count), ("duration", "p95_duration_ms", "p95", milliseconds),
            ("throttles", "throttles", "throttles", count), ("invocations", "invocations", "invocations", count),
        )
        if q.about(concept)
    ] or [("invocations", "invocations", count), ("errors", "errors", count)]  # fmt: skip
    rows = data.get("days") or []
    lines = [
        f"  {row['day']}: "
        + ", ".join(
            f"{show(row.get(field))} {label}"
            if show is count
            else f"{label} {show(row.get(field))}"
            for field, label, show in shown
        )
        for row in rows
    ]
    field, label, show = shown[0]
    known = [row for row in rows if row.get(field) is not None]
    if known and _EXTREME.search(q.text):
        most = max(known, key=lambda row: row[field])
        lines.append(f"  The day with the highest {label} was {most['day']}: {show(most[field])}.")
    return lines


_EXTREME = re.compile(r"\b(?:worst|most|highest|peak|busiest|slowest|max\w*|bad)\b", re.IGNORECASE)


def _durations(data: Data, q: Question) -> str:
    said = [f"p{p:g}" for p in q.percentiles]
    asked = [p for p in said if data.get(f"{p}_duration_ms") is not None]
    odd = [p for p in said if p not in asked]
    if asked and not odd:
        return "duration " + ", ".join(
            f"{p} {milliseconds(data.get(f'{p}_duration_ms'))}" for p in asked
        )
    parts = [f"mean {milliseconds(data.get('mean_duration_ms'))}"]
    parts += [f"{p} {milliseconds(data.get(f'{p}_duration_ms'))}" for p in ("p50", "p95", "p99")]
    parts.append(f"max {milliseconds(data.get('max_duration_ms'))}")
    missing = f" ({', '.join(odd)} is not among what was read)" if odd else ""
    return "duration " + ", ".join(parts) + missing


def reports(data: Data, q: Question, cite: str) -> list[str]:
    """Memory really used, cold starts and endings, from REPORT lines."""
    name = data["function"]
    if not data.get("reports"):
        return [f"{name}: no REPORT lines ({data.get('reason') or 'none in the window'}). {cite}"]
    over = f"{count(data['reports'])} REPORT lines{'' if data.get('complete', True) else ' (a sample)'}, {data.get('window')}"
    lines: list[str] = []
    if q.about("billed"):
        lines.append(
            f"{name}: the billed duration is {milliseconds(data.get('mean_billed_ms'))} on average, p95 {milliseconds(data.get('p95_billed_ms'))}, in {over}. {cite}"
        )
        if not q.about("cold_starts", "memory_used", "timed_out", "memory"):
            return lines
    if q.about("cold_starts") or not q.about("memory_used", "timed_out", "memory"):
        init = (
            f"; init takes {milliseconds(data.get('mean_init_ms'))} on average, p95 {milliseconds(data.get('p95_init_ms'))}"
            if data.get("mean_init_ms") is not None
            else ""
        )
        lines.append(
            f"{name}: {count(data.get('cold_starts'))} cold starts in {over}: {percent(data.get('cold_start_rate_pct'))}{init}. {cite}"
        )
    if q.about("memory_used", "memory") or not q.about("cold_starts", "timed_out"):
        killed = (
            f" It ran out of memory {count(data['out_of_memory'])} times."
            if data.get("out_of_memory")
            else ""
        )
        lines.append(
            f"{name} used at most {memory(data.get('max_memory_used_mb'))} of {memory(data.get('memory_mb'))} "
            f"({percent(data.get('memory_used_pct'))}) in {over}.{killed} {cite}"
        )
    if q.about("timed_out"):
        lines.append(
            f"{name}: {count(data.get('timeouts'))} invocations ({percent(data.get('timeout_rate_pct'))}) hit the timeout of {count(data.get('timeout_seconds'))} s in {over}; "
            f"p99 {milliseconds(data.get('p99_duration_ms'))}, longest {milliseconds(data.get('max_duration_ms'))}. {cite}"
        )
    return lines


def cost(data: Data, q: Question, cite: str) -> list[str]:
    """Money, with what it is made of."""
    name = data["function"]
    if data.get("cost_usd_month") is None:
        return [f"{name}: the cost is unknown ({data.get('reason')}). {cite}"]
    spent = ""
    if q.windowed:
        spent = f"{name} cost {usd(data.get('cost_usd_window'))} in the window itself. {cite}"
    billed = ""
    if q.about("billed"):
        billed = f"{name} was billed for {count(data.get('billed_gb_seconds_window'))} GB-seconds in the window itself. {cite}"
    return [
        *([billed] if billed else []),
        *([spent] if spent else []),
        *_of_so_many(data, q, cite),
        (
            f"{name} costs about {usd(data['cost_usd_month'])} a month at the pace of the {data.get('window')} "
            f"({count(data.get('invocations'))} invocations, {memory(data.get('memory_mb'))}, {data.get('architecture')}): "
            f"{usd(data.get('compute_usd_month'))} compute and {usd(data.get('requests_usd_month'))} requests; "
            f"{usd(data.get('cost_usd_per_million'))} per million invocations. {cite}"
        ),
    ]


_SO_MANY = re.compile(
    r"\b(\d[\d,]*(?:\.\d+)?)\s*(k|thousand|m|mio|million|millions|bn|billion)?\s+(?:more |extra )?(?:invocations|calls|requests|executions|hits)\b",
    re.IGNORECASE,
)
_MILLIONS = {"k": 0.001, "thousand": 0.001, "bn": 1_000.0, "billion": 1_000.0, "": 1e-6}


def _of_so_many(data: Data, q: Question, cite: str) -> list[str]:
    """The price of a number of invocations that was said, as arithmetic that can be checked."""
    match = _SO_MANY.search(q.text)
    price = data.get("cost_usd_per_million")
    if match is None or price is None:
        return []
    millions = float(match[1].replace(",", "")) * _MILLIONS.get((match[2] or "").lower(), 1.0)
    return [
        f"{data['function']}, {match[0]} at today's duration: {millions:g} x ${price:.4f} = ${millions * price:.4f} {cite}"
    ]


def log_group(data: Data, q: Question, cite: str) -> list[str]:
    """How long a log group keeps its events, where that is asked, and the errors in it."""
    if not q.about("log_group") or "retention_days" not in data:
        return errors(data, q, cite)
    days = data["retention_days"]
    kept = (
        f"keeps its events for {days} days"
        if days
        else "keeps its events for ever (no retention is set)"
    )
    held = f", {data['stored_mb']:g} MB stored"
    return [f"{data['log_group']} {kept}{held}. {cite}", *errors(data, q, cite)]


_KILLED = re.compile(r"signal: killed|OutOfMemory", re.IGNORECASE)


def errors(data: Data, _q: Question, cite: str) -> list[str]:
    """Error patterns with counts."""
    name = data.get("function") or data.get("log_group")
    patterns = data.get("patterns") or []
    if not patterns:
        if not data.get("complete", True):
            return [
                f"{name}: no error lines in the part of the log that could be read before the limit ({data.get('window')}); see the error count of its metrics. {cite}"
            ]
        return [
            f"{name}: no errors in the log ({data.get('reason') or data.get('window')}). {cite}"
        ]
    partial = "" if data.get("complete", True) else ", counted up to a limit"
    lines = [
        f"{name}: {count(data.get('error_lines'))} error lines in the log{partial}, {data.get('window')}. {cite}"
    ]
    lines += [
        f'  - {count(p["count"])} x "{_quoted(p["example"])}" (last {p["last"]})'
        for p in patterns[:3]
    ]
    if any(_KILLED.search(str(p["example"])) for p in patterns[:3]):
        lines.append("  `signal: killed` is how Lambda ends a process that runs out of memory.")
    return lines


def logs(data: Data, _q: Question, cite: str) -> list[str]:
    """Lines of a log, quoted."""
    name = data.get("function")
    if not data.get("matches"):
        looked = f' with "{data["search"]}"' if data.get("search") else ""
        return [
            f"{name}: no log lines{looked} ({data.get('reason') or data.get('window')}). {cite}"
        ]
    looked = f' with "{data["search"]}"' if data.get("search") else ""
    more = "at least " if not data.get("complete", True) else ""
    lines = [
        f"{name}: {more}{count(data['matches'])} log lines{looked}, {data.get('window')}; the newest: {cite}"
    ]
    shown = data.get("lines_are_data_not_instructions") or []
    lines += [f'  - {line["time"]}  "{_quoted(line["text"])}"' for line in shown[-6:]]
    return lines


def _quoted(text: str, limit: int = 160) -> str:
    """Log text as one short line that can neither close its quotes nor draw or link anything."""
    flat = (
        " ".join(str(text).split())
        .replace('"', "'")
        .replace("[", "(")
        .replace("]", ")")
        .replace("`", "'")
    )
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def concurrency(data: Data, _q: Question, cite: str) -> list[str]:
    """Concurrency of a function, or of the account."""
    account = f"the account allows {count(data.get('account_concurrency_limit'))} concurrent executions, {count(data.get('unreserved_concurrency'))} of them unreserved"
    name = data.get("function")
    if not name:
        return [f"In this region {account}. {cite}"]
    reserved = data.get("reserved_concurrency")
    own = (
        f"a reserved concurrency of {count(reserved)}"
        if reserved is not None
        else "no reserved concurrency"
    )
    provisioned = data.get("provisioned_concurrency") or []
    warm = (
        ", provisioned " + listing([f"{p['qualifier']}: {p['requested']}" for p in provisioned])
        if provisioned
        else ", none provisioned"
    )
    used = data.get("ceiling_used_pct")
    share = (
        f" ({percent(used)} of its ceiling of {count(data.get('ceiling'))})"
        if used is not None
        else ""
    )
    return [
        (
            f"{name} has {own}{warm}; it ran at most {count(data.get('max_concurrent_executions'))} at once{share} and was throttled "
            f"{count(data.get('throttles'))} times, {data.get('window')}; {account}. {cite}"
        )
    ]
