"""Whether the numbers of an answer come from somewhere."""

from __future__ import annotations

from collections.abc import Sequence

from lambda_autotuner.evaluation.contestants.base import Reply
from lambda_autotuner.evaluation.facts import plain
from lambda_autotuner.evaluation.quantities import Quantity, find_quantities

_RELATIVE = 0.006
# Counting words of prose ("two functions", "1.") are not claims about the account.
_SMALLEST = 10.0
_FACTORS = (1.0, 1000.0, 0.001, 60.0, 1 / 60, 60_000.0, 1024.0, 1 / 1024, 100.0, 0.01, 1 / 1024**2)


def grounded_share(replies: Sequence[Reply], asked: Sequence[str]) -> float | None:
    """Share of the answers' numbers that stand in a tool's output or in the question.

    A number counts as found in another unit or rounded too. None when the contestant does not
    tell what its tools returned, or when there is no number.
    """
    if any(reply.evidence is None for reply in replies):
        return None
    sources = [plain(text) for text in asked] + [plain(reply.evidence or "") for reply in replies]
    known = sorted({abs(q.value) for text in sources for q in find_quantities(text)})
    claims = [
        q
        for reply in replies
        for q in find_quantities(plain(reply.text))
        if abs(q.value) >= _SMALLEST
    ]
    if not claims:
        return None
    return sum(_known(claim, known) for claim in claims) / len(claims)


def _known(claim: Quantity, known: Sequence[float]) -> bool:
    from bisect import bisect_left

    for factor in _FACTORS:
        value = abs(claim.value) * factor
        slack = max(claim.resolution * factor / 2, value * _RELATIVE)
        place = bisect_left(known, value - slack)
        if place < len(known) and known[place] <= value + slack:
            return True
    return False
