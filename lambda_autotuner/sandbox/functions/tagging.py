"""Tags of functions and event source mappings."""

from __future__ import annotations

import re
from typing import Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.mappings import mappings
from lambda_autotuner.sandbox.registry import Params, Result, operation

MAX_TAGS: Final = 50
_RESOURCE: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):([a-z-]+):([a-zA-Z0-9-_]+)(?::(.+))?"
)


def _tags(call: Call, arn: str) -> dict[str, str]:
    match = _RESOURCE.fullmatch(arn)
    kind = match[3] if match else ""
    if match is not None and kind == "function":
        if match[5]:
            raise ServiceError(
                "InvalidParameterValueException",
                "Tags on function aliases and versions are not supported. "
                "Please specify a function ARN.",
                400,
            )
        record = call.region.functions.get(match[4]) if match[2] == call.account_id else None
        if record is not None and match[1] == call.region_name:
            return record.tags
        raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
    if match is not None and kind == "event-source-mapping":
        item = mappings(call).items.get(match[4])
        if item is not None:
            return item.tags
        raise ServiceError(
            "ResourceNotFoundException", f"Event source mapping not found: {arn}", 404
        )
    words = {"capacity-provider": "Capacity provider", "code-signing-config": "Code signing config"}
    name = words.get(kind, "Resource")
    raise ServiceError("ResourceNotFoundException", f"{name} not found: {arn}", 404)


@operation("lambda", "TagResource")
def tag_resource(call: Call, params: Params) -> Result:
    """Add or change tags."""
    tags = _tags(call, params["Resource"])
    wanted = params["Tags"]
    if not wanted:
        raise ServiceError(
            "InvalidParameterValueException",
            "An error occurred and the request cannot be processed.",
            400,
        )
    if len({**tags, **wanted}) > MAX_TAGS:
        raise ServiceError(
            "InvalidParameterValueException", "Number of tags exceeds resource tag limit.", 400
        )
    tags.update(wanted)
    return {}


@operation("lambda", "UntagResource")
def untag_resource(call: Call, params: Params) -> Result:
    """Remove tags; those that are not there are no error."""
    tags = _tags(call, params["Resource"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}


@operation("lambda", "ListTags")
def list_tags(call: Call, params: Params) -> Result:
    """All tags of a resource."""
    return {"Tags": dict(_tags(call, params["Resource"]))}
