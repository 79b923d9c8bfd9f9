"""Which plain function answers which operation of which service.

A service is named as botocore names its model (`lambda`, `cloudwatch`, `logs`, ...). Modules
register by being imported; the list of modules per service is read when its first request comes,
so that a server is up before the services that nobody asks for are loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.wire.http import Request, Response

Params: TypeAlias = dict[str, Any]
Result: TypeAlias = Mapping[str, Any] | Deferred | None
Operation: TypeAlias = Callable[[Call, Params], Result]
RawOperation: TypeAlias = Callable[[Call, Request], "Response | Deferred"]

_PACKAGE = "lambda_autotuner.sandbox"

# service -> modules below this package that hold its operations
MODULES: dict[str, tuple[str, ...]] = {
    "lambda": ("functions",),
    "lambda-url": ("functions",),
    "cloudwatch": ("cloudwatch",),
    "logs": ("logs",),
    "sts": ("identity",),
    "iam": ("identity",),
    "pricing": ("around",),
    "service-quotas": ("around",),
    "application-autoscaling": ("around",),
    "resourcegroupstaggingapi": ("around",),
    "compute-optimizer": ("around",),
    "s3": ("around",),
}

_operations: dict[tuple[str, str], Operation] = {}
_raw: dict[str, RawOperation] = {}
_loaded: set[str] = set()


def operation(service: str, name: str) -> Callable[[Operation], Operation]:
    """Register a function as the answer to `name` of `service`."""

    def register(function: Operation) -> Operation:
        _operations[service, name] = function
        return function

    return register


def raw(service: str) -> Callable[[RawOperation], RawOperation]:
    """Register a function that answers every request of a service whose protocol is not ours."""

    def register(function: RawOperation) -> RawOperation:
        _raw[service] = function
        return function

    return register


def find_raw(service: str) -> RawOperation | None:
    """The function that answers a service's requests as they come, if there is one."""
    load(service)
    return _raw.get(service)


def find(service: str, name: str) -> Operation | None:
    """The function for an operation, or None when the sandbox has none."""
    load(service)
    return _operations.get((service, name))


def load(service: str) -> None:
    """Import the modules of a service, once."""
    if service in _loaded:
        return
    _loaded.add(service)
    for module in MODULES.get(service, ()):
        importlib.import_module(f"{_PACKAGE}.{module}")


def supported(service: str) -> tuple[str, ...]:
    """The operations of a service that the sandbox answers."""
    load(service)
    return tuple(sorted(name for owner, name in _operations if owner == service))
