"""Limits that no approval can lift: bounds, steps, protection, windows, rate, and code ownership."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lambda_autotuner.errors import SettingsError
from lambda_autotuner.journal import Journal
from lambda_autotuner.settings import GuardrailSettings

Severity = Literal["block", "later", "warn", "ok"]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"^(?:(?P<days>[a-z,-]+)\s+)?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)(?:\s+(?P<zone>\S+))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        severity: "block" stops planning and applying; "later" stops applying now but not
            planning; "warn" is to be known; "ok" was checked and is fine.
    """

    check: str
    severity: Severity
    message: str
    remedy: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Plain values for JSON."""
        return {
            "check": self.check,
            "severity": self.severity,
            "message": self.message,
            "remedy": self.remedy,
        }


def check_guardrails(
    settings: GuardrailSettings,
    *,
    function: str,
    tags: Mapping[str, str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> list[Finding]:
    """Check a change against the limits that do not depend on the hour.

    Args:
        settings: the guardrails.
        function: function name.
        tags: its tags.
        before: current values of the changed fields.
        after: new values of the changed fields.
    """
    findings = [*_memory(settings, before, after), *_protection(settings, function, tags)]
    findings += _ownership(settings, function, tags, after)
    return findings


def _memory(
    settings: GuardrailSettings, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterable[Finding]:
    if "memory_mb" not in after:
        return
    old, new = int(before["memory_mb"]), int(after["memory_mb"])
    if not settings.min_memory_mb <= new <= settings.max_memory_mb:
        yield Finding(
            "memory",
            "block",
            f"memory_mb {new} is outside the guardrails "
            f"{settings.min_memory_mb}..{settings.max_memory_mb} MB.",
            "Choose a size inside, or change guardrails in config.yaml.",
        )
    factor = max(new / old, old / new)
    if factor > settings.max_step_factor:
        yield Finding(
            "step",
            "block",
            f"memory_mb {old} -> {new} is a step of {factor:.3g}x; "
            f"the guardrail allows {settings.max_step_factor:g}x.",
            "Go in smaller steps, or raise guardrails.max_step_factor.",
        )


def _tag_matches(rule: str, tags: Mapping[str, str]) -> bool:
    """`key` matches when the tag is there and not "false"; `key=value` when it has that value."""
    key, separator, value = rule.partition("=")
    if separator:
        return tags.get(key) == value
    return any(
        fnmatch.fnmatchcase(name, key) and content.lower() != "false"
        for name, content in tags.items()
    )


def _protection(
    settings: GuardrailSettings, function: str, tags: Mapping[str, str]
) -> Iterable[Finding]:
    for pattern in settings.protected_names:
        if fnmatch.fnmatchcase(function, pattern):
            yield Finding(
                "protected",
                "block",
                f"{function} is protected by its name ({pattern}).",
                "Remove it from guardrails.protected_names if it may be changed.",
            )
    for rule in settings.protected_tags:
        if _tag_matches(rule, tags):
            yield Finding(
                "protected",
                "block",
                f"{function} is protected by its tag ({rule}).",
                "Remove the tag if it may be changed.",
            )


def _mentions(tool: str, tags: Mapping[str, str]) -> bool:
    """Whether a tag names a tool in its key, or as its value (`managed-by: Terraform`)."""
    word = tool.lower()
    return any(word in key.lower() or word == value.lower() for key, value in tags.items())


_PROPERTIES = {
    "memory_mb": ("MemorySize", "memory_size", "memorySize"),
    "timeout_seconds": ("Timeout", "timeout", "timeout"),
    "architecture": ("Architectures", "architectures", "architecture"),
    "ephemeral_storage_mb": ("EphemeralStorage", "ephemeral_storage", "ephemeralStorageSize"),
    "reserved_concurrency": (
        "ReservedConcurrentExecutions",
        "reserved_concurrent_executions",
        "reservedConcurrency",
    ),
    "provisioned_concurrency": (
        "ProvisionedConcurrencyConfig",
        "aws_lambda_provisioned_concurrency_config",
        "provisionedConcurrency",
    ),
    "snapstart": ("SnapStart", "snap_start", "snapStart"),
}


def _ownership(
    settings: GuardrailSettings, function: str, tags: Mapping[str, str], after: Mapping[str, Any]
) -> Iterable[Finding]:
    found = [
        rule for rule in settings.iac_tags if _tag_matches(rule, tags) or _mentions(rule, tags)
    ]
    if not found:
        return
    yield Finding(
        "infrastructure-as-code",
        "warn" if settings.allow_iac_managed else "block",
        f"{function} is managed by infrastructure as code (tag {found[0]}): "
        "the next deployment would undo this change.",
        owner_remedy(tags, after),
    )


def owner_remedy(tags: Mapping[str, str], after: Mapping[str, Any]) -> str:
    """Which file to edit instead, with the lines, as far as the tags tell."""
    names = {name: _PROPERTIES[name] for name in after if name in _PROPERTIES}
    stack = tags.get("aws:cloudformation:stack-name")
    serverless = _mentions("serverless", tags) or "STAGE" in tags
    terraform = _mentions("terraform", tags)
    if serverless and not terraform:
        lines = ", ".join(f"{third}: {after[name]}" for name, (_, _, third) in names.items())
        return f"Edit serverless.yml instead: {lines}."
    if stack:
        lines = ", ".join(f"{first}: {after[name]}" for name, (first, _, _) in names.items())
        logical = tags.get("aws:cloudformation:logical-id")
        resource = f"resource {logical} in " if logical else ""
        return f"Edit {resource}the template (SAM, CDK) of stack {stack} instead: {lines}."
    lines = ", ".join(f"{second} = {after[name]}" for name, (_, second, _) in names.items())
    if terraform:
        return f"Edit the aws_lambda_function in the Terraform configuration instead: {lines}."
    return f"Edit the file that deploys it instead: {lines}."


def check_moment(
    settings: GuardrailSettings, journal: Journal, account_id: str, region: str, now: datetime
) -> list[Finding]:
    """Check the limits that depend on the hour: change windows and the rate of changes."""
    findings = []
    windows = settings.change_windows
    if windows and not any(in_window(text, now) for text in windows):
        findings.append(
            Finding(
                "change-window",
                "later",
                f"{now:%a %H:%M} UTC is outside the change windows: {'; '.join(windows)}.",
                "Apply the plan inside a window.",
            )
        )
    done = journal.changes_since(account_id, region, now - timedelta(hours=1))
    if done >= settings.max_changes_per_hour:
        findings.append(
            Finding(
                "rate",
                "later",
                f"{done} changes were made in the last hour; "
                f"the guardrail allows {settings.max_changes_per_hour}.",
                "Wait, or raise guardrails.max_changes_per_hour.",
            )
        )
    return findings


def in_window(text: str, now: datetime) -> bool:
    """Whether a moment lies in a window such as "mon-fri 09:00-17:00 Europe/Berlin".

    A window that ends before it starts runs over midnight and belongs to the day it starts on.

    Raises:
        SettingsError: the window cannot be read.
    """
    match = _WINDOW.match(text.strip())
    if match is None:
        raise SettingsError(
            f"The change window {text!r} cannot be read.",
            remedy='Write it like "mon-fri 09:00-17:00 UTC".',
        )
    try:
        local = now.astimezone(ZoneInfo(match["zone"] or "UTC"))
        start, end = (_minutes(match[name]) for name in ("from", "to"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"The change window {text!r} cannot be read: {error}.") from error
    days = _days(match["days"], text)
    minute = local.hour * 60 + local.minute
    if start <= end:
        return local.weekday() in days and start <= minute < end
    yesterday = (local.weekday() - 1) % 7
    return (local.weekday() in days and minute >= start) or (yesterday in days and minute < end)


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if hours > 24 or minutes > 59:  # noqa: PLR2004 - a clock's own limits
        raise ValueError(f"{text} is not a time of day")
    return hours * 60 + minutes


def _days(text: str | None, window: str) -> set[int]:
    if not text:
        return set(range(7))
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        try:
            start, end = _DAYS.index(first), _DAYS.index(last or first)
        except ValueError as error:
            raise SettingsError(
                f"The change window {window!r} names no day {part!r}.",
                remedy=f"Days are {', '.join(_DAYS)}.",
            ) from error
        found |= {(start + offset) % 7 for offset in range((end - start) % 7 + 1)}
    return found
