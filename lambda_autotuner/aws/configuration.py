"""A function's configuration as a typed record. Values of environment variables stay outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LATEST = "$LATEST"
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12})"
    r":function:(?P<name>[A-Za-z0-9_-]+)(?::(?P<qualifier>[A-Za-z0-9_$-]+))?$"
)


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """One version of a function, as the account describes it.

    Attributes:
        name: function name without qualifier.
        arn: ARN with the qualifier that was asked for, if any.
        version: "$LATEST" or a number.
        memory_mb: memory size in MB.
        timeout_seconds: limit of one invocation.
        ephemeral_storage_mb: size of /tmp.
        architecture: "x86_64" or "arm64".
        package_type: "Zip" or "Image".
        environment_names: names of environment variables; their values never leave this layer.
        snapstart: "None" or "PublishedVersions" (as applied).
        last_modified: when this version last changed; None when the account did not say.
        capacity_provider_arn: set for Managed Instances, where per-ms billing does not apply.
    """

    name: str
    arn: str
    version: str
    memory_mb: int
    timeout_seconds: int
    ephemeral_storage_mb: int
    architecture: str
    package_type: str
    runtime: str | None
    handler: str | None
    role: str
    description: str
    state: str | None
    state_reason: str | None
    last_update_status: str | None
    last_update_reason: str | None
    revision_id: str
    code_sha256: str
    code_size_bytes: int
    last_modified: datetime | None
    snapstart: str
    snapstart_status: str | None
    tracing: str | None
    log_group: str
    log_format: str
    environment_names: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    vpc_id: str | None = None
    subnet_ids: tuple[str, ...] = ()
    dead_letter_arn: str | None = None
    kms_key_arn: str | None = None
    file_systems: tuple[str, ...] = ()
    capacity_provider_arn: str | None = None
    durable: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether no update is under way and the last one succeeded."""
        return self.state in {None, "Active", "Inactive"} and self.last_update_status in {
            None,
            "Successful",
        }

    @property
    def updating(self) -> bool:
        """Whether an update or the creation is still under way."""
        return self.state == "Pending" or self.last_update_status == "InProgress"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times as ISO 8601."""
        result: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, datetime):
                value = value.isoformat()
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, Mapping):
                value = dict(value)
            result[item.name] = value
        return result


def parse_time(value: object) -> datetime | None:
    """A point in time from what AWS writes: a datetime, ISO 8601, or seconds since the epoch."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str) and value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def parse_http_date(value: object) -> datetime | None:
    """A point in time from an answer's Date header (RFC 9110); None when there is none."""
    try:
        return parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None


def configuration_from(
    raw: Mapping[str, Any], *, tags: Mapping[str, str] | None = None
) -> FunctionConfiguration:
    """Read an answer of ListFunctions, GetFunctionConfiguration or UpdateFunctionConfiguration."""
    name = str(raw["FunctionName"])
    snapstart = raw.get("SnapStart") or {}
    vpc = raw.get("VpcConfig") or {}
    logging = raw.get("LoggingConfig") or {}
    instances = (raw.get("CapacityProviderConfig") or {}).get(
        "LambdaManagedInstancesCapacityProviderConfig"
    ) or {}
    return FunctionConfiguration(
        name=name,
        arn=str(raw.get("FunctionArn", "")),
        version=str(raw.get("Version", LATEST)),
        memory_mb=int(raw.get("MemorySize", 128)),
        timeout_seconds=int(raw.get("Timeout", 3)),
        ephemeral_storage_mb=int((raw.get("EphemeralStorage") or {}).get("Size", 512)),
        architecture=str((raw.get("Architectures") or ["x86_64"])[0]),
        package_type=str(raw.get("PackageType", "Zip")),
        runtime=raw.get("Runtime"),
        handler=raw.get("Handler"),
        role=str(raw.get("Role", "")),
        description=str(raw.get("Description", "")),
        state=raw.get("State"),
        state_reason=raw.get("StateReason"),
        last_update_status=raw.get("LastUpdateStatus"),
        last_update_reason=raw.get("LastUpdateStatusReason"),
        revision_id=str(raw.get("RevisionId", "")),
        code_sha256=str(raw.get("CodeSha256", "")),
        code_size_bytes=int(raw.get("CodeSize", 0)),
        last_modified=parse_time(raw.get("LastModified")),
        snapstart=str(snapstart.get("ApplyOn", "None")),
        snapstart_status=snapstart.get("OptimizationStatus"),
        tracing=(raw.get("TracingConfig") or {}).get("Mode"),
        log_group=str(logging.get("LogGroup") or f"/aws/lambda/{name}"),
        log_format=str(logging.get("LogFormat", "Text")),
        environment_names=tuple(sorted((raw.get("Environment") or {}).get("Variables") or {})),
        layers=tuple(str(layer.get("Arn")) for layer in raw.get("Layers") or ()),
        vpc_id=vpc.get("VpcId") or None,
        subnet_ids=tuple(vpc.get("SubnetIds") or ()),
        dead_letter_arn=(raw.get("DeadLetterConfig") or {}).get("TargetArn"),
        kms_key_arn=raw.get("KMSKeyArn"),
        file_systems=tuple(str(system.get("Arn")) for system in raw.get("FileSystemConfigs") or ()),
        capacity_provider_arn=instances.get("CapacityProviderArn"),
        durable=bool(raw.get("DurableConfig")),
        tags=dict(tags or {}),
    )


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """What a person typed for a function, taken apart."""

    name: str
    qualifier: str | None = None
    account_id: str | None = None
    region: str | None = None


def parse_reference(text: str) -> FunctionReference:
    """Take a name, `name:qualifier` or an ARN apart; the name is not checked."""
    text = text.strip()
    match = _ARN.match(text)
    if match:
        return FunctionReference(
            match["name"], match["qualifier"], match["account"], match["region"]
        )
    name, _, qualifier = text.partition(":")
    return FunctionReference(name, qualifier or None)
