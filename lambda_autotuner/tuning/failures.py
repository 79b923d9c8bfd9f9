"""Which configurations may not be proposed, for what happened to invocations there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln

from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, SizeSummary
from lambda_autotuner.tuning.observation import MemoryFloor

_TOLERATED_TIMEOUT_SHARE = 0.02
_ERRORS_TO_EXCLUDE = 2
_LUCK = 0.01
"""How unlikely so many errors have to be at a size if they come as often as at the others."""
_FAILED, _FINE = 0.5, 4.5
"""The Beta prior of the share of errors: one in ten on average, as if five invocations had been seen."""
_LEAST_DIFFERENCE = 0.25
"""By how much the share of errors has to exceed that of the others: hours differ, too."""


def failing(evidence: Evidence) -> dict[Configuration, str]:
    """Why configurations that were tried may not be proposed; those that are not in it may.

    Errors that come as often at other sizes say nothing about this one: a dependency that is down fails
    half of a few invocations somewhere, and the cheapest size would be ruled out by bad luck.
    """
    summaries = evidence.summaries()
    classes: tuple[_Class, ...] = ()
    if any(summary.errors >= _ERRORS_TO_EXCLUDE for summary in summaries):
        classes = _counted(evidence)
    reasons = {summary.configuration: _failing(summary, classes) for summary in summaries}
    return {where: reason for where, reason in reasons.items() if reason is not None}


def nothing_ended_well(evidence: Evidence, where: Configuration) -> str | None:
    """That a configuration was tried and is not shown to run; None where it was not tried or ran."""
    seen = evidence.at(where.memory_mb, where.architecture)
    if not seen.errors or seen.succeeded:
        return None
    return f"No invocation at {where} ended well yet: {seen.errors} failed."


@dataclass(frozen=True, slots=True)
class _Ended:
    """Invocations of one configuration that ended well or in an error."""

    well: int
    errors: int

    @property
    def tried(self) -> int:
        return self.well + self.errors


_Class = dict[Configuration, _Ended]


def _counted(evidence: Evidence) -> tuple[_Class, _Class]:
    """Our own invocations, and those of telemetry; means of a metric are neither."""
    errors: tuple[dict[Configuration, list[bool]], ...] = ({}, {})
    for sample in evidence:
        if sample.weight == 1 and sample.outcome in {Outcome.OK, Outcome.ERROR}:
            alike = errors[sample.source != "invocation"]
            failed = sample.outcome is Outcome.ERROR
            alike.setdefault(sample.configuration, []).append(failed)
    ours, telemetry = (
        {where: _Ended(found.count(False), found.count(True)) for where, found in alike.items()}
        for alike in errors
    )
    return ours, telemetry


def _failing(summary: SizeSummary, classes: Sequence[_Class]) -> str | None:
    where = summary.configuration
    if summary.out_of_memory:
        return f"{where} ran out of memory."
    tried = summary.succeeded + summary.failed
    if summary.timeouts_ms and len(summary.timeouts_ms) > _TOLERATED_TIMEOUT_SHARE * tried:
        return f"{where} timed out in {len(summary.timeouts_ms)} of {tried} invocations."
    for alike in classes:
        here = alike.get(where, _Ended(0, 0))
        if here.errors < _ERRORS_TO_EXCLUDE or here.errors < here.well:
            continue
        if _fails_by_itself(where, alike, ever_ran=summary.succeeded > 0):
            return f"{where} failed in {here.errors} of {here.tried} invocations."
    return None


def _fails_by_itself(where: Configuration, alike: _Class, *, ever_ran: bool) -> bool:
    """Whether errors are the size's own: more, and unlikely so many, than at sizes that run.

    Our own invocations are compared with our own, and telemetry, which is of other hours, with
    telemetry. Where nothing ended well at any smaller size either, all of them count together: what is too
    small fails below, too. Where nothing runs anywhere, there is nothing to compare with, and a
    size is as bad as it looks.

    The share of errors is a Beta variable, so the number of errors is beta-binomial. The test is repeated
    as invocations come in: the probability is that of one look.
    """
    others = [ended for size, ended in alike.items() if size != where and ended.well]
    if not others:
        return not ever_ran
    below = [
        ended
        for size, ended in alike.items()
        if size.architecture == where.architecture and size.memory_mb <= where.memory_mb
    ]
    here = [alike[where]] if any(ended.well for ended in below) else below
    errors, tried = sum(e.errors for e in here), sum(e.tried for e in here)
    elsewhere, of = sum(e.errors for e in others), sum(e.tried for e in others)
    failed, fine = elsewhere + _FAILED, of - elsewhere + _FINE
    if errors / tried < failed / (failed + fine) + _LEAST_DIFFERENCE:
        return False
    return _at_least(errors, tried, failed, fine) < _LUCK


def _at_least(errors: int, tried: int, failed: float, fine: float) -> float:
    """Probability of so many errors and more where their share is Beta(failed, fine)."""
    number = np.arange(errors, tried + 1)
    ways = gammaln(tried + 1) - gammaln(number + 1) - gammaln(tried - number + 1)
    log = ways + betaln(number + failed, tried - number + fine) - betaln(failed, fine)
    return float(np.exp(log).sum())


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
