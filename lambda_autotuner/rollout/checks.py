"""What the account has against a change: the function, its alias, its concurrency, its traffic."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lambda_autotuner.aws.code import MAX_DIRECT_BYTES
from lambda_autotuner.aws.concurrency import get_concurrency
from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.functions import Alias
from lambda_autotuner.aws.metrics import MetricQuery, Window, get_metrics, latest_activity
from lambda_autotuner.aws.session import Account
from lambda_autotuner.rollout.changes import CONCURRENCY_FIELDS, VERSION_FIELDS
from lambda_autotuner.rollout.guardrails import Finding
from lambda_autotuner.rollout.plan import AliasBefore, Strategy
from lambda_autotuner.rollout.snapshot import differences

_HOUR_SECONDS = 3_600
# An alias that nobody named must carry at least this share of the traffic.
_IMPLIED_SHARE = 0.5
# Below this share, invocations past the alias are not worth a word (tests, warmers).
_WORTH_A_WORD = 0.01


def check_function(
    configuration: FunctionConfiguration, raw: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Finding]:
    """What the function itself has against the change."""
    name = configuration.name
    findings = []
    if raw.get("MasterArn"):
        findings.append(
            Finding(
                "edge",
                "block",
                f"{name} is a replica that CloudFront made (Lambda@Edge).",
                f"Change {raw['MasterArn']} and deploy the distribution with its new version.",
            )
        )
    if configuration.capacity_provider_arn:
        findings.append(
            Finding(
                "managed-instances",
                "block",
                f"{name} runs on Lambda Managed Instances, where memory does not set the price.",
            )
        )
    if not configuration.settled:
        findings.append(
            Finding(
                "state",
                "block",
                f"{name} is {configuration.state}/{configuration.last_update_status}"
                f"{': ' + configuration.last_update_reason.rstrip('.') if configuration.last_update_reason else ''}.",
                "Wait until the update under way has ended.",
            )
        )
    if "architecture" in after and configuration.package_type == "Image":
        findings.append(
            Finding(
                "architecture",
                "block",
                f"{name} is a container image: its architecture changes with the image.",
                "Build and deploy the image for the other architecture.",
            )
        )
    if "architecture" in after and configuration.code_size_bytes > MAX_DIRECT_BYTES:
        findings.append(
            Finding(
                "architecture",
                "block",
                f"The package of {name} ({configuration.code_size_bytes} bytes) is too large to "
                "be sent again; changing the architecture needs that.",
                "Change the architecture in the deployment instead.",
            )
        )
    return findings


def check_alias(
    alias: Alias | None,
    held: AliasBefore | None,
    snapshot: Mapping[str, Any],
    after: Mapping[str, Any],
) -> list[Finding]:
    """The version to be published may differ from the alias's only in what the plan names."""
    if alias is None or held is None or not set(after) & set(VERSION_FIELDS):
        return []
    findings = []
    if alias.weights:
        shares = ", ".join(f"{version}: {weight:.0%}" for version, weight in alias.weights.items())
        findings.append(
            Finding(
                "alias",
                "block",
                f"The alias {alias.name} is in a rollout already ({shares}).",
                "Finish that rollout first.",
            )
        )
    ignored = {*after, "Description"}
    undeployed = differences(held.snapshot, snapshot, ignore=ignored)
    unnamed = [
        item
        for item in differences(held.snapshot, snapshot, ignore={"Description"})
        if item.field in after and snapshot[item.field] != after[item.field]
    ]
    if undeployed or unnamed:
        shown = "; ".join(str(item) for item in [*undeployed, *unnamed])
        findings.append(
            Finding(
                "undeployed",
                "block",
                f"$LATEST differs from version {alias.version} behind {alias.name} in more than "
                f"this plan names, and that would go live with it: {shown}.",
                "Deploy or take back what is on $LATEST first.",
            )
        )
    return findings


