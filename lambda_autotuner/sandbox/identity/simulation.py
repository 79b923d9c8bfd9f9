"""SimulatePrincipalPolicy and SimulateCustomPolicy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import directory, policy
from lambda_autotuner.sandbox.identity.paging import page
from lambda_autotuner.sandbox.identity.policy import Decision, Policy, Request
from lambda_autotuner.sandbox.identity.state import Identity
from lambda_autotuner.sandbox.registry import Params, Result, operation

_ENTITY: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(user|role|group)/(?:.*/)?([^/]+)\Z")
_PAGE: Final = 1000


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(call: Call, params: Params) -> Result:
    """What a user, role or group may do, its own policies and further ones taken together."""
    source = params["PolicySourceArn"]
    match = _ENTITY.match(source)
    if match is None:
        raise ServiceError(
            "InvalidInputException",
            f"Invalid Entity Arn: {source} does not clearly define entity type and name.",
        )
    kind, name = match[2], match[3]
    identity = _find(call, kind, name) if match[1] == call.account_id else None
    if identity is None:
        raise ServiceError("NoSuchEntityException", f"The {kind} with name {name} cannot be found.")
    policies = directory.policies_of(call.account, identity, kind)
    boundary = directory.boundary_of(call.account, identity)
    policies += _given(params, "PolicyInputList")
    return _simulated(params, policies, boundary)


@operation("iam", "SimulateCustomPolicy")
def simulate_custom_policy(call: Call, params: Params) -> Result:
    """What the given policies allow."""
    del call
    return _simulated(params, _given(params, "PolicyInputList"), None)


def _find(call: Call, kind: str, name: str) -> Identity | None:
    if kind == "role":
        return directory.find_role(call.account, name)
    if kind == "user":
        return directory.find_user(call.account, name)
    return directory.state_of(call.account).groups.get(name)


def _given(params: Params, member: str) -> list[Policy]:
    found = []
    for position, text in enumerate(params.get(member) or (), 1):
        try:
            found.append(policy.read(text, f"{member}.{position}", "IAM Policy"))
        except policy.PolicyError as error:
            raise ServiceError("InvalidInputException", str(error)) from error
    return found


def _simulated(params: Params, policies: list[Policy], boundary: list[Policy] | None) -> Result:
    given = _given(params, "PermissionsBoundaryPolicyInputList")
    boundary = given or boundary
    context = {
        entry["ContextKeyName"]: entry.get("ContextKeyValues") or []
        for entry in params.get("ContextEntries") or ()
        if entry.get("ContextKeyName")
    }
    resources = params.get("ResourceArns") or ["*"]
    results = [
        _result(policies, boundary, Request(action, resource, context))
        for action in params["ActionNames"]
        for resource in resources
    ]
    paged = {"MaxItems": _PAGE, **{k: v for k, v in params.items() if v is not None}}
    return page(paged, "EvaluationResults", results, lambda item: item)


def _result(
    policies: Sequence[Policy], boundary: Sequence[Policy] | None, request: Request
) -> dict[str, Any]:
    decision = policy.evaluate(policies, request)
    outcome = decision.outcome
    result: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": outcome,
        "MatchedStatements": _matched(policies, decision),
        "MissingContextValues": sorted(_missing(policies, request)),
    }
    if boundary is not None:
        bound = policy.evaluate(boundary, request)
        result["PermissionsBoundaryDecisionDetail"] = {
            "AllowedByPermissionsBoundary": bound.allowed
        }
        if bound.outcome == policy.EXPLICIT_DENY:
            result["EvalDecision"] = policy.EXPLICIT_DENY
        elif not bound.allowed and outcome == policy.ALLOWED:
            result["EvalDecision"] = policy.IMPLICIT_DENY
    return result


def _matched(policies: Sequence[Policy], decision: Decision) -> list[dict[str, Any]]:
    texts = {item.source_id: item.text for item in policies}
    shown = []
    for match in decision.matches:
        start, end = _position(texts.get(match.source_id, ""), match.index)
        shown.append(
            {
                "SourcePolicyId": match.source_id,
                "SourcePolicyType": match.source_type,
                "StartPosition": start,
                "EndPosition": end,
            }
        )
    return shown


def _position(text: str, index: int) -> tuple[dict[str, int], dict[str, int]]:
    """Line and column of a statement in its document."""
    found = re.search(r'"Statement"\s*:\s*(\[)?\s*', text)
    begin = end = found.end() if found else 0
    decoder = json.JSONDecoder()
    for number in range(index + 1):
        begin = end
        while number and begin < len(text) and text[begin] in ", \t\r\n":
            begin += 1
        try:
            _, end = decoder.raw_decode(text, begin)
        except ValueError:
            break
    return _line_and_column(text, begin), _line_and_column(text, end)


def _line_and_column(text: str, offset: int) -> dict[str, int]:
    return {
        "Line": text.count("\n", 0, offset) + 1,
        "Column": offset - text.rfind("\n", 0, offset),
    }


def _missing(policies: Sequence[Policy], request: Request) -> set[str]:
    """Condition keys of statements about the request that nobody gave a value for."""
    held = {name.lower() for name in request.context}
    found: set[str] = set()
    for item in policies:
        for statement in item.statements:
            condition: Mapping[str, Mapping[str, Any]] = statement.get("Condition") or {}
            plain = {key: value for key, value in statement.items() if key != "Condition"}
            if not condition or not policy.applies(plain, request):
                continue
            for tests in condition.values():
                found |= {key for key in tests if key.lower() not in held}
    return found


@operation("iam", "GetContextKeysForPrincipalPolicy")
def get_context_keys_for_principal_policy(call: Call, params: Params) -> Result:
    """Condition keys that an entity's policies look at."""
    match = _ENTITY.match(params["PolicySourceArn"])
    identity = _find(call, match[2], match[3]) if match else None
    if match is None or identity is None:
        raise ServiceError("NoSuchEntityException", "The entity cannot be found.")
    policies = directory.policies_of(call.account, identity, match[2])
    names = {
        key
        for item in [*policies, *_given(params, "PolicyInputList")]
        for statement in item.statements
        for tests in (statement.get("Condition") or {}).values()
        for key in tests
    }
    return {"ContextKeyNames": sorted(names)}


@operation("iam", "GetAccountSummary")
def get_account_summary(call: Call, params: Params) -> Result:
    """Counts of what there is in IAM."""
    del params
    state = directory.state_of(call.account)
    counts = {
        "Users": len(state.users), "Roles": len(directory.all_roles(call.account)),
        "Groups": len(state.groups), "Policies": len(state.policies),
        "UsersQuota": 5000, "RolesQuota": 1000, "GroupsQuota": 300, "PoliciesQuota": 1500,
        "AccessKeysPerUserQuota": 2, "VersionsPerPolicyQuota": 5,
        "AttachedPoliciesPerRoleQuota": 10,
    }  # fmt: skip
    return {"SummaryMap": counts}


@operation("iam", "ListAccountAliases")
def list_account_aliases(call: Call, params: Params) -> Result:
    """The sandbox's accounts have no aliases."""
    del call
    return page(params, "AccountAliases", [], lambda item: item)
