"""Published versions and aliases."""

from __future__ import annotations

import dataclasses
from typing import Any

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions import rendering
from lambda_autotuner.sandbox.functions.changes import current_revision, hold_revision, hold_settled
from lambda_autotuner.sandbox.functions.naming import find, find_unqualified, not_found, refer
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    Alias,
    FunctionRecord,
    Version,
    function_arn,
)
from lambda_autotuner.sandbox.registry import Params, Result, operation

_SNAPSHOT_MS = 2_000


@operation("lambda", "PublishVersion")
def publish_version(call: Call, params: Params) -> Result:
    """Freeze $LATEST under the next number; without a change the last version comes back."""
    record = find_unqualified(call, params)
    hold_settled(call, record)
    hold_revision(params.get("RevisionId"), current_revision(call, record))
    wanted = params.get("CodeSha256")
    current = record.latest.code_sha256
    if wanted and wanted != current:
        raise ServiceError(
            "InvalidParameterValueException",
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST.",
            400,
        )
    version = publish(call, record, params.get("Description"))
    shown = rendering.version(record, version, call.region_name, call.account_id, call.now_ms)
    rendering.with_logging(shown, record, version.configuration)
    return shown


def publish(call: Call, record: FunctionRecord, description: str | None = None) -> Version:
    """The version that holds what $LATEST is, made when there is none yet."""
    last = record.versions.get(str(record.next_version - 1))
    if last is not None and record.published == record.latest:
        return last
    number = str(record.next_version)
    record.next_version += 1
    configuration = record.latest
    if description:
        configuration = dataclasses.replace(configuration, description=description)
    record.published = record.latest
    # A version of what is still being updated is ready when that is.
    ready_ms = max(call.now_ms, record.settles_ms)
    if configuration.snap_start == "PublishedVersions":
        ready_ms += min(_SNAPSHOT_MS, call.world.settings.settle_ms)
    version = Version(number, configuration, call.now_ms, call.uuid(), ready_ms)
    record.versions[number] = version
    if record.code is not None:
        record.version_code[number] = record.code
    record.stamp += 1
    return version


@operation("lambda", "ListVersionsByFunction")
def list_versions(call: Call, params: Params) -> Result:
    """$LATEST and all published versions."""
    record = find_unqualified(call, params)
    shown = [rendering.latest(record, call.region_name, call.account_id, call.now_ms)]
    shown[0]["FunctionArn"] += f":{LATEST}"
    rendering.with_logging(shown[0], record, record.latest)
    for version in sorted(record.versions.values(), key=lambda each: int(each.number)):
        item = rendering.version(record, version, call.region_name, call.account_id, call.now_ms)
        rendering.with_logging(item, record, version.configuration)
        shown.append(item)
    for item in shown:
        for name in (
            "State",
            "LastUpdateStatus",
            "StateReason",
            "StateReasonCode",
            "LastUpdateStatusReason",
            "LastUpdateStatusReasonCode",
            "RuntimeVersionConfig",
        ):
            item.pop(name, None)
    return page("Versions", shown, params, maximum=50)


@operation("lambda", "CreateAlias")
def create_alias(call: Call, params: Params) -> Result:
    """A name for a version."""
    name, version = params["Name"], params["FunctionVersion"]
    reference = refer(call, params["FunctionName"])
    record = call.region.functions.get(reference.name)
    if record is None:
        raise not_found(call, refer(call, reference.name, version))
    if name in record.aliases:
        arn = function_arn(call.region_name, call.account_id, record.name, name)
        raise ServiceError("ResourceConflictException", f"Alias already exists: {arn}", 409)
    weights = _weights(call, record, version, params.get("RoutingConfig"))
    _known_version(call, record, version)
    alias = Alias(name, version, weights, params.get("Description", ""), call.uuid())
    alias.history.append((call.now_ms, version, weights))
    record.aliases[name] = alias
    record.stamp += 1
    return rendering.alias(record, alias, call.region_name, call.account_id)


