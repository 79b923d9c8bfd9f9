"""Which functions: by name, runtime, tag, and by any number of conditions on what is set or was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lambda_autotuner.agent.catalogue import Arguments
from lambda_autotuner.agent.reading.spans import SPAN_PATTERN
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.tools.context import ToolContext, rounded
from lambda_autotuner.agent.tools.spans import span_window
from lambda_autotuner.aws.alarms import list_alarms
from lambda_autotuner.aws.concurrency import get_concurrency, reserved_concurrency
from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.functions import get_tags, list_aliases
from lambda_autotuner.aws.telemetry import account_now

_BYTES_PER_MB = 1024 * 1024
_AT_ONCE = 16
_DAY_SECONDS = 86_400.0

SettingField = Literal[
    "memory_mb", "timeout_seconds", "ephemeral_storage_mb", "code_size_mb", "layers", "environment", "vpc", "dead_letter", "tracing",
    "snap_start", "file_system", "description", "kms_key", "last_modified", "last_modified_days_ago", "reserved_concurrency",
    "provisioned_concurrency", "aliases", "alarms", "tags",
]  # fmt: skip
SeenField = Literal[
    "cost_usd_month", "cost_usd_per_million", "invocations", "errors", "error_rate_pct", "throttles", "mean_duration_ms", "p50_duration_ms",
    "p95_duration_ms", "p99_duration_ms", "max_duration_ms", "timeout_used_pct", "max_memory_used_mb", "memory_used_pct", "cold_start_rate_pct", "mean_init_ms",
]  # fmt: skip
Comparison = Literal["<", "<=", "=", "!=", ">=", ">", "present", "absent", "in", "before", "since"]


class SettingCondition(BaseModel):
    """A condition on a setting: `present` or `absent`, compared with a number, or a span for dates."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    field: SettingField
    op: Comparison
    value: float | str | None = Field(
        None,
        description="A number, the key of a tag, or for last_modified a span such as october or 2026-11-23.",
    )


class Condition(SettingCondition):
    """A condition on a setting, or on what was seen in the window."""

    field: SettingField | SeenField  # type: ignore[assignment]


class Narrowed(Arguments):
    """Which functions; everything given must hold."""

    name_contains: str | None = Field(None, description="Part of the name.")
    name_prefix: str | None = Field(None, description="Beginning of the name.")
    runtime: str | None = Field(
        None, description="Runtime or its family: python, python3.12, nodejs."
    )
    architecture: Literal["x86_64", "arm64"] | None = None
    package_type: Literal["Zip", "Image"] | None = None
    tag: str | None = Field(None, description="key=value, or a key or a value of a tag.")
    matching: str | None = Field(None, description="Part of the name, or a key or value of a tag.")
    min_memory_mb: int | None = Field(None, ge=0, le=10_241)
    max_memory_mb: int | None = Field(None, ge=0, le=10_241)
    min_timeout_seconds: int | None = Field(None, ge=0, le=900)
    max_timeout_seconds: int | None = Field(None, ge=0, le=900)


NARROWING = tuple(Narrowed.model_fields)
Spanned = Field(
    None, pattern=SPAN_PATTERN,
    description="A span of the calendar (UTC) instead of hours: yesterday, monday, october, 2026-11-23, 2026-11-01..2026-11-07, yesterday 09:00-11:00.",
)  # fmt: skip


def narrowed(
    context: ToolContext,
    functions: Sequence[FunctionConfiguration],
    wanted: Narrowed,
    where: Sequence[SettingCondition] = (),
) -> tuple[list[FunctionConfiguration], dict[str, dict[str, Any]]]:
    """The functions that meet all settings, and for each the values that were looked at.

    Raises:
        ToolError: a condition makes no sense for its field.
        AwsError: the account does not say.
    """
    chosen = [item for item in functions if _chosen(item, wanted)]
    if wanted.tag:
        chosen = _tagged(context, chosen, wanted.tag)
    if wanted.matching:
        part = wanted.matching.casefold().rstrip("s")
        tagged = {item.name for item in _tagged(context, chosen, wanted.matching)}
        chosen = [item for item in chosen if part in item.name.casefold() or item.name in tagged]
    values: dict[str, dict[str, Any]] = {item.name: {} for item in chosen}
    for condition in where:
        read = _reader(context, condition, functions)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(read, chosen))
        for item, value in zip(chosen, found, strict=True):
            values[item.name][condition.field] = value
        kept = [
            item
            for item, value in zip(chosen, found, strict=True)
            if holds(condition, value, lambda span: span_window(span, _now(context, functions)))
        ]
        chosen = kept
    return chosen, {item.name: values[item.name] for item in chosen}


def is_setting(condition: SettingCondition) -> bool:
    """Whether a condition is on a setting, and not on what was seen."""
    return condition.field in SettingField.__args__  # type: ignore[attr-defined]


