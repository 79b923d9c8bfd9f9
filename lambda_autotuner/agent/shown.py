"""Which lists of functions a conversation has shown, so that `the second` has a meaning.

Only the order of names in the results of our own listing tools is read. A name is used only where
the inventory has it, and only to look: no change follows from a place in a list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_LISTING = frozenset({"scan_fleet", "list_functions", "compare_periods"})
_NAME = re.compile(r'"function": "([\w-]{1,64})"')
_NAMES = 60


def shown_lists(history: Sequence[BaseMessage]) -> tuple[tuple[str, ...], ...]:
    """For each of the person's turns, and for the one to come, the last list shown before it."""
    lists: list[tuple[str, ...]] = []
    last: tuple[str, ...] = ()
    for message in history:
        if message.type == "human":
            lists.append(last)
        elif message.type == "tool" and getattr(message, "name", None) in _LISTING:
            found = dict.fromkeys(_NAME.findall(str(message.text).replace('\\"', '"')))
            last = tuple(found)[:_NAMES] or last
    return (*lists, last)


_PROPOSING = frozenset({"plan_change", "tune_function", "apply_change", "roll_back"})
_PROPOSAL = re.compile(r'(?<!\\)"proposal_id": "([\w-]{1,80})"')


def shown_proposals(history: Sequence[BaseMessage]) -> tuple[str, ...]:
    """Ids of the proposals that the last answer of a conversation showed."""
    found: dict[str, None] = {}
    for message in reversed(history):
        if message.type == "human":
            break
        if message.type == "tool" and getattr(message, "name", None) in _PROPOSING:
            found |= dict.fromkeys(_PROPOSAL.findall(str(message.text)))
    return tuple(found)
