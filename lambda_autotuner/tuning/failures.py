"""Which configurations may not be proposed, for what happened to invocations there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import bdtrc

from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, SizeSummary
from lambda_autotuner.tuning.observation import MemoryFloor

_TOLERATED_TIMEOUT_SHARE = 0.02
_ERRORS_TO_EXCLUDE = 2
_LUCK = 0.01
"""How unlikely so many errors have to be at a size if they come as often as at the others."""


def failing(evidence: Evidence) -> dict[Configuration, str]:
    """Why configurations that were tried may not be proposed; those that are not in it may.

    Errors that come as often at other sizes say nothing about this one: a dependency that is down fails
    half of a few invocations somewhere, and the cheapest size would be ruled out by bad luck.
    """
    reasons = {s.configuration: _failing(s, evidence) for s in evidence.summaries()}
    return {where: reason for where, reason in reasons.items() if reason is not None}


def _failing(summary: SizeSummary, evidence: Evidence) -> str | None:
    where = summary.configuration
    if summary.out_of_memory:
        return f"{where} ran out of memory."
    tried = summary.succeeded + summary.failed
    if summary.timeouts_ms and len(summary.timeouts_ms) > _TOLERATED_TIMEOUT_SHARE * tried:
        return f"{where} timed out in {len(summary.timeouts_ms)} of {tried} invocations."
    if summary.errors >= _ERRORS_TO_EXCLUDE:
        return _failing_more_than_others(summary, evidence)
    return None


def _failing_more_than_others(summary: SizeSummary, evidence: Evidence) -> str | None:
    """Errors that are the size's own: half and more, and unlikely at the share of all other sizes.

    Our own invocations are compared with our own, and telemetry, which is of other hours, with
    telemetry. Where nothing succeeded there is nothing to compare with, and a size is as bad as it looks.
    """
    where = summary.configuration
    ended = [s for s in evidence if s.outcome in {Outcome.OK, Outcome.ERROR} and s.weight == 1]
    for ours in (True, False):
        alike = [s for s in ended if (s.source == "invocation") is ours]
        here = [s.outcome is Outcome.ERROR for s in alike if s.configuration == where]
        others = [s.outcome is Outcome.ERROR for s in alike if s.configuration != where]
        errors, tried = sum(here), len(here)
        if errors < _ERRORS_TO_EXCLUDE or errors * 2 < tried:
            continue
        # Half of one is added to both sides: no error among a few is not proof of none.
        share = (sum(others) + 0.5) / (len(others) + 1)
        nothing_ran = not summary.succeeded and all(others)
        if nothing_ran or bdtrc(errors - 1, tried, share) < _LUCK:
            return f"{where} failed in {errors} of {tried} invocations."
    return None


def excluded(
    evidence: Evidence,
    configurations: Sequence[Configuration],
    floor: MemoryFloor,
    too_slow: Callable[[Sequence[Configuration]], np.ndarray],
) -> np.ndarray:
    """Which configurations may not be proposed, as a boolean array of shape (M,)."""
    bad = failing(evidence)
    below = np.asarray([where.memory_mb < floor.memory_mb for where in configurations])
    failed = np.asarray([where in bad for where in configurations])
    return np.asarray(below | failed | too_slow(configurations))
