"""IAM users, groups and roles."""

from __future__ import annotations

from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import directory
from lambda_autotuner.sandbox.identity.paging import (
    checked,
    encoded,
    page,
    tags_given,
    tags_shown,
)
from lambda_autotuner.sandbox.identity.state import ID_ALPHABET, Identity
from lambda_autotuner.sandbox.registry import Params, Result, operation

_ID_LENGTH: Final = 17
_PREFIXES: Final = {"user": "AIDA", "role": "AROA", "group": "AGPA"}
_HOUR_S: Final = 3600


def new_id(call: Call, kind: str) -> str:
    """A unique id such as AIDA..., AROA... or ANPA..."""
    return _PREFIXES.get(kind, "ANPA") + call.token(_ID_LENGTH, ID_ALPHABET)


def user_named(call: Call, name: str | None) -> Identity:
    """A user, the caller itself without a name.

    Raises:
        ServiceError: NoSuchEntity.
    """
    wanted = name or call.principal.name
    found = directory.find_user(call.account, wanted)
    if found is None:
        raise directory.no_such("user", wanted)
    return found


def role_named(call: Call, name: str) -> Identity:
    """A role.

    Raises:
        ServiceError: NoSuchEntity.
    """
    found = directory.find_role(call.account, name)
    if found is None:
        raise directory.no_such("role", name)
    return found


def group_named(call: Call, name: str) -> Identity:
    """A group.

    Raises:
        ServiceError: NoSuchEntity.
    """
    found = directory.state_of(call.account).groups.get(name)
    if found is None:
        raise directory.no_such("group", name)
    return found


def _exists(kind: str, name: str) -> ServiceError:
    return ServiceError("EntityAlreadyExistsException", f"{kind} with name {name} already exists.")


def _conflict(what: str) -> ServiceError:
    return ServiceError("DeleteConflictException", f"Cannot delete entity, must {what} first.")


def _removable(identity: Identity) -> None:
    if identity.attached:
        raise _conflict("detach all policies")
    if identity.inline:
        raise _conflict("delete policies")


def boundary_shown(identity: Identity) -> dict[str, str] | None:
    """A permissions boundary as IAM shows it."""
    if identity.boundary is None:
        return None
    return {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": identity.boundary,
    }


def _common(call: Call, kind: str, identity: Identity) -> dict[str, Any]:
    title = kind.capitalize()
    return {
        "Path": identity.path,
        f"{title}Name": identity.name,
        f"{title}Id": identity.id,
        "Arn": directory.arn(call.account_id, kind, identity),
        "CreateDate": identity.created_ms,
    }


def user_shown(call: Call, user: Identity, *, listed: bool = False) -> dict[str, Any]:
    """A user as GetUser (or, shorter, ListUsers) shows it."""
    shown = _common(call, "user", user)
    if not listed:
        shown["PermissionsBoundary"] = boundary_shown(user)
        if user.tags:
            shown["Tags"] = tags_shown(user.tags)
    return shown


def role_shown(call: Call, role: Identity, *, listed: bool = False) -> dict[str, Any]:
    """A role as GetRole (or, shorter, ListRoles) shows it."""
    shown = _common(call, "role", role)
    shown["AssumeRolePolicyDocument"] = encoded(role.trust)
    shown["MaxSessionDuration"] = role.max_session_s
    if role.description:
        shown["Description"] = role.description
    if not listed:
        shown["PermissionsBoundary"] = boundary_shown(role)
        if role.tags:
            shown["Tags"] = tags_shown(role.tags)
        used = role.last_used_ms
        shown["RoleLastUsed"] = (
            {"LastUsedDate": used, "Region": call.region_name} if used is not None else {}
        )
    return shown


@operation("iam", "CreateUser")
def create_user(call: Call, params: Params) -> Result:
    """Make a user."""
    name = params["UserName"]
    if directory.find_user(call.account, name) is not None:
        raise _exists("User", name)
    user = Identity(
        name, params.get("Path") or "/", new_id(call, "user"), call.now_ms,
        tags=tags_given(params), boundary=params.get("PermissionsBoundary"),
    )  # fmt: skip
    directory.state_of(call.account).users[name] = user
    return {"User": user_shown(call, user)}


@operation("iam", "GetUser")
def get_user(call: Call, params: Params) -> Result:
    """A user, or the caller."""
    return {"User": user_shown(call, user_named(call, params.get("UserName")))}


@operation("iam", "ListUsers")
def list_users(call: Call, params: Params) -> Result:
    """Users by path prefix."""
    directory.find_user(call.account, directory.ADMINISTRATOR)
    prefix = params.get("PathPrefix") or "/"
    found = [
        user
        for _, user in sorted(directory.state_of(call.account).users.items())
        if user.path.startswith(prefix)
    ]
    return page(params, "Users", found, lambda user: user_shown(call, user, listed=True))


@operation("iam", "DeleteUser")
def delete_user(call: Call, params: Params) -> Result:
    """Delete a user that has no keys, policies or groups any more."""
    state = directory.state_of(call.account)
    user = user_named(call, params["UserName"])
    _removable(user)
    if any(key.owner == user.name and key.kind == "user" for key in state.keys.values()):
        raise _conflict("delete access keys")
    if user.groups:
        raise _conflict("remove users from group")
    state.users.pop(user.name, None)
    return {}


