"""Randomness without state: every number is a hash of what it is about.

splitmix64 (Steele, Lea & Flood, OOPSLA 2014) over counters, vectorised. The same function, hour
and index always give the same number, whatever was asked before, which is what lets traffic be
generated on read instead of being stored.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Unsigned = NDArray[np.uint64]
Floats = NDArray[np.float64]

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_GOLDEN_64: Final = np.uint64(_GOLDEN)
_ROUNDS: Final = (
    (np.uint64(30), np.uint64(_MIX_1)),
    (np.uint64(27), np.uint64(_MIX_2)),
)
_LAST_SHIFT: Final = np.uint64(31)


def key_of(*parts: object) -> int:
    """A 64-bit key for a thing, from its names."""
    text = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def mix(value: int) -> int:
    """splitmix64's finaliser on one integer."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
    return value ^ (value >> 31)


def mixed(values: Unsigned) -> Unsigned:
    """splitmix64's finaliser on an array."""
    out: Unsigned = values + _GOLDEN_64
    # One array holds every shifted copy: making new ones takes a third of the time.
    shifted = np.empty_like(out)
    for shift, factor in _ROUNDS:
        np.right_shift(out, shift, out=shifted)
        out ^= shifted
        out *= factor
    np.right_shift(out, _LAST_SHIFT, out=shifted)
    out ^= shifted
    return out


@functools.cache
def _stream(stream: int) -> int:
    return mix(stream)


def uniforms(keys: Unsigned, stream: int) -> Floats:
    """Numbers in (0, 1), one per key; different `stream`s are independent of each other."""
    if keys.size == 1:
        # One invocation at a time: plain integers take a tenth of what an array of one takes.
        single = ((mix(int(keys.flat[0]) ^ _stream(stream)) >> 11) + 0.5) * 2.0**-53
        return np.full(keys.shape, single)
    bits = mixed(keys ^ np.uint64(_stream(stream)))
    bits >>= np.uint64(11)
    result: Floats = bits.astype(np.float64)
    result += 0.5
    result *= 2.0**-53
    return result


def normals(keys: Unsigned, stream: int) -> Floats:
    """Standard normal numbers, one per key (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniforms(keys, stream)))
    result: Floats = radius * np.cos(2.0 * math.pi * uniforms(keys, stream + 1))
    return result


def uniform(*parts: object) -> float:
    """A number in (0, 1) for a thing."""
    return ((mix(key_of(*parts)) >> 11) + 0.5) * 2.0**-53


def uuid_text(high: int, low: int) -> str:
    """A version 4 UUID from 128 bits."""
    high = (high & ~0xF000) | 0x4000
    low = (low & ~(0b11 << 62)) | (0b10 << 62)
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass(slots=True)
class Ids:
    """A line of ids and random numbers: a function of the seed, the account and the count."""

    seed: int
    account_id: str
    count: int = 0
    base: int = 0

    def __post_init__(self) -> None:
        self.base = key_of(self.seed, self.account_id, "ids")

    def next(self) -> int:
        """The next 64 bits."""
        self.count += 1
        return mix(self.base ^ mix(self.count))

    def uuid(self) -> str:
        """The next UUID."""
        return uuid_text(self.next(), self.next())

    def uniform(self) -> float:
        """The next number in (0, 1)."""
        return ((self.next() >> 11) + 0.5) * 2.0**-53

    def token(self, length: int, alphabet: str) -> str:
        """The next string over an alphabet."""
        return "".join(alphabet[self.next() % len(alphabet)] for _ in range(length))
