"""Answers that take real time: the work goes to a thread, the books are kept by the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Deferred:
    """`run` blocks and touches no state of the account; `complete` takes what it returned."""

    run: Callable[[], Any]
    complete: Callable[[Any], Mapping[str, Any]]
