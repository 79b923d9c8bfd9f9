"""What other processes do to a journal; loaded once where they fork from."""

from __future__ import annotations

import os
import signal
from typing import Any

from lambda_autotuner.journal import Journal, UsedError


def race(url: str, plan_id: str, barrier: Any, queue: Any) -> None:
    """Try to get the one approval of a plan."""
    with Journal(url) as journal:
        stored, seen = journal.get_plan(plan_id), journal.state(plan_id)
        barrier.wait()
        try:
            journal.decide(stored, approved=True, expected=seen, actor="p", source="cli")
            queue.put("won")
        except UsedError:
            queue.put("lost")


def hold_and_die(url: str, ready: Any) -> None:
    """Take a lock and die with it."""
    with Journal(url) as journal, journal.hold("orders"):
        ready.set()
        os.kill(os.getpid(), signal.SIGKILL)
