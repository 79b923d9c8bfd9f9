"""The provenance gate: what a call may look at and change must come from the person's own turns.

It runs before any person is asked to approve, because a person who is shown an attacker's
request in good order will approve it. It reads the person's turns, the account's inventory and
the engine's recommendations; never a log, a name, a tag, a description or the model's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lambda_autotuner.agent.catalogue import Tool
from lambda_autotuner.agent.reading.model import Question, read_match
from lambda_autotuner.agent.reading.wishes import Wish
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.turn import Turn, results_of

VALUE_ARGUMENTS = (
    "memory_mb", "timeout_seconds", "architecture", "ephemeral_storage_mb", "reserved_concurrency",
    "provisioned_concurrency", "snap_start",
)  # fmt: skip
RECOMMENDABLE = ("memory_mb", "architecture")
_WIDE_TOPICS = frozenset({"list", "fleet", "alarms", "dashboards", "log_groups", "concurrency", "account", "permissions", "history", "off_topic", "help", "guidance", "unclear", "unknown_function", "ambiguous_function"})  # fmt: skip
_NAMING_TOOLS = frozenset({"list_functions", "find_function", "get_account", "get_concurrency", "get_alarms", "get_history", "list_log_groups", "list_dashboards"})  # fmt: skip
_WORD = re.compile(r"[\w./-]+")
_FREE_TEXT = frozenset(
    {"search", "topic", "query", "name_contains", "prefix", "dashboard", "log_group"}
)
_QUERY_CHARACTERS = 200


def check_call(tool: Tool, arguments: Mapping[str, Any], turn: Turn) -> None:
    """Refuse a call whose target, value, scope or intent is not the person's.

    Raises:
        ToolError: `out_of_scope` for a read, `not_asked_for` for a write.
    """
    if tool.kind == "write":
        if turn.read_only:
            raise ToolError(
                ErrorCode.REFUSED,
                "This door is read-only: it leaves no proposal.",
                remedy="Ask for the change with `lambda-autotuner chat`.",
            )
        _check_write(tool, arguments, turn)
    else:
        _check_read(tool, arguments, turn)


def _check_read(tool: Tool, arguments: Mapping[str, Any], turn: Turn) -> None:
    question = turn.question
    region = arguments.get("region")
    if region and not _said(str(region), turn):
        raise ToolError(
            ErrorCode.OUT_OF_SCOPE,
            f"Nobody asked about the region {region}.",
            remedy="Leave region out.",
        )
    named = set(question.functions) | _ever_named(turn)
    target = arguments.get(tool.function_argument) if tool.function_argument else None
    if (
        isinstance(target, str)
        and named
        and target not in named
        and not _wide(question)
        and target in turn.inventory
    ):
        raise ToolError(
            ErrorCode.OUT_OF_SCOPE,
            f"The question is about {', '.join(sorted(named))}, not about {target}.",
            remedy="Stay with what was asked, or tell the person to ask about it.",
        )
    if (
        tool.reach == "account"
        and named
        and not _wide(question)
        and tool.name not in _NAMING_TOOLS
        and target is None
    ):
        if tool.name == "analyze_log_group" and _belongs(arguments.get("log_group"), named):
            return
        raise ToolError(
            ErrorCode.OUT_OF_SCOPE,
            f"{tool.name} looks at the whole account; the question is about {', '.join(sorted(named))}.",
            remedy="Use the tools that take a function.",
        )
    if tool.reach == "public":
        _check_public(tool, arguments, turn)


def _check_public(tool: Tool, arguments: Mapping[str, Any], turn: Turn) -> None:
    """What leaves for a search must be words of the person: nothing can be carried out in it."""
    said = {word.casefold() for text in turn.human_turns for word in _WORD.findall(text)}
    for name, value in arguments.items():
        if name not in _FREE_TEXT or not isinstance(value, str):
            continue
        foreign = [w for w in _WORD.findall(value) if w.casefold() not in said and not _everyday(w)]
        if foreign or len(value) > _QUERY_CHARACTERS:
            raise ToolError(
                ErrorCode.OUT_OF_SCOPE,
                f"{tool.name} takes the person's own words only, and {len(foreign)} of these are not among them.",
                remedy="Search with words of the question.",
            )


def _everyday(word: str) -> bool:
    return word.isalpha() and word.islower() and len(word) <= 14  # noqa: PLR2004 - no key or address fits


def _wide(question: Question) -> bool:
    """Whether the person asked about more than the functions that were named."""
    if question.topic in _WIDE_TOPICS:
        return True
    return question.about("fleet", "list")


def _ever_named(turn: Turn) -> set[str]:
    """Functions that the person named in this conversation, exactly or as an only candidate."""
    # A pattern for each name would go through a long message once a function.
    said = {word.casefold() for text in turn.human_turns for word in re.findall(r"[\w-]+", text)}
    return {name for name in turn.inventory if name.casefold() in said}


def _belongs(log_group: object, named: set[str]) -> bool:
    return isinstance(log_group, str) and any(log_group == f"/aws/lambda/{name}" for name in named)


def _said(value: str, turn: Turn) -> bool:
    return any(value.casefold() in text.casefold() for text in turn.human_turns)


def _check_write(tool: Tool, arguments: Mapping[str, Any], turn: Turn) -> None:
    question = turn.question
    wish = question.wish
    wanted = {
        "plan_change": "change",
        "tune_function": "tune",
        "roll_back": "rollback",
        "apply_change": "apply",
    }
    if wish is None or wish.kind != wanted.get(tool.name):
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            f"The person did not ask to {wanted.get(tool.name, 'change')} anything in this message.",
            remedy="Answer with what you found, and the command that would do it.",
        )
    _check_place(question, turn)
    if wish.later:
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            "The person asked for it on a condition or at another time, and nobody here waits for that.",
            remedy="Say so, and that it can be asked for when it is time.",
        )
    if wish.everything and tool.name != "apply_change":
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            "A change of many functions at once is not made from a conversation.",
            remedy="Show the ranking and the command `lambda-autotuner scan`.",
        )
    if tool.name == "apply_change":
        _check_plan(arguments, wish, turn)
        return
    _check_target(arguments, question)
    if tool.name == "plan_change":
        _check_values(arguments, wish, turn)
    if tool.name == "tune_function":
        _check_tuning(arguments, wish, turn)


def _check_place(question: Question, turn: Turn) -> None:
    """A change of a function elsewhere is not one of the function of that name here."""
    here = (getattr(turn.toolbox, "region", None), getattr(turn.toolbox, "account_id", None))
    for said, own, what in (
        (question.region, here[0], "region"),
        (question.account_id, here[1], "account"),
    ):
        if said and own and said != own:
            raise ToolError(
                ErrorCode.NOT_ASKED_FOR,
                f"The person named the {what} {said}, and this is {own}.",
                remedy=f"Ask again with --{'region' if what == 'region' else 'profile'} for the other {what}.",
            )


def _check_plan(arguments: Mapping[str, Any], wish: Wish, turn: Turn) -> None:
    plan = str(arguments.get("plan_id", ""))
    waiting = [{p.id, p.details.get("plan_id")} for p in turn.known_proposals]
    if plan == wish.plan_id or (wish.plan_id is None and len(waiting) == 1 and plan in waiting[0]):
        return
    raise ToolError(
        ErrorCode.NOT_ASKED_FOR,
        f"The person did not name the plan {plan[:60]}.",
        remedy="Ask which plan is meant.",
    )


def _check_target(arguments: Mapping[str, Any], question: Question) -> None:
    target = arguments.get("function")
    match = read_match(question, str(target))
    carried = question.carried and target in question.functions and len(question.functions) == 1
    if target not in question.functions or not (
        carried or (match is not None and match.kind in {"exact", "spelled"})
    ):
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            f"The person did not ask to change {str(target)[:80]}.",
            remedy="A change needs the function's exact name from the person.",
        )


def _check_values(arguments: Mapping[str, Any], wish: Wish, turn: Turn) -> None:
    given = {name: arguments[name] for name in VALUE_ARGUMENTS if arguments.get(name) is not None}
    allowed = dict(wish.values)
    target = str(arguments["function"])
    for name, relative in wish.relative:
        current = _current(turn, target, name)
        if current is not None:
            allowed[name] = relative.of(current)
    recommended = _recommended(turn, target) if wish.recommended else {}
    if wish.conflict:
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            f"The person named more than one value for {', '.join(wish.conflict)}.",
            remedy="Ask which one is meant.",
        )
    for name, value in given.items():
        if allowed.get(name) != value and not (
            name in RECOMMENDABLE and recommended.get(name) == value
        ):
            raise ToolError(
                ErrorCode.NOT_ASKED_FOR,
                f"{name}={value} comes neither from the person nor from a recommendation for {target}.",
                remedy="Use the person's value, or get_recommendation first when they asked for it.",
            )
    if not given:
        raise ToolError(ErrorCode.INVALID_ARGUMENTS, "No value to change was given.")
    missing = [name for name in allowed if name not in given]
    if missing and not recommended:
        raise ToolError(
            ErrorCode.INVALID_ARGUMENTS,
            f"The person also asked for {', '.join(missing)}; put all in one plan.",
        )


def _check_tuning(arguments: Mapping[str, Any], wish: Wish, turn: Turn) -> None:
    sizes = tuple(arguments.get("sizes_mb") or ())
    if sizes and not set(sizes) <= set(wish.sizes_mb):
        raise ToolError(
            ErrorCode.NOT_ASKED_FOR,
            "The person did not name these sizes to measure.",
            remedy="Leave sizes_mb out.",
        )
    for name in ("max_invocations", "max_cost_usd"):
        value = arguments.get(name)
        if value is not None and not any(
            re.search(rf"(?<![\d.]){value:g}(?![\d.])", t) for t in turn.human_turns
        ):
            raise ToolError(
                ErrorCode.NOT_ASKED_FOR,
                f"{name}={value:g} is not the person's.",
                remedy=f"Leave {name} out.",
            )


def _current(turn: Turn, function: str, name: str) -> float | None:
    for data in results_of(turn, "get_configuration"):
        if data.get("function") == function and isinstance(data.get(name), (int, float)):
            return float(data[name])
    return None


def _recommended(turn: Turn, function: str) -> dict[str, Any]:
    for data in results_of(turn, "get_recommendation"):
        if data.get("function") == function and data.get("decision") == "change":
            return {name: data.get(f"recommended_{name}") for name in RECOMMENDABLE}
    return {}
