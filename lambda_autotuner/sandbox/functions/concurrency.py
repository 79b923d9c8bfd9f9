"""Execution environments: who is free, who must start, and when there are too many."""

from __future__ import annotations

from typing import Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import Target
from lambda_autotuner.sandbox.functions.records import Configuration, Environment, FunctionRecord
from lambda_autotuner.sandbox.state import RegionState

IDLE_MS: Final = 8 * 60_000.0


def acquire(
    call: Call, target: Target, configuration: Configuration, start_ms: float
) -> tuple[Environment, bool, int]:
    """An environment for an invocation at `start_ms`; whether it is cold; how many are then busy.

    Raises:
        ServiceError: 429 with its Reason.
    """
    record = target.record
    version, revision = (
        target.version_number,
        str(configuration.memory_mb) + configuration.code_sha256,
    )
    record.environments = [
        each
        for each in record.environments
        if each.end_ms + IDLE_MS > start_ms and (each.revision or each.end_ms > start_ms)
    ]
    busy = sum(each.start_ms <= start_ms < each.end_ms for each in record.environments)
    _hold_limits(call, record, busy, start_ms)
    call.region.active.add(record.name)
    for each in record.environments:
        free = not each.start_ms <= start_ms < each.end_ms
        if free and each.version == version and each.revision == revision:
            each.invocations += 1
            return each, False, busy + 1
    ahead = _provisioned(record, target, call.now_ms)
    number = call.account.ids.next() % (1 << 62)
    provisioned = (
        sum(each.provisioned and each.version == version for each in record.environments) < ahead
    )
    environment = Environment(version, revision, number, start_ms, start_ms, provisioned)
    record.environments.append(environment)
    return environment, not provisioned, busy + 1


def _provisioned(record: FunctionRecord, target: Target, now_ms: int) -> int:
    total = 0
    for qualifier, item in record.provisioned.items():
        alias = record.aliases.get(qualifier)
        number = alias.version if alias else qualifier
        if number == target.version_number and now_ms >= item.ready_ms:
            total += item.requested
    return total


def _hold_limits(call: Call, record: FunctionRecord, busy: int, start_ms: float) -> None:
    if record.reserved_concurrency is not None:
        if busy >= record.reserved_concurrency:
            raise _throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        return
    region = call.region
    pool = region.concurrency_limit - reserved_total(region)
    others = [region.functions[name] for name in region.active if name in region.functions]
    open_now = [each for each in others if each.reserved_concurrency is None]
    if sum(len(each.environments) for each in open_now) < pool:
        return
    total = sum(
        environment.start_ms <= start_ms < environment.end_ms
        for each in open_now
        for environment in each.environments
    )
    if total >= pool:
        raise _throttled("ConcurrentInvocationLimitExceeded")


def reserved_total(region: RegionState) -> int:
    """What all functions of a region have reserved."""
    if region.reserved_total is None:
        region.reserved_total = sum(
            each.reserved_concurrency or 0 for each in region.functions.values()
        )
    return region.reserved_total


def _throttled(reason: str) -> ServiceError:
    return ServiceError(
        "TooManyRequestsException", "Rate Exceeded.", 429, fields={"Reason": reason}
    )
