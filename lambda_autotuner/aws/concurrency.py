"""How much of a function may run at once, and the account's own limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.errors import MissingError
from lambda_autotuner.aws.functions import resolve
from lambda_autotuner.aws.session import Account


@dataclass(frozen=True, slots=True)
class ProvisionedConcurrency:
    """Provisioned concurrency of one alias or version."""

    qualifier: str
    requested: int
    allocated: int
    available: int
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How much of a function may run at once; reserved None means "from the account's pool"."""

    reserved: int | None
    provisioned: tuple[ProvisionedConcurrency, ...]


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The account's own limits in a region."""

    concurrent_executions: int
    unreserved_concurrent_executions: int
    code_size_bytes: int
    total_code_size_bytes: int
    used_code_size_bytes: int
    function_count: int


def reserved_concurrency(account: Account, function: str) -> int | None:
    """Reserved concurrency; None when the function draws on the account's pool."""
    name = resolve(account, function).name
    answer = account.call("lambda", "GetFunctionConcurrency", FunctionName=name)
    value = answer.get("ReservedConcurrentExecutions")
    return None if value is None else int(value)


def _provisioned_from(raw: Mapping[str, Any], qualifier: str) -> ProvisionedConcurrency:
    return ProvisionedConcurrency(
        qualifier=qualifier,
        requested=int(raw.get("RequestedProvisionedConcurrentExecutions", 0)),
        allocated=int(raw.get("AllocatedProvisionedConcurrentExecutions", 0)),
        available=int(raw.get("AvailableProvisionedConcurrentExecutions", 0)),
        status=str(raw.get("Status", "")),
        reason=raw.get("StatusReason"),
    )


def provisioned_concurrency(
    account: Account, function: str, qualifier: str
) -> ProvisionedConcurrency | None:
    """Provisioned concurrency of one alias or version; None when there is none."""
    name = resolve(account, function).name
    try:
        raw = account.call(
            "lambda", "GetProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier
        )
    except MissingError:
        return None
    return _provisioned_from(raw, qualifier)


def get_concurrency(account: Account, function: str) -> Concurrency:
    """Reserved concurrency and every provisioned one of a function."""
    name = resolve(account, function).name
    provisioned = tuple(
        _provisioned_from(raw, str(raw.get("FunctionArn", "")).rsplit(":", 1)[-1])
        for raw in account.pages(
            "lambda",
            "ListProvisionedConcurrencyConfigs",
            FunctionName=name,
        )
    )
    return Concurrency(reserved_concurrency(account, name), provisioned)


def account_limits(account: Account) -> AccountLimits:
    """Limits of the account in this region."""
    answer = account.call("lambda", "GetAccountSettings")
    limit, usage = answer.get("AccountLimit", {}), answer.get("AccountUsage", {})
    return AccountLimits(
        concurrent_executions=int(limit.get("ConcurrentExecutions", 0)),
        unreserved_concurrent_executions=int(limit.get("UnreservedConcurrentExecutions", 0)),
        code_size_bytes=int(limit.get("CodeSizeUnzipped", 0)),
        total_code_size_bytes=int(limit.get("TotalCodeSize", 0)),
        used_code_size_bytes=int(usage.get("TotalCodeSize", 0)),
        function_count=int(usage.get("FunctionCount", 0)),
    )
