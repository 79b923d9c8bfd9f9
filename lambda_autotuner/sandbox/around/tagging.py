"""The Resource Groups Tagging API over functions, log groups and alarms."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch.alarm_book import book
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import function_arn
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.registry import Params, Result, operation

_SERVICE: Final = "resourcegroupstaggingapi"
_PAGE: Final = 50
_LARGEST_PAGE: Final = 100


def _resources(call: Call) -> Iterator[tuple[str, str, MutableMapping[str, str]]]:
    """(type, ARN, tags) of everything that can have tags, by ARN within each type."""
    prefix = function_arn(call.region_name, call.account_id, "")
    for name, record in sorted(call.region.functions.items()):
        yield "lambda:function", prefix + name, record.tags
    for name, group in sorted(groups.state_of(call).groups.items()):
        yield "logs:log-group", groups.arn(call, name), group.tags
    for name, alarm in sorted(book(call).alarms.items()):
        yield "cloudwatch:alarm", call.arn("cloudwatch", f"alarm:{name}"), alarm.tags


@operation(_SERVICE, "GetResources")
def get_resources(call: Call, params: Params) -> Result:
    """Tagged resources that meet every filter."""
    kinds = params.get("ResourceTypeFilters") or ()
    wanted = params.get("ResourceARNList")
    filters = params.get("TagFilters") or ()
    offset = _offset(params.get("PaginationToken"))
    limit = int(params.get("ResourcesPerPage") or _PAGE)
    if not 1 <= limit <= _LARGEST_PAGE:
        raise ServiceError(
            "InvalidParameterException",
            f"ResourcesPerPage must be between 1 and {_LARGEST_PAGE}, and is {limit}.",
        )
    matching = (
        (position, arn, tags)
        for position, (kind, arn, tags) in enumerate(_resources(call))
        if position >= offset
        and tags
        and (not kinds or any(each in (kind, kind.split(":", 1)[0]) for each in kinds))
        and (not wanted or arn in wanted)
        and all(_matches(tags, each) for each in filters)
    )
    found = list(itertools.islice(matching, limit + 1))
    token = ""
    if len(found) > limit:  # the next page begins where this one had no more room
        token = base64.urlsafe_b64encode(str(found[limit][0]).encode()).decode()
    return {
        "PaginationToken": token,
        "ResourceTagMappingList": [
            {
                "ResourceARN": arn,
                "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            }
            for _, arn, tags in found[:limit]
        ],
    }


def _matches(tags: MutableMapping[str, str], condition: dict[str, Any]) -> bool:
    key, values = condition.get("Key"), condition.get("Values")
    return key is None or (key in tags and (not values or tags[key] in values))


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise ServiceError(
            "PaginationTokenExpiredException", "The pagination token is not valid."
        ) from error


def _changed(call: Call, params: Params, *, add: bool) -> Result:
    held = {arn: tags for _, arn, tags in _resources(call)}
    failed: dict[str, Any] = {}
    for arn in params["ResourceARNList"]:
        tags = held.get(arn)
        if tags is None:
            failed[arn] = {
                "StatusCode": 400,
                "ErrorCode": "InvalidParameterException",
                "ErrorMessage": f"The resource {arn} was not found.",
            }
        elif add:
            tags.update(params["Tags"])
        else:
            for key in params["TagKeys"]:
                tags.pop(key, None)
    return {"FailedResourcesMap": failed}


@operation(_SERVICE, "TagResources")
def tag_resources(call: Call, params: Params) -> Result:
    """Add tags to many resources."""
    return _changed(call, params, add=True)


@operation(_SERVICE, "UntagResources")
def untag_resources(call: Call, params: Params) -> Result:
    """Take tags from many resources."""
    return _changed(call, params, add=False)


@operation(_SERVICE, "GetTagKeys")
def get_tag_keys(call: Call, params: Params) -> Result:
    """Every tag key in use."""
    del params
    keys = sorted({key for _, _, tags in _resources(call) for key in tags})
    return {"PaginationToken": "", "TagKeys": keys}


@operation(_SERVICE, "GetTagValues")
def get_tag_values(call: Call, params: Params) -> Result:
    """Every value of a tag key."""
    key = params["Key"]
    values = sorted({tags[key] for _, _, tags in _resources(call) if key in tags})
    return {"PaginationToken": "", "TagValues": values}
