"""Facts of the platform that everything else is stated in, and the gate for numbers.

Memory is in MB as AWS counts it (1 GB = 1,024 MB), durations in milliseconds, money in US dollars.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.errors import UsageError

Architecture = Literal["x86_64", "arm64"]
Floats = NDArray[np.float64]

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
MINIMUM_MEMORY_MB = 128
MAXIMUM_MEMORY_MB = 10_240
NEW_ACCOUNT_MEMORY_MB = 3_008
FULL_VCPU_MB = 1_769
"""Memory size at which a function owns one whole vCPU (AWS documentation)."""
CORE_STEPS_MB = (3_009, 5_308, 7_077, 8_846)
"""Memory sizes from which 3, 4, 5 and 6 cores are visible; below, two are."""
MB_PER_GB = 1_024
MS_PER_SECOND = 1_000
SECONDS_PER_DAY = 86_400
DAYS_PER_MONTH = 365.25 / 12
MAXIMUM_TIMEOUT_MS = 900_000


def finite(
    name: str, value: float, *, minimum: float = -math.inf, exclusive: bool = False
) -> float:
    """Return `value` when it is a finite number not below `minimum`.

    Args:
        name: What the value is called, with its unit, for the message.
        value: The number to check; a bool is not a number here.
        minimum: The smallest allowed value.
        exclusive: Whether `minimum` itself is refused too.

    Raises:
        UsageError: The value is not a number, not finite, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise UsageError(f"{name} must be a number, not {value!r}.")
    if not math.isfinite(value):
        raise UsageError(f"{name} must be finite, not {value!r}.")
    if value < minimum or (exclusive and value == minimum):
        bound = "above" if exclusive else "at least"
        raise UsageError(f"{name} must be {bound} {minimum:g}, not {value!r}.")
    return float(value)


def memory_size(value: int) -> int:
    """Return `value` when Lambda accepts it as a memory size in MB.

    Raises:
        UsageError: Not a whole number between 128 and 10,240 MB.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not MINIMUM_MEMORY_MB <= value <= MAXIMUM_MEMORY_MB:
        raise UsageError(
            f"Memory size must be a whole number of MB between {MINIMUM_MEMORY_MB} and "
            f"{MAXIMUM_MEMORY_MB}, not {value!r}."
        )
    return int(value)


def architecture_name(value: str) -> Architecture:
    """Return `value` as an architecture.

    Raises:
        UsageError: Neither `x86_64` nor `arm64`.
    """
    for known in ARCHITECTURES:
        if value == known:
            return known
    raise UsageError(f"Architecture must be x86_64 or arm64, not {value!r}.")


def vcpus(memory_mb: float) -> float:
    """Share of processor time at a memory size, in vCPU: memory / 1,769 MB."""
    return memory_mb / FULL_VCPU_MB


def visible_cores(memory_mb: float) -> int:
    """Cores that the operating system shows at a memory size."""
    return 2 + sum(memory_mb >= step for step in CORE_STEPS_MB)


def billed_duration_ms(duration_ms: float) -> float:
    """Duration rounded up to the next whole millisecond, at least one.

    Raises:
        UsageError: The duration is negative or not finite.
    """
    return float(max(1, math.ceil(finite("duration_ms", duration_ms, minimum=0))))
