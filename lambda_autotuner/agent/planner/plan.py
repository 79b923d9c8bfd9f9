"""From a question to tool calls: which tools, for which functions, with which arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.agent.answer import Proposal
from lambda_autotuner.agent.planner.narrowing import narrowing, sorted_by
from lambda_autotuner.agent.reading.language import lexicon
from lambda_autotuner.agent.reading.model import Question, read_match
from lambda_autotuner.agent.reading.wishes import Wish
from lambda_autotuner.agent.turn import Turn, results_of

BUNDLE = ("get_configuration", "get_metrics", "get_cost", "get_recommendation", "get_errors")
"""What a named function with an unclear intent gets, in one round."""

MAX_FUNCTIONS = 4
"""Functions looked at one by one; for more, the fleet scan is the tool."""

_WINDOWED = frozenset({"get_metrics", "get_errors", "get_logs", "get_report_statistics", "get_cost", "analyze_log_group", "scan_fleet"})  # fmt: skip


_SPANNED = frozenset({"get_metrics", "get_report_statistics", "get_cost", "get_errors", "get_logs"})
_BY_DAY = (
    "errors",
    "duration",
    "invocations",
    "throttles",
    "dimension_trend",
    "metrics",
    "timed_out",
)
_READ_ANYWAY = frozenset({50.0, 95.0, 99.0})


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the planner wants."""

    tool: str
    arguments: dict[str, Any]


def first_calls(question: Question, pending: Sequence[Proposal] = ()) -> tuple[Call, ...]:
    """The calls of the first round, all of which may run at once."""
    if question.wish is not None and question.wish.kind == "reject":
        return ()
    if question.wish is not None and question.topic not in {
        "unknown_function",
        "ambiguous_function",
    }:
        calls = _for_wish(question, question.wish, pending)
        if calls:
            return calls
    if question.unsupported:
        return ()
    return tuple(_distinct(_for_topic(question)))


def next_calls(question: Question, turn: Turn) -> tuple[Call, ...]:
    """The calls of a later round: a plan that needed a recommendation or the present value."""
    wish = question.wish
    if wish is None or wish.kind != "change" or wish.unsaid or not _may_change(question, wish):
        return ()
    tried = {record.name for record in turn.records}
    if "plan_change" in tried:
        return ()
    function = question.functions[0]
    values = dict(wish.values)
    if wish.recommended:
        values |= _recommended(turn, function)
    for name, relative in wish.relative:
        current = _present(turn, function, name)
        if current is not None:
            values[name] = relative.of(current)
    return (Call("plan_change", {"function": function, **values}),) if values else ()


def _may_change(question: Question, wish: Wish) -> bool:
    if len(question.functions) != 1 or wish.everything or wish.conflict or wish.later:
        return False
    match = read_match(question, question.functions[0])
    return question.carried or (match is not None and match.kind in {"exact", "spelled"})


def _for_wish(question: Question, wish: Wish, pending: Sequence[Proposal]) -> tuple[Call, ...]:  # noqa: PLR0911 - one return a case, flat
    if wish.kind == "apply" and wish.later:
        return ()
    if wish.kind == "apply":
        only = pending[0].id if len(pending) == 1 else None
        plan_id = wish.plan_id or only
        return (
            (Call("apply_change", {"plan_id": plan_id}),) if plan_id else (Call("get_history", {}),)
        )
    if wish.unsaid or not _may_change(question, wish):
        return tuple(_look_first(question))
    function = question.functions[0]
    if wish.kind == "rollback":
        return (Call("roll_back", {"function": function}),)
    if wish.kind == "tune":
        return (_tune(question, wish, function),)
    if wish.recommended:
        return (
            _call("get_recommendation", {"function": function, "objective": question.objective}),
        )
    if wish.relative:
        return (Call("get_configuration", {"function": function}),)
    return (Call("plan_change", {"function": function, **dict(wish.values)}),)


def _tune(question: Question, wish: Wish, function: str) -> Call:
    return _call(
        "tune_function",
        {
            "function": function,
            "objective": question.objective,
            "sizes_mb": list(wish.sizes_mb) or None,
            "max_invocations": wish.max_invocations,
        },
    )


def _look_first(question: Question) -> Iterable[Call]:
    """Read-only evidence for a wish that is not clear enough to act on."""
    wish = question.wish
    if not question.functions:
        if wish is not None and wish.kind in {"rollback", "apply", "reject"}:
            yield Call("get_history", {})
        elif wish is not None and wish.everything:
            yield Call("scan_fleet", {"sort_by": "cost", "limit": 5})
        return
    for function in question.functions[:MAX_FUNCTIONS]:
        yield Call("get_configuration", {"function": function})
        yield Call("get_recommendation", {"function": function})


