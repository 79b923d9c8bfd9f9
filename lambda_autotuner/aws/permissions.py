"""Whether the account grants what is about to be done, asked before it is done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.operations import Operation, find_operation
from lambda_autotuner.aws.session import Account

_ASSUMED_ROLE = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:root")
_ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource.

    Attributes:
        allowed: True or False as IAM's simulation says; None when it could not be checked.
        reason: why it is not allowed or could not be checked; empty otherwise.
    """

    action: str
    resource: str
    allowed: bool | None
    reason: str = ""


def function_arn(account: Account, function: str, qualifier: str | None = None) -> str:
    """The ARN of a function in this account and region."""
    partition = "aws-cn" if account.region.startswith("cn-") else "aws"
    if account.region.startswith("us-gov-"):
        partition = "aws-us-gov"
    arn = f"arn:{partition}:lambda:{account.region}:{account.account_id}:function:{function}"
    return f"{arn}:{qualifier}" if qualifier else arn


def check_permissions(
    account: Account, actions: Iterable[str], resource: str = "*"
) -> list[Permission]:
    """Ask IAM whether the caller may do these actions.

    Resource policies, service control policies of an organisation and session policies are not
    part of IAM's simulation: "allowed" is necessary, not sufficient.

    Args:
        account: whose caller.
        actions: IAM actions, such as "lambda:UpdateFunctionConfiguration".
        resource: ARN, or "*".

    Returns:
        One entry for each action; `allowed` is None with the reason where IAM could not be asked.
    """
    wanted = list(dict.fromkeys(actions))
    if not wanted:
        return []
    try:
        source = _policy_source(account.caller_arn)
        if source is None:
            return [Permission(action, resource, allowed=True) for action in wanted]
        return _simulate(account, source, wanted, resource)
    except (AwsError, MissingError) as error:
        reason = f"could not check: {error.message}"
        return [Permission(action, resource, allowed=None, reason=reason) for action in wanted]


def check_operations(
    account: Account, keys: Iterable[tuple[str, str]], resource: str = "*"
) -> list[Permission]:
    """The same for operations given as (service, operation); account-wide ones are asked for `*`."""
    found = [find_operation(service, name) for service, name in keys]
    narrow = [op for op in found if op.scope == "function"]
    broad = [op for op in found if op.scope != "function"]
    return check_permissions(account, _actions(narrow), resource) + check_permissions(
        account, _actions(broad)
    )


def _actions(found: Sequence[Operation]) -> list[str]:
    return [action for operation in found for action in operation.actions]


def _policy_source(caller_arn: str) -> str | None:
    """The principal to simulate; None for the root user, who may do everything."""
    if _ROOT.fullmatch(caller_arn):
        return None
    session = _ASSUMED_ROLE.fullmatch(caller_arn)
    if session:
        # A role's path is not part of a session's ARN; IAM says so when the role has one.
        return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}"
    return caller_arn


def _simulate(account: Account, source: str, actions: list[str], resource: str) -> list[Permission]:
    asked: dict[str, Any] = {
        "PolicySourceArn": source,
        "ActionNames": actions,
        "ResourceArns": [resource],
    }
    decided: dict[str, Permission] = {}
    for raw in account.pages("iam", "SimulatePrincipalPolicy", **asked):
        action = str(raw.get("EvalActionName", ""))
        decision = str(raw.get("EvalDecision", ""))
        reason = "" if decision == _ALLOWED else _denied(raw, decision)
        decided[action] = Permission(action, resource, decision == _ALLOWED, reason)
    unknown = "could not check: IAM gave no decision"
    return [
        decided.get(action, Permission(action, resource, allowed=None, reason=unknown))
        for action in actions
    ]


def _denied(raw: dict[str, Any], decision: str) -> str:
    organisation = raw.get("OrganizationsDecisionDetail") or {}
    if organisation.get("AllowedByOrganizations") is False:
        return "denied by a service control policy of the organisation"
    boundary = raw.get("PermissionsBoundaryDecisionDetail") or {}
    if boundary.get("AllowedByPermissionsBoundary") is False:
        return "denied by a permissions boundary"
    return "denied by a policy" if decision == "explicitDeny" else "no policy allows it"
