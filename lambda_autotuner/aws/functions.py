"""Reading functions: lists, configurations, versions, aliases, concurrency and their neighbours."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambda_autotuner.aws.configuration import (
    LATEST,
    FunctionConfiguration,
    FunctionReference,
    configuration_from,
    parse_reference,
    parse_time,
)
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import UsageError

_VALID_NAME = re.compile(r"^[A-Za-z0-9_-]{1,140}$")
_NAMES_TTL_SECONDS = 60.0
# Enough for the nearest names of a mistyped one; reading more would make a person wait.
_NAMES_LIMIT = 10_000
_SIMILARITY = 55


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias and where it routes; `weights` holds the share of each additional version."""

    name: str
    arn: str
    version: str
    weights: Mapping[str, float]
    revision_id: str
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "weights": dict(self.weights),
            "revision_id": self.revision_id,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class EventSource:
    """What feeds a function through an event source mapping."""

    uuid: str
    source_arn: str
    state: str
    batch_size: int | None
    function_arn: str
    qualifier: str | None
    last_modified: datetime | None


def list_functions(
    account: Account, *, limit: int | None = None
) -> Iterator[FunctionConfiguration]:
    """Every function's `$LATEST`, page after page; tags and concurrency are not part of it."""
    pages = account.pages(
        "lambda",
        "ListFunctions",
        max_items=limit,
        MaxItems=50,
    )
    for raw in pages:
        configuration = configuration_from(raw)
        account.saw(configuration.last_modified)
        yield configuration


def function_names(account: Account) -> tuple[str, ...]:
    """Names of the account's functions, remembered for a minute (at most 10,000)."""
    cached = account.remember("function_names")
    if cached is not None and time.monotonic() - cached[0] < _NAMES_TTL_SECONDS:
        names: tuple[str, ...] = cached[1]
        return names
    found = tuple(item.name for item in list_functions(account, limit=_NAMES_LIMIT))
    account.remember("function_names", (time.monotonic(), found))
    return found


def nearest_names(account: Account, name: str, *, count: int = 5) -> tuple[str, ...]:
    """The account's function names most like `name`, best first; empty when none is like it."""
    from rapidfuzz import fuzz, process, utils

    matches = process.extract(
        name,
        function_names(account),
        scorer=fuzz.WRatio,
        processor=utils.default_process,
        limit=count,
        score_cutoff=_SIMILARITY,
    )
    return tuple(match[0] for match in matches)


def resolve(account: Account, text: str) -> FunctionReference:
    """Take what a person typed apart and check that it can be in this account.

    Raises:
        UsageError: not a function name, or an ARN of another account or region.
    """
    reference = parse_reference(text)
    if not _VALID_NAME.match(reference.name):
        raise UsageError(
            f"{text!r} is not a function name.",
            remedy="A name has 1 to 140 letters, digits, hyphens and underscores.",
        )
    if reference.account_id not in {None, account.account_id}:
        raise UsageError(
            f"{text!r} is in account {reference.account_id}, and this is {account.account_id}."
        )
    if reference.region not in {None, account.region}:
        raise UsageError(f"{text!r} is in {reference.region}, and this is {account.region}.")
    return reference


def raw_configuration(
    account: Account, function: str, qualifier: str | None = None
) -> dict[str, Any]:
    """The account's own answer, environment values included: for comparison inside, never shown.

    Raises:
        MissingError: no such function (with the nearest names) or no such qualifier.
    """
    reference = resolve(account, function)
    qualifier = qualifier or reference.qualifier
    asked: dict[str, Any] = {"FunctionName": reference.name}
    if qualifier:
        asked["Qualifier"] = qualifier
    try:
        return account.call("lambda", "GetFunctionConfiguration", **asked)
    except MissingError as error:
        raise _missing(account, reference.name, qualifier) from error


def get_function(
    account: Account, function: str, qualifier: str | None = None, *, with_tags: bool = False
) -> FunctionConfiguration:
    """One function's configuration.

    Args:
        account: where to look.
        function: name, `name:qualifier` or ARN.
        qualifier: version or alias; `$LATEST` without it.
        with_tags: read the tags too (one more call); a missing permission leaves them empty.

    Raises:
        MissingError: no such function (with the nearest names) or no such qualifier.
    """
    raw = raw_configuration(account, function, qualifier)
    tags = get_tags(account, str(raw["FunctionArn"])) if with_tags else None
    return configuration_from(raw, tags=tags)


