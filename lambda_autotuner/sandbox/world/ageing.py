"""Time travel: history gets older, the clock stays where it is.

Moving the clock would move the Date header, and clients that see a foreign date start to correct
their own clocks and retry without end. So every stored time is shifted into the past instead, and
the traffic's own line of time moves on, which fills the gap with new traffic.
"""

from __future__ import annotations

from typing import Any

from lambda_autotuner.sandbox.state import AccountState


def advance(account: AccountState, delta_ms: int) -> None:
    """Let `delta_ms` pass for an account."""
    account.aged_ms += delta_ms
    for region in account.regions.values():
        for record in region.functions.values():
            record.age(delta_ms)
        for buried in region.buried.values():
            for record in buried:
                record.age(delta_ms)
        _age_all(region.extensions, delta_ms)
    _age_all(account.extensions, delta_ms)
    account.touch()


def _age_all(extensions: dict[str, Any], delta_ms: int) -> None:
    for extension in extensions.values():
        age = getattr(extension, "age", None)
        if callable(age):
            age(delta_ms)
