"""The code of seeded functions: small packages that are always the same for the same function."""

from __future__ import annotations

import base64
import functools
import hashlib
import struct
import zlib
from typing import Final

_NAME: Final = b"app.py"
_DOS_DATE: Final = 0x21  # 1 January 1980


@functools.lru_cache(maxsize=4096)
def package(name: str, build: str) -> bytes:
    """A ZIP file with one stored handler, written by hand: ten thousand of them take 0.1 s."""
    body = (
        f"# behaves as {name}, build {build}\n"
        "def handler(event, context):\n"
        f'    return {{"statusCode": 200, "body": "{name} done"}}\n'
    ).encode()
    crc, size = zlib.crc32(body), len(body)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, _DOS_DATE, crc, size, size, len(_NAME), 0)
    local = b"PK\x03\x04" + common + _NAME + body
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common
    central += struct.pack("<HHHII", 0, 0, 0, 0o644 << 16, 0) + _NAME
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + b"PK\x05\x06" + end


@functools.lru_cache(maxsize=4096)
def digest(raw: bytes) -> str:
    """Lambda's CodeSha256: base64 of the hash."""
    return base64.b64encode(hashlib.sha256(raw).digest()).decode()
