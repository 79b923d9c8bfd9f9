"""What a plan can change, and which values are possible at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.errors import UsageError

# Set by UpdateFunctionConfiguration, and part of every version.
CONFIGURATION_FIELDS = ("memory_mb", "timeout_seconds", "ephemeral_storage_mb", "snapstart")
# Set by UpdateFunctionCode, and part of every version.
CODE_FIELDS = ("architecture",)
VERSION_FIELDS = CONFIGURATION_FIELDS + CODE_FIELDS
# Settings of the function or of one alias; no version is needed for them.
CONCURRENCY_FIELDS = ("reserved_concurrency", "provisioned_concurrency")
FIELDS = VERSION_FIELDS + CONCURRENCY_FIELDS


@dataclass(frozen=True, slots=True)
class _Range:
    lowest: int
    highest: int
    unit: str


# Source: AWS Lambda Developer Guide, "Lambda quotas" (memory in 1 MB steps).
_RANGES = {
    "memory_mb": _Range(128, 10_240, "MB"),
    "timeout_seconds": _Range(1, 900, "s"),
    "ephemeral_storage_mb": _Range(512, 10_240, "MB"),
    "reserved_concurrency": _Range(0, 1_000_000, "executions"),
    "provisioned_concurrency": _Range(0, 1_000_000, "executions"),
}
_CHOICES = {
    "architecture": ("x86_64", "arm64"),
    "snapstart": ("None", "PublishedVersions"),
}
# The value that takes a concurrency setting away.
UNSET = None


def check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Check names and values of wanted changes.

    Args:
        changes: field names with new values; None takes a concurrency setting away.

    Raises:
        UsageError: nothing to change, an unknown field, or a value out of range.
    """
    if not changes:
        raise UsageError("A plan needs at least one change.", remedy="For example --memory 1024.")
    checked = {}
    for name, value in changes.items():
        if name not in FIELDS:
            raise UsageError(
                f"A plan cannot change {name!r}.", remedy=f"It can change: {', '.join(FIELDS)}."
            )
        checked[name] = _check(name, value)
    return checked


def _check(name: str, value: Any) -> Any:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise UsageError(
                f"{name} = {value!r} is not possible.",
                remedy=f"Choose one of: {', '.join(_CHOICES[name])}.",
            )
        return value
    if name in CONCURRENCY_FIELDS and value is UNSET:
        return None
    limits = _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} = {value!r} is not a whole number of {limits.unit}.")
    if not limits.lowest <= value <= limits.highest:
        raise UsageError(
            f"{name} = {value} is out of range.",
            remedy=f"It must be between {limits.lowest} and {limits.highest} {limits.unit}.",
        )
    # Provisioned concurrency of nothing is the absence of it; zero reserved stops a function.
    return None if name == "provisioned_concurrency" and value == 0 else value
