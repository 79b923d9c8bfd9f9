"""A request's parameters, by protocol."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import cbor2
from botocore.model import OperationModel, Shape

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params
from lambda_autotuner.sandbox.wire.http import Request
from lambda_autotuner.sandbox.wire.models import Target
from lambda_autotuner.sandbox.wire.readers import from_text, reader

MAX_LIST = 5000


def parse(request: Request, target: Target) -> Params:
    """The parameters of the operation that `target` names.

    Raises:
        ServiceError: SerializationException when the body is not what the protocol says.
    """
    operation = target.operation
    if operation is None or operation.input_shape is None:
        return {}
    if target.protocol == "rest-json":
        return _rest(request, operation, target.labels)
    if target.protocol == "query":
        return _form(request, operation.input_shape)
    if target.protocol == "cbor":
        result: Params = reader(operation.input_shape, binary=True)(_decode_cbor(request.body))
        return result
    read: Params = reader(operation.input_shape)(_decode_json(request.body))
    return read


def _decode_json(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "SerializationException", "Could not parse request body into json", 400
        ) from error
    return {} if value is None else value


def _decode_cbor(body: bytes) -> Any:
    if not body:
        return {}
    try:
        value = cbor2.load(io.BytesIO(body))
    except Exception as error:
        raise ServiceError(
            "SerializationException", "Could not parse request body into cbor", 400
        ) from error
    return value


def _rest(request: Request, operation: OperationModel, labels: Mapping[str, str]) -> Params:
    shape: Any = operation.input_shape
    payload = shape.serialization.get("payload")
    params, in_body = _bound(request, shape, labels)
    if payload:
        member = shape.members[payload]
        if member.type_name == "blob":
            params[payload] = request.body
        elif request.body.strip():
            params[payload] = reader(member)(_decode_json(request.body))
    elif in_body:
        params = {**reader(shape)(_decode_json(request.body)), **params}
    return params


def _bound(request: Request, shape: Any, labels: Mapping[str, str]) -> tuple[Params, bool]:
    """What path, query and headers say, and whether anything is left for the body."""
    params: Params = {}
    query = request.query if request.raw_query else {}
    payload = shape.serialization.get("payload")
    in_body = False
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            params[name] = from_text(member, labels[wire_name])
        elif location == "querystring":
            _take_query(params, name, member, query.get(wire_name))
        elif location == "header":
            text = request.headers.get(wire_name.lower())
            if text is not None:
                params[name] = from_text(member, text)
        elif location is None and name != payload:
            in_body = True
    return params, in_body


def _take_query(params: Params, name: str, member: Any, values: list[str] | None) -> None:
    if not values:
        return
    if member.type_name == "list":
        params[name] = [from_text(member.member, value) for value in values]
    else:
        params[name] = from_text(member, values[-1])


_INDEX = re.compile(r"(\d+)(?:\.|$)")


def _form(request: Request, shape: Shape) -> Params:
    fields: dict[str, str] = {}
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ServiceError("MalformedInput", "The body is not UTF-8", 400) from error
    for part in (request.raw_query, text):
        fields.update(parse_qsl(part, keep_blank_values=True))
    result = _form_value(fields, shape, "")
    return result if isinstance(result, dict) else {}


def _form_value(fields: Mapping[str, str], shape: Any, prefix: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _form_structure(fields, shape, prefix)
    if kind == "list":
        return _form_list(fields, shape, prefix)
    if kind == "map":
        return _form_map(fields, shape, prefix)
    text = fields.get(prefix)
    return None if text is None else from_text(shape, text)


def _form_structure(fields: Mapping[str, str], shape: Any, prefix: str) -> dict[str, Any] | None:
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        if member.type_name == "list" and _flat(member):
            wire_name = member.member.serialization.get("name", wire_name)
        path = f"{prefix}.{wire_name}" if prefix else wire_name
        if not any(key == path or key.startswith(f"{path}.") for key in fields):
            continue
        value = _form_value(fields, member, path)
        if value is not None:
            result[name] = value
    return result


def _flat(shape: Any) -> bool:
    return bool(shape.serialization.get("flattened"))


def _indices(fields: Mapping[str, str], base: str) -> list[int]:
    found = set()
    for key in fields:
        if key.startswith(f"{base}."):
            match = _INDEX.match(key, len(base) + 1)
            if match:
                found.add(int(match[1]))
                if len(found) > MAX_LIST:
                    raise ServiceError("MalformedQueryString", "The list is too long", 400)
    return sorted(found)


def _form_list(fields: Mapping[str, str], shape: Any, prefix: str) -> list[Any]:
    if fields.get(prefix) == "":
        return []
    item_name = shape.member.serialization.get("name", "member")
    base = prefix if _flat(shape) else f"{prefix}.{item_name}"
    return [_form_value(fields, shape.member, f"{base}.{i}") for i in _indices(fields, base)]


def _form_map(fields: Mapping[str, str], shape: Any, prefix: str) -> dict[str, Any]:
    base = prefix if _flat(shape) else f"{prefix}.entry"
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for i in _indices(fields, base):
        key = fields.get(f"{base}.{i}.{key_name}")
        if key is not None:
            result[key] = _form_value(fields, shape.value, f"{base}.{i}.{value_name}")
    return result
