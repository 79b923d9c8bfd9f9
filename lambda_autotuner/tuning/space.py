"""Where the search may look: memory sizes and architectures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.units import (
    MAXIMUM_MEMORY_MB,
    MINIMUM_MEMORY_MB,
    Architecture,
    architecture_name,
    memory_size,
)

_MAXIMUM_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Space:
    """Allowed memory sizes in MB (kept ascending, without repeats) and architectures.

    Raises:
        UsageError: A size or an architecture is not one of Lambda's, or nothing is left.
    """

    sizes_mb: tuple[int, ...]
    architectures: tuple[Architecture, ...] = ("x86_64",)

    def __post_init__(self) -> None:
        sizes = tuple(sorted({memory_size(size) for size in self.sizes_mb}))
        names = tuple(dict.fromkeys(architecture_name(name) for name in self.architectures))
        if not sizes or not names:
            raise UsageError("The search needs at least one memory size and one architecture.")
        object.__setattr__(self, "sizes_mb", sizes)
        object.__setattr__(self, "architectures", names)

    @classmethod
    def range(
        cls,
        minimum_mb: int = MINIMUM_MEMORY_MB,
        maximum_mb: int = MAXIMUM_MEMORY_MB,
        *,
        step: int = 64,
        architectures: Iterable[Architecture] = ("x86_64",),
    ) -> Space:
        """All sizes from `minimum_mb` by `step` MB, and `maximum_mb` itself.

        Raises:
            UsageError: The bounds are not memory sizes, are the wrong way round, or the step is
                not a positive whole number.
        """
        low, high = memory_size(minimum_mb), memory_size(maximum_mb)
        if low > high:
            raise UsageError(f"The smallest size ({low} MB) is above the largest ({high} MB).")
        if step < 1:
            raise UsageError(f"The step must be at least 1 MB, not {step!r}.")
        return cls((*range(low, high, step), high), tuple(architectures))

    def configurations(self) -> tuple[Configuration, ...]:
        """Every allowed configuration, architecture by architecture, sizes ascending."""
        return tuple(
            Configuration(size, name) for name in self.architectures for size in self.sizes_mb
        )

    def candidates(self, extra_mb: Iterable[int] = ()) -> tuple[int, ...]:
        """Sizes worth looking at one by one: all of them, or about 64 spread evenly in log.

        Args:
            extra_mb: Sizes to keep in any case where they are allowed (measured, current, pick).
        """
        if len(self.sizes_mb) <= _MAXIMUM_CANDIDATES:
            return self.sizes_mb
        low, high = math.log(self.sizes_mb[0]), math.log(self.sizes_mb[-1])
        targets = (
            math.exp(low + (high - low) * i / (_MAXIMUM_CANDIDATES - 1))
            for i in range(_MAXIMUM_CANDIDATES)
        )
        chosen = {self.nearest(target) for target in targets}
        allowed = set(self.sizes_mb)
        return tuple(sorted(chosen | {size for size in extra_mb if size in allowed}))

    def nearest(self, memory_mb: float) -> int:
        """The allowed size nearest to `memory_mb`; the smaller one of two equally near."""
        return min(self.sizes_mb, key=lambda size: (abs(size - memory_mb), size))
