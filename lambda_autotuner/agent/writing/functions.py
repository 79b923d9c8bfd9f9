"""Sentences about one function, from one tool result each."""

from __future__ import annotations

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
    return [f"{name} is configured with {', '.join(parts)}. {cite}", *lines[:0]]


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
    return [f"{name}, {window}: {'; '.join(lead)}. {cite}"]


def _durations(data: Data, q: Question) -> str:
    known = {50.0: "p50", 95.0: "p95", 99.0: "p99"}
    asked = [known[p] for p in q.percentiles if p in known]
    odd = [f"p{p:g}" for p in q.percentiles if p not in known]
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
            f"{name}: {count(data.get('timeouts'))} invocations hit the timeout of {count(data.get('timeout_seconds'))} s in {over}; "
            f"p99 {milliseconds(data.get('p99_duration_ms'))}, longest {milliseconds(data.get('max_duration_ms'))}. {cite}"
        )
    return lines


def cost(data: Data, _q: Question, cite: str) -> list[str]:
    """Money, with what it is made of."""
    name = data["function"]
    if data.get("cost_usd_month") is None:
        return [f"{name}: the cost is unknown ({data.get('reason')}). {cite}"]
    return [
        (
            f"{name} costs about {usd(data['cost_usd_month'])} a month at the pace of the {data.get('window')} "
            f"({count(data.get('invocations'))} invocations, {memory(data.get('memory_mb'))}, {data.get('architecture')}): "
            f"{usd(data.get('compute_usd_month'))} compute and {usd(data.get('requests_usd_month'))} requests; "
            f"{usd(data.get('cost_usd_per_million'))} per million invocations. {cite}"
        )
    ]


def errors(data: Data, _q: Question, cite: str) -> list[str]:
    """Error patterns with counts."""
    name = data.get("function") or data.get("log_group")
    patterns = data.get("patterns") or []
    if not patterns:
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
