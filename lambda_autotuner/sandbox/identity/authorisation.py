"""Who a key belongs to, and whether its owner may do what a request asks for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call, Principal
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.identity import directory, policy
from lambda_autotuner.sandbox.identity.actions import needed
from lambda_autotuner.sandbox.identity.policy import EXPLICIT_DENY, Decision, Policy, Request
from lambda_autotuner.sandbox.identity.state import AccessKey, Identity, account_of_key
from lambda_autotuner.sandbox.registry import Params
from lambda_autotuner.sandbox.state import AccountState, World

# Nobody needs a permission to ask who they are.
_FREE: Final = frozenset((("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")))
_STATUS: Final = {"lambda": 403, "cloudwatch": 403, "sts": 403, "iam": 403, "s3": 403}
_SHORT_CODE: Final = frozenset(("cloudwatch", "sts", "iam", "s3"))
# Services whose message names no resource when the action has none to be limited to.
_WITHOUT_STAR: Final = frozenset(
    ("cloudwatch", "pricing", "resourcegroupstaggingapi", "compute-optimizer", "service-quotas")
)
_PASSES_ROLE: Final = frozenset(("CreateFunction", "UpdateFunctionConfiguration"))


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that the sandbox issued."""

    secret_access_key: str
    session_token: str | None
    principal: Principal
    account_id: str
    expires_ms: int | None = None


def resolve(world: World, access_key_id: str) -> Credential | None:
    """The owner of a key that the sandbox issued; None for any other key."""
    account_id = account_of_key(access_key_id)
    if account_id is None or account_id not in world.accounts:
        return None
    account = world.accounts[account_id]
    key = directory.state_of(account).keys.get(access_key_id)
    if key is None:
        return None
    principal = _principal(account, key)
    return Credential(key.secret, key.token, principal, account_id, key.expires_ms)


def _principal(account: AccountState, key: AccessKey) -> Principal:
    account_id = account.account_id
    if key.kind == "administrator":
        return Principal(f"arn:aws:iam::{account_id}:root", account_id)
    if key.kind == "role-session":
        return Principal(
            arn=f"arn:aws:sts::{account_id}:assumed-role/{key.owner}/{key.session_name}",
            user_id=f"{key.role_id}:{key.session_name}",
            kind="role-session",
            name=key.owner,
            session_policy=key.session_policy,
        )
    user = directory.state_of(account).users.get(key.owner)
    return Principal(
        arn=directory.arn(account_id, "user", user) if user else f"arn:aws:iam::{account_id}:user/",
        user_id=user.id if user else "",
        kind="user" if key.active else "inactive",
        name=key.owner,
    )


def authorise(call: Call, params: Params) -> None:
    """Let the request pass, or refuse it in its service's words.

    Raises:
        ServiceError: AccessDenied; InvalidClientTokenId for a key that was switched off.
    """
    if call.principal.kind == "inactive":
        raise ServiceError(
            "InvalidClientTokenId", "The security token included in the request is invalid.", 403
        )
    if call.principal.kind == "administrator" or (call.service, call.operation) in _FREE:
        return
    if (call.service, call.operation) == ("sts", "AssumeRole"):
        return  # the trust policy has a say as well, so AssumeRole decides itself
    action, resource = needed(call, params)
    demand(call, action, resource, params)
    role = params.get("Role")
    if call.service == "lambda" and call.operation in _PASSES_ROLE and role:
        demand(call, "iam:PassRole", role, params, {"iam:PassedToService": "lambda.amazonaws.com"})


def demand(
    call: Call,
    action: str,
    resource: str,
    params: Mapping[str, Any],
    extra: Mapping[str, str] | None = None,
) -> None:
    """Refuse the request unless the caller's policies allow `action` on `resource`."""
    identity, kind = _identity(call)
    request = Request(action, resource, {**context_of(call, resource, params), **(extra or {})})
    layers: list[tuple[str, list[Policy]]] = [
        ("identity-based policy", directory.policies_of(call.account, identity, kind))
        if identity
        else ("identity-based policy", [])
    ]
    boundary = directory.boundary_of(call.account, identity) if identity else None
    if boundary is not None:
        layers.append(("permissions boundary", boundary))
    if call.principal.session_policy is not None:
        session = policy.read(call.principal.session_policy, "session", "session policy")
        layers.append(("session policy", [session]))
    verdicts = [(name, policy.evaluate(policies, request)) for name, policies in layers]
    for name, decision in verdicts:
        if decision.outcome == EXPLICIT_DENY:
            raise denied(call, action, resource, name, decision)
    for name, decision in verdicts:
        if not decision.allowed:
            raise denied(call, action, resource, name, decision)


