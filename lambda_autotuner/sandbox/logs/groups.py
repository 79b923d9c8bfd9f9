"""Finding log groups: those that clients made and those that functions write to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.logs.state import STATE_KEY, GroupSettings, LogsState
from lambda_autotuner.sandbox.registry import Params
from lambda_autotuner.sandbox.world import logbook, telemetry

DAY_MS: Final = 86_400_000
_DELIMITER: Final = ":log-group:"


def state_of(call: Call) -> LogsState:
    """The logs of the account and region that a request is about."""
    return call.state(STATE_KEY, LogsState)


def find(call: Call, name: str, functions: Sequence[str] | None = None) -> GroupSettings | None:
    """A group, or None; a function's group exists from its first invocation on."""
    state = state_of(call)
    found = state.groups.get(name)
    if found is not None:
        return found
    created = created_by_function(call, name, functions)
    if created is None:
        return None
    return GroupSettings(name, created, deleted_before_ms=state.deleted.get(name, 0))


def created_by_function(
    call: Call, name: str, functions: Sequence[str] | None = None
) -> int | None:
    """When the first function wrote to a group, in what is left of it."""
    if functions is None:
        functions = logbook.functions_of_group(call.region, name)
    times = [
        created
        for function in functions
        if (created := logbook.log_group_created_ms(call.region, function)) is not None
    ]
    if not times:
        return None
    gone = state_of(call).deleted.get(name)
    if gone is None:
        return min(times)
    written = _written_since(call, name, gone)
    return gone if written else None


def _written_since(call: Call, name: str, since_ms: int) -> bool:
    for function in logbook.functions_of_group(call.region, name):
        columns = telemetry.columns(call.region, function, since_ms, call.now_ms + 1)
        if len(columns.timestamp_ms):
            return True
    return False


def need(call: Call, name: str) -> GroupSettings:
    """A group that must be there.

    Raises:
        ServiceError: ResourceNotFoundException.
    """
    found = find(call, name)
    if found is None:
        raise missing()
    return found


def own(call: Call, name: str) -> GroupSettings:
    """A group whose settings are about to be changed, and are kept from now on."""
    group = need(call, name)
    state_of(call).groups[name] = group
    return group


def missing() -> ServiceError:
    """What Logs says about a group that is not there."""
    return ServiceError("ResourceNotFoundException", "The specified log group does not exist.")


def named(params: Params) -> str:
    """The group of a request that takes a name or an identifier (a name or an ARN).

    Raises:
        ServiceError: both or neither were given.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if name and identifier:
        raise ServiceError(
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        )
    if not name and not identifier:
        raise ServiceError(
            "InvalidParameterException", "Either logGroupName or logGroupIdentifier is required."
        )
    return str(name) if name else from_identifier(str(identifier))


def from_identifier(identifier: str) -> str:
    """The name in a group's ARN, with or without its trailing `:*`; a name stays as it is."""
    if _DELIMITER in identifier:
        return identifier.split(_DELIMITER, 1)[1].split(":", 1)[0]
    return identifier


def writers(call: Call, prefix: str = "") -> dict[str, list[str]]:
    """Names of all groups that are or may be there, in order, each with its functions."""
    found: dict[str, list[str]] = {
        name: [] for name in state_of(call).groups if name.startswith(prefix)
    }
    region = call.region
    for function in [*region.functions, *(set(region.buried) - set(region.functions))]:
        group = logbook.log_group(region, function)
        if group.startswith(prefix):
            found.setdefault(group, []).append(function)
    return dict(sorted(found.items()))


def arn(call: Call, name: str) -> str:
    """ARN of a group without the trailing `:*`."""
    return call.arn("logs", f"log-group:{name}")


def describe(call: Call, group: GroupSettings) -> dict[str, Any]:
    """A group as DescribeLogGroups shows it."""
    stored = sum(
        len(event.message.encode()) + 26
        for stream in group.streams.values()
        for event in stream.events
        if event.ingested_ms < call.now_ms - DAY_MS  # the figure lags by a day or so
    )
    shown: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": len(group.metric_filters),
        "arn": arn(call, group.name) + ":*",
        "storedBytes": stored,
        "logGroupClass": group.log_class,
        "logGroupArn": arn(call, group.name),
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days is not None:
        shown["retentionInDays"] = group.retention_days
    if group.kms_key is not None:
        shown["kmsKeyId"] = group.kms_key
    return shown


def kept_from(call: Call, group: GroupSettings) -> int:
    """The oldest time of which events are still there."""
    oldest = group.deleted_before_ms
    if group.retention_days is not None:
        oldest = max(oldest, call.now_ms - group.retention_days * DAY_MS)
    return oldest
