"""IAM access keys of users."""

from __future__ import annotations

from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import directory
from lambda_autotuner.sandbox.identity.paging import page
from lambda_autotuner.sandbox.identity.principals import user_named
from lambda_autotuner.sandbox.identity.state import (
    ID_ALPHABET,
    SECRET_ALPHABET,
    AccessKey,
    key_id,
)
from lambda_autotuner.sandbox.registry import Params, Result, operation

_MOST_KEYS: Final = 2


def _of_user(call: Call, name: str) -> list[AccessKey]:
    keys = directory.state_of(call.account).keys.values()
    return [key for key in keys if key.owner == name and key.kind == "user" and key.token is None]


def _key(call: Call, params: Params) -> AccessKey:
    user = user_named(call, params.get("UserName"))
    for key in _of_user(call, user.name):
        if key.id == params["AccessKeyId"]:
            return key
    raise ServiceError(
        "NoSuchEntityException",
        f"The Access Key with id {params['AccessKeyId']} cannot be found.",
    )


def _shown(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.owner,
        "AccessKeyId": key.id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created_ms,
    }


@operation("iam", "CreateAccessKey")
def create_access_key(call: Call, params: Params) -> Result:
    """A key for a user, whose policies then count."""
    user = user_named(call, params.get("UserName"))
    if len(_of_user(call, user.name)) >= _MOST_KEYS:
        raise ServiceError(
            "LimitExceededException", f"Cannot exceed quota for AccessKeysPerUser: {_MOST_KEYS}"
        )
    key = AccessKey(
        id=key_id("AKIA", call.account_id, call.token(8, ID_ALPHABET)),
        secret=call.token(40, SECRET_ALPHABET),
        owner=user.name,
        created_ms=call.now_ms,
    )
    directory.state_of(call.account).keys[key.id] = key
    return {"AccessKey": {**_shown(key), "SecretAccessKey": key.secret}}


@operation("iam", "ListAccessKeys")
def list_access_keys(call: Call, params: Params) -> Result:
    """Keys of a user, without their secrets."""
    user = user_named(call, params.get("UserName"))
    return page(params, "AccessKeyMetadata", _of_user(call, user.name), _shown)


@operation("iam", "UpdateAccessKey")
def update_access_key(call: Call, params: Params) -> Result:
    """Switch a key on or off."""
    _key(call, params).active = params["Status"] == "Active"
    return {}


@operation("iam", "DeleteAccessKey")
def delete_access_key(call: Call, params: Params) -> Result:
    """Delete a key."""
    directory.state_of(call.account).keys.pop(_key(call, params).id)
    return {}


@operation("iam", "GetAccessKeyLastUsed")
def get_access_key_last_used(call: Call, params: Params) -> Result:
    """Whose key it is; uses are not kept."""
    key = directory.state_of(call.account).keys.get(params["AccessKeyId"])
    if key is None:
        raise ServiceError("AccessDenied", "The access key cannot be found.", 403)
    return {
        "UserName": key.owner,
        "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"},
    }
