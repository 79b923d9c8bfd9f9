"""Faults on demand: what goes wrong at AWS, by operation and function, so often or so many times."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox.errors import ServiceError

# "cut" hangs up before anything happens, "lost" after it happened: the answer never arrives.
KINDS: Final = ("throttle", "access-denied", "slow", "error", "cut", "lost", "stale")
_THROTTLE: Final = {
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "cloudwatch": ("Throttling", "Rate exceeded", 400),
    "logs": ("ThrottlingException", "Rate exceeded", 400),
}


@dataclass(slots=True)
class Fault:
    """One kind of trouble. `count` None: until it is cleared."""

    kind: str
    service: str = "*"
    operation: str = "*"
    function: str = "*"
    account: str = "*"
    probability: float = 1.0
    count: int | None = None
    seconds: float = 1.0
    code: str = ""
    message: str = ""
    status: int = 500
    hits: int = 0

    def matches(self, service: str, operation: str, function: str, account_id: str) -> bool:
        """Whether a request is one that this fault is about."""
        return (
            self.count != 0
            and fnmatch.fnmatchcase(service, self.service)
            and fnmatch.fnmatchcase(operation, self.operation)
            and fnmatch.fnmatchcase(function, self.function)
            and fnmatch.fnmatchcase(account_id, self.account)
        )

    def error(
        self, service: str, operation: str, resource: str, principal_arn: str
    ) -> ServiceError:
        """The error that a fault of this kind answers with."""
        if self.kind == "throttle":
            code, message, status = _THROTTLE.get(
                service, ("ThrottlingException", "Rate exceeded", 400)
            )
            return ServiceError(self.code or code, self.message or message, status)
        if self.kind == "access-denied":
            code = (
                "AccessDenied"
                if service in {"sts", "iam", "cloudwatch"}
                else "AccessDeniedException"
            )
            message = (
                f"User: {principal_arn} is not authorized to perform: "
                f"{action_prefix(service)}:{operation} on resource: {resource} because no "
                f"identity-based policy allows the {action_prefix(service)}:{operation} action"
            )
            return ServiceError(self.code or code, self.message or message, 403)
        return ServiceError(
            self.code or "ServiceException",
            self.message or "An internal error occurred.",
            self.status,
            sender=False,
        )


def action_prefix(service: str) -> str:
    """The prefix of a service's IAM actions."""
    return {"resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas"}.get(
        service, service
    )


def make(values: Mapping[str, Any]) -> Fault:
    """A fault out of what a control request says.

    Raises:
        ValueError: an unknown kind or member, or a value out of range.
    """
    known = {field: values[field] for field in Fault.__dataclass_fields__ if field in values}
    unknown = set(values) - set(known)
    if unknown:
        raise ValueError(f"unknown member {min(unknown)!r}")
    fault = Fault(**known)
    if fault.kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {fault.kind!r}")
    if not 0 <= fault.probability <= 1:
        raise ValueError(f"probability is between 0 and 1, not {fault.probability}")
    if fault.seconds < 0:
        raise ValueError(f"seconds cannot be negative: {fault.seconds}")
    return fault


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self.active.append(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        self.active.clear()

    def hits(
        self, service: str, operation: str, function: str, account_id: str, draw: float
    ) -> list[Fault]:
        """The faults that strike this request; each use counts."""
        struck = []
        for fault in self.active:
            if draw < fault.probability and fault.matches(service, operation, function, account_id):
                fault.hits += 1
                if fault.count is not None:
                    fault.count -= 1
                struck.append(fault)
        return struck
