"""Functions come, are read, and go: CreateFunction, ListFunctions, GetFunction, DeleteFunction."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions import rendering
from lambda_autotuner.sandbox.functions.code import Package, load_code, location, origin
from lambda_autotuner.sandbox.functions.naming import (
    Target,
    find,
    hold_name,
    not_found,
    refer,
    resolve,
)
from lambda_autotuner.sandbox.functions.paging import marker_at, start_of
from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    Configuration,
    FunctionRecord,
    function_arn,
)
from lambda_autotuner.sandbox.functions.settings import apply_settings, hold_new
from lambda_autotuner.sandbox.functions.versions import delete_version, publish
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.world.law import Law
from lambda_autotuner.sandbox.world.randomness import key_of, uniform
from lambda_autotuner.sandbox.world.traffic import Traffic

PAGE: Final = 50
# What ListFunctions leaves out (documented there).
_NOT_LISTED: Final = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
)


@operation("lambda", "CreateFunction")
def create_function(call: Call, params: Params) -> Result:
    """A function out of a ZIP file, an object in S3 or an image."""
    reference = refer(call, params["FunctionName"])
    hold_name(reference)
    hold_new(params)
    if reference.name in call.region.functions:
        raise ServiceError(
            "ResourceConflictException", f"Function already exist: {reference.name}", 409
        )
    package = load_code(call, params["Code"], params.get("PackageType", "Zip"))
    configuration = apply_settings(call, Configuration(), params)
    configuration = package.onto(configuration)
    key = key_of(call.world.settings.seed, "function", reference.name)
    original = _original(call, package)
    record = FunctionRecord(
        name=reference.name,
        latest=configuration,
        created_ms=call.now_ms,
        modified_ms=call.now_ms,
        revision_id=call.uuid(),
        behaviour=original.behaviour if original else _unknown_behaviour(key, configuration),
        traffic=_untouched(original),
        archetype=original.archetype if original else "user",
        key=key,
        tags=dict(params.get("Tags") or {}),
        settles_ms=call.now_ms + call.world.settings.settle_ms,
        creating=True,
        code=package.raw,
    )
    record.history.append((call.now_ms, configuration))
    call.region.functions[reference.name] = record
    call.region.names = None
    if params.get("Publish"):
        version = publish(call, record)
        shown = rendering.version(record, version, call.region_name, call.account_id, call.now_ms)
        rendering.with_logging(shown, record, configuration)
        return shown
    shown = rendering.latest(record, call.region_name, call.account_id, call.now_ms)
    rendering.with_logging(shown, record, configuration)
    return shown


def _original(call: Call, package: Package) -> FunctionRecord | None:
    # A copy of a function's code does what the original does, whatever the copy is called.
    functions = call.region.functions
    if package.image_uri is not None:
        same = (each for each in functions.values() if each.latest.image_uri == package.image_uri)
        return next(same, None)
    name = origin(package.raw)
    found = functions.get(name) if name else None
    if found is None and name in call.region.buried:
        found = call.region.buried[name][-1]
    return found


def _untouched(original: FunctionRecord | None) -> Traffic:
    # Nobody calls a new function yet, but it fails as often as what it is a copy of.
    if original is None:
        return Traffic(0, "never")
    return dataclasses.replace(original.traffic, per_month=0, shape="never", qualifier="")


def _unknown_behaviour(key: int, configuration: Configuration) -> Law:
    # Nobody knows what a new function does: a plain law out of its name and its runtime.
    slow_start = 3000.0 if (configuration.runtime or "").startswith("java") else 240.0
    return Law(
        io_ms=5 + 60 * uniform(key, "io"),
        cpu_ms=5 + 120 * uniform(key, "cpu") ** 2,
        working_set_mb=50 + 40 * uniform(key, "memory"),
        init_ms=slow_start,
        phase=uniform(key, "phase"),
    )


@operation("lambda", "ListFunctions")
def list_functions(call: Call, params: Params) -> Result:
    """Functions by name, a page at a time; with their versions when asked for."""
    functions = call.region.functions
    names = call.region.sorted_names()
    size = min(int(params.get("MaxItems") or PAGE), PAGE)
    start = start_of(params)
    if params.get("FunctionVersion") == "ALL":
        return _with_versions(call, names, start, size)
    shown = [_listed(call, functions[name]) for name in names[start : start + size]]
    result: dict[str, Any] = {"Functions": shown}
    if start + size < len(names):
        result["NextMarker"] = marker_at(start + size)
    return result


def _listed(call: Call, record: FunctionRecord) -> dict[str, Any]:
    shown = rendering.latest(record, call.region_name, call.account_id, call.now_ms)
    rendering.with_logging(shown, record, record.latest)
    for name in _NOT_LISTED:
        shown.pop(name, None)
    return shown


def _with_versions(call: Call, names: list[str], start: int, size: int) -> dict[str, Any]:
    shown = []
    position = 0
    more = False
    for name in names:
        record = call.region.functions[name]
        numbers = [None, *sorted(record.versions, key=int)]
        if position + len(numbers) <= start:
            position += len(numbers)
            continue
        for number in numbers:
            if start <= position < start + size:
                shown.append(_listed_version(call, record, number))
            elif position >= start + size:
                more = True
                break
            position += 1
        if more:
            break
    result: dict[str, Any] = {"Functions": shown}
    if more:
        result["NextMarker"] = marker_at(start + size)
    return result


def _listed_version(call: Call, record: FunctionRecord, number: str | None) -> dict[str, Any]:
    if number is None:
        shown = _listed(call, record)
        shown["FunctionArn"] += f":{LATEST}"
        return shown
    version = record.versions[number]
    shown = rendering.version(record, version, call.region_name, call.account_id, call.now_ms)
    rendering.with_logging(shown, record, version.configuration)
    for name in _NOT_LISTED:
        shown.pop(name, None)
    return shown


def shown_target(call: Call, target: Target) -> dict[str, Any]:
    """The settings that a qualifier means, under the ARN that was asked for."""
    record = target.record
    if target.version is None:
        shown = rendering.latest(record, call.region_name, call.account_id, call.now_ms)
    else:
        shown = rendering.version(
            record, target.version, call.region_name, call.account_id, call.now_ms
        )
    shown["FunctionArn"] = function_arn(
        call.region_name, call.account_id, record.name, target.qualifier
    )
    rendering.with_logging(shown, record, target.configuration)
    return shown


@operation("lambda", "GetFunctionConfiguration")
def get_function_configuration(call: Call, params: Params) -> Result:
    """The settings of a function, a version or an alias."""
    return shown_target(call, resolve(call, params["FunctionName"], params.get("Qualifier")))


@operation("lambda", "GetFunction")
def get_function(call: Call, params: Params) -> Result:
    """Settings, code and tags."""
    target = resolve(call, params["FunctionName"], params.get("Qualifier"))
    record = target.record
    result: dict[str, Any] = {
        "Configuration": shown_target(call, target),
        "Code": location(call, target),
    }
    if record.tags:
        result["Tags"] = dict(record.tags)
    if record.reserved_concurrency is not None:
        result["Concurrency"] = {"ReservedConcurrentExecutions": record.reserved_concurrency}
    return result


@operation("lambda", "DeleteFunction")
def delete_function(call: Call, params: Params) -> Result:
    """A function with everything that hangs on it, or one version."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    number = reference.qualifier
    if number == LATEST:
        raise ServiceError(
            "InvalidParameterValueException",
            "$LATEST version cannot be deleted without deleting the function.",
            400,
        )
    if number is not None and "$" not in number and not number.isdigit():
        raise ServiceError(
            "InvalidParameterValueException",
            "Deletion of aliases is not currently supported.",
            400,
        )
    record = call.region.functions.get(reference.name)
    if record is None:
        raise not_found(call, refer(call, reference.name))
    if number is not None:
        delete_version(find(call, reference), number)
        return {"StatusCode": 204}
    record.deleted_ms = call.now_ms
    record.environments.clear()
    record.stamp += 1
    del call.region.functions[reference.name]
    call.region.names = None
    call.region.buried.setdefault(reference.name, []).append(record)
    return {"StatusCode": 204}
