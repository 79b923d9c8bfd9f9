"""`recommend`: a recommendation from what the account recorded, without one invocation."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_autotuner.aws.session import Account
from lambda_autotuner.measurement.results import NotApplicable, Sized
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.background import Background, read_background
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.passive import recommend_passive
from lambda_autotuner.tuning.pricing import Rates
from lambda_autotuner.tuning.recommendation import Answer
from lambda_autotuner.tuning.units import Architecture


def recommend(
    account: Account,
    function: str,
    *,
    settings: Settings | None = None,
    choices: Choices | None = None,
    qualifier: str | None = None,
) -> Sized:
    """Size a function from its REPORT lines, metrics and history alone.

    Args:
        account: where the function is.
        function: name, `name:qualifier` or ARN.
        settings: what to look for, unless `choices` says so.
        choices: what to look for.
        qualifier: version or alias; without one, whatever carries the traffic.

    Returns:
        A Change or Keep only where the evidence allows; else NeedMoreData with the number of
        invocations that would settle it, Infeasible, or NotApplicable, each with its reasons.

    Raises:
        MissingError: no such function (with the nearest names) or qualifier.
        AwsError: not allowed, or the account could not be asked.
    """
    choices = choices or Choices.from_settings(settings or Settings())
    background = read_background(account, function, choices, qualifier=qualifier)
    rates = choices.rates(account.region)
    policy = Policy(tolerance_pct=choices.tolerance_pct, confidence=choices.confidence)
    if not background.applicability.applies:
        return sized(background, not_applicable(background, choices), rates)
    answer = recommend_passive(
        background.evidence,
        choices.space_for(background.current),
        choices.objective,
        rates,
        current=background.current,
        workload=background.workload,
        policy=policy,
    )
    return sized(background, answer, rates)


def not_applicable(background: Background, choices: Choices) -> NotApplicable:
    """The answer for a function that memory does not size."""
    return NotApplicable(
        objective=str(choices.objective),
        confidence=choices.confidence,
        reason=background.applicability.reason,
        reasons=(background.applicability.reason,),
    )


def sized(background: Background, answer: Answer, rates: Mapping[Architecture, Rates]) -> Sized:
    """An answer together with what it rests on."""
    return Sized(
        configuration=background.configuration,
        qualifier=background.qualifier,
        answer=answer,
        evidence=background.evidence,
        workload=background.workload,
        rates=rates,
        window=background.window,
        telemetry=background.telemetry,
        cautions=background.cautions,
    )