@operation("iam", "CreateGroup")
def create_group(call: Call, params: Params) -> Result:
    """Make a group."""
    state = directory.state_of(call.account)
    name = params["GroupName"]
    if name in state.groups:
        raise _exists("Group", name)
    group = Identity(name, params.get("Path") or "/", new_id(call, "group"), call.now_ms)
    state.groups[name] = group
    return {"Group": _common(call, "group", group)}


@operation("iam", "DeleteGroup")
def delete_group(call: Call, params: Params) -> Result:
    """Delete a group without policies or members."""
    state = directory.state_of(call.account)
    group = group_named(call, params["GroupName"])
    _removable(group)
    if any(group.name in user.groups for user in state.users.values()):
        raise _conflict("remove users from group")
    state.groups.pop(group.name)
    return {}


@operation("iam", "ListGroups")
def list_groups(call: Call, params: Params) -> Result:
    """Groups by name."""
    found = [group for _, group in sorted(directory.state_of(call.account).groups.items())]
    return page(params, "Groups", found, lambda group: _common(call, "group", group))


@operation("iam", "GetGroup")
def get_group(call: Call, params: Params) -> Result:
    """A group and its members."""
    group = group_named(call, params["GroupName"])
    members = [
        user
        for _, user in sorted(directory.state_of(call.account).users.items())
        if group.name in user.groups
    ]
    reply = page(params, "Users", members, lambda user: user_shown(call, user, listed=True))
    return {"Group": _common(call, "group", group), **reply}


@operation("iam", "AddUserToGroup")
def add_user_to_group(call: Call, params: Params) -> Result:
    """Put a user into a group."""
    group = group_named(call, params["GroupName"])
    user = user_named(call, params["UserName"])
    if group.name not in user.groups:
        user.groups.append(group.name)
    return {}


@operation("iam", "RemoveUserFromGroup")
def remove_user_from_group(call: Call, params: Params) -> Result:
    """Take a user out of a group."""
    group = group_named(call, params["GroupName"])
    user = user_named(call, params["UserName"])
    if group.name in user.groups:
        user.groups.remove(group.name)
    return {}


@operation("iam", "ListGroupsForUser")
def list_groups_for_user(call: Call, params: Params) -> Result:
    """Groups of a user."""
    groups = directory.state_of(call.account).groups
    found = [groups[name] for name in user_named(call, params["UserName"]).groups if name in groups]
    return page(params, "Groups", found, lambda group: _common(call, "group", group))


@operation("iam", "CreateRole")
def create_role(call: Call, params: Params) -> Result:
    """Make a role with its trust policy."""
    state = directory.state_of(call.account)
    name = params["RoleName"]
    if directory.find_role(call.account, name) is not None:
        raise _exists("Role", name)
    role = Identity(
        name, params.get("Path") or "/", new_id(call, "role"), call.now_ms,
        tags=tags_given(params),
        boundary=params.get("PermissionsBoundary"),
        trust=checked(params["AssumeRolePolicyDocument"], trust=True),
        description=params.get("Description") or "",
        max_session_s=int(params.get("MaxSessionDuration") or _HOUR_S),
    )  # fmt: skip
    state.roles[name] = role
    return {"Role": role_shown(call, role)}


@operation("iam", "GetRole")
def get_role(call: Call, params: Params) -> Result:
    """A role."""
    return {"Role": role_shown(call, role_named(call, params["RoleName"]))}


@operation("iam", "ListRoles")
def list_roles(call: Call, params: Params) -> Result:
    """Roles by path prefix."""
    prefix = params.get("PathPrefix") or "/"
    found = [role for role in directory.all_roles(call.account) if role.path.startswith(prefix)]
    return page(params, "Roles", found, lambda role: role_shown(call, role, listed=True))


@operation("iam", "UpdateRole")
def update_role(call: Call, params: Params) -> Result:
    """Change a role's description or longest session."""
    role = role_named(call, params["RoleName"])
    if params.get("Description") is not None:
        role.description = params["Description"]
    if params.get("MaxSessionDuration"):
        role.max_session_s = int(params["MaxSessionDuration"])
    return {}


@operation("iam", "UpdateAssumeRolePolicy")
def update_assume_role_policy(call: Call, params: Params) -> Result:
    """Replace a role's trust policy."""
    role = role_named(call, params["RoleName"])
    role.trust = checked(params["PolicyDocument"], trust=True)
    return {}


@operation("iam", "DeleteRole")
def delete_role(call: Call, params: Params) -> Result:
    """Delete a role that has no policies any more."""
    state = directory.state_of(call.account)
    role = role_named(call, params["RoleName"])
    _removable(role)
    state.roles.pop(role.name)
    state.forgotten_roles.append(role.name)
    return {}


def _tag_operations(kind: str) -> None:
    """TagUser, UntagUser, ListUserTags and the same for roles."""
    title = kind.capitalize()
    find = {"user": user_named, "role": role_named}[kind]

    @operation("iam", f"Tag{title}")
    def tag(call: Call, params: Params) -> Result:
        find(call, params[f"{title}Name"]).tags.update(tags_given(params))
        return {}

    @operation("iam", f"Untag{title}")
    def untag(call: Call, params: Params) -> Result:
        identity = find(call, params[f"{title}Name"])
        for key in params["TagKeys"]:
            identity.tags.pop(key, None)
        return {}

    @operation("iam", f"List{title}Tags")
    def list_tags(call: Call, params: Params) -> Result:
        shown = tags_shown(find(call, params[f"{title}Name"]).tags)
        return page(params, "Tags", shown, lambda item: item)


_tag_operations("user")
_tag_operations("role")
