"""Timeout, concurrency, SnapStart and architecture, each with its own evidence."""

from __future__ import annotations

import math

from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.recommendation import Advice, Outlook, Topic
from lambda_autotuner.tuning.units import MAXIMUM_TIMEOUT_MS, MS_PER_SECOND

_TIMEOUT_MARGIN = 3.0
_MINIMUM_TIMEOUT_S = 3


def advise(
    model: Model, picked: Configuration, proposed: Outlook, confidence: float
) -> tuple[Advice, ...]:
    """Everything worth saying beside memory."""
    del confidence
    return tuple(a for a in (_timeout(model, picked, proposed),) if a is not None)


def _timeout(model: Model, picked: Configuration, proposed: Outlook) -> Advice | None:
    slowest = max((s.duration_ms for s in model.evidence if s.memory_mb == picked.memory_mb), default=0)
    longest = max(proposed.p99_ms.high, slowest)
    wanted = max(_MINIMUM_TIMEOUT_S, math.ceil(longest * _TIMEOUT_MARGIN / MS_PER_SECOND))
    wanted = min(wanted, MAXIMUM_TIMEOUT_MS // MS_PER_SECOND)
    limit = model.workload.timeout_ms
    if limit is None or limit >= longest * 1.5:
        return None
    return Advice(
        Topic.TIMEOUT,
        f"Raise the timeout to {wanted} s.",
        f"p99 is up to {longest:.0f} ms at {picked}, the timeout {limit:.0f} ms.",
        "medium",
        {"timeout_s": wanted},
    )
