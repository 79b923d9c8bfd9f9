"""Changing a function safely: plan, approve, apply, watch, promote or roll back."""

from lambda_autotuner.rollout.applying import LeftOpenError, Outcome, UndoneError, apply_plan
from lambda_autotuner.rollout.approval import current_user, decide
from lambda_autotuner.rollout.batch import BatchResult, apply_batch
from lambda_autotuner.rollout.guardrails import Finding
from lambda_autotuner.rollout.plan import AlteredPlanError, Bounds, Plan, State, Strategy, read_plan
from lambda_autotuner.rollout.planning import Draft, RefusedPlanError, make_plan
from lambda_autotuner.rollout.preflight import preflight
from lambda_autotuner.rollout.rollback import Reconciled, reconcile, roll_back
from lambda_autotuner.rollout.steps import ConflictError, SettleError, UndeployedError
from lambda_autotuner.rollout.watching import Watched, watch_plan

__all__ = [
    "AlteredPlanError",
    "BatchResult",
    "Bounds",
    "ConflictError",
    "Draft",
    "Finding",
    "LeftOpenError",
    "Outcome",
    "Plan",
    "Reconciled",
    "RefusedPlanError",
    "SettleError",
    "State",
    "Strategy",
    "UndeployedError",
    "UndoneError",
    "Watched",
    "apply_batch",
    "apply_plan",
    "current_user",
    "decide",
    "make_plan",
    "preflight",
    "read_plan",
    "reconcile",
    "roll_back",
    "watch_plan",
]
