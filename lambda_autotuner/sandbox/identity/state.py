"""What IAM and STS keep about an account."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final

ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECRET_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # noqa: S105 - letters to draw from
STATE_KEY: Final = "iam"


@dataclass(slots=True)
class Identity:
    """A user, a role or a group: something that policies hang on."""

    name: str
    path: str
    id: str
    created_ms: int
    attached: list[str] = field(default_factory=list)  # policy ARNs
    inline: dict[str, str] = field(default_factory=dict)  # name -> document
    tags: dict[str, str] = field(default_factory=dict)
    boundary: str | None = None
    # users
    groups: list[str] = field(default_factory=list)
    # roles
    trust: str = ""
    description: str = ""
    max_session_s: int = 3600
    last_used_ms: int | None = None


@dataclass(slots=True)
class ManagedPolicy:
    """A customer-managed policy with its versions."""

    name: str
    path: str
    id: str
    arn: str
    created_ms: int
    updated_ms: int
    description: str = ""
    versions: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> (document, when)
    default: str = "v1"
    next_version: int = 2
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """The default version's document."""
        return self.versions[self.default][0]


@dataclass(slots=True)
class AccessKey:
    """A key of a user, or of a session when `token` is set."""

    id: str
    secret: str
    owner: str  # user name, or the role's name
    created_ms: int
    active: bool = True
    token: str | None = None
    expires_ms: int | None = None
    session_name: str = ""
    role_id: str = ""
    kind: str = "user"  # user | role-session | administrator
    session_policy: str | None = None
    last_used: tuple[int, str, str] | None = None  # when, service, region


@dataclass(slots=True)
class IamState:
    """Everything of IAM in one account."""

    users: dict[str, Identity] = field(default_factory=dict)
    roles: dict[str, Identity] = field(default_factory=dict)
    groups: dict[str, Identity] = field(default_factory=dict)
    policies: dict[str, ManagedPolicy] = field(default_factory=dict)  # by ARN
    keys: dict[str, AccessKey] = field(default_factory=dict)
    # Roles that came with functions and that somebody deleted since.
    forgotten_roles: list[str] = field(default_factory=list)

    def age(self, delta_ms: int) -> None:
        """Let everything be older; sessions keep the time that they have left."""
        for table in (self.users, self.roles, self.groups):
            for identity in table.values():
                identity.created_ms -= delta_ms
                if identity.last_used_ms is not None:
                    identity.last_used_ms -= delta_ms
        for policy in self.policies.values():
            policy.created_ms -= delta_ms
            policy.updated_ms -= delta_ms
            policy.versions = {
                name: (document, when - delta_ms)
                for name, (document, when) in policy.versions.items()
            }
        for key in self.keys.values():
            key.created_ms -= delta_ms


def encoded_account(account_id: str) -> str:
    """Eight characters of an access key id that tell its account, as AWS's own ids do."""
    return base64.b32encode(int(account_id).to_bytes(5, "big")).decode()


def account_of_key(access_key_id: str) -> str | None:
    """The account of a key id that the sandbox may have issued; None for any other text."""
    if len(access_key_id) != 20 or access_key_id[:4] not in ("AKIA", "ASIA"):  # noqa: PLR2004
        return None
    try:
        number = int.from_bytes(base64.b32decode(access_key_id[4:12]), "big")
    except ValueError:
        return None
    return f"{number:012d}" if number < 10**12 else None


def key_id(prefix: str, account_id: str, ending: str) -> str:
    """`AKIA` or `ASIA`, the account, and eight characters of `ending`."""
    return f"{prefix}{encoded_account(account_id)}{ending}"