def _for_topic(question: Question) -> Iterable[Call]:  # noqa: C901, PLR0912 - one branch a topic, flat
    match question.topic:
        case "function" | "compare":
            for function in question.functions[:MAX_FUNCTIONS]:
                yield from _for_function(question, function)
            if len(question.functions) > MAX_FUNCTIONS:
                yield _call("scan_fleet", {"sort_by": question.ranking.metric, "limit": 20})
        case "list":
            yield from _listings(question)
        case "fleet" if question.periods:
            yield _periods(question, None)
        case "fleet":
            yield from _fleet(question)
        case "guidance":
            yield Call("look_up_guidance", {"topic": question.text[:200]})
        case "account":
            yield Call("get_account", {})
        case "permissions":
            yield Call("check_permissions", {})
        case "history" | "pending":
            yield _call(
                "get_history", {"function": question.functions[0] if question.functions else None}
            )
        case "alarms":
            yield from _per_function(question, "get_alarms")
        case "concurrency":
            yield from _per_function(question, "get_concurrency")
            if not question.functions and question.about("throttles"):
                yield _call("scan_fleet", {"sort_by": "throttles", "limit": 5})
        case "dashboards":
            yield Call("list_dashboards", {})
        case "log_groups":
            yield Call("list_log_groups", {})
        case "unclear" if question.aspects and not question.wish and not question.lacks_function:
            yield _call(
                "scan_fleet",
                {
                    "sort_by": question.ranking.metric,
                    "window_hours": question.window_hours,
                    "span": question.span,
                    "limit": 10,
                },
            )
        case "secret":
            for function in question.functions[:MAX_FUNCTIONS]:
                yield Call("get_configuration", {"function": function})
        case _:
            return


def _fleet(question: Question) -> Iterable[Call]:
    """The ranking that was asked for; for `is anything wrong` all that can be wrong."""
    ranking = question.ranking
    window = {
        "window_hours": question.window_hours,
        "span": question.span,
        **narrowing(question),
    }
    if question.span:
        window["window_hours"] = None
    if (
        ranking.metric == "savings"
        and not question.conditions
        and question.about("health")
        and not question.about("saving", "recommend")
    ):
        hours = window if question.windowed else {"window_hours": 24.0}
        yield _call("scan_fleet", {"sort_by": "error_rate", "limit": 5, **hours})
        yield _call("scan_fleet", {"sort_by": "throttles", "limit": 5, **hours})
        yield Call("get_alarms", {"state": "ALARM"})
        return
    # What meets conditions is wanted as a whole, not its first ten.
    limit = ranking.limit or (_MATCHING if question.conditions or question.filters.any else None)
    yield _call(
        "scan_fleet",
        {"sort_by": sorted_by(question), "ascending": ranking.ascending or None, "limit": limit, **window},
    )  # fmt: skip


_MATCHING = 60
"""Shown of what meets conditions."""
_PERIOD_METRICS = {
    "errors": "errors", "error_rate": "errors", "timeouts": "errors", "cost": "cost", "savings": "duration",
    "invocations": "invocations", "throttles": "throttles",
}  # fmt: skip


def _periods(question: Question, function: str | None) -> Call:
    """Before and after, with the spans that were said."""
    said = question.periods
    recent = said.recent_hours if said else None
    metric = _PERIOD_METRICS.get(question.ranking.metric, "duration")
    return _call(
        "compare_periods",
        {
            "function": function,
            "window_hours": recent,
            "span": said.spans[0] if said and said.spans else None,
            "baseline_span": said.spans[1] if said and said.spans else None,
            "baseline_hours": said.baseline_hours if said else None,
            "since_last_change": True if said and said.since_change and function else None,
            "metric": metric if function is None else None,
        },
    )


def _supposed(question: Question, function: str) -> Iterable[Call]:
    """What if, and the recommendation beside it where advice was asked for."""
    said = question.supposition
    if said is None:
        return
    yield _call(
        "estimate_change",
        {
            "function": function,
            "sizes_mb": list(said.sizes_mb) or None,
            "times": said.times,
            "plus_mb": said.plus_mb,
            "architecture": said.architecture,
        },
    )
    if question.about("recommend", "undersized") or question.text.lower().startswith("should"):
        yield _call("get_recommendation", {"function": function, "objective": question.objective})