def _identity(call: Call) -> tuple[Identity | None, str]:
    if call.principal.kind == "role-session":
        return directory.find_role(call.account, call.principal.name), "role"
    return directory.find_user(call.account, call.principal.name), "user"


def denied(call: Call, action: str, resource: str, layer: str, decision: Decision) -> ServiceError:
    """AccessDenied as the service words it."""
    article = "an" if layer[0] in "aeiou" else "a"
    reason = (
        f"with an explicit deny in {article} {layer}"
        if decision.outcome == EXPLICIT_DENY
        else f"because no {layer} allows the {action} action"
    )
    where = f" on resource: {resource}"
    if resource == "*" and call.service in _WITHOUT_STAR:
        where = ""
    code = "AccessDenied" if call.service in _SHORT_CODE else "AccessDeniedException"
    message = f"User: {call.principal.arn} is not authorized to perform: {action}{where} {reason}"
    fields = {"Message": message} if call.service == "lambda" else None
    return ServiceError(code, message, _STATUS.get(call.service, 400), fields=fields)


def context_of(call: Call, resource: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a policy's conditions can look at."""
    moment = dt.datetime.fromtimestamp(call.now_ms / 1000, tz=dt.UTC)
    arn = call.principal.arn
    context: dict[str, Any] = {
        "aws:SourceIp": call.source_ip,
        "aws:CurrentTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(call.now_ms // 1000),
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": call.account_id,
        "aws:PrincipalType": "User" if call.principal.kind == "user" else "AssumedRole",
        "aws:userid": call.principal.user_id,
        "aws:RequestedRegion": call.region_name,
        "aws:SecureTransport": "false",
        "aws:UserAgent": call.user_agent,
        "aws:ResourceAccount": call.account_id,
    }
    if call.principal.kind == "user":
        context["aws:username"] = call.principal.name
    else:
        context["aws:PrincipalArn"] = f"arn:aws:iam::{call.account_id}:role/{call.principal.name}"
    context.update(_tags(call, resource, params))
    if call.service == "cloudwatch" and "Namespace" in params:
        context["cloudwatch:namespace"] = params["Namespace"]
    if call.service == "lambda":
        for member, key in (
            ("FunctionArn", "lambda:FunctionArn"),
            ("Principal", "lambda:Principal"),
        ):
            if member in params:
                context[key] = str(params[member])
    if "PolicyArn" in params:
        context["iam:PolicyARN"] = params["PolicyArn"]
    return context


def _tags(call: Call, resource: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """aws:RequestTag, aws:TagKeys, aws:ResourceTag and aws:PrincipalTag."""
    found: dict[str, Any] = {}
    wanted = params.get("Tags") or params.get("tags") or {}
    if isinstance(wanted, list):
        wanted = {tag["Key"]: tag.get("Value", "") for tag in wanted if isinstance(tag, dict)}
    for name, value in wanted.items():
        found[f"aws:RequestTag/{name}"] = value
    keys = list(wanted) or list(params.get("TagKeys") or params.get("tagKeys") or ())
    if keys:
        found["aws:TagKeys"] = keys
    for name, value in _function_tags(call, resource).items():
        found[f"aws:ResourceTag/{name}"] = value
    identity, _ = _identity(call)
    for name, value in (identity.tags if identity else {}).items():
        found[f"aws:PrincipalTag/{name}"] = value
    return found


def _function_tags(call: Call, resource: str) -> Mapping[str, str]:
    if ":function:" not in resource:
        return {}
    name = resource.split(":function:", 1)[1].split(":", 1)[0]
    record: FunctionRecord | None = call.region.functions.get(name)
    return record.tags if record else {}
