"""One line of the spool: a checksum and a JSON object, so that damage stays in its line."""

from __future__ import annotations

import json
import zlib
from typing import Any

SCHEMA = 1
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)


def encode(record: dict[str, Any]) -> bytes:
    """Return `record` as one line."""
    body = _ENCODER.encode(record).encode("ascii")
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
