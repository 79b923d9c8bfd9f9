"""Reading and evaluating IAM policy documents.

An explicit deny wins; then every set of policies that bounds the request (identity, permissions
boundary, session) must allow it.

Source: AWS IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.identity.conditions import (
    Context,
    holds,
    known_operator,
    substitute,
    wildcard,
)

ALLOWED: Final = "allowed"
IMPLICIT_DENY: Final = "implicitDeny"
EXPLICIT_DENY: Final = "explicitDeny"
_VERSIONS: Final = ("2012-10-17", "2008-10-17")


class PolicyError(Exception):
    """The document is no policy; the text is the reason in IAM's words."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document and where it comes from."""

    source_id: str
    source_type: str
    statements: tuple[Mapping[str, Any], ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A statement that had a say."""

    source_id: str
    source_type: str
    index: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a set of policies says about one action on one resource."""

    outcome: str
    matches: tuple[Match, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.outcome == ALLOWED


@dataclass(frozen=True, slots=True)
class Request:
    """An action on a resource with the values that conditions look at."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def read(text: str, source_id: str, source_type: str, *, trust: bool = False) -> Policy:
    """Read a policy document.

    Raises:
        PolicyError: not JSON, or not a policy.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PolicyError("Syntax errors in policy.") from error
    if not isinstance(document, dict) or "Statement" not in document:
        raise PolicyError("Syntax errors in policy.")
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise PolicyError("The policy must contain a valid version string.")
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError("Syntax errors in policy.")
    for statement in statements:
        _check(statement, trust=trust)
    return Policy(source_id, source_type, tuple(statements), text)


def _check(statement: Any, *, trust: bool) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("Syntax errors in policy.")
    if ("Action" in statement) == ("NotAction" in statement):
        raise PolicyError("Policy statement must contain actions.")
    _check_targets(statement, trust=trust)
    for action in listed(statement.get("Action", statement.get("NotAction"))):
        if action != "*" and ":" not in action:
            raise PolicyError(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            )
    condition = statement.get("Condition") or {}
    if not isinstance(condition, dict):
        raise PolicyError("Syntax errors in policy.")
    for name, tests in condition.items():
        if not known_operator(name) or not isinstance(tests, dict):
            raise PolicyError(f"Invalid Condition type : {name}.")


def _check_targets(statement: Mapping[str, Any], *, trust: bool) -> None:
    """A trust policy names principals, any other policy resources."""
    principal = "Principal" in statement or "NotPrincipal" in statement
    if trust and "Resource" in statement:
        raise PolicyError("Has prohibited field Resource")
    if trust and not principal:
        raise PolicyError("Missing required field Principal")
    if not trust and principal:
        raise PolicyError("Policy document should not specify a principal.")
    if not trust and ("Resource" in statement) == ("NotResource" in statement):
        raise PolicyError("Policy statement must contain resources.")


def listed(value: Any) -> list[str]:
    """One string or a list of them, as a list."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _about_action(statement: Mapping[str, Any], action: str) -> bool:
    if "Action" in statement:
        return any(wildcard(p, action, ignore_case=True) for p in listed(statement["Action"]))
    return not any(wildcard(p, action, ignore_case=True) for p in listed(statement["NotAction"]))


def _about_resource(statement: Mapping[str, Any], request: Request) -> bool:
    def matches(pattern: str) -> bool:
        filled = substitute(pattern, request.context)
        return filled == "*" or wildcard(filled, request.resource)

    if "Resource" in statement:
        return any(matches(pattern) for pattern in listed(statement["Resource"]))
    if "NotResource" in statement:
        return not any(matches(pattern) for pattern in listed(statement["NotResource"]))
    return True  # a trust policy's resource is the role that carries it


def applies(statement: Mapping[str, Any], request: Request) -> bool:
    """Whether a statement has a say about a request."""
    return (
        _about_action(statement, request.action)
        and _about_resource(statement, request)
        and holds(statement.get("Condition") or {}, request.context)
    )


def evaluate(policies: Iterable[Policy], request: Request) -> Decision:
    """What one set of policies says."""
    allowing: list[Match] = []
    denying: list[Match] = []
    for policy in policies:
        for index, statement in enumerate(policy.statements):
            if applies(statement, request):
                match = Match(policy.source_id, policy.source_type, index)
                (denying if statement["Effect"] == "Deny" else allowing).append(match)
    if denying:
        return Decision(EXPLICIT_DENY, tuple(denying))
    if allowing:
        return Decision(ALLOWED, tuple(allowing))
    return Decision(IMPLICIT_DENY)


def trusts(policy: Policy, principal_arns: Iterable[str], request: Request) -> bool:
    """Whether a trust policy lets one of a caller's names do `request.action`."""
    names = list(principal_arns)
    allowed = False
    for statement in policy.statements:
        if not _names(statement, names) or not applies(statement, request):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def _names(statement: Mapping[str, Any], names: list[str]) -> bool:
    if "NotPrincipal" in statement:
        return not _principal_matches(statement["NotPrincipal"], names)
    return _principal_matches(statement.get("Principal"), names)


def _principal_matches(principal: Any, names: list[str]) -> bool:
    if principal == "*":
        return True
    patterns = listed((principal or {}).get("AWS")) if isinstance(principal, dict) else []
    for pattern in patterns:
        if pattern == "*" or pattern in names:
            return True
        if pattern.isdigit() and f"arn:aws:iam::{pattern}:root" in names:
            return True
    return False
