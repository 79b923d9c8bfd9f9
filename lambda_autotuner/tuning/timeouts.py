"""Whether another size is shown to end timeouts, or has only been lucky so far.

A function that waits for something times out at every size, some of the time. Sizes that were tried a few
times and did not time out yet then look better than those that did, and the search finds the luckiest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model

_TOLERATED_SHARE = 0.02
# Where all time out, one that does not is still not proof of everything.
_MOST = 0.99
_LUCK = 0.005
"""How likely it may be that a size has not timed out by luck alone."""
_P99, _LEAST_RATIO = 99.0, 2.0
"""The percentile that has to stay within the timeout, and the least that it is over the mean.

Those that ended in time are the shorter ones, so their spread says too little of the longest.
"""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why it is not shown that a configuration ends timeouts.

    Attributes:
        reason: For a person.
        invocations: How many in a row without a timeout would show it.
    """

    reason: str
    invocations: int


def unproven(model: Model, where: Configuration, confidence: float) -> Unproven | None:
    """Why a configuration may time out as others do; None where it is shown not to, or none does.

    It is shown by enough invocations without a timeout, so many that luck alone is unlikely, or by
    durations whose 99th percentile stays within the timeout with the confidence that is wanted.
    """
    share = min(_share_elsewhere(model, where), _MOST)
    if share <= _TOLERATED_SHARE:
        return None
    ran = model.evidence.at(where.memory_mb, where.architecture).succeeded
    luck = (1 - share) ** ran
    if luck <= _LUCK or _stays_within(model, where, confidence):
        return None
    needed = math.ceil(math.log(_LUCK) / math.log1p(-share))
    return Unproven(
        f"About {share:.0%} of invocations time out at other sizes. That none of {ran} did at {where} happens "
        f"by luck alone with a probability of {luck:.0%}, so memory is not shown to be what they lack: "
        "find out what they wait for, or raise the timeout, and measure again.",
        needed,
    )


def _share_elsewhere(model: Model, where: Configuration) -> float:
    """Share of invocations that time out at other configurations, production's included."""
    others = [s for s in model.evidence.summaries() if s.configuration != where]
    late = sum(len(s.timeouts_ms) for s in others)
    tried = sum(s.succeeded + len(s.timeouts_ms) for s in others)
    # Half of one is added to both sides, so that one of one is not all.
    seen = (late + 0.5) / (tried + 1) if late else 0.0
    at, known = model.workload.production_at, model.workload.timeout_share or 0.0
    # Production's share rests on many; that of a few tries at sizes that failed is a large one.
    return known if known > _TOLERATED_SHARE and at != where else seen


def _stays_within(model: Model, where: Configuration, confidence: float) -> bool:
    limit_ms = model.workload.timeout_ms or _limit_seen(model)
    if limit_ms is None or model.warm is None:
        return False
    latest = math.log(limit_ms / max(model.tail_ratio(_P99), _LEAST_RATIO))
    return bool(model.durations((where,)).below(latest)[0] >= confidence)


def _limit_seen(model: Model) -> float | None:
    """The timeout in ms as invocations that ran into it show it; None where none did."""
    return min((t for s in model.evidence.summaries() for t in s.timeouts_ms), default=None)
