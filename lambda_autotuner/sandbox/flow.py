"""A caller's own line of time.

Durations are accounted, not slept: a caller gets the answer of a ten-second invocation at once.
For that caller ten seconds have passed, and its next invocation starts after them; only what
other callers do at the same time overlaps. A connection is a caller; one that opens after another
of the same identity was closed carries on where that one stopped, as a script does that waits for
its answers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_IDLE: Final = 1000


@dataclass(slots=True)
class Flow:
    """When the caller's last accounted invocation ended (epoch ms)."""

    ends_ms: float = 0.0


class Flows:
    """The lines of time of callers whose connections are closed."""

    def __init__(self) -> None:
        self._idle: OrderedDict[str, list[Flow]] = OrderedDict()

    def borrow(self, identity: str) -> Flow:
        """The line of time for a new connection of this identity."""
        waiting = self._idle.get(identity)
        if waiting:
            return waiting.pop()
        return Flow()

    def give_back(self, identity: str, flow: Flow) -> None:
        """Keep the line of time of a closed connection."""
        self._idle.setdefault(identity, []).append(flow)
        self._idle.move_to_end(identity)
        while len(self._idle) > MAX_IDLE:
            self._idle.popitem(last=False)

    def forget(self) -> None:
        """History was aged, or the world made anew: nobody is ahead of the clock any more."""
        self._idle.clear()
