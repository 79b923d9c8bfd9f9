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
