"""A recommendation without a single invocation, from telemetry alone.

One memory size alone cannot tell processor time from waiting. What telemetry has (the spread of
the duration, init, Max Memory Used, earlier memory sizes in the history) narrows the law; where
that is not enough to be within the tolerance, the answer is how many invocations would settle it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import Objective
from lambda_autotuner.tuning.pricing import Rates
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.recommendation import NeedMoreData, Recommendation, Settled
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.verdict import conclude
from lambda_autotuner.tuning.workload import Workload

COMMIT_TOLERANCE_PCT = 5.0
_TYPICAL_INVOCATIONS = 12


def recommend_passive(
    evidence: Evidence,
    space: Space,
    objective: Objective,
    rates: Mapping[Architecture, Rates],
    *,
    current: Configuration | None = None,
    workload: Workload | None = None,
    policy: Policy | None = None,
    priors: Priors | None = None,
) -> Recommendation:
    """What to do, from telemetry alone.

    Args:
        evidence: Samples from REPORT lines and metrics, at one or several memory sizes.
        space: Where a pick may come from.
        objective: What to look for.
        rates: Prices of each architecture of the space.
        current: The configuration in production.
        workload: How the function is used.
        policy: How sure is sure enough.
        priors: Numbers learned once from data; the packaged ones by default.
    """
    policy = policy or Policy()
    model = Model(evidence, workload or Workload(), rates, priors)
    answer = conclude(model, space, objective, policy, current=current)
    if not isinstance(answer, Settled):
        return answer
    committed = Policy(COMMIT_TOLERANCE_PCT, policy.confidence, policy.regret_pct)
    settled = conclude(model, space, objective, committed, current=current)
    if isinstance(settled, Settled) and settled.probability_best >= policy.confidence:
        return answer
    picked = Configuration(answer.proposed.memory_mb, _architecture(answer.proposed.architecture))
    return NeedMoreData(
        objective=answer.objective,
        confidence=answer.confidence,
        notes=answer.notes,
        curve=answer.curve,
        current=answer.current,
        advice=answer.advice,
        missing=("The sizes seen do not tell processor time from waiting well enough.",),
        invocations=_TYPICAL_INVOCATIONS,
        cost_usd=_TYPICAL_INVOCATIONS * answer.proposed.cost_usd.value,
        sizes_mb=(picked.memory_mb,),
        leaning=picked,
    )


def _architecture(name: str) -> Architecture:
    return "arm64" if name == "arm64" else "x86_64"
