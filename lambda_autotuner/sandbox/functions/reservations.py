"""Reserved and provisioned concurrency, and the account's limits."""

from __future__ import annotations

from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.concurrency import reserved_total
from lambda_autotuner.sandbox.functions.naming import Reference, find, not_found, refer
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    FunctionRecord,
    ProvisionedConcurrency,
    function_arn,
)
from lambda_autotuner.sandbox.functions.rendering import lambda_time
from lambda_autotuner.sandbox.registry import Params, Result, operation

MINIMUM_UNRESERVED: Final = 100
TOTAL_CODE_BYTES: Final = 80_530_636_800
_ALLOCATION_MS: Final = 2_000


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def _over_limit(message: str) -> ServiceError:
    # Recorded without the member Type, unlike Lambda's other errors.
    return ServiceError("InvalidParameterValueException", message, 400, fields={"Type": None})


def _unqualified(call: Call, params: Params) -> Reference:
    reference = refer(call, params["FunctionName"])
    if reference.qualifier is not None:
        raise _invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )
    return reference


def _reserve(call: Call, record: FunctionRecord, reserved: int | None) -> None:
    record.reserved_concurrency = reserved
    record.reserved_history.append((call.now_ms, reserved))
    record.stamp += 1
    call.region.reserved_total = None


@operation("lambda", "PutFunctionConcurrency")
def put_function_concurrency(call: Call, params: Params) -> Result:
    """Set aside concurrency for a function, which is also the most that it gets."""
    reference = _unqualified(call, params)
    record = call.region.functions.get(reference.name)
    if record is None:
        raise not_found(call, refer(call, reference.name, LATEST))
    wanted = params["ReservedConcurrentExecutions"]
    others = reserved_total(call.region) - (record.reserved_concurrency or 0)
    left = call.region.concurrency_limit - others - wanted
    if left < MINIMUM_UNRESERVED and wanted > 0:
        raise _over_limit(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{MINIMUM_UNRESERVED}]."
        )
    held = sum(item.requested for item in record.provisioned.values())
    if wanted < held:
        raise _invalid(
            "ReservedConcurrentExecutions for function should be greater than or equal to total "
            f"ProvisionedConcurrency [{held}]."
        )
    _reserve(call, record, wanted)
    return {"ReservedConcurrentExecutions": wanted}


@operation("lambda", "GetFunctionConcurrency")
def get_function_concurrency(call: Call, params: Params) -> Result:
    """What is set aside for a function."""
    record = find(call, _unqualified(call, params))
    return {"ReservedConcurrentExecutions": record.reserved_concurrency}


@operation("lambda", "DeleteFunctionConcurrency")
def delete_function_concurrency(call: Call, params: Params) -> Result:
    """Give back what was set aside."""
    _reserve(call, find(call, _unqualified(call, params)), None)
    return {}


def _provisionable(call: Call, params: Params, latest_words: str) -> tuple[FunctionRecord, str]:
    reference = refer(call, params["FunctionName"], params["Qualifier"])
    qualifier = reference.qualifier or LATEST
    if qualifier == LATEST:
        raise _invalid(latest_words)
    record = call.region.functions.get(reference.name)
    if qualifier.isdigit():
        if record is None or qualifier not in record.versions:
            raise not_found(call, reference)
    elif record is None or qualifier not in record.aliases:
        arn = function_arn(call.region_name, call.account_id, reference.name, qualifier)
        raise ServiceError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404)
    return record, qualifier


_ANY_VERSION: Final = "The function resource provided must be an alias or a published version."


