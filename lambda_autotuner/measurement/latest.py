"""Whether `$LATEST` may be touched for the seconds that publishing a version takes.

A version keeps the memory size that `$LATEST` has at the moment of publishing, so measuring a size
on a version means giving `$LATEST` that size for a moment. Where callers reach `$LATEST` itself,
they would run at the wrong size; where it holds code or settings that no version has, a version
would publish what nobody released.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.configuration import LATEST, FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import (
    function_url,
    list_aliases,
    list_event_sources,
    list_versions,
    raw_configuration,
    resource_policy,
)
from lambda_autotuner.aws.session import Account

# What a version takes over from `$LATEST` and what may differ without being another release.
_COMPARED = (
    "CodeSha256",
    "Runtime",
    "Role",
    "Handler",
    "Timeout",
    "VpcConfig",
    "DeadLetterConfig",
    "Environment",
    "KMSKeyArn",
    "TracingConfig",
    "Layers",
    "FileSystemConfigs",
    "ImageConfigResponse",
    "Architectures",
    "EphemeralStorage",
    "LoggingConfig",
)


@dataclass(frozen=True, slots=True)
class LatestUse:
    """Reasons not to touch `$LATEST`, in words; none of either kind means that it is safe."""

    traffic: tuple[str, ...]
    undeployed: tuple[str, ...]

    @property
    def safe(self) -> bool:
        """Whether nothing speaks against changing `$LATEST` for seconds."""
        return not self.traffic and not self.undeployed

    @property
    def reasons(self) -> tuple[str, ...]:
        """All reasons, traffic first."""
        return self.traffic + self.undeployed


def look_at_latest(
    account: Account,
    configuration: FunctionConfiguration,
    *,
    released: str | None,
    unqualified_invocations: float | None,
) -> LatestUse:
    """Find out who reaches `$LATEST` and whether it holds something unreleased.

    Args:
        account: where the function is.
        configuration: its `$LATEST`.
        released: the version that carries the traffic, where it is not `$LATEST`.
        unqualified_invocations: invocations without a qualifier in the telemetry's window; None
            where that could not be read, which counts against touching it.
    """
    return LatestUse(
        traffic=tuple(_traffic(account, configuration, unqualified_invocations)),
        undeployed=tuple(_undeployed(account, configuration, released)),
    )


def _traffic(
    account: Account, configuration: FunctionConfiguration, invocations: float | None
) -> list[str]:
    name = configuration.name
    found = []
    if invocations is None:
        found.append("whether $LATEST was invoked could not be read from its metrics")
    elif invocations > 0:
        found.append(f"$LATEST was invoked {invocations:,.0f} times in the window of the telemetry")
    try:
        found += [
            f"the event source {source.source_arn} feeds $LATEST"
            for source in list_event_sources(account, name)
            if source.qualifier in {None, LATEST} and source.state != "Disabled"
        ]
        found += [
            f"the alias {alias.name} points to $LATEST"
            for alias in list_aliases(account, name)
            if LATEST in {alias.version, *alias.weights}
        ]
        if function_url(account, name) is not None:
            found.append("a function URL leads to $LATEST")
        found += _callers(resource_policy(account, name), configuration)
    except (AwsError, MissingError) as error:
        found.append(f"who reaches $LATEST could not be read ({error.message})")
    return found


def _callers(policy: str | None, configuration: FunctionConfiguration) -> list[str]:
    """Services that the function's own policy lets invoke `$LATEST`."""
    if policy is None:
        return []
    found = []
    for statement in json.loads(policy).get("Statement", []):
        resource = str(statement.get("Resource", ""))
        if resource.rsplit(":", 1)[-1] not in {configuration.name, LATEST}:
            continue
        principal = statement.get("Principal")
        if isinstance(principal, Mapping):
            principal = ", ".join(str(value) for value in principal.values())
        found.append(f"its policy lets {principal} invoke $LATEST")
    return found


def _undeployed(
    account: Account, configuration: FunctionConfiguration, released: str | None
) -> list[str]:
    """What `$LATEST` holds that the version in use, or else any published version, has not."""
    if released is None:
        versions = [v for v in list_versions(account, configuration.name) if v.version != LATEST]
        if not versions:
            return ["no version of it was ever published, so all its code counts as unreleased"]
        same_code = [v for v in versions if v.code_sha256 == configuration.code_sha256]
        if not same_code:
            return ["$LATEST holds code that no version has"]
        released = same_code[-1].version
    latest = raw_configuration(account, configuration.name)
    differing = differences(latest, raw_configuration(account, configuration.name, released))
    if differing:
        return [f"$LATEST differs from version {released} in {', '.join(differing)}"]
    return []


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of the settings, memory size aside, in which two versions differ (never values)."""
    return [name for name in _COMPARED if _plain(name, one) != _plain(name, other)]


def _plain(name: str, raw: Mapping[str, Any]) -> Any:
    value = raw.get(name)
    if name == "Environment":
        return (value or {}).get("Variables") or {}
    if name == "Layers":
        return [layer.get("Arn") for layer in value or ()]
    if name == "VpcConfig":
        return {k: v for k, v in (value or {}).items() if v and k != "VpcId"}
    if name == "EphemeralStorage":
        return (value or {}).get("Size", 512)
    return value or None
