"""The calls that carrying out one plan may make, and the IAM actions that these need."""

from __future__ import annotations

from lambda_autotuner.aws.operations import find_operation
from lambda_autotuner.aws.policies import (
    CODE_WRITES,
    CONFIGURATION_WRITES,
    PROVISIONED_WRITES,
    RESERVED_WRITES,
    ROLLOUT_READS,
    VERSION_WRITES,
    Call,
)
from lambda_autotuner.rollout.changes import CODE_FIELDS, CONFIGURATION_FIELDS
from lambda_autotuner.rollout.plan import Plan, Strategy


def required_calls(plan: Plan) -> tuple[Call, ...]:
    """Every call that carrying out, watching and undoing a plan may make."""
    calls = list(ROLLOUT_READS)
    if set(plan.after) & set(CONFIGURATION_FIELDS):
        calls += CONFIGURATION_WRITES
    if set(plan.after) & set(CODE_FIELDS):
        calls += CODE_WRITES
    if plan.strategy is not Strategy.DIRECT:
        calls += VERSION_WRITES
    if "reserved_concurrency" in plan.after:
        calls += RESERVED_WRITES
    if "provisioned_concurrency" in plan.after:
        calls += PROVISIONED_WRITES
    return tuple(dict.fromkeys(calls))


def required_actions(plan: Plan) -> tuple[str, ...]:
    """The IAM actions of those calls."""
    actions = [
        action
        for service, name in required_calls(plan)
        for action in find_operation(service, name).all_actions
    ]
    return tuple(dict.fromkeys(actions))