@operation("lambda", "GetAlias")
def get_alias(call: Call, params: Params) -> Result:
    """One alias."""
    record = find_unqualified(call, params)
    alias = _alias(call, record, params["Name"], "Cannot find alias arn: {arn}")
    return rendering.alias(record, alias, call.region_name, call.account_id)


@operation("lambda", "UpdateAlias")
def update_alias(call: Call, params: Params) -> Result:
    """Move an alias, or its weights."""
    record = find_unqualified(call, params)
    alias = _alias(call, record, params["Name"], "Alias not found: {arn}")
    hold_revision(params.get("RevisionId"), alias.revision_id)
    version = params.get("FunctionVersion", alias.version)
    weights = alias.weights
    if "RoutingConfig" in params:
        weights = _weights(call, record, version, params["RoutingConfig"])
    elif version in weights:
        raise _already_included(version)
    _known_version(call, record, version)
    alias.version, alias.weights = version, weights
    alias.description = params.get("Description", alias.description)
    alias.revision_id = call.uuid()
    alias.history.append((call.now_ms, version, weights))
    record.stamp += 1
    return rendering.alias(record, alias, call.region_name, call.account_id)


@operation("lambda", "DeleteAlias")
def delete_alias(call: Call, params: Params) -> Result:
    """Forget an alias; one that does not exist is no error."""
    record = find_unqualified(call, params)
    name = params["Name"]
    if record.aliases.pop(name, None) is not None:
        record.stamp += 1
        for table in (record.provisioned, record.policies, record.urls, record.event_configs):
            table.pop(name, None)
    return {}


@operation("lambda", "ListAliases")
def list_aliases(call: Call, params: Params) -> Result:
    """All aliases, or those that name a version."""
    record = find_unqualified(call, params)
    version = params.get("FunctionVersion")
    shown = [
        rendering.alias(record, alias, call.region_name, call.account_id)
        for _, alias in sorted(record.aliases.items())
        if version is None or alias.version == version or version in alias.weights
    ]
    return page("Aliases", shown, params, maximum=50)


def delete_version(record: FunctionRecord, number: str) -> None:
    """Forget a published version; one that does not exist is no error.

    Raises:
        ServiceError: 409 while an alias names it.
    """
    naming = [
        alias.name
        for alias in record.aliases.values()
        if alias.version == number or number in alias.weights
    ]
    if naming:
        raise ServiceError(
            "ResourceConflictException",
            f"The following aliases reference version {number}. Update the alias to reference a "
            f"different version, or delete the alias: [{', '.join(sorted(naming))}]",
            409,
        )
    version = record.versions.pop(number, None)
    if version is not None:
        record.retired[number] = version
        record.stamp += 1


def _alias(call: Call, record: FunctionRecord, name: str, words: str) -> Alias:
    alias = record.aliases.get(name)
    if alias is None:
        arn = function_arn(call.region_name, call.account_id, record.name, name)
        raise ServiceError("ResourceNotFoundException", words.format(arn=arn), 404)
    return alias


def _known_version(call: Call, record: FunctionRecord, version: str) -> None:
    if version != LATEST and version not in record.versions:
        reference = refer(call, record.name, version)
        arn = function_arn(call.region_name, call.account_id, record.name, version)
        find(call, reference)
        raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)


def _already_included(version: str) -> ServiceError:
    return ServiceError(
        "InvalidParameterValueException",
        f"Invalid function version {version}. "
        f"Function version {version} is already included in routing configuration.",
        400,
    )


def _weights(
    call: Call, record: FunctionRecord, version: str, routing: dict[str, Any] | None
) -> dict[str, float]:
    weights: dict[str, float] = (routing or {}).get("AdditionalVersionWeights") or {}
    if len(weights) > 1:
        raise ServiceError(
            "InvalidParameterValueException",
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
            400,
        )
    if weights and version == LATEST:
        raise ServiceError(
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
            400,
            fields={"Type": None},  # recorded without it
        )
    for number in weights:
        if number == version:
            raise _already_included(version)
        _known_version(call, record, number)
    return dict(weights)
