"""Answers that take real time: the work goes to a thread, the books are kept by the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Deferred:
    """`run` blocks and touches no state of the account; `complete` takes what it returned.

    `complete` gives what the operation answers with: members by name, or a whole response where
    the request was not for an operation.
    """

    run: Callable[[], Any]
    complete: Callable[[Any], Any]
