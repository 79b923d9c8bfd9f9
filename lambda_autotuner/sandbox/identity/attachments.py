"""IAM policies: managed ones with versions, attached and inline ones, boundaries."""

from __future__ import annotations

from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import directory, managed, principals
from lambda_autotuner.sandbox.identity.paging import (
    checked,
    encoded,
    page,
    tags_given,
    tags_shown,
)
from lambda_autotuner.sandbox.identity.state import ID_ALPHABET, Identity, ManagedPolicy
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.world.randomness import key_of

_MOST_VERSIONS: Final = 5
_MOST_ATTACHED: Final = 10
_AWS_CREATED_MS: Final = 1_429_000_000_000  # AWS-managed policies show a date of long ago
_FINDERS: Final = {
    "user": principals.user_named,
    "role": principals.role_named,
    "group": principals.group_named,
}


def _missing(policy_arn: str) -> ServiceError:
    return ServiceError("NoSuchEntityException", f"Policy {policy_arn} was not found.")


def _aws_id(policy_arn: str) -> str:
    number = key_of("managed policy", policy_arn)
    return "ANPA" + "".join(ID_ALPHABET[(number >> (3 * i)) % 32] for i in range(17))


def _own(call: Call, policy_arn: str) -> ManagedPolicy:
    """A policy of the account."""
    found = directory.state_of(call.account).policies.get(policy_arn)
    if found is None:
        if policy_arn in managed.DOCUMENTS:
            raise ServiceError(
                "AccessDenied",
                f"User: {call.principal.arn} is not authorized to perform: "
                f"iam:{call.operation} on resource: policy {policy_arn}",
                403,
            )
        raise _missing(policy_arn)
    return found


def _all_identities(call: Call) -> list[Identity]:
    state = directory.state_of(call.account)
    return [*state.users.values(), *state.roles.values(), *state.groups.values()]


def _shown(call: Call, policy_arn: str) -> dict[str, Any]:
    attached = sum(policy_arn in item.attached for item in _all_identities(call))
    bounds = sum(policy_arn == item.boundary for item in _all_identities(call))
    found = directory.state_of(call.account).policies.get(policy_arn)
    if found is not None:
        return {
            "PolicyName": found.name, "PolicyId": found.id, "Arn": found.arn, "Path": found.path,
            "DefaultVersionId": found.default, "AttachmentCount": attached,
            "PermissionsBoundaryUsageCount": bounds, "IsAttachable": True,
            "Description": found.description or None, "CreateDate": found.created_ms,
            "UpdateDate": found.updated_ms, "Tags": tags_shown(found.tags),
        }  # fmt: skip
    if policy_arn not in managed.DOCUMENTS:
        raise _missing(policy_arn)
    path, _, name = policy_arn.split(":policy", 1)[1].rpartition("/")
    return {
        "PolicyName": name, "PolicyId": _aws_id(policy_arn), "Arn": policy_arn,
        "Path": f"{path}/", "DefaultVersionId": "v1", "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounds, "IsAttachable": True,
        "CreateDate": _AWS_CREATED_MS, "UpdateDate": _AWS_CREATED_MS, "Tags": [],
    }  # fmt: skip


@operation("iam", "CreatePolicy")
def create_policy(call: Call, params: Params) -> Result:
    """Make a managed policy."""
    state = directory.state_of(call.account)
    path = params.get("Path") or "/"
    policy_arn = f"arn:aws:iam::{call.account_id}:policy{path}{params['PolicyName']}"
    if policy_arn in state.policies:
        raise ServiceError(
            "EntityAlreadyExistsException",
            f"A policy called {params['PolicyName']} already exists. Duplicate names are not "
            "allowed.",
        )
    document = checked(params["PolicyDocument"])
    state.policies[policy_arn] = ManagedPolicy(
        params["PolicyName"], path, principals.new_id(call, "policy"), policy_arn,
        call.now_ms, call.now_ms, params.get("Description") or "",
        versions={"v1": (document, call.now_ms)}, tags=tags_given(params),
    )  # fmt: skip
    return {"Policy": _shown(call, policy_arn)}


@operation("iam", "GetPolicy")
def get_policy(call: Call, params: Params) -> Result:
    """A managed policy without its document."""
    return {"Policy": _shown(call, params["PolicyArn"])}


