"""Agreeing to a plan: by a person or by a policy, once, for exactly what was shown."""

from __future__ import annotations

import fnmatch
import getpass
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from lambda_autotuner.aws.functions import get_tags
from lambda_autotuner.aws.permissions import function_arn
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError, SettingsError
from lambda_autotuner.journal import Approval, Journal, UsedError
from lambda_autotuner.rollout.changes import FIELDS
from lambda_autotuner.rollout.plan import AlteredPlanError, Plan, State, read_plan
from lambda_autotuner.settings import ApprovalSettings

Source = Literal["cli", "chat", "mcp", "python", "policy"]
_RULE_KEYS = frozenset(
    {"name", "tags", "functions", "fields", "min_saving_usd_month", "min_confidence", "max_factor"}
)


def current_user() -> str:
    """Who sits at this machine, for the journal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def decide(
    journal: Journal,
    plan_id: str,
    *,
    approved: bool,
    actor: str,
    source: Source,
    plan_hash: str | None = None,
    reason: str = "",
) -> Approval:
    """Write the one decision about a plan.

    Args:
        journal: where the plan is.
        plan_id: id of the plan, or the start of it.
        approved: agreed, or rejected.
        actor: who decides.
        source: by which door.
        plan_hash: what the person saw; a plan with another hash is refused.
        reason: in the person's words, or the rule that agreed.

    Raises:
        UsageError: no such plan.
        AlteredPlanError: the plan is not what was written, or not what the person saw.
        UsedError: it was decided already; of two at once exactly one gets through.
        RefusedError: it has expired.
    """
    stored = journal.get_plan(plan_id)
    plan = read_plan(stored)
    if plan_hash is not None and plan_hash != stored.hash:
        raise AlteredPlanError(
            f"Plan {plan.id} is not the one that was shown: its hash differs.",
            remedy="Look at the plan again before agreeing.",
        )
    state = journal.state(plan.id)
    if state.state != State.PLANNED:
        raise UsedError(
            f"Plan {plan.id} is {state.state} already (since {state.at:%Y-%m-%d %H:%M:%S} UTC).",
            remedy="Make a new plan for another change.",
        )
    refuse_expired(journal, plan, journal.now())
    return journal.decide(
        stored, approved=approved, expected=state, actor=actor, source=source, reason=reason
    )


def refuse_expired(journal: Journal, plan: Plan, now: datetime) -> None:
    """Refuse a plan whose time is over, and write that down.

    Raises:
        RefusedError: it has expired.
    """
    if now < plan.expires_at:
        return
    state = journal.state(plan.id)
    if state.state in {State.PLANNED, State.APPROVED}:
        journal.transition(plan.id, State.EXPIRED, expected=state)
    raise RefusedError(
        f"Plan {plan.id} expired at {plan.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
        remedy="Make a new plan.",
    )


def matching_rule(account: Account, settings: ApprovalSettings, plan: Plan) -> str | None:
    """The rule that agrees to a plan by itself; None when policies are off or none fits.

    Raises:
        SettingsError: a rule cannot be read.
    """
    if not settings.policy_enabled:
        return None
    tags: Mapping[str, str] | None = None
    for number, rule in enumerate(settings.rules, start=1):
        _check_rule(rule, number)
    for number, rule in enumerate(settings.rules, start=1):
        if rule.get("tags") and tags is None:
            tags = get_tags(account, function_arn(account, plan.function))
        if _fits(rule, plan, tags or {}):
            return str(rule.get("name", f"rule {number}"))
    return None


def _check_rule(rule: Mapping[str, Any], number: int) -> None:
    unknown = rule.keys() - _RULE_KEYS
    if unknown:
        raise SettingsError(
            f"approval.rules[{number}] has unknown keys: {', '.join(sorted(unknown))}.",
            remedy=f"Known are: {', '.join(sorted(_RULE_KEYS))}.",
        )
    if not rule.get("tags") and not rule.get("functions"):
        raise SettingsError(
            f"approval.rules[{number}] names neither tags nor functions.",
            remedy="A rule must say for which functions it agrees.",
        )
    for key, value in rule.items():
        if not _possible(key, value):
            raise SettingsError(
                f"approval.rules[{number}].{key} = {value!r} is not possible.",
                remedy=f"It must be {_KINDS.get(key, 'a positive number')}.",
            )


_KINDS = {
    "name": "a text",
    "tags": "tag names with values, such as {env: dev}",
    "functions": "a list of names or patterns, such as [otp-*]",
    "fields": f"a list of: {', '.join(FIELDS)}",
}


def _possible(key: str, value: Any) -> bool:
    """Whether a rule's value is of its kind; a text in place of a list would match letter by letter."""
    if key == "name":
        return isinstance(value, str)
    if key == "tags":
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if key in {"functions", "fields"}:
        texts = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return texts and (key == "functions" or set(value) <= set(FIELDS))
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )


def _fits(rule: Mapping[str, Any], plan: Plan, tags: Mapping[str, str]) -> bool:
    """Every condition that a rule states must hold; what is unknown never does."""
    for key, value in (rule.get("tags") or {}).items():
        if key not in tags or not fnmatch.fnmatchcase(tags[key], str(value)):
            return False
    patterns = rule.get("functions") or ["*"]
    if not any(fnmatch.fnmatchcase(plan.function, str(pattern)) for pattern in patterns):
        return False
    if not set(plan.after) <= set(rule.get("fields") or ["memory_mb"]):
        return False
    return _numbers_fit(rule, plan)


def _numbers_fit(rule: Mapping[str, Any], plan: Plan) -> bool:
    saving = (plan.expected.get("saving_month_usd") or {}).get("low")
    wanted = rule.get("min_saving_usd_month")
    if wanted is not None and (saving is None or saving < float(wanted)):
        return False
    sure = plan.expected.get("probability_best")
    wanted = rule.get("min_confidence")
    if wanted is not None and (sure is None or sure < float(wanted)):
        return False
    factor = rule.get("max_factor")
    if factor is not None and "memory_mb" in plan.after:
        old, new = plan.before["memory_mb"], plan.after["memory_mb"]
        return bool(max(old / new, new / old) <= float(factor))
    return True
