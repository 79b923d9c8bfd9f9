"""What an archetype is: a law, a way of being called, and settings as somebody left them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambda_autotuner.sandbox.world.law import Law
from lambda_autotuner.sandbox.world.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Change:
    """An earlier setting: `days` ago the function stopped having it."""

    days: float
    memory_mb: int | None = None
    timeout_s: int | None = None
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class Archetype:
    """One recognisable kind of function."""

    name: str  # also the function's name
    about: str  # the description that its owner wrote
    law: Law
    traffic: Traffic
    memory_mb: int
    timeout_s: int = 30
    runtime: str | None = "python3.12"
    handler: str = "app.handler"
    architecture: str = "x86_64"
    package_type: str = "Zip"
    owner: str = "platform"
    stage: str = "prod"
    code_mb: float = 4.0
    age_days: float = 400.0
    modified_days: float = 60.0
    earlier: tuple[Change, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    alias: str = ""
    versions: int = 0  # published versions; the alias names the last
    canary: float = 0.0  # weight that the alias gives to the newest version beside the last but one
    reserved: int | None = None
    provisioned: int = 0
    ephemeral_mb: int = 512
    snap_start: bool = False
    vpc: bool = False
    layers: int = 0
    tracing: bool = False
    log_format: str = "Text"
    application_lines: tuple[str, ...] = ()
    error_type: str = "ValueError"
    error_message: str = "Invalid request"
    queue: str = ""  # name of the queue or stream that feeds it
