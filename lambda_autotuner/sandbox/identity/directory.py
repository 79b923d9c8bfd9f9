"""Finding identities and the policies that bound them, seeded roles included.

A function's execution role exists as soon as the function does: the sandbox makes it when somebody
first looks, with the managed policies that the function's settings call for and an inline policy
that fits what the function's environment names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.identity import managed, policy
from lambda_autotuner.sandbox.identity.policy import Policy
from lambda_autotuner.sandbox.identity.state import STATE_KEY, IamState, Identity
from lambda_autotuner.sandbox.state import AccountState
from lambda_autotuner.sandbox.world.randomness import key_of

_ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# What an environment variable's name or a function's feeder says about the services it uses.
_HINTS: Final = (
    ("TABLE", "dynamodb", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], "table/*"),
    ("BUCKET", "s3", ["s3:GetObject", "s3:PutObject"], ""),
    ("QUEUE", "sqs", ["sqs:SendMessage"], "*"),
    ("TOPIC", "sns", ["sns:Publish"], "*"),
    ("SECRET", "secretsmanager", ["secretsmanager:GetSecretValue"], "secret:*"),
    ("STREAM", "kinesis", ["kinesis:PutRecord", "kinesis:PutRecords"], "stream/*"),
)


def state_of(account: AccountState) -> IamState:
    """IAM's state of an account."""
    return account.extension(STATE_KEY, IamState)


def arn(account_id: str, kind: str, identity: Identity) -> str:
    """ARN of a user, role or group."""
    return f"arn:aws:iam::{account_id}:{kind}{identity.path}{identity.name}"


def find_role(account: AccountState, name: str) -> Identity | None:
    """A role that somebody made, or one that a function came with."""
    state = state_of(account)
    found = state.roles.get(name)
    if found is not None or name in state.forgotten_roles:
        return found
    for record in _functions(account):
        if _role_name(record.latest.role) == name:
            found = state.roles[name] = _execution_role(account, record, name)
            return found
    return None


ADMINISTRATOR: Final = "admin"


def find_user(account: AccountState, name: str) -> Identity | None:
    """A user; `admin` is there from the start, because unknown keys are his."""
    state = state_of(account)
    if name == ADMINISTRATOR and name not in state.users:
        state.users[name] = Identity(
            name,
            "/",
            "AIDASANDBOXADMINISTRA",
            account.world.born_ms,
            attached=["arn:aws:iam::aws:policy/AdministratorAccess"],
        )
    return state.users.get(name)


def all_roles(account: AccountState) -> list[Identity]:
    """Every role, by path and name."""
    state = state_of(account)
    for record in _functions(account):
        name = _role_name(record.latest.role)
        if name and name not in state.roles and name not in state.forgotten_roles:
            state.roles[name] = _execution_role(account, record, name)
    return sorted(state.roles.values(), key=lambda role: (role.path, role.name))


def _functions(account: AccountState) -> Iterator[FunctionRecord]:
    home = account.world.settings.home_region
    for region in [account.region(home), *account.regions.values()]:
        yield from region.functions.values()


def _role_name(role_arn: str) -> str:
    return role_arn.rsplit("/", 1)[-1] if ":role/" in role_arn else ""


def _execution_role(account: AccountState, record: FunctionRecord, name: str) -> Identity:
    middle = record.latest.role.split(":role/", 1)[1]
    path = "/" + middle[: -len(name)]
    number = key_of(account.account_id, "role", name)
    letters = "".join(_ID_ALPHABET[(number >> (5 * i)) % 32] for i in range(12))
    attached = [managed.VPC_EXECUTION if record.latest.vpc else managed.BASIC_EXECUTION]
    if record.latest.tracing == "Active":
        attached.append("arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess")
    inline = _inline(account, record)
    return Identity(
        name=name,
        path=path,
        id=f"AROA{letters}{letters[:5]}",
        created_ms=record.created_ms,
        attached=attached,
        inline={"access": inline} if inline else {},
        trust=managed.LAMBDA_TRUST,
        last_used_ms=record.created_ms,
    )


def _inline(account: AccountState, record: FunctionRecord) -> str | None:
    region = account.world.settings.home_region
    statements = []
    for name in sorted(record.latest.environment or {}):
        for hint, service, actions, resource in _HINTS:
            if hint in name.upper():
                target = (
                    "arn:aws:s3:::*"
                    if service == "s3"
                    else f"arn:aws:{service}:{region}:{account.account_id}:{resource}"
                )
                statements.append({"Effect": "Allow", "Action": actions, "Resource": target})
    if not statements:
        return None
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def document_of(account: AccountState, policy_arn: str) -> str | None:
    """The default version's document of a managed policy."""
    if policy_arn in managed.DOCUMENTS:
        return managed.DOCUMENTS[policy_arn]
    found = state_of(account).policies.get(policy_arn)
    return found.document if found else None


def policies_of(account: AccountState, identity: Identity, kind: str) -> list[Policy]:
    """Everything that hangs on a user or role, the user's groups included."""
    found: list[Policy] = []
    owners = [(identity, kind)]
    groups = state_of(account).groups
    owners += [(groups[name], "group") for name in identity.groups if name in groups]
    for owner, owner_kind in owners:
        for policy_arn in owner.attached:
            text = document_of(account, policy_arn)
            if text is not None:
                found.append(policy.read(text, policy_arn.rsplit("/", 1)[-1], "IAM Policy"))
        for name, text in sorted(owner.inline.items()):
            source = f"{owner_kind}_{owner.name}_{name}"
            found.append(policy.read(text, source, "IAM Policy"))
    return found


def boundary_of(account: AccountState, identity: Identity) -> list[Policy] | None:
    """The permissions boundary, or None without one."""
    if identity.boundary is None:
        return None
    text = document_of(account, identity.boundary)
    if text is None:
        return []
    return [policy.read(text, identity.boundary, "Permissions Boundary Policy")]


def no_such(kind: str, name: str) -> ServiceError:
    """What IAM says about a name that is not there."""
    return ServiceError("NoSuchEntityException", f"The {kind} with name {name} cannot be found.")
