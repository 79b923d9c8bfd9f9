"""What a measurement would do and cost, found out without changing or invoking anything."""

from __future__ import annotations

from lambda_autotuner.aws.configuration import LATEST
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.aws.metrics import NAMESPACE, MetricQuery, get_metrics
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import period_of
from lambda_autotuner.measurement.beginning import Beginning
from lambda_autotuner.measurement.forecasting import forecast
from lambda_autotuner.measurement.latest import look_at_latest
from lambda_autotuner.measurement.options import Options, Preview
from lambda_autotuner.measurement.side_effects import suspect
from lambda_autotuner.sizing.background import Background
from lambda_autotuner.sizing.choices import Choices


def preview(account: Account, beginning: Beginning, *, priced: bool = True) -> Preview:
    """Find out where and whether a function can be measured, and what that costs.

    Args:
        account: where the function is.
        beginning: what the measurement would start from.
        priced: whether to work out what it will probably cost, which takes a second or two.
    """
    background, choices, options = beginning.background, beginning.choices, beginning.options
    space, left_out = beginning.space()
    refusal, remedy = _refusal(account, background, choices, options)
    price = beginning.worst_usd(space)
    return Preview(
        function=background.configuration.name,
        current=background.current,
        where=options.where,
        refusal=refusal,
        remedy=remedy,
        sizes_mb=space.sizes_mb,
        architectures=space.architectures,
        max_invocations=choices.max_invocations,
        forecast=forecast(beginning) if priced and not refusal else None,
        at_most_usd=min(choices.max_cost_usd, price * choices.max_invocations),
        side_effects=suspect(account, background.configuration),
        payloads=beginning.mix.shares,
        cautions=(*background.cautions, *([left_out] if left_out else [])),
    )


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
