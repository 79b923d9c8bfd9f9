"""Where right-sizing by memory means nothing, or means something else, and why.

A refusal is an answer: "does not apply, because", never a number for something that is billed or
scaled differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_autotuner.aws.configuration import FunctionConfiguration

# Lambda@Edge runs replicas of a version in other regions; CloudFront allows neither arm64,
# environment variables nor more than 10,240 MB (viewer events: 128 MB only).
_EDGE_ROLES = ("edgelambda", "lambda-edge", "lambda_edge")


@dataclass(frozen=True, slots=True)
class Applicability:
    """Whether memory decides speed and price of this function.

    Attributes:
        applies: False where a recommendation would be wrong.
        reason: Why not, in one sentence; empty where it applies.
        cautions: What a reader should know where it applies all the same.
        measurable: Whether it can be measured by invoking versions of it; a reason where not.
    """

    applies: bool
    reason: str = ""
    cautions: tuple[str, ...] = ()
    not_measurable: str = ""


def judge(configuration: FunctionConfiguration) -> Applicability:
    """Decide from the configuration alone."""
    if configuration.capacity_provider_arn is not None:
        return Applicability(
            applies=False,
            reason=(
                "It runs on Lambda Managed Instances, which are billed as EC2 instances: neither "
                "the price per millisecond nor processor time in proportion to memory applies."
            ),
        )
    if configuration.state == "Failed":
        why = configuration.state_reason or "no reason given"
        return Applicability(
            applies=False, reason=f"The function is in state Failed ({why}) and cannot run."
        )
    cautions = []
    not_measurable = ""
    if configuration.durable:
        cautions.append(
            "It is a durable function: its steps and stored state are charged beside its duration, "
            "and are not part of these figures."
        )
        not_measurable = "Invoking a durable function starts an execution that outlives the call."
    if _is_edge(configuration):
        cautions.append(
            "It looks like a Lambda@Edge function: its replicas write logs and metrics in the "
            "regions where they run, and prices of Lambda@Edge differ."
        )
        not_measurable = not_measurable or (
            "A Lambda@Edge function needs events of CloudFront and runs in other regions."
        )
    if configuration.package_type == "Image":
        cautions.append(
            "It is a container image: pulling the image makes first starts after a change slow."
        )
    return Applicability(applies=True, cautions=tuple(cautions), not_measurable=not_measurable)


def _is_edge(configuration: FunctionConfiguration) -> bool:
    role = configuration.role.lower()
    return any(word in role for word in _EDGE_ROLES)
