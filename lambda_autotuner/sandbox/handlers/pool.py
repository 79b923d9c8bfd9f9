"""The environments of a server that runs handlers for real."""

from __future__ import annotations

import threading
import time
from typing import Final

from lambda_autotuner.sandbox.handlers.environment import HandlerEnvironment, Order, Run

IDLE_SECONDS: Final = 480.0


class HandlerPool:
    """Environments by what they run: idle ones are used again, others are started."""

    def __init__(self) -> None:
        self._idle: dict[Order, list[HandlerEnvironment]] = {}
        self._lock = threading.Lock()

    def run(self, order: Order, request_id: str, payload: bytes) -> Run:
        """Invoke; blocks for as long as the handler takes."""
        environment = self._take(order)
        run = environment.invoke(request_id, payload)
        if environment.alive:
            with self._lock:
                self._idle.setdefault(order, []).append(environment)
        else:
            environment.close()
        return run

    def _take(self, order: Order) -> HandlerEnvironment:
        self._reap()
        with self._lock:
            waiting = self._idle.get(order)
            if waiting:
                return waiting.pop()
        return HandlerEnvironment(order)

    def _reap(self) -> None:
        since = time.monotonic() - IDLE_SECONDS
        with self._lock:
            old = [
                each for waiting in self._idle.values() for each in waiting if each.used_at < since
            ]
            for order, waiting in list(self._idle.items()):
                self._idle[order] = [each for each in waiting if each.used_at >= since]
        for environment in old:
            environment.close()

    def close(self) -> None:
        """End every environment."""
        with self._lock:
            environments = [each for waiting in self._idle.values() for each in waiting]
            self._idle.clear()
        for environment in environments:
            environment.close()