@operation("lambda", "PutProvisionedConcurrencyConfig")
def put_provisioned_concurrency(call: Call, params: Params) -> Result:
    """Keep environments warm for an alias or a version."""
    words = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    record, qualifier = _provisionable(call, params, words)
    wanted = params["ProvisionedConcurrentExecutions"]
    _hold_single(record, qualifier)
    _hold_pool(call, record, qualifier, wanted)
    ready_ms = call.now_ms + max(call.world.settings.settle_ms, 0)
    if call.world.settings.pace:
        ready_ms += _ALLOCATION_MS
    held = record.provisioned.get(qualifier)
    history = held.history if held else []
    history.append((call.now_ms, wanted))
    record.provisioned[qualifier] = ProvisionedConcurrency(wanted, ready_ms, call.now_ms, history)
    record.stamp += 1
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": lambda_time(call.now_ms),
    }


def _hold_single(record: FunctionRecord, qualifier: str) -> None:
    alias = record.aliases.get(qualifier)
    if alias is not None:
        if alias.version in record.provisioned:
            raise ServiceError(
                "ResourceConflictException",
                "Alias can't be used for Provisioned Concurrency configuration on an already "
                "Provisioned version",
                409,
            )
        return
    for name in record.provisioned:
        other = record.aliases.get(name)
        if other is not None and other.version == qualifier:
            raise ServiceError(
                "ResourceConflictException",
                "Version is pointed by a Provisioned Concurrency alias",
                409,
            )


def _hold_pool(call: Call, record: FunctionRecord, qualifier: str, wanted: int) -> None:
    pool = call.region.concurrency_limit - reserved_total(call.region)
    if record.reserved_concurrency is not None:
        others = sum(
            each.requested for name, each in record.provisioned.items() if name != qualifier
        )
        if others + wanted > record.reserved_concurrency:
            raise _invalid(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    if wanted > pool:
        raise _over_limit(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{pool}]."
        )
    if pool - wanted < MINIMUM_UNRESERVED:
        raise _over_limit(
            "Specified ConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{MINIMUM_UNRESERVED}]."
        )


def _shown(call: Call, item: ProvisionedConcurrency) -> dict[str, Any]:
    ready = call.now_ms >= item.ready_ms
    return {
        "RequestedProvisionedConcurrentExecutions": item.requested,
        "AvailableProvisionedConcurrentExecutions": item.requested if ready else 0,
        "AllocatedProvisionedConcurrentExecutions": item.requested if ready else 0,
        "Status": "READY" if ready else "IN_PROGRESS",
        "LastModified": lambda_time(item.modified_ms),
    }


@operation("lambda", "GetProvisionedConcurrencyConfig")
def get_provisioned_concurrency(call: Call, params: Params) -> Result:
    """What is kept warm, and whether it is ready."""
    record, qualifier = _provisionable(call, params, _ANY_VERSION)
    item = record.provisioned.get(qualifier)
    if item is None:
        raise ServiceError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            404,
        )
    return _shown(call, item)


@operation("lambda", "DeleteProvisionedConcurrencyConfig")
def delete_provisioned_concurrency(call: Call, params: Params) -> Result:
    """Keep nothing warm any longer."""
    record, qualifier = _provisionable(call, params, _ANY_VERSION)
    if record.provisioned.pop(qualifier, None) is not None:
        record.stamp += 1
    return {}


@operation("lambda", "ListProvisionedConcurrencyConfigs")
def list_provisioned_concurrency(call: Call, params: Params) -> Result:
    """All that is kept warm for a function."""
    record = find(call, refer(call, params["FunctionName"]))
    shown = [
        {
            "FunctionArn": function_arn(call.region_name, call.account_id, record.name, name),
            **_shown(call, item),
        }
        for name, item in sorted(record.provisioned.items())
    ]
    return page("ProvisionedConcurrencyConfigs", shown, params)


@operation("lambda", "GetAccountSettings")
def get_account_settings(call: Call, params: Params) -> Result:
    """Limits and use of the account in this region."""
    del params
    region = call.region
    limit = region.concurrency_limit
    functions = region.functions.values()
    size = sum(
        record.latest.code_size + sum(v.configuration.code_size for v in record.versions.values())
        for record in functions
    )
    return {
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_BYTES,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit - reserved_total(region),
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": len(region.functions)},
    }
