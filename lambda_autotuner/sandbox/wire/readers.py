"""From what arrived to what operations take: one reader per shape, compiled once.

Timestamps become epoch milliseconds, blobs become bytes; a value of the wrong type is a
SerializationException, as AWS calls it.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import datetime as dt
import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from botocore.model import Shape

from lambda_autotuner.sandbox.errors import ServiceError

Reader: TypeAlias = Callable[[Any], Any]

_readers: dict[tuple[int, bool], tuple[Shape, Reader]] = {}


def reader(shape: Shape, *, binary: bool = False) -> Reader:
    """A function that reads JSON-like values of a shape; `binary` values (CBOR) keep bytes."""
    key = (id(shape), binary)
    found = _readers.get(key)
    if found is None:
        # The shape is kept alive beside its reader, so that its id stays its own.
        found = _readers[key] = (shape, _compile(shape, binary=binary))
    return found[1]


def _wrong(expected: str, value: object) -> ServiceError:
    kind = {dict: "START_OBJECT", list: "START_ARRAY", str: "STRING_VALUE", bool: "TRUE_VALUE"}
    token = kind.get(type(value), "NUMBER_VALUE")
    return ServiceError(
        "SerializationException", f"{token} can not be converted to {expected}", 400
    )


def _compile(shape: Shape, *, binary: bool) -> Reader:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, binary=binary)
    if kind == "list":
        return _list(shape, binary=binary)
    if kind == "map":
        return _map(shape, binary=binary)
    simple: dict[str, Reader] = {
        "string": _string,
        "character": _string,
        "integer": _integer,
        "long": _integer,
        "float": _number,
        "double": _number,
        "boolean": _boolean,
        "blob": _binary_blob if binary else _blob,
        "timestamp": timestamp_ms,
    }
    return simple[kind]


def _structure(shape: Any, *, binary: bool) -> Reader:
    if shape.serialization.get("document") or getattr(shape, "is_document_type", False):
        return lambda value: value
    table: dict[str, tuple[str, Shape]] = {}
    for name, member in shape.members.items():
        table[member.serialization.get("name", name)] = (name, member)

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong("a structure", value)
        result = {}
        for wire_name, item in value.items():
            known = table.get(wire_name)
            if known is not None and item is not None:
                result[known[0]] = reader(known[1], binary=binary)(item)
        return result

    return read


def _list(shape: Any, *, binary: bool) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _wrong("a list", value)
        each = reader(shape.member, binary=binary)
        return [None if item is None else each(item) for item in value]

    return read


def _map(shape: Any, *, binary: bool) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong("a map", value)
        each = reader(shape.value, binary=binary)
        return {str(key): None if item is None else each(item) for key, item in value.items()}

    return read


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _wrong("a String", value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("an Integer", value)
    if isinstance(value, float) and not value.is_integer():
        raise _wrong("an Integer", value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value.replace("Infinity", "inf"))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("a Double", value)
    return float(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong("a Boolean", value)
    return value


def _blob(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise _wrong("a Blob", value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ServiceError("SerializationException", "The blob is not base64", 400) from error


def _binary_blob(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise _wrong("a Blob", value)
    return value


def timestamp_ms(value: Any) -> int:
    """Epoch milliseconds from epoch seconds, ISO 8601, RFC 822 or a datetime."""
    try:
        if isinstance(value, dt.datetime):
            return round(value.timestamp() * 1000)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise _wrong("a Timestamp", value)
            return round(float(value) * 1000)
        if isinstance(value, str):
            return _text_timestamp_ms(value.strip())
    except (ValueError, OverflowError, TypeError) as error:
        raise ServiceError(
            "SerializationException", f"Unparseable timestamp: {value!r}", 400
        ) from error
    raise _wrong("a Timestamp", value)


def _text_timestamp_ms(text: str) -> int:
    if text[:4].isdigit() and "-" in text:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return calendar.timegm(moment.timetuple()) * 1000 + moment.microsecond // 1000
        return round(moment.timestamp() * 1000)
    if text[:3].isalpha():
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    return round(float(text) * 1000)


def from_text(shape: Shape, text: str) -> Any:
    """A scalar out of a header, a label, a query parameter or a form field."""
    kind = shape.type_name
    if kind in {"integer", "long"}:
        try:
            return int(text)
        except ValueError as error:
            raise _wrong("an Integer", text) from error
    if kind in {"float", "double"}:
        try:
            return float(text)
        except ValueError as error:
            raise _wrong("a Double", text) from error
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise _wrong("a Boolean", text)
        return text.lower() == "true"
    if kind == "timestamp":
        return timestamp_ms(text)
    if kind == "blob":
        return _blob(text)
    return text
