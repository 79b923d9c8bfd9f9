"""From what operations answer to what goes out: one writer per shape, compiled once."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

from botocore.model import Shape
from cbor2 import CBORTag

Writer: TypeAlias = Callable[[Any], Any]

_writers: dict[tuple[int, bool], tuple[Shape, Writer]] = {}
_CBOR_EPOCH_TAG = 1


def writer(shape: Shape, *, binary: bool = False) -> Writer:
    """A function that writes values of a shape as JSON, or as CBOR when `binary`."""
    key = (id(shape), binary)
    found = _writers.get(key)
    if found is None:
        found = _writers[key] = (shape, _compile(shape, binary=binary))
    return found[1]


def _compile(shape: Any, *, binary: bool) -> Writer:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, binary=binary)
    if kind == "list":
        each = _late(shape.member, binary=binary)
        return lambda value: [each(item) for item in value]
    if kind == "map":
        entry = _late(shape.value, binary=binary)
        return lambda value: {str(key): entry(item) for key, item in value.items()}
    if kind == "timestamp":
        return _timestamp(shape, binary=binary)
    return _scalar(kind, binary=binary)


def _scalar(kind: str, *, binary: bool) -> Writer:
    simple: dict[str, Writer] = {
        "blob": _same if binary else _base64,
        "integer": int,
        "long": int,
        "float": float if binary else _double,
        "double": float if binary else _double,
        "boolean": bool,
    }
    return simple.get(kind, str)


def _member(shape: Shape, *, binary: bool) -> Writer:
    # Most members are scalars; they are written without a detour.
    if shape.type_name in {"structure", "list", "map", "timestamp"}:
        return _late(shape, binary=binary)
    return _scalar(shape.type_name, binary=binary)


def _late(shape: Shape, *, binary: bool) -> Writer:
    # Shapes may hold themselves, so the writer of a member is looked up on first use.
    cell: list[Writer] = []

    def write(value: Any) -> Any:
        if value is None:
            return None
        if not cell:
            cell.append(writer(shape, binary=binary))
        return cell[0](value)

    return write


def _structure(shape: Any, *, binary: bool) -> Writer:
    if getattr(shape, "is_document_type", False):
        return _same
    table = {
        name: (member.serialization.get("name", name), _member(member, binary=binary))
        for name, member in shape.members.items()
        if member.serialization.get("location") is None
    }

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        out = {}
        for name, item in value.items():
            if item is not None and (known := table.get(name)) is not None:
                out[known[0]] = known[1](item)
        return out

    return write


def _same(value: Any) -> Any:
    return value


def _base64(value: Any) -> str:
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return base64.b64encode(raw).decode()


def _double(value: Any) -> Any:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def epoch_ms(value: Any) -> float:
    """Epoch milliseconds of a number of milliseconds or of a datetime."""
    if isinstance(value, dt.datetime):
        return value.timestamp() * 1000
    return float(value)


def iso8601(value: Any) -> str:
    """`2026-11-22T10:00:00Z`, with milliseconds only where there are some."""
    moment = dt.datetime.fromtimestamp(epoch_ms(value) / 1000, dt.UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    millis = moment.microsecond // 1000
    return f"{text}.{millis:03d}Z" if millis else f"{text}Z"


def _timestamp(shape: Any, *, binary: bool) -> Writer:
    if binary:
        return lambda value: CBORTag(_CBOR_EPOCH_TAG, _seconds(value))
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    if form == "iso8601":
        return iso8601
    return _seconds


def _seconds(value: Any) -> float:
    seconds = epoch_ms(value) / 1000
    return int(seconds) if seconds.is_integer() else seconds


def to_header(shape: Shape, value: Any) -> str:
    """A scalar as a header's text."""
    kind = shape.type_name
    if kind == "timestamp":
        moment = dt.datetime.fromtimestamp(epoch_ms(value) / 1000, dt.UTC)
        return format_datetime(moment, usegmt=True)
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "blob":
        return _base64(value)
    return str(value)


def dumps(value: Any) -> bytes:
    """JSON, compact, as AWS sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def xml(shape: Any, value: Any, name: str) -> str:
    """One element of a query answer."""
    kind = shape.type_name
    if kind == "structure":
        inner = "".join(_xml_members(shape, value))
        return f"<{name}>{inner}</{name}>"
    if kind == "list":
        return _xml_list(shape, value, name)
    if kind == "map":
        return _xml_map(shape, value, name)
    return f"<{name}>{escape(_xml_scalar(kind, shape, value))}</{name}>"


def _xml_members(shape: Any, value: Mapping[str, Any]) -> list[str]:
    parts = []
    for name, member in shape.members.items():
        item = value.get(name)
        if item is not None:
            parts.append(xml(member, item, member.serialization.get("name", name)))
    return parts


def _xml_list(shape: Any, value: Any, name: str) -> str:
    member = shape.member
    if shape.serialization.get("flattened"):
        own = member.serialization.get("name", name)
        return "".join(xml(member, item, own) for item in value)
    own = member.serialization.get("name", "member")
    return f"<{name}>" + "".join(xml(member, item, own) for item in value) + f"</{name}>"


def _xml_map(shape: Any, value: Mapping[str, Any], name: str) -> str:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    flat = shape.serialization.get("flattened")
    entry = name if flat else "entry"
    inner = "".join(
        f"<{entry}>{xml(shape.key, key, key_name)}{xml(shape.value, item, value_name)}</{entry}>"
        for key, item in value.items()
    )
    return inner if flat else f"<{name}>{inner}</{name}>"


def _xml_scalar(kind: str, shape: Any, value: Any) -> str:
    if kind == "timestamp":
        form = shape.serialization.get("timestampFormat", "iso8601")
        return str(_seconds(value)) if form == "unixTimestamp" else iso8601(value)
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "blob":
        return _base64(value)
    if kind in {"integer", "long"}:
        return str(int(value))
    if kind in {"float", "double"}:
        number = float(value)
        return str(_double(number)) if not math.isfinite(number) else repr(number)
    return str(value)