def check_concurrency(
    account: Account, name: str, alias: Alias | None, after: Mapping[str, Any]
) -> list[Finding]:
    """Reserved must hold what is provisioned, and no change may leave warm environments behind.

    Raises:
        AwsError: the settings cannot be read.
    """
    moves = alias is not None and bool(set(after) & set(VERSION_FIELDS))
    if not moves and not set(after) & set(CONCURRENCY_FIELDS):
        return []
    found = get_concurrency(account, name)
    held = {item.qualifier: item.requested for item in found.provisioned}
    findings = []
    if moves and alias is not None and alias.version in held:
        findings.append(
            Finding(
                "provisioned",
                "block",
                f"Version {alias.version} behind {alias.name} has provisioned concurrency "
                f"{held[alias.version]} of its own: the new version would start cold.",
                f"Put it on the alias instead ({name}:{alias.name}), where it moves along.",
            )
        )
    reserved = after.get("reserved_concurrency", found.reserved)
    if alias is not None and "provisioned_concurrency" in after:
        held[alias.name] = after["provisioned_concurrency"] or 0
    if reserved is not None and sum(held.values()) > reserved:
        findings.append(
            Finding(
                "concurrency",
                "block",
                f"{name} would have {sum(held.values())} provisioned and {reserved} reserved "
                "environments; Lambda does not allow fewer reserved than provisioned ones.",
                "Change both in one plan, so that reserved is at least provisioned.",
            )
        )
    return findings


def check_route(
    account: Account,
    configuration: FunctionConfiguration,
    alias: Alias | None,
    after: Mapping[str, Any],
    *,
    named: bool,
) -> list[Finding]:
    """Whether the traffic comes by the alias: what does not is neither in the canary nor watched.

    Args:
        account: where the function is.
        configuration: the function.
        alias: the alias that the change is for.
        after: the changed fields.
        named: whether a person named the alias.
    """
    if alias is None or not set(after) & set(VERSION_FIELDS):
        return []
    try:
        whole, by_alias = _invocations(account, configuration, alias.name)
    except AwsError as error:
        message = f"Whether the traffic comes by {alias.name} is unknown: {error.message}"
        return [Finding("route", "warn", message, "Allow cloudwatch:GetMetricData.")]
    past = whole - by_alias
    if whole == 0 or past <= _WORTH_A_WORD * whole:
        return []
    blocked = not named and by_alias < _IMPLIED_SHARE * whole
    return [
        Finding(
            "route",
            "block" if blocked else "warn",
            f"{past:.0f} of {whole:.0f} invocations in the last day did not come by the alias "
            f"{alias.name}. Those of $LATEST get the change at once, without canary, and the "
            "watch does not look at them.",
            f"Say what is meant with --qualifier {alias.name} or --qualifier '$LATEST'."
            if blocked
            else "Let callers and event sources use the alias.",
        )
    ]


def _invocations(
    account: Account, configuration: FunctionConfiguration, alias: str
) -> tuple[float, float]:
    """Invocations of the last day with traffic: all of them, and those by the alias."""
    name, near = configuration.name, configuration.last_modified
    latest = latest_activity(account, near, function=name) if near else None
    if latest is None:
        return 0.0, 0.0
    window = Window(latest - timedelta(days=1), latest)
    whole = MetricQuery("Invocations", "Sum", _HOUR_SECONDS, name)
    part = MetricQuery("Invocations", "Sum", _HOUR_SECONDS, name, alias)
    series = get_metrics(account, [whole, part], window)
    return series[whole].total() or 0.0, series[part].total() or 0.0


def notes_for(
    configuration: FunctionConfiguration,
    alias: Alias | None,
    after: Mapping[str, Any],
    strategy: Strategy,
) -> tuple[str, ...]:
    """What a person should know before agreeing."""
    notes = []
    if "architecture" in after:
        notes.append("Native code and layers must exist for the new architecture.")
    if "timeout_seconds" in after:
        notes.append("Callers and queues must wait at least as long as the new timeout.")
    if after.get("reserved_concurrency") == 0:
        notes.append("Reserved concurrency 0 stops the function.")
    if strategy is Strategy.SWITCH:
        notes.append("The alias has provisioned concurrency: traffic moves at once, no canary.")
    if strategy is Strategy.DIRECT and set(after) & set(VERSION_FIELDS):
        notes.append("The change is live for all of $LATEST's traffic at once.")
    if alias is not None and set(after) & set(VERSION_FIELDS):
        notes.append(
            "Invocations of $LATEST itself get the new configuration as soon as it is applied."
        )
    if configuration.snapstart != "None" and set(after) & set(VERSION_FIELDS):
        notes.append("SnapStart makes publishing a version take minutes.")
    return tuple(notes)
