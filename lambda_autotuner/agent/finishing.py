"""From a model's text to what a person reads."""

from __future__ import annotations

from lambda_autotuner.agent.grounding import Ledger, ground
from lambda_autotuner.agent.presentation import clean, sources, unseen
from lambda_autotuner.agent.turn import Turn


def finish(turn: Turn, text: str) -> str:
    """A model's text as a person may read it: cleaned, every number traced, sources and gaps named."""
    plain = clean(text, turn.human_turns, turn.inventory)
    results = [item.result.data for item in turn.evidence]
    limits = turn.limits.model_dump()
    errors = [dict(error) for _, _, error in turn.errors]
    ledger = Ledger.of(
        [
            *results,
            *errors,
            limits,
            {"functions": len(turn.inventory)},
            {"searched": getattr(turn.toolbox, "searched", "")},
        ],
        turn.human_turns,
    )
    checked = ground(plain, ledger)
    turn.unverified = checked.unverified
    parts = [checked.text]
    if checked.unverified:
        parts.append("Numbers marked [unverified] are in no tool result; do not rely on them.")
    relevant = [gap for gap in turn.gaps if gap.what not in checked.text]
    parts += [unseen(relevant), sources(checked.text, [item.citation for item in turn.evidence])]
    return "\n".join(part for part in parts if part)
