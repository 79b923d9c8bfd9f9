"""Model messages made fit for the loop: ids, malformed calls, empty and cut messages."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

MAX_CALLS_PER_MESSAGE = 32
"""More calls than this in one message are a burst, not a plan; the rest is dropped and said."""

_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS", "content_filter", "model_length", "error"})
_FINISH_KEYS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_LOST_CALL = re.compile(
    r"^\s*(?:```(?:json)?\s*)?\{\s*\"(?:name|tool|function|tool_calls)\"\s*:", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A model's message after repair; `problem` is set when it cannot be used as it is."""

    message: AIMessage
    problem: str | None = None


def check(message: AIMessage, *, finish_required: bool) -> Checked:
    """Repair what can be repaired, and say what cannot.

    Args:
        message: what the model said.
        finish_required: whether the provider always says why it stopped, so that silence about
            it means that the stream was cut.
    """
    calls, invalid = _mend_calls(message)
    text = message.text if isinstance(message.text, str) else ""
    mended = AIMessage(
        content=message.content if calls or text.strip() else "",
        tool_calls=calls,
        id=message.id,
        name=message.name,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        additional_kwargs={k: v for k, v in message.additional_kwargs.items() if k != "tool_calls"},
    )
    return Checked(mended, _problem(message, text, calls, invalid, finish_required=finish_required))


def _problem(
    message: AIMessage, text: str, calls: list[Any], invalid: int, *, finish_required: bool
) -> str | None:
    reason = next(
        (message.response_metadata[k] for k in _FINISH_KEYS if k in message.response_metadata), ""
    )
    if reason in _CUT or (reason is None) or (finish_required and not reason):
        return "Your message was cut off before its end. Write it again, shorter."
    if not calls and invalid:
        return "Your tool call was not valid JSON. Call the tool again with valid JSON arguments."
    if not calls and not text.strip():
        return "Your message was empty. Call a tool, or write the answer."
    if not calls and _LOST_CALL.match(text):
        return "You wrote a tool call as text. Use the tool-calling interface, or write the answer."
    return None


def _mend_calls(message: AIMessage) -> tuple[list[Any], int]:
    seen: set[str] = set()
    invalid = 0
    calls: list[Any] = [
        {
            **call,
            "name": str(call.get("name") or "unknown"),
            "args": _plain(call.get("args")),
            "id": _fresh(call.get("id"), seen),
            "type": "tool_call",
        }
        for call in message.tool_calls[:MAX_CALLS_PER_MESSAGE]
    ]
    for broken in message.invalid_tool_calls[: MAX_CALLS_PER_MESSAGE - len(calls)]:
        arguments = _parse(broken.get("args"))
        if arguments is None:
            invalid += 1
        else:
            calls.append(
                {
                    "name": str(broken.get("name") or "unknown"),
                    "args": arguments,
                    "id": _fresh(broken.get("id"), seen),
                    "type": "tool_call",
                }
            )
    return calls, invalid


def _fresh(identifier: object, seen: set[str]) -> str:
    usable = isinstance(identifier, str) and identifier and identifier not in seen
    fresh = str(identifier) if usable else f"call_{uuid.uuid4().hex[:12]}"
    seen.add(fresh)
    return fresh


def _plain(arguments: object) -> dict[str, Any]:
    return {str(k): v for k, v in arguments.items()} if isinstance(arguments, dict) else {}


def _parse(arguments: object) -> dict[str, Any] | None:
    """Arguments that are valid JSON after all, such as a doubly encoded object."""
    if not isinstance(arguments, str):
        return None
    try:
        found = json.loads(arguments)
        found = json.loads(found) if isinstance(found, str) else found
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
