"""Making, listing, tagging and deleting log groups."""

from __future__ import annotations

import re
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.logs.state import GroupSettings
from lambda_autotuner.sandbox.logs.streams import page_offset, page_token
from lambda_autotuner.sandbox.registry import Params, Result, operation

_PAGE: Final = 50
_LONGEST_NAME: Final = 512
_NAME: Final = r"[\.\-_/#A-Za-z0-9]+"
_LONG_PAGE: Final = 1000
_RETENTIONS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip


@operation("logs", "CreateLogGroup")
def create_log_group(call: Call, params: Params) -> Result:
    """Make an empty group."""
    name = params.get("logGroupName") or ""
    state = groups.state_of(call)
    _check_name(name)
    if groups.find(call, name) is not None:
        raise ServiceError(
            "ResourceAlreadyExistsException", "The specified log group already exists"
        )
    state.groups[name] = GroupSettings(
        name=name,
        created_ms=call.now_ms,
        kms_key=params.get("kmsKeyId"),
        log_class=params.get("logGroupClass") or "STANDARD",
        protected=bool(params.get("deletionProtectionEnabled")),
        tags=dict(params.get("tags") or {}),
        deleted_before_ms=state.deleted.get(name, 0),
    )
    return {}


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise ServiceError(
            "InvalidParameterException",
            "Invalid LogGroup or LogStream, both must have length less than or equal to "
            f"{_LONGEST_NAME}.",
        )
    if not re.fullmatch(_NAME, name):
        raise ServiceError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {_NAME}",
        )


@operation("logs", "DeleteLogGroup")
def delete_log_group(call: Call, params: Params) -> Result:
    """Delete a group with its events; a function that goes on writing makes it anew."""
    name = params["logGroupName"]
    group = groups.need(call, name)
    if group.protected:
        raise ServiceError(
            "ValidationException",
            "The specified log group cannot be deleted because deletion protection is enabled.",
        )
    state = groups.state_of(call)
    state.groups.pop(name, None)
    state.deleted[name] = call.now_ms
    return {}


@operation("logs", "DescribeLogGroups")
def describe_log_groups(call: Call, params: Params) -> Result:
    """Groups by prefix, by a part of their name, or by identifier."""
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    if prefix and pattern:
        raise ServiceError(
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        )
    names = groups.writers(call, prefix or "")
    if pattern:
        names = {name: names[name] for name in names if pattern.lower() in name.lower()}
    if params.get("logGroupIdentifiers"):
        wanted = {groups.from_identifier(item) for item in params["logGroupIdentifiers"]}
        names = {name: names[name] for name in names if name in wanted}
    found = _page(call, params, names, int(params.get("limit") or _PAGE))
    if pattern:  # this listing comes from an index that does not have these two
        for group in found["logGroups"]:
            del group["storedBytes"], group["deletionProtectionEnabled"]
    return found


def _page(call: Call, params: Params, writers: dict[str, list[str]], limit: int) -> dict[str, Any]:
    wanted_class = params.get("logGroupClass")
    offset = page_offset(params.get("nextToken"), "groups")
    shown: list[dict[str, Any]] = []
    names = list(writers)
    for position in range(offset, len(names)):
        if len(shown) == limit:
            return {"logGroups": shown, "nextToken": page_token("groups", position)}
        group = groups.find(call, names[position], writers[names[position]])
        if group is not None and wanted_class in (None, group.log_class):
            shown.append(groups.describe(call, group))
    return {"logGroups": shown}


@operation("logs", "ListLogGroups")
def list_log_groups(call: Call, params: Params) -> Result:
    """Groups by a regular expression over their names, in short."""
    pattern = params.get("logGroupNamePattern")
    names = groups.writers(call)
    if pattern:
        anchored = pattern.startswith("^")
        wanted = [re.escape(part) for part in pattern.removeprefix("^").split("|")]
        regex = re.compile(("^(?:" if anchored else "(?:") + "|".join(wanted) + ")")
        names = {name: names[name] for name in names if regex.search(name)}
    found = _page(call, params, names, int(params.get("limit") or _LONG_PAGE))
    found["logGroups"] = [
        {name: group[name] for name in ("logGroupName", "logGroupArn", "logGroupClass")}
        for group in found["logGroups"]
    ]
    return found


@operation("logs", "PutRetentionPolicy")
def put_retention_policy(call: Call, params: Params) -> Result:
    """Keep events for some days only."""
    days = int(params["retentionInDays"])
    group = groups.own(call, params["logGroupName"])
    if days not in _RETENTIONS:
        raise ServiceError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy "
            f"constraint: Member must satisfy enum value set: {list(_RETENTIONS)}",
        )
    group.retention_days = days
    return {}


@operation("logs", "DeleteRetentionPolicy")
def delete_retention_policy(call: Call, params: Params) -> Result:
    """Keep events for ever."""
    groups.own(call, params["logGroupName"]).retention_days = None
    return {}


@operation("logs", "PutLogGroupDeletionProtection")
def put_deletion_protection(call: Call, params: Params) -> Result:
    """Protect a group from deletion, or stop doing so."""
    name = groups.from_identifier(params["logGroupIdentifier"])
    groups.own(call, name).protected = bool(params["deletionProtectionEnabled"])
    return {}


@operation("logs", "TagLogGroup")
def tag_log_group(call: Call, params: Params) -> Result:
    """Add tags to a group by its name."""
    groups.own(call, params["logGroupName"]).tags.update(params["tags"])
    return {}


@operation("logs", "UntagLogGroup")
def untag_log_group(call: Call, params: Params) -> Result:
    """Take tags from a group by its name."""
    _untag(groups.own(call, params["logGroupName"]), params["tags"])
    return {}


@operation("logs", "ListTagsLogGroup")
def list_tags_log_group(call: Call, params: Params) -> Result:
    """Tags of a group by its name."""
    return {"tags": dict(groups.need(call, params["logGroupName"]).tags)}


@operation("logs", "TagResource")
def tag_resource(call: Call, params: Params) -> Result:
    """Add tags to a group by its ARN."""
    _by_arn(call, params["resourceArn"], keep=True).tags.update(params["tags"])
    return {}


@operation("logs", "UntagResource")
def untag_resource(call: Call, params: Params) -> Result:
    """Take tags from a group by its ARN."""
    _untag(_by_arn(call, params["resourceArn"], keep=True), params["tagKeys"])
    return {}


@operation("logs", "ListTagsForResource")
def list_tags_for_resource(call: Call, params: Params) -> Result:
    """Tags of a group by its ARN."""
    return {"tags": dict(_by_arn(call, params["resourceArn"], keep=False).tags)}


def _by_arn(call: Call, arn: str, *, keep: bool) -> GroupSettings:
    name = groups.from_identifier(arn)
    if name == arn or groups.find(call, name) is None:
        raise ServiceError(
            "ResourceNotFoundException", "The specified resource does not exist.", 400
        )
    return groups.own(call, name) if keep else groups.need(call, name)


def _untag(group: GroupSettings, keys: list[str]) -> None:
    for key in keys:
        group.tags.pop(key, None)