def holds(
    condition: SettingCondition, value: Any, window: Callable[[str], Any] | None = None
) -> bool:
    """Whether a value meets a condition; an unknown one never does.

    Raises:
        ToolError: the condition needs a number or a date and has none.
    """
    op, wanted = condition.op, condition.value
    if op == "present":
        return bool(value)
    if op == "absent":
        return not value
    if op in {"in", "before", "since"}:
        if not isinstance(wanted, str) or window is None:
            raise _senseless(condition)
        span = window(wanted)
        if not isinstance(value, datetime):
            return False
        inside = {
            "in": span.start <= value < span.end,
            "before": value < span.start,
            "since": value >= span.start,
        }
        return bool(inside[op])
    if isinstance(wanted, str) or wanted is None:
        raise _senseless(condition)
    number = float(value) if isinstance(value, (int, float)) else None
    if number is None:
        return False
    compared: Mapping[str, bool] = {
        "<": number < wanted, "<=": number <= wanted, "=": number == wanted, "!=": number != wanted, ">=": number >= wanted, ">": number > wanted,
    }  # fmt: skip
    return compared[op]


def _senseless(condition: SettingCondition) -> ToolError:
    return ToolError(
        ErrorCode.INVALID_ARGUMENTS,
        f"The condition {condition.field} {condition.op} {condition.value} makes no sense.",
        remedy="Compare with a number, use present or absent, or a span such as october for last_modified.",
    )


def _now(context: ToolContext, functions: Sequence[FunctionConfiguration]) -> datetime:
    near = max((item.last_modified for item in functions if item.last_modified), default=None)
    now: datetime = context.once("account now", lambda: account_now(context.account, near=near))
    return now


def _reader(  # noqa: PLR0911 - one return a field, flat
    context: ToolContext, condition: SettingCondition, functions: Sequence[FunctionConfiguration]
) -> Callable[[FunctionConfiguration], Any]:
    """What reads a field of one function; what ListFunctions does not say is asked, several at once."""
    account = context.account
    match condition.field:
        case "reserved_concurrency":
            return lambda item: reserved_concurrency(account, item.name)
        case "provisioned_concurrency":
            return lambda item: sum(
                p.requested for p in get_concurrency(account, item.name).provisioned
            )
        case "aliases":
            return lambda item: len(list_aliases(account, item.name))
        case "tags":
            key = condition.value if isinstance(condition.value, str) else None
            return lambda item: _tags(context, item, key)
        case "alarms":
            watched = {name for alarm in list_alarms(account) for name in alarm.functions}
            return lambda item: item.name in watched
        case "last_modified_days_ago":
            now = _now(context, functions)
            return lambda item: (
                rounded((now - item.last_modified).total_seconds() / _DAY_SECONDS, 1)
                if item.last_modified
                else None
            )
    return _SETTINGS[condition.field]


def _tags(context: ToolContext, item: FunctionConfiguration, key: str | None) -> int:
    tags = get_tags(context.account, item.arn)
    if key is None:
        return sum(not name.startswith("aws:") for name in tags)
    return sum(name.casefold() == key.casefold() for name in tags)


_SETTINGS: dict[str, Callable[[FunctionConfiguration], Any]] = {
    "memory_mb": lambda item: item.memory_mb,
    "timeout_seconds": lambda item: item.timeout_seconds,
    "ephemeral_storage_mb": lambda item: item.ephemeral_storage_mb,
    "code_size_mb": lambda item: rounded(item.code_size_bytes / _BYTES_PER_MB),
    "layers": lambda item: len(item.layers),
    "environment": lambda item: len(item.environment_names),
    "vpc": lambda item: bool(item.vpc_id),
    "dead_letter": lambda item: bool(item.dead_letter_arn),
    "tracing": lambda item: item.tracing == "Active",
    "snap_start": lambda item: item.snapstart not in {"None", ""},
    "file_system": lambda item: bool(item.file_systems),
    "description": lambda item: bool(item.description),
    "kms_key": lambda item: bool(item.kms_key_arn),
    "last_modified": lambda item: item.last_modified,
}


def as_shown(value: Any) -> Any:
    """A value as a row shows it."""
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else value


def _tagged(
    context: ToolContext, items: Sequence[FunctionConfiguration], wanted: str
) -> list[FunctionConfiguration]:
    """Those that have a tag; ListFunctions does not say, so each is asked, several at once."""
    key, separator, value = wanted.casefold().partition("=")

    def has(item: FunctionConfiguration) -> bool:
        tags = {k.casefold(): v.casefold() for k, v in get_tags(context.account, item.arn).items()}
        if separator:
            return tags.get(key) == value
        values = {*tags.values(), *(value.rstrip("s") for value in tags.values())}
        return key in tags or key.rstrip("s") in values

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [item for item, kept in zip(items, pool.map(has, items), strict=True) if kept]


def _chosen(item: FunctionConfiguration, wanted: Narrowed) -> bool:
    name = item.name.casefold()
    return (
        (wanted.name_contains is None or wanted.name_contains.casefold() in name)
        and (wanted.name_prefix is None or name.startswith(wanted.name_prefix.casefold()))
        and (wanted.runtime is None or (item.runtime or "").startswith(wanted.runtime.casefold()))
        and (wanted.package_type is None or item.package_type == wanted.package_type)
        and (wanted.architecture is None or item.architecture == wanted.architecture)
        and (wanted.min_memory_mb is None or item.memory_mb >= wanted.min_memory_mb)
        and (wanted.max_memory_mb is None or item.memory_mb <= wanted.max_memory_mb)
        and item.timeout_seconds >= (wanted.min_timeout_seconds or 0)
        and item.timeout_seconds <= (wanted.max_timeout_seconds or item.timeout_seconds)
    )