def _per_function(question: Question, tool: str) -> Iterable[Call]:
    if not question.functions:
        yield Call(tool, {})
    for function in question.functions[:MAX_FUNCTIONS]:
        yield Call(tool, {"function": function})


def _for_function(question: Question, function: str) -> Iterable[Call]:
    if question.periods:
        yield _periods(question, function)
        if question.by_day:
            yield _call("get_metrics", _arguments(question, "get_metrics", function))
        return
    if question.supposition and question.topic != "compare" and not question.wish:
        yield from _supposed(question, function)
        return
    aspects = [aspect for aspect in lexicon().aspects if aspect.name in question.aspects]
    tools: list[str] = []
    for aspect in aspects:
        tools += aspect.tools
    if not aspects:
        tools = list(BUNDLE)
    if question.topic == "compare" and not aspects:
        tools = ["get_configuration", "get_metrics", "get_cost"]
    tools = _without_idle_calls(question, tools)
    for tool in dict.fromkeys(tools):
        yield _call(tool, _arguments(question, tool, function))


def _without_idle_calls(question: Question, tools: Sequence[str]) -> list[str]:
    """Drop what the words do not ask for although an aspect brings it."""
    kept = list(tools)
    if question.sizes_mb and set(question.aspects) <= {"configuration", "health", "recommendation"}:
        return ["get_recommendation", "get_configuration"]
    concepts = set(question.concepts)
    if question.about("tune") and question.about("cost") and not question.wish:
        return ["get_recommendation"]
    if question.judges_timeout:
        return ["get_metrics", "get_configuration"]
    if question.topic == "compare":
        kept = [tool for tool in kept if tool != "get_errors" or question.about("logs")] or [
            "get_metrics"
        ]
    if "get_recommendation" in kept and "cost" in concepts and "get_cost" not in kept:
        kept.append("get_cost")
    if question.about("architecture") and question.about("recommend", "cost", "saving", "compare"):
        kept.append("get_recommendation")
    if question.sizes_mb and not question.wish:
        kept += ["get_recommendation", "get_configuration"]
    if "logs" in question.aspects and "errors" in question.aspects and not question.search:
        kept.append("get_errors")
    return kept


def _arguments(question: Question, tool: str, function: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {"function": function}
    if tool == "analyze_log_group":
        arguments = {"log_group": f"/aws/lambda/{function}"}
    if tool in _WINDOWED and question.window_hours:
        arguments["window_hours"] = question.window_hours
    if tool in _SPANNED and question.span:
        arguments |= {"span": question.span}
        arguments.pop("window_hours", None)
    if tool == "get_metrics":
        further = [p for p in question.percentiles if p not in _READ_ANYWAY]
        arguments |= {"percentiles": further} if further else {}
        by_day = question.by_day and question.about(*_BY_DAY)
        arguments |= {"by_day": True} if by_day else {}
    if tool == "get_logs" and question.search:
        arguments["search"] = question.search
    if tool == "get_recommendation":
        arguments["objective"] = question.objective
    return arguments


def _listings(question: Question) -> Iterable[Call]:
    """One listing, or one for each of several runtimes."""
    for runtime in question.filters.runtimes or (question.filters.runtime,):
        yield _listing(question, runtime)


def _listing(question: Question, runtime: str | None) -> Call:
    return _call(
        "list_functions",
        {
            **narrowing(question),
            "runtime": runtime,
            "retired_runtime": question.filters.retired or None,
        },
    )


def _call(tool: str, arguments: dict[str, Any]) -> Call:
    return Call(tool, {name: value for name, value in arguments.items() if value is not None})


def _distinct(calls: Iterable[Call]) -> Iterable[Call]:
    seen: set[str] = set()
    for call in calls:
        key = f"{call.tool}{sorted(call.arguments.items(), key=str)}"
        if key not in seen:
            seen.add(key)
            yield call


def _recommended(turn: Turn, function: str) -> dict[str, Any]:
    for data in results_of(turn, "get_recommendation"):
        if data.get("function") != function or data.get("decision") != "change":
            continue
        values = {"memory_mb": data.get("recommended_memory_mb")}
        if data.get("recommended_architecture") != data.get("current_architecture"):
            values["architecture"] = data.get("recommended_architecture")
        return {name: value for name, value in values.items() if value is not None}
    return {}


def _present(turn: Turn, function: str, name: str) -> float | None:
    for data in results_of(turn, "get_configuration"):
        if data.get("function") == function and isinstance(data.get(name), (int, float)):
            return float(data[name])
    return None
