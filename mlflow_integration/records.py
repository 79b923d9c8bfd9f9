"""One line of the spool: a checksum and a JSON object, so that damage stays in its line."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

SCHEMA = 1
# Half a character (a lone surrogate) fits into no protocol, a zero byte into no PostgreSQL text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STAND_IN = "\ufffd"
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)


def storable_text(text: str) -> str:
    """Return `text` without what a back end cannot store."""
    return text if text.isascii() and "\x00" not in text else _UNSTORABLE.sub(_STAND_IN, text)


def storable(value: Any) -> Any:
    """Return plain data without what a back end cannot store."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    return value


def encode(record: dict[str, Any]) -> bytes:
    """Return `record` as one line."""
    text = _ENCODER.encode(record)
    if "\\ud" in text or "\\u0000" in text:
        text = _ENCODER.encode(storable(record))
    body = text.encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None when the line is damaged."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
