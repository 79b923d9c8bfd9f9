"""STS: who am I, and keys for sessions."""

from __future__ import annotations

import re
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import directory, policy
from lambda_autotuner.sandbox.identity.authorisation import context_of
from lambda_autotuner.sandbox.identity.policy import EXPLICIT_DENY, Request
from lambda_autotuner.sandbox.identity.state import (
    ID_ALPHABET,
    SECRET_ALPHABET,
    AccessKey,
    Identity,
    account_of_key,
    key_id,
)
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.state import AccountState

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]{1,64})\Z")
_HOUR_S: Final = 3600
_SESSION_TOKEN_LENGTH: Final = 356


@operation("sts", "GetCallerIdentity")
def get_caller_identity(call: Call, params: Params) -> Result:
    """The caller's account, ARN and user id."""
    del params
    principal = call.principal
    return {"UserId": principal.user_id, "Account": call.account_id, "Arn": principal.arn}


@operation("sts", "GetAccessKeyInfo")
def get_access_key_info(call: Call, params: Params) -> Result:
    """The account that a key id belongs to."""
    return {"Account": account_of_key(params["AccessKeyId"]) or call.account_id}


@operation("sts", "AssumeRole")
def assume_role(call: Call, params: Params) -> Result:
    """Keys for a session of a role, when its trust policy and the caller's policies allow it."""
    role_arn: str = params["RoleArn"]
    match = _ROLE_ARN.match(role_arn)
    if match is None:
        raise ServiceError("ValidationException", f"{role_arn} is invalid", 400)
    account = call.world.account(match[1])
    role = directory.find_role(account, match[2])
    if role is None or not _may_assume(call, account, role, role_arn, params):
        raise ServiceError(
            "AccessDenied",
            f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on "
            f"resource: {role_arn}",
            403,
        )
    duration_s = int(params.get("DurationSeconds") or _HOUR_S)
    limit_s = _HOUR_S if call.principal.kind == "role-session" else role.max_session_s
    if duration_s > limit_s:
        raise ServiceError(
            "ValidationException",
            "The requested DurationSeconds exceeds the "
            + (
                "1 hour session limit for roles assumed by role chaining"
                if call.principal.kind == "role-session"
                else "MaxSessionDuration set for this role."
            ),
            400,
        )
    session_policy = params.get("Policy")
    if session_policy is not None:
        _check_session_policy(session_policy)
    role.last_used_ms = call.now_ms
    key = AccessKey(
        id=key_id("ASIA", account.account_id, call.token(8, ID_ALPHABET)),
        secret=call.token(40, SECRET_ALPHABET),
        owner=role.name,
        created_ms=call.now_ms,
        token=call.token(_SESSION_TOKEN_LENGTH, SECRET_ALPHABET),
        expires_ms=call.now_ms + duration_s * 1000,
        session_name=params["RoleSessionName"],
        role_id=role.id,
        kind="role-session",
        session_policy=session_policy,
    )
    directory.state_of(account).keys[key.id] = key
    account.touch()
    reply: dict[str, Any] = {
        "Credentials": _credentials(key),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.id}:{key.session_name}",
            "Arn": f"arn:aws:sts::{account.account_id}:assumed-role/{role.name}/{key.session_name}",
        },
    }
    if session_policy is not None:
        reply["PackedPolicySize"] = min(100, 1 + len(session_policy) * 100 // 2048)
    if params.get("SourceIdentity"):
        reply["SourceIdentity"] = params["SourceIdentity"]
    return reply


def _check_session_policy(text: str) -> None:
    try:
        policy.read(text, "session", "session policy")
    except policy.PolicyError as error:
        raise ServiceError("MalformedPolicyDocumentException", str(error)) from error


def _may_assume(
    call: Call, account: AccountState, role: Identity, role_arn: str, params: Params
) -> bool:
    """The trust policy must name the caller; another account's caller needs a permission too."""
    principal = call.principal
    root = f"arn:aws:iam::{call.account_id}:root"
    names = [principal.arn, root]
    if principal.kind == "role-session":
        own = directory.find_role(call.account, principal.name)
        if own is not None:
            names.append(directory.arn(call.account_id, "role", own))
    context = context_of(call, role_arn, params)
    if params.get("ExternalId"):
        context["sts:ExternalId"] = params["ExternalId"]
    request = Request("sts:AssumeRole", role_arn, context)
    try:
        trust = policy.read(role.trust, role.name, "trust", trust=True)
    except policy.PolicyError:
        return False
    if not policy.trusts(trust, names, request):
        return False
    if principal.kind == "administrator":
        return True
    state = directory.state_of(call.account)
    identity = (
        directory.find_role(call.account, principal.name)
        if principal.kind == "role-session"
        else state.users.get(principal.name)
    )
    if identity is None:
        return False
    kind = "role" if principal.kind == "role-session" else "user"
    decision = policy.evaluate(directory.policies_of(call.account, identity, kind), request)
    if decision.outcome == EXPLICIT_DENY:
        return False
    # Within one account a trust policy that names the caller itself is enough.
    named = account.account_id == call.account_id and policy.trusts(
        trust, [principal.arn, *names[2:]], request
    )
    return decision.allowed or named


@operation("sts", "GetSessionToken")
def get_session_token(call: Call, params: Params) -> Result:
    """Temporary keys with the caller's own permissions."""
    if call.principal.kind == "role-session":
        raise ServiceError(
            "AccessDenied", "Cannot call GetSessionToken with session credentials", 403
        )
    administrator = call.principal.kind == "administrator"
    default_s = _HOUR_S if administrator else 12 * _HOUR_S
    duration_s = int(params.get("DurationSeconds") or default_s)
    key = AccessKey(
        id=key_id("ASIA", call.account_id, call.token(8, ID_ALPHABET)),
        secret=call.token(40, SECRET_ALPHABET),
        owner=call.principal.name,
        created_ms=call.now_ms,
        token=call.token(_SESSION_TOKEN_LENGTH, SECRET_ALPHABET),
        expires_ms=call.now_ms + duration_s * 1000,
        kind="administrator" if administrator else "user",
    )
    directory.state_of(call.account).keys[key.id] = key
    call.account.touch()
    return {"Credentials": _credentials(key)}


def _credentials(key: AccessKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.token,
        "Expiration": key.expires_ms,
    }