def _missing(account: Account, name: str, qualifier: str | None) -> MissingError:
    """Say what exists instead: qualifiers of the function, or the nearest names."""
    where = f"account {account.account_id}, region {account.region}"
    try:
        names = function_names(account)
        if qualifier and qualifier != LATEST and name in names:
            known = tuple(alias.name for alias in list_aliases(account, name))
            return MissingError(
                f"Function {name!r} has no version or alias {qualifier!r} in {where}.",
                nearest=known,
                searched=where,
                remedy=f"Its aliases are: {', '.join(known)}." if known else "It has no aliases.",
            )
        nearest = nearest_names(account, name)
    except (AwsError, MissingError) as error:
        # Not being allowed to look for the nearest must not hide that it is missing.
        return MissingError(
            f"There is no function {name!r}{f' with {qualifier!r}' if qualifier else ''} in {where}.",
            searched=where,
            remedy=f"The nearest names could not be looked up: {error.message}",
        )
    hint = f"The nearest are: {', '.join(nearest)}." if nearest else "None has a name like it."
    return MissingError(
        f"There is no function {name!r} among the {len(names)} in {where}.",
        nearest=nearest,
        searched=where,
        remedy=hint,
    )


def get_tags(account: Account, arn: str) -> dict[str, str]:
    """Tags of a function by its ARN (a qualifier is cut off).

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    unqualified = ":".join(arn.split(":")[:7])
    answer = account.call("lambda", "ListTags", Resource=unqualified)
    return {str(key): str(value) for key, value in (answer.get("Tags") or {}).items()}


def list_versions(account: Account, function: str) -> list[FunctionConfiguration]:
    """`$LATEST` and every published version, oldest first."""
    name = resolve(account, function).name
    try:
        return [
            configuration_from(raw)
            for raw in account.pages(
                "lambda",
                "ListVersionsByFunction",
                FunctionName=name,
            )
        ]
    except MissingError as error:
        raise _missing(account, name, None) from error


def _alias_from(raw: Mapping[str, Any]) -> Alias:
    routing = (raw.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Alias(
        name=str(raw["Name"]),
        arn=str(raw.get("AliasArn", "")),
        version=str(raw["FunctionVersion"]),
        weights={str(version): float(weight) for version, weight in routing.items()},
        revision_id=str(raw.get("RevisionId", "")),
        description=str(raw.get("Description", "")),
    )


def list_aliases(account: Account, function: str) -> list[Alias]:
    """The function's aliases."""
    name = resolve(account, function).name
    try:
        return [
            _alias_from(raw)
            for raw in account.pages(
                "lambda",
                "ListAliases",
                FunctionName=name,
            )
        ]
    except MissingError as error:
        raise _missing(account, name, None) from error


def get_alias(account: Account, function: str, alias: str) -> Alias:
    """One alias.

    Raises:
        MissingError: no such function or alias; `nearest` holds what there is.
    """
    name = resolve(account, function).name
    try:
        return _alias_from(account.call("lambda", "GetAlias", FunctionName=name, Name=alias))
    except MissingError as error:
        raise _missing(account, name, alias) from error


def list_event_sources(account: Account, function: str | None = None) -> list[EventSource]:
    """Event source mappings of one function (any qualifier) or of the whole account."""
    name = resolve(account, function).name if function else None
    asked: dict[str, Any] = {"FunctionName": name} if name else {}
    found = []
    for raw in account.pages(
        "lambda",
        "ListEventSourceMappings",
        **asked,
    ):
        arn = str(raw.get("FunctionArn", ""))
        found.append(
            EventSource(
                uuid=str(raw.get("UUID", "")),
                source_arn=str(raw.get("EventSourceArn") or "self-managed"),
                state=str(raw.get("State", "")),
                batch_size=raw.get("BatchSize"),
                function_arn=arn,
                qualifier=parse_reference(arn).qualifier,
                last_modified=parse_time(raw.get("LastModified")),
            )
        )
    return found


def function_url(account: Account, function: str, qualifier: str | None = None) -> str | None:
    """The function URL; None when there is none."""
    name = resolve(account, function).name
    asked: dict[str, Any] = {"FunctionName": name}
    if qualifier and qualifier != LATEST:
        asked["Qualifier"] = qualifier
    try:
        return str(account.call("lambda", "GetFunctionUrlConfig", **asked)["FunctionUrl"])
    except MissingError:
        return None


def resource_policy(account: Account, function: str, qualifier: str | None = None) -> str | None:
    """The resource policy as JSON text (who may invoke it); None when there is none."""
    name = resolve(account, function).name
    asked: dict[str, Any] = {"FunctionName": name}
    if qualifier and qualifier != LATEST:
        asked["Qualifier"] = qualifier
    try:
        return str(account.call("lambda", "GetPolicy", **asked)["Policy"])
    except MissingError:
        return None
