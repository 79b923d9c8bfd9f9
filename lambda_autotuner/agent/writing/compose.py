"""The whole answer: the sentences, what went wrong, what is missing, in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lambda_autotuner.agent.providers import OFFLINE_NOTICE, is_offline
from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.agent.turn import Evidence, Turn
from lambda_autotuner.agent.writing import accounts, advice, functions, prospects
from lambda_autotuner.agent.writing.comparison import compare
from lambda_autotuner.agent.writing.figures import listing

Sentences = Callable[[Mapping[str, Any], Question, str], list[str]]

_SENTENCES: dict[str, Sentences] = {
    "estimate_change": prospects.estimate,
    "compare_periods": prospects.periods,
    "get_configuration": functions.configuration,
    "get_metrics": functions.metrics,
    "get_report_statistics": functions.reports,
    "get_cost": functions.cost,
    "get_errors": functions.errors,
    "get_logs": functions.logs,
    "get_concurrency": functions.concurrency,
    "get_recommendation": advice.recommendation,
    "analyze_log_group": functions.log_group,
    "list_functions": accounts.functions,
    "find_function": accounts.found,
    "scan_fleet": accounts.fleet,
    "get_account": accounts.account,
    "check_permissions": accounts.permissions,
    "get_alarms": accounts.alarms,
    "list_dashboards": accounts.dashboards,
    "get_dashboard": accounts.dashboard,
    "list_log_groups": accounts.log_groups,
    "get_history": accounts.history,
    "look_up_guidance": accounts.guidance,
    "plan_change": accounts.proposal,
    "tune_function": accounts.proposal,
    "roll_back": accounts.proposal,
    "apply_change": accounts.proposal,
}
_WRITES = frozenset({"plan_change", "tune_function", "apply_change", "roll_back"})
_ORDER = tuple(_SENTENCES)
_PRIMARY = {
    "errors": ("get_errors", "get_metrics"),
    "memory_used": ("get_report_statistics",),
    "cold_starts": ("get_report_statistics",),
    "timeouts": ("get_report_statistics", "get_metrics"),
    "cost": ("get_cost",),
    "recommendation": ("get_recommendation",),
    "concurrency": ("get_concurrency", "get_metrics"),
    "logs": ("get_logs",),
}
LATER = (
    "I carry nothing out on a condition or at a later time: ask for it when it is time, and decide then. "
    "Nothing was planned."
)
WHAT_I_CAN_DO = (
    'Ask about a function or about the account, for instance: "which functions waste the most money?", '
    '"p95 of NAME in the last 3 days", "why does NAME fail?", "what memory should NAME have?", '
    '"set the memory of NAME to 512 MB" (asks for approval first).'
)


def compose(turn: Turn) -> str:
    """The answer from the evidence of a question."""
    question = turn.question
    lines = [*_preface(turn), *_canned(turn), *_refusals(turn)]
    lines += compare(turn) if question.topic == "compare" else []
    lines += _body(turn)
    lines += _failures(turn)
    if not any(line.strip() for line in lines) and not turn.withdrawn:
        lines.append("I found nothing to answer this with. " + WHAT_I_CAN_DO)
    lines += _next(turn)
    if turn.stopped_by:
        lines.append(
            f"The budget of {turn.stopped_by} for one question ended; this is what is known so far."
        )
    if is_offline(turn.model_name):
        lines.append(f"({OFFLINE_NOTICE})")
    return "\n".join(lines)


def _preface(turn: Turn) -> list[str]:
    """How inexact names were read."""
    question = turn.question
    lines = [
        f'I read "{match.spoken}" as {match.name}.'
        for match in question.named.matches
        if match.kind in {"partial", "fuzzy"}
    ]
    if question.counted and question.wish is None:
        lines.append(f"I read that as {listing(list(question.functions))}, from the list before.")
    here = getattr(turn.toolbox, "region", None)
    if question.region and here and question.region != here:
        lines.append(
            f"This looks at {here}; for {question.region} ask again with --region {question.region}."
        )
    account = getattr(turn.toolbox, "account_id", None)
    if question.account_id and account and question.account_id != account:
        lines.append(f"This looks at account {account}, not at {question.account_id}.")
    lines += [_unknown(turn, spoken) for spoken in question.named.unknown]
    lines += [
        f'"{spoken}" could be {listing(list(names))}. Which one do you mean?'
        for spoken, names in question.named.ambiguous
    ]
    return lines


def _unknown(turn: Turn, spoken: str) -> str:
    from lambda_autotuner.agent.reading.names import nearest

    near = nearest(spoken, turn.inventory)
    searched = getattr(turn.toolbox, "searched", "this account")
    return f'There is no function "{spoken}" in {searched} ({len(turn.inventory)} functions searched). Nearest names: {listing(list(near))}.'


def _canned(turn: Turn) -> list[str]:  # noqa: PLR0911 - one return a case, flat
    """Topics that need no evidence, or a word before it."""
    question = turn.question
    wish = question.wish
    if question.unsupported:
        return [
            f"I do not {question.unsupported} {listing(list(question.functions)) if question.functions else 'anything'}: I read, size, and propose changes of memory, timeout, "
            "architecture, storage and concurrency. Nothing was changed. " + WHAT_I_CAN_DO
        ]
    match question.topic:
        case "empty":
            return ["The question is empty. " + WHAT_I_CAN_DO]
        case "unreadable":
            return ["I cannot read this as a question. " + WHAT_I_CAN_DO]
        case "courtesy":
            return ["Nothing waits for a decision here, and nothing was changed. " + WHAT_I_CAN_DO]
        case "help":
            return [
                "I right-size AWS Lambda functions and show where each number comes from. "
                + WHAT_I_CAN_DO
            ]
        case "off_topic":
            return [
                "This is not about the Lambda functions of this account, so I cannot help with it. "
                + WHAT_I_CAN_DO
            ]
        case "secret":
            return [
                "Values of environment variables and secrets are never read out; I see only their names."
                + _secret_names(turn)
            ]
        case "unclear" if question.lacks_function and wish is None:
            return ["Which function do you mean? " + WHAT_I_CAN_DO]
        case "unclear" if not question.aspects and wish is None:
            return ["I am not sure what you mean. " + WHAT_I_CAN_DO]
        case _:
            return _about_wish(turn)


def _secret_names(turn: Turn) -> str:
    parts = []
    for evidence in turn.found("get_configuration"):
        names = list(evidence.result.data.get("environment_variable_names") or [])
        parts.append(
            f" {evidence.result.data['function']} has {len(names)}: {listing(names)}. [{evidence.citation.number}]"
        )
    return "".join(parts)


def _about_wish(turn: Turn) -> list[str]:  # noqa: PLR0911 - one return a case, flat
    """Why a wish to change was not acted on."""
    question, wish = turn.question, turn.question.wish
    if wish is None:
        return []
    if wish.kind == "reject" or wish.later:
        return _about_no(turn) if wish.kind == "reject" else [LATER]
    if wish.everything and wish.kind != "apply":
        return [
            "I do not change many functions at once from a conversation. Look at the ranking, then plan each change: `lambda-autotuner plan FUNCTION --memory MB`."
        ]
    if wish.unsaid and question.functions:
        return [
            f'To what? Say the value, for instance "set the memory of {question.functions[0]} to 512 MB" or "by 25 %". Nothing was planned.'
        ]
    if wish.kind in {"change", "tune", "rollback"} and len(question.functions) > 1:
        return ["I plan one function at a time; name one of them. Nothing was planned."]
    if wish.conflict:
        return [
            f"You named more than one value for {listing([c.replace('_', ' ') for c in wish.conflict])}; which one do you mean? Nothing was planned."
        ]
    if (
        wish.kind in {"change", "tune", "rollback"}
        and not question.functions
        and not question.named.unknown
        and not question.named.ambiguous
    ):
        return [
            "Which function do you mean? A change needs the function's exact name. Nothing was planned."
        ]
    if wish.kind in {"change", "tune", "rollback"} and question.counted:
        return [
            f"That place in the list is {listing(list(question.functions))}. A change needs the function's exact name. Nothing was planned."
        ]
    if wish.kind in {"change", "tune", "rollback"} and any(
        match.kind not in {"exact", "spelled"} for match in question.named.matches
    ):
        return ["A change needs the function's exact name. Nothing was planned."]
    return []


def _about_no(turn: Turn) -> list[str]:
    """What became of a no; that something was rejected stands at the end of every answer."""
    if turn.withdrawn:
        return []
    if not turn.known_proposals:
        return ["Nothing waits for a decision here. Nothing was changed."]
    return [
        "Which one do you mean? Several proposals wait, and nothing was rejected yet.",
        *(f"  {p.id}: {p.summary}" for p in turn.known_proposals[:10]),
        'Say "reject" with the id of one, or "reject all".',
    ]


def _body(turn: Turn) -> list[str]:
    question = turn.question
    primary: list[str] = []
    for aspect in question.aspects:
        primary += _PRIMARY.get(aspect, ())
    ordered = sorted(turn.evidence, key=lambda item: _rank(item, question, primary))
    lines: list[str] = []
    for item in ordered:
        if question.topic == "compare" and item.tool in {
            "get_metrics",
            "get_cost",
            "get_configuration",
        }:
            continue
        sentences = _SENTENCES.get(item.tool)
        if sentences is not None:
            lines += sentences(item.result.data, question, f"[{item.citation.number}]")
    return lines


def _rank(item: Evidence, question: Question, primary: list[str]) -> tuple[int, int, int]:
    function = item.result.function
    place = (
        question.functions.index(function)
        if function in question.functions
        else len(question.functions)
    )
    lead = primary.index(item.tool) if item.tool in primary else len(primary)
    return (place, lead, _ORDER.index(item.tool) if item.tool in _ORDER else len(_ORDER))


def _refusals(turn: Turn) -> list[str]:
    """Why a change that was asked for is not proposed."""
    lines = [
        f"Nothing was changed: {error['message']} {error.get('remedy') or ''}".rstrip()
        for name, _, error in turn.errors
        if name in _WRITES
    ][:3]
    wish = turn.question.wish
    if lines and wish is not None and wish.kind == "rollback":
        lines += [
            f"Still waiting for a decision: {p.summary} To withdraw it: lambda-autotuner approve {p.details.get('plan_id') or p.id} --reject"
            for p in turn.known_proposals[:3]
        ]
    return lines


def _failures(turn: Turn) -> list[str]:
    """What a tool could not give, once for each reason."""
    lines: list[str] = []
    for name, arguments, error in turn.errors:
        if name in _WRITES:
            continue
        about = arguments.get("function") or arguments.get("log_group") or ""
        where = f" for {about}" if about else ""
        remedy = f" {error['remedy']}" if error.get("remedy") else ""
        line = f"Not seen: {name}{where}: {error['message']}{remedy}"
        if error.get("iam_actions"):
            line += f" Missing permission: {', '.join(error['iam_actions'])}."
        if line not in lines:
            lines.append(line)
    return lines[:8]


def _next(turn: Turn) -> list[str]:
    """The exact next command, where none is in the body."""
    question = turn.question
    if question.topic == "fleet" and question.ranking.metric in {"savings", "cost"}:
        return ["Next: lambda-autotuner scan"]
    return []
