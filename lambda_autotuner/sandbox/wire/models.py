"""botocore's models of the services, loaded once, and who is meant by a request."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.wire.http import Request

# Name in the credential scope -> botocore's name of the service.
SIGNING_NAMES: Final = {
    "lambda": "lambda",
    "monitoring": "cloudwatch",
    "logs": "logs",
    "sts": "sts",
    "iam": "iam",
    "pricing": "pricing",
    "servicequotas": "service-quotas",
    "application-autoscaling": "application-autoscaling",
    "tagging": "resourcegroupstaggingapi",
    "compute-optimizer": "compute-optimizer",
    "s3": "s3",
}
_SCOPE = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/(?P<service>[^/]+)/operation/(?P<operation>[^/]+)$")
_REST_PATH = re.compile(r"/20\d\d-\d\d-\d\d/")


@dataclass(frozen=True, slots=True)
class Service:
    """One service's model with what finding an operation takes."""

    name: str
    model: ServiceModel
    operations: Mapping[str, OperationModel]
    target_prefix: str
    api_version: str
    query_compatible: bool
    routes: Mapping[tuple[str, int], tuple[Route, ...]]


@dataclass(frozen=True, slots=True)
class Route:
    """A REST operation's path: literal segments, and names where a label stands."""

    operation: str
    literals: tuple[str | None, ...]
    labels: tuple[str | None, ...]
    # What the query must say, such as `List=ALL`, for operations that share a path.
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What the Authorization header says about the caller."""

    access_key_id: str
    date: str
    region: str
    signing_name: str


@dataclass(frozen=True, slots=True)
class Target:
    """Which operation a request asks for, and how it speaks."""

    service: Service
    operation: OperationModel | None
    operation_name: str
    protocol: str  # json | rest-json | query | cbor | rest-xml
    labels: Mapping[str, str]


@functools.cache
def _loader() -> Loader:
    return Loader(include_default_search_paths=True)


# The models speak for more than functions on request: Lambda Managed Instances may have 32 GB and
# 5,400 s. For ordinary functions AWS holds on to the limits of its quotas page.
_LIMITS: Final = {
    "lambda": {
        "MemorySize": {"max": 10240},
        "Timeout": {"max": 900},
        "EphemeralStorageSize": {"max": 10240},
    },
}


@functools.cache
def load_service(name: str) -> Service:
    """A service's model (about 80 ms for the largest, once)."""
    description = _loader().load_service_model(name, "service-2")
    for shape, limits in _LIMITS.get(name, {}).items():
        description["shapes"][shape].update(limits)
    model = ServiceModel(description, name)
    operations = {each: model.operation_model(each) for each in model.operation_names}
    rest = str(model.metadata.get("protocol", "")).startswith("rest")
    return Service(
        name=name,
        model=model,
        operations=operations,
        target_prefix=str(model.metadata.get("targetPrefix", "")),
        api_version=model.api_version,
        query_compatible="awsQueryCompatible" in model.metadata,
        routes=_routes(operations) if rest else {},
    )


def _routes(operations: Mapping[str, OperationModel]) -> dict[tuple[str, int], tuple[Route, ...]]:
    found: dict[tuple[str, int], list[Route]] = {}
    for name, operation in operations.items():
        uri, _, fixed = str(operation.http.get("requestUri", "/")).partition("?")
        parts = uri.rstrip("/").split("/")[1:]
        labels = tuple(
            part[1:-1].removesuffix("+") if part.startswith("{") else None for part in parts
        )
        literals = tuple(None if part.startswith("{") else part for part in parts)
        method = str(operation.http.get("method", "POST"))
        found.setdefault((method, len(parts)), []).append(
            Route(name, literals, labels, tuple(parse_qsl(fixed)))
        )
    return {key: tuple(sorted(routes, key=_specificity)) for key, routes in found.items()}


def _specificity(route: Route) -> tuple[int, int]:
    return -len(route.query), route.literals.count(None)


def credential_scope(request: Request) -> Scope | None:
    """The scope of a request's signature, in the header or presigned in the query."""
    match = _SCOPE.search(request.headers.get("authorization", ""))
    if match is None and "X-Amz-Credential" in request.raw_query:
        credential = request.query.get("X-Amz-Credential", [""])[0]
        match = _SCOPE.search(f"Credential={credential}")
    return Scope(*match.groups()) if match else None


def identify(request: Request, scope: Scope | None) -> Target:
    """Find the operation that a request asks for.

    Raises:
        ServiceError: no service, or no such operation in it.
    """
    cbor = _CBOR_PATH.match(request.raw_path)
    if cbor:
        service = _by_target_prefix(cbor["service"])
        return _target(service, cbor["operation"], "cbor")
    if target := request.headers.get("x-amz-target"):
        prefix, _, name = target.rpartition(".")
        return _target(_by_target_prefix(prefix), name, "json")
    signing_name = scope.signing_name if scope else ""
    if not signing_name and _REST_PATH.match(request.raw_path):
        signing_name = "lambda"
    name = SIGNING_NAMES.get(signing_name, "")
    if not name:
        raise ServiceError(
            "UnknownOperationException", f"No service {signing_name!r} answers here", 404
        )
    service = load_service(name)
    protocol = str(service.model.metadata.get("protocol"))
    if protocol.startswith("rest"):
        return _rest_target(service, request, protocol)
    action = _action(request)
    if action:
        return _target(service, action, "query")
    raise ServiceError("UnknownOperationException", "The request names no operation", 404)


def _action(request: Request) -> str:
    for name, value in parse_qsl(request.body.decode("utf-8", "replace")):
        if name == "Action":
            return value
    return request.query.get("Action", [""])[0]


@functools.cache
def _by_target_prefix(prefix: str) -> Service:
    for name in SIGNING_NAMES.values():
        if name in {"lambda", "s3", "iam", "sts"}:
            continue
        service = load_service(name)
        if service.target_prefix == prefix:
            return service
    raise ServiceError("UnknownOperationException", f"No service {prefix!r} answers here", 404)


def _target(service: Service, name: str, protocol: str) -> Target:
    return Target(service, service.operations.get(name), name, protocol, {})


def _rest_target(service: Service, request: Request, protocol: str) -> Target:
    if protocol == "rest-xml":
        return Target(service, None, "", protocol, {})
    parts = request.raw_path.rstrip("/").split("/")[1:]
    for route in service.routes.get((request.method, len(parts)), ()):
        if all(lit is None or lit == part for lit, part in zip(route.literals, parts, strict=True)):
            labels = {
                label: unquote(part)
                for label, part in zip(route.labels, parts, strict=True)
                if label is not None
            }
            said = not route.query or all(
                value in request.query.get(name, ()) for name, value in route.query
            )
            if said and all(labels.values()):
                operation = service.operations[route.operation]
                return Target(service, operation, route.operation, protocol, labels)
    return Target(service, None, f"{request.method} {request.path}", protocol, {})


def error_shape(service: Service, code: str) -> Shape | None:
    """The modelled shape of an error, by its shape's name or its query code."""
    return _error_shapes(service.name).get(code)


@functools.cache
def _error_shapes(service_name: str) -> Mapping[str, Shape]:
    model = load_service(service_name).model
    found: dict[str, Shape] = {}
    for shape in model.error_shapes:
        found[shape.name] = shape
        code: Any = shape.metadata.get("error", {}).get("code")
        if code:
            found.setdefault(str(code), shape)
    return found