@operation("iam", "ListPolicies")
def list_policies(call: Call, params: Params) -> Result:
    """Managed policies of the account, of AWS, or both."""
    scope = params.get("Scope") or "All"
    arns: list[str] = []
    if scope in ("All", "AWS"):
        arns += sorted(managed.DOCUMENTS)
    if scope in ("All", "Local"):
        arns += sorted(directory.state_of(call.account).policies)
    if params.get("OnlyAttached"):
        arns = [item for item in arns if any(item in i.attached for i in _all_identities(call))]
    prefix = params.get("PathPrefix") or "/"
    arns = [item for item in arns if item.split(":policy", 1)[1].startswith(prefix)]
    return page(
        params, "Policies", arns,
        lambda item: {k: v for k, v in _shown(call, item).items() if k not in ("Tags", "Description")},
    )  # fmt: skip


@operation("iam", "DeletePolicy")
def delete_policy(call: Call, params: Params) -> Result:
    """Delete a managed policy that is attached nowhere and has one version."""
    found = _own(call, params["PolicyArn"])
    if any(found.arn in item.attached for item in _all_identities(call)):
        raise ServiceError(
            "DeleteConflictException", "Cannot delete a policy attached to entities."
        )
    if len(found.versions) > 1:
        raise ServiceError(
            "DeleteConflictException",
            "This policy has more than one version. Before you delete a policy, you must delete "
            "the policy's versions. The default version is deleted with the policy.",
        )
    directory.state_of(call.account).policies.pop(found.arn)
    return {}


def _version_shown(
    name: str, document: str | None, *, default: bool, created_ms: int
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "VersionId": name, "IsDefaultVersion": default, "CreateDate": created_ms
    }  # fmt: skip
    if document is not None:
        shown["Document"] = encoded(document)
    return shown


@operation("iam", "CreatePolicyVersion")
def create_policy_version(call: Call, params: Params) -> Result:
    """Add a version, at most five in all."""
    found = _own(call, params["PolicyArn"])
    document = checked(params["PolicyDocument"])
    if len(found.versions) >= _MOST_VERSIONS:
        raise ServiceError(
            "LimitExceededException",
            "A managed policy can have up to 5 versions. Before you create a new version, you "
            "must delete an existing version.",
        )
    name = f"v{found.next_version}"
    found.next_version += 1
    found.versions[name] = (document, call.now_ms)
    found.updated_ms = call.now_ms
    if params.get("SetAsDefault"):
        found.default = name
    return {
        "PolicyVersion": _version_shown(
            name, None, default=found.default == name, created_ms=call.now_ms
        )
    }


@operation("iam", "GetPolicyVersion")
def get_policy_version(call: Call, params: Params) -> Result:
    """A version with its document."""
    policy_arn, name = params["PolicyArn"], params["VersionId"]
    if policy_arn in managed.DOCUMENTS and name == "v1":
        document, created_ms, default = managed.DOCUMENTS[policy_arn], _AWS_CREATED_MS, True
    else:
        found = directory.state_of(call.account).policies.get(policy_arn)
        if found is None or name not in found.versions:
            raise ServiceError(
                "NoSuchEntityException",
                f"Policy {policy_arn} version {name} does not exist or is not attachable.",
            )
        (document, created_ms), default = found.versions[name], found.default == name
    return {"PolicyVersion": _version_shown(name, document, default=default, created_ms=created_ms)}


@operation("iam", "ListPolicyVersions")
def list_policy_versions(call: Call, params: Params) -> Result:
    """Versions of a policy."""
    policy_arn = params["PolicyArn"]
    found = directory.state_of(call.account).policies.get(policy_arn)
    if found is None and policy_arn not in managed.DOCUMENTS:
        raise _missing(policy_arn)
    versions = (
        [(name, when, name == found.default) for name, (_, when) in found.versions.items()]
        if found
        else [("v1", _AWS_CREATED_MS, True)]
    )
    return page(
        params,
        "Versions",
        versions[::-1],
        lambda item: _version_shown(item[0], None, default=item[2], created_ms=item[1]),
    )


