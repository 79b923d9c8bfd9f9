"""The sandbox's clock: the machine's own, or one that a test sets and that ticks per request."""

from __future__ import annotations

import time

TICK_MS = 10


class Clock:
    """Epoch milliseconds, never going back.

    With `start_ms` the clock stands still but for a tick of 10 ms a request, so that the same
    requests in the same order see the same times.
    """

    def __init__(self, start_ms: int | None = None) -> None:
        self._set_ms = start_ms
        self._last_ms = 0

    @property
    def is_set(self) -> bool:
        """Whether somebody set the time instead of reading it."""
        return self._set_ms is not None

    def now_ms(self) -> int:
        """The time of this request."""
        if self._set_ms is not None:
            return self._set_ms
        self._last_ms = max(self._last_ms, time.time_ns() // 1_000_000)
        return self._last_ms

    def tick(self) -> None:
        """Let one request pass."""
        if self._set_ms is not None:
            self._set_ms += TICK_MS
