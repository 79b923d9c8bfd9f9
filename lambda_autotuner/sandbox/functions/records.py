"""What the account keeps about a function.

A `Configuration` is never changed in place: a change makes a new one and a new entry in a
history, because generated traffic follows what was configured at the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.world.invocations import InvocationLog
from lambda_autotuner.sandbox.world.law import Behaviour
from lambda_autotuner.sandbox.world.traffic import Traffic

LATEST: Final = "$LATEST"


@dataclass(frozen=True, slots=True)
class Configuration:
    """A function's settings as UpdateFunctionConfiguration and UpdateFunctionCode set them."""

    runtime: str | None = "python3.12"
    handler: str | None = "app.handler"
    role: str = ""
    memory_mb: int = 128
    timeout_s: int = 3
    description: str = ""
    architecture: str = "x86_64"
    ephemeral_mb: int = 512
    environment: dict[str, str] | None = None
    tracing: str = "PassThrough"
    snap_start: str = "None"
    package_type: str = "Zip"
    code_sha256: str = ""
    code_size: int = 0
    layers: tuple[str, ...] = ()
    vpc: dict[str, Any] | None = None
    dead_letter_arn: str | None = None
    kms_key_arn: str | None = None
    file_systems: tuple[dict[str, Any], ...] = ()
    image_config: dict[str, Any] | None = None
    image_uri: str | None = None
    log_format: str = "Text"
    log_group: str | None = None
    application_log_level: str | None = None
    system_log_level: str | None = None
    runtime_arn: str | None = None
    update_runtime_on: str = "Auto"


@dataclass(slots=True)
class Version:
    """A published version: settings that never change."""

    number: str
    configuration: Configuration
    created_ms: int
    revision_id: str
    ready_ms: int = 0  # SnapStart and containers take a while to become Active


@dataclass(slots=True)
class Alias:
    """A name for a version, or for two with a weight on the second."""

    name: str
    version: str
    weights: dict[str, float]
    description: str
    revision_id: str
    # (from ms, version, weights), oldest first
    history: list[tuple[int, str, dict[str, float]]] = field(default_factory=list)


@dataclass(slots=True)
class ProvisionedConcurrency:
    """Environments kept warm for an alias or a version."""

    requested: int
    ready_ms: int
    modified_ms: int
    history: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Environment:
    """One execution environment: busy between `start_ms` and `end_ms` of its last invocation."""

    version: str
    revision: str
    number: int  # identity, from which the log stream's name follows
    start_ms: float
    end_ms: float
    provisioned: bool = False
    invocations: int = 0


@dataclass(slots=True)
class FunctionRecord:
    """One function with everything that hangs on it."""

    name: str
    latest: Configuration
    created_ms: int
    modified_ms: int
    revision_id: str
    behaviour: Behaviour
    traffic: Traffic
    key: int
    archetype: str = "user"
    seeded_versions: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    # Deleted versions: what ran under them has run, and telemetry still tells it.
    # $LATEST as it was when it was last published: publishing it again makes no new version.
    published: Configuration | None = None
    retired: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    next_version: int = 1
    settles_ms: int = 0  # until then State or LastUpdateStatus is in progress
    creating: bool = False
    deleted_ms: int | None = None
    # (from ms, configuration), oldest first
    history: list[tuple[int, Configuration]] = field(default_factory=list)
    reserved_concurrency: int | None = None
    reserved_history: list[tuple[int, int | None]] = field(default_factory=list)
    provisioned: dict[str, ProvisionedConcurrency] = field(default_factory=dict)
    urls: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    event_configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recursive_loop: str = "Terminate"
    code: bytes | None = None
    version_code: dict[str, bytes] = field(default_factory=dict)
    environments: list[Environment] = field(default_factory=list)
    log: InvocationLog = field(default_factory=InvocationLog)
    # Counts what changed in the timeline, so that what was generated before is not served again.
    stamp: int = 0

    def configuration_of(self, version: str) -> Configuration | None:
        """The settings of `$LATEST` or of a published version."""
        if version == LATEST:
            return self.latest
        found = self.versions.get(version)
        return found.configuration if found else None

    def configuration_at(self, version: str, time_ms: int) -> Configuration:
        """The settings that served a version's invocation at a time (epoch ms)."""
        found = self.versions.get(version) or self.retired.get(version)
        if found is not None:
            return found.configuration
        for start_ms, configuration in reversed(self.history):
            if start_ms <= time_ms:
                return configuration
        return self.history[0][1] if self.history else self.latest

    def age(self, delta_ms: int) -> None:
        """Let everything be older by `delta_ms`."""
        self.created_ms -= delta_ms
        self.modified_ms -= delta_ms
        self.settles_ms -= delta_ms
        if self.deleted_ms is not None:
            self.deleted_ms -= delta_ms
        self.history = [(start - delta_ms, item) for start, item in self.history]
        self.reserved_history = [(start - delta_ms, n) for start, n in self.reserved_history]
        for version in (*self.versions.values(), *self.retired.values()):
            version.created_ms -= delta_ms
            version.ready_ms -= delta_ms
        for alias in self.aliases.values():
            alias.history = [(start - delta_ms, v, w) for start, v, w in alias.history]
        for provisioned in self.provisioned.values():
            provisioned.modified_ms -= delta_ms
            provisioned.ready_ms -= delta_ms
            provisioned.history = [(start - delta_ms, n) for start, n in provisioned.history]
        for environment in self.environments:
            environment.start_ms -= delta_ms
            environment.end_ms -= delta_ms
        self.log.age(delta_ms)
        self.stamp += 1


def function_arn(region: str, account_id: str, name: str, qualifier: str | None = None) -> str:
    """`arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`."""
    base = f"arn:aws:lambda:{region}:{account_id}:function:{name}"
    return f"{base}:{qualifier}" if qualifier else base
