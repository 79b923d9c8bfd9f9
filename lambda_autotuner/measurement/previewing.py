"""What a measurement would do and cost, found out without changing or invoking anything."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_autotuner.aws.configuration import LATEST
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.aws.metrics import NAMESPACE, MetricQuery, get_metrics
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import period_of
from lambda_autotuner.measurement.latest import look_at_latest
from lambda_autotuner.measurement.options import Options, Preview
from lambda_autotuner.measurement.payloads import PayloadMix
from lambda_autotuner.measurement.side_effects import suspect
from lambda_autotuner.sizing.background import Background
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.pricing import Rates, invocation_cost_usd
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import MS_PER_SECOND, Architecture

_LONGEST_INIT_MS = 10_000.0
"""INIT may take 10 s before Lambda starts it again inside the invocation (AWS documentation)."""


def preview(
    account: Account,
    background: Background,
    choices: Choices,
    options: Options,
    mix: PayloadMix,
    rates: Mapping[Architecture, Rates],
) -> Preview:
    """Find out where and whether a function can be measured, and what that costs at most."""
    space = choices.space_for(background.current)
    refusal, remedy = _refusal(account, background, choices, options)
    price = worst_usd(space, background, rates)
    return Preview(
        function=background.configuration.name,
        current=background.current,
        where=options.where,
        refusal=refusal,
        remedy=remedy,
        sizes_mb=space.sizes_mb,
        architectures=space.architectures,
        max_invocations=choices.max_invocations,
        likely_usd=_likely_usd(background, choices, rates),
        at_most_usd=min(choices.max_cost_usd, price * choices.max_invocations),
        side_effects=suspect(account, background.configuration),
        payloads=mix.shares,
        cautions=background.cautions,
    )


def worst_usd(space: Space, background: Background, rates: Mapping[Architecture, Rates]) -> float:
    """The most that one invocation anywhere in a space can cost, in dollars."""
    return max(
        worst_at_usd(Configuration(space.sizes_mb[-1], name), background, rates)
        for name in space.architectures
    )


def worst_at_usd(
    where: Configuration, background: Background, rates: Mapping[Architecture, Rates]
) -> float:
    """The most that one invocation can cost: it runs into its timeout after the longest INIT."""
    timeout_ms = background.configuration.timeout_seconds * MS_PER_SECOND
    return invocation_cost_usd(
        timeout_ms + _LONGEST_INIT_MS,
        where.memory_mb,
        rates[where.architecture],
        ephemeral_mb=background.configuration.ephemeral_storage_mb,
    )


def _likely_usd(
    background: Background, choices: Choices, rates: Mapping[Architecture, Rates]
) -> float | None:
    """All invocations at what one costs in production today; None where nothing is recorded."""
    here = background.evidence.at(*_pair(background.current))
    if here.mean_ms is None:
        return None
    one = invocation_cost_usd(
        max(1.0, here.mean_ms), background.current.memory_mb, rates[background.current.architecture]
    )
    return one * choices.max_invocations


def _pair(where: Configuration) -> tuple[int, Architecture]:
    return where.memory_mb, where.architecture


def _refusal(
    account: Account, background: Background, choices: Choices, options: Options
) -> tuple[str, str]:
    """Why a measurement must not begin as asked, and what to do about it; two empty texts if it may."""
    configuration = background.configuration
    applicability = background.applicability
    if applicability.not_measurable:
        return applicability.not_measurable, "Use `recommend`, which reads its telemetry instead."
    space = choices.space_for(background.current)
    other = [name for name in space.architectures if name != background.current.architecture]
    if options.where == "copy":
        return "", ""
    if background.workload.reserved_concurrency == 0:
        return (
            "Its reserved concurrency is 0, so that every invocation would be throttled.",
            "Measure a temporary copy instead (--copy).",
        )
    if other:
        return (
            f"Measuring {', '.join(other)} needs the code on another architecture in $LATEST.",
            "Measure a temporary copy instead (--copy).",
        )
    released = None if configuration.version == LATEST else configuration.version
    latest = get_function(account, configuration.name) if released else configuration
    use = look_at_latest(
        account,
        latest,
        released=released,
        unqualified_invocations=unqualified_invocations(account, background),
    )
    if use.safe:
        return "", ""
    return (
        f"$LATEST of {latest.name} cannot be changed even for seconds: {'; '.join(use.reasons)}.",
        "Measure a temporary copy instead (--copy).",
    )


def unqualified_invocations(account: Account, background: Background) -> float | None:
    """Invocations that named neither alias nor version, in the telemetry's window.

    CloudWatch counts every invocation under the function and the qualified ones under their
    qualifier too, so the difference is what reached `$LATEST`. None where that is unreadable.
    """
    window, name = background.window, background.configuration.name
    if window is None:
        return None
    period = period_of(window)
    try:
        resources = _resources(account, name)
        total = MetricQuery("Invocations", "Sum", period, name)
        parts = [MetricQuery("Invocations", "Sum", period, name, item) for item in resources]
        found = get_metrics(account, [total, *parts], window)
    except (AwsError, MissingError):
        return None
    if any(series.partial for series in found.values()):
        return None
    return (found[total].total() or 0.0) - sum(found[part].total() or 0.0 for part in parts)


def _resources(account: Account, name: str) -> list[str]:
    """Aliases and versions by which a function was invoked, deleted ones included.

    An alias that does not exist any more, such as one of an earlier measurement, still has its
    invocations in the sum of the function's.
    """
    listed = account.pages(
        "cloudwatch",
        "ListMetrics",
        Namespace=NAMESPACE,
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": name}],
    )
    values = {
        dimension["Value"].partition(":")[2]
        for metric in listed
        for dimension in metric.get("Dimensions", ())
        if dimension["Name"] == "Resource"
    }
    return sorted(values - {"", LATEST})