@operation("iam", "SetDefaultPolicyVersion")
def set_default_policy_version(call: Call, params: Params) -> Result:
    """Choose the version that counts."""
    found = _own(call, params["PolicyArn"])
    if params["VersionId"] not in found.versions:
        raise _missing(f"{found.arn} version {params['VersionId']}")
    found.default = params["VersionId"]
    return {}


@operation("iam", "DeletePolicyVersion")
def delete_policy_version(call: Call, params: Params) -> Result:
    """Delete a version that is not the default."""
    found = _own(call, params["PolicyArn"])
    name = params["VersionId"]
    if name not in found.versions:
        raise _missing(f"{found.arn} version {name}")
    if name == found.default:
        raise ServiceError(
            "DeleteConflictException", "Cannot delete the default version of a policy."
        )
    found.versions.pop(name)
    return {}


def _attachment_operations(kind: str) -> None:  # noqa: C901 - one short function per operation
    """Attach, detach, put, get, delete and list policies of users, roles or groups."""
    title = kind.capitalize()
    find = _FINDERS[kind]
    member = f"{title}Name"

    @operation("iam", f"Attach{title}Policy")
    def attach(call: Call, params: Params) -> Result:
        identity = find(call, params[member])
        policy_arn = params["PolicyArn"]
        if directory.document_of(call.account, policy_arn) is None:
            raise ServiceError(
                "NoSuchEntityException",
                f"Policy {policy_arn} does not exist or is not attachable.",
            )
        if policy_arn not in identity.attached:
            if len(identity.attached) >= _MOST_ATTACHED:
                raise ServiceError(
                    "LimitExceededException",
                    f"Cannot exceed quota for PoliciesPer{title}: {_MOST_ATTACHED}",
                )
            identity.attached.append(policy_arn)
        return {}

    @operation("iam", f"Detach{title}Policy")
    def detach(call: Call, params: Params) -> Result:
        identity = find(call, params[member])
        if params["PolicyArn"] not in identity.attached:
            raise _missing(params["PolicyArn"])
        identity.attached.remove(params["PolicyArn"])
        return {}

    @operation("iam", f"ListAttached{title}Policies")
    def list_attached(call: Call, params: Params) -> Result:
        return page(
            params,
            "AttachedPolicies",
            find(call, params[member]).attached,
            lambda item: {"PolicyName": item.rsplit("/", 1)[-1], "PolicyArn": item},
        )

    @operation("iam", f"Put{title}Policy")
    def put(call: Call, params: Params) -> Result:
        document = checked(params["PolicyDocument"])
        find(call, params[member]).inline[params["PolicyName"]] = document
        return {}

    @operation("iam", f"Get{title}Policy")
    def get(call: Call, params: Params) -> Result:
        identity = find(call, params[member])
        name = params["PolicyName"]
        if name not in identity.inline:
            raise directory.no_such(f"{kind} policy", name)
        return {
            member: identity.name,
            "PolicyName": name,
            "PolicyDocument": encoded(identity.inline[name]),
        }

    @operation("iam", f"Delete{title}Policy")
    def delete(call: Call, params: Params) -> Result:
        identity = find(call, params[member])
        if identity.inline.pop(params["PolicyName"], None) is None:
            raise directory.no_such(f"{kind} policy", params["PolicyName"])
        return {}

    @operation("iam", f"List{title}Policies")
    def list_inline(call: Call, params: Params) -> Result:
        return page(
            params, "PolicyNames", sorted(find(call, params[member]).inline), lambda item: item
        )


def _boundary_operations(kind: str) -> None:
    title = kind.capitalize()
    find = _FINDERS[kind]

    @operation("iam", f"Put{title}PermissionsBoundary")
    def put(call: Call, params: Params) -> Result:
        policy_arn = params["PermissionsBoundary"]
        if directory.document_of(call.account, policy_arn) is None:
            raise _missing(policy_arn)
        find(call, params[f"{title}Name"]).boundary = policy_arn
        return {}

    @operation("iam", f"Delete{title}PermissionsBoundary")
    def delete(call: Call, params: Params) -> Result:
        find(call, params[f"{title}Name"]).boundary = None
        return {}


for _kind in ("user", "role", "group"):
    _attachment_operations(_kind)
for _kind in ("user", "role"):
    _boundary_operations(_kind)
