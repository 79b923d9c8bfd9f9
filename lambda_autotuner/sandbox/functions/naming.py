"""What a caller means by FunctionName and Qualifier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    Alias,
    Configuration,
    FunctionRecord,
    Version,
    function_arn,
)

MAX_NAME: Final = 64
_ARN = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_\.]+)"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A function's name and what was said after it."""

    name: str
    qualifier: str | None
    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Target:
    """A function with the version that a qualifier means; `alias` when it went through one."""

    record: FunctionRecord
    configuration: Configuration
    version: Version | None
    alias: Alias | None
    qualifier: str | None

    @property
    def version_number(self) -> str:
        """`$LATEST` or a number."""
        return self.version.number if self.version else LATEST


def refer(call: Call, text: str, qualifier: str | None = None) -> Reference:
    """Read a name, a partial ARN or an ARN.

    Raises:
        ServiceError: another region, another account, or qualifiers that contradict each other.
    """
    match = _ARN.fullmatch(text)
    if match is None:
        raise ServiceError("ValidationException", f"Invalid function name {text!r}", 400)
    region = match["region"] or call.region_name
    account_id = match["account"] or call.account_id
    if region != call.region_name:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Functions from '{region}' are not reachable in this region ('{call.region_name}')",
            404,
        )
    own = match["qualifier"]
    if own and qualifier and own != qualifier:
        raise ServiceError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            400,
        )
    reference = Reference(match["name"], own or qualifier, account_id, region)
    if account_id != call.account_id:
        arn = function_arn(region, account_id, reference.name)
        raise ServiceError(
            "AccessDeniedException",
            f"User: {call.principal.arn} is not authorized to perform: lambda:{call.operation} on "
            f"resource: {arn} because no resource-based policy allows the "
            f"lambda:{call.operation} action",
            403,
        )
    return reference


def hold_name(reference: Reference) -> None:
    """A name that a new function may have.

    Raises:
        ServiceError: InvalidParameterValueException when it is too long.
    """
    if len(reference.name) > MAX_NAME:
        raise ServiceError(
            "InvalidParameterValueException",
            f"1 validation error detected: Value '{reference.name}' at 'functionName' failed to "
            f"satisfy constraint: Member must have length less than or equal to {MAX_NAME}",
            400,
        )


def not_found(call: Call, reference: Reference) -> ServiceError:
    """The error for a function, a version or an alias that does not exist."""
    arn = function_arn(call.region_name, call.account_id, reference.name, reference.qualifier)
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)


def find(call: Call, reference: Reference) -> FunctionRecord:
    """The function, whatever the qualifier.

    Raises:
        ServiceError: ResourceNotFoundException.
    """
    record = call.region.functions.get(reference.name)
    if record is None:
        raise not_found(call, reference)
    return record


def find_unqualified(call: Call, params: dict[str, Any]) -> FunctionRecord:
    """The function of an operation that takes no qualifier."""
    return find(call, refer(call, params["FunctionName"]))


def resolve(call: Call, text: str, qualifier: str | None) -> Target:
    """The function and the version that a name and a qualifier mean.

    Raises:
        ServiceError: ResourceNotFoundException.
    """
    reference = refer(call, text, qualifier)
    record = find(call, reference)
    name = reference.qualifier
    if name is None or name == LATEST:
        return Target(record, record.latest, None, None, name)
    version = record.versions.get(name)
    if version is not None:
        return Target(record, version.configuration, version, None, name)
    alias = record.aliases.get(name)
    if alias is None:
        raise not_found(call, reference)
    return of_alias(record, alias)


def of_alias(record: FunctionRecord, alias: Alias, version: str | None = None) -> Target:
    """What an alias means: its version, or the one that routing chose."""
    number = version or alias.version
    found = record.versions.get(number)
    configuration = found.configuration if found else record.latest
    return Target(record, configuration, found, alias, alias.name)
