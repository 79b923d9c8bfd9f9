"""Messages of AWS's event stream encoding, which streamed answers are made of.

A message is its lengths, a checksum of these, headers, a payload, and a checksum of it all.
Source: AWS's documentation of `application/vnd.amazon.eventstream`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.model import Shape

from lambda_autotuner.sandbox.wire.writers import dumps, writer

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_STRING: Final = 7  # the type of a header's value
_FRAME: Final = 16  # lengths and checksums


def encoded(shape: Shape, events: Iterable[tuple[str, Mapping[str, Any]]]) -> bytes:
    """The events (name of a member of `shape`, its values), one message each."""
    members: Any = getattr(shape, "members", {})
    return b"".join(_event(name, members[name], values) for name, values in events)


def _event(name: str, shape: Any, values: Mapping[str, Any]) -> bytes:
    payload = next(
        (key for key, item in shape.members.items() if item.serialization.get("eventpayload")),
        None,
    )
    if payload is not None:
        kind, body = "application/octet-stream", values.get(payload, b"")
    else:
        kind, body = "application/json", dumps(writer(shape)(values))
    return message({":message-type": "event", ":event-type": name, ":content-type": kind}, body)


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    head = b"".join(
        struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name, _STRING, len(value), value)
        for name, value in ((key.encode(), text.encode()) for key, text in headers.items())
    )
    prelude = struct.pack(">II", _FRAME + len(head) + len(payload), len(head))
    front = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return front + struct.pack(">I", zlib.crc32(front))
