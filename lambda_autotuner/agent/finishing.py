"""From a model's text to what a person reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lambda_autotuner.agent.grounding import Ledger, ground
from lambda_autotuner.agent.presentation import clean, sources, unseen
from lambda_autotuner.agent.providers import is_offline
from lambda_autotuner.agent.turn import Turn

_CLAIMS_A_CHANGE = re.compile(
    r"\b(?:I(?:'ve| have)?|we(?:'ve| have)?)\s+(?:now |already |just |successfully )?"
    r"(?:changed|set|applied|updated|increased|decreased|reduced|raised|lowered|resized|switched|rolled|reverted|deployed|approved|executed)\b"
    r"|\b(?:has|have|was|were) (?:now |already |just |successfully )?(?:been )?(?:changed|applied|updated|resized|rolled back|reverted|deployed)\b"
    r"|\bis now (?:set|live|running with|configured)\b|\bchange is live\b",
    re.IGNORECASE,
)
NOTHING_CHANGED = (
    "Nothing was changed by this answer: a change is made only after a person approves its plan."
)


def finish(turn: Turn, text: str) -> str:
    """A model's text as a person may read it: cleaned, every number traced, sources and gaps named."""
    plain = clean(text, turn.human_turns, turn.inventory)
    checked = ground(plain, _ledger(turn, None), _by_line(turn))
    turn.unverified = checked.unverified
    rejected = [f"Rejected: {p.summary} Nothing was changed." for p in turn.withdrawn]
    parts = [*rejected, checked.text]
    if checked.unverified:
        parts.append("Numbers marked [unverified] are in no tool result; do not rely on them.")
    if not is_offline(turn.model_name) and _CLAIMS_A_CHANGE.search(checked.text):
        parts.append(NOTHING_CHANGED)
    relevant = [gap for gap in turn.gaps if gap.what not in checked.text]
    parts += [unseen(relevant), sources(checked.text, [item.citation for item in turn.evidence])]
    return "\n".join(part for part in parts if part)


def _ledger(turn: Turn, function: str | None) -> Ledger:
    """The numbers that may stand in an answer, or in a line of it about one function."""
    results: list[Mapping[str, Any]] = [
        item.result.data
        for item in turn.evidence
        if function is None or item.result.function in {None, function}
    ]
    errors = [dict(error) for _, _, error in turn.errors]
    about: list[Mapping[str, Any]] = [
        turn.limits.model_dump(),
        {"functions": len(turn.inventory)},
        {"searched": getattr(turn.toolbox, "searched", "")},
    ]
    waiting = (proposal.summary for proposal in turn.known_proposals)
    return Ledger.of([*results, *errors, *about], [*turn.human_turns, *waiting], function=function)


def _by_line(turn: Turn) -> Any:
    """The ledger of a line: where it names one function only, that function's numbers alone."""
    wanted = sorted(turn.inventory, key=len, reverse=True)
    names = (
        re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, wanted))})(?![\w-])")
        if wanted
        else None
    )

    @lru_cache(maxsize=64)
    def ledger(function: str | None) -> Ledger:
        return _ledger(turn, function)

    @lru_cache(maxsize=512)
    def of_line(line: str) -> Ledger:
        found = set(names.findall(line)) if names else set()
        return ledger(found.pop() if len(found) == 1 else None)

    return of_line
