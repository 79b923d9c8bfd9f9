"""Several plans one after the other; what was applied before is not applied again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.journal import Journal
from lambda_autotuner.rollout.applying import Outcome, apply_plan
from lambda_autotuner.rollout.executor import Progress
from lambda_autotuner.rollout.plan import DONE, WATCHED, State, read_plan
from lambda_autotuner.settings import Settings


@dataclass
class BatchResult:
    """How a batch of plans went.

    Attributes:
        outcomes: plans that are applied, those that were so before included.
        failures: plans that did not work out, with the reason.
        skipped: plans that were not tried.
        interrupted: somebody stopped it (Ctrl-C).
    """

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "applied": [outcome.to_dict() for outcome in self.outcomes],
            "failed": [{"plan_id": plan, "reason": reason} for plan, reason in self.failures],
            "skipped": self.skipped,
            "interrupted": self.interrupted,
        }


def apply_batch(
    account: Account,
    journal: Journal,
    settings: Settings,
    plan_ids: Iterable[str],
    *,
    actor: str,
    stop_on_failure: bool = True,
    progress: Progress | None = None,
) -> BatchResult:
    """Apply several plans one after the other.

    Typing the same batch again goes on where it stopped: plans that are applied already are
    counted and left as they are.

    Args:
        account: where the functions are.
        journal: where the plans are.
        settings: as for `apply_plan`.
        plan_ids: ids in the order in which to apply them.
        actor: who applies.
        stop_on_failure: leave the rest alone after the first plan that does not work out.
        progress: is told about every plan and call.
    """
    result = BatchResult()
    ids = list(plan_ids)
    say = progress or (lambda _: None)
    for number, plan_id in enumerate(ids, start=1):
        say(f"[{number}/{len(ids)}] {plan_id}")
        try:
            result.outcomes.append(
                _applied_before(journal, plan_id)
                or apply_plan(account, journal, settings, plan_id, actor=actor, progress=progress)
            )
        except AutotunerError as error:
            result.failures.append((plan_id, str(error)))
        except KeyboardInterrupt:
            result.interrupted = True
            result.failures.append((plan_id, f"interrupted; it is {_state(journal, plan_id)}"))
        if result.interrupted or (result.failures and stop_on_failure):
            result.skipped = ids[number:]
            break
    return result


def _applied_before(journal: Journal, plan_id: str) -> Outcome | None:
    plan = read_plan(journal.get_plan(plan_id))
    state = journal.state(plan.id).state
    if state not in {*WATCHED, *DONE}:
        return None
    return Outcome(plan, State(state), f"It is {state} already.")


def _state(journal: Journal, plan_id: str) -> str:
    try:
        return journal.state(journal.get_plan(plan_id).id).state
    except AutotunerError as error:
        return f"unknown ({error.message})"
