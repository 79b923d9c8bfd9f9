"""How a function is called: expected invocations per hour, and how they fail.

Hours are counted on the traffic's own line of time (epoch hours of api time + what was aged).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.world.randomness import uniforms

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Shape = Literal["flat", "diurnal", "office", "bursts", "nightly", "quiet", "weekly", "never"]

HOURS_PER_MONTH: Final = 730.0
_BURST, _QUIET = 211, 212
_BURST_SHARE, _QUIET_SHARE = 0.05, 0.1  # of hours
_HALF_WORKDAY = 5  # hours


@dataclass(frozen=True, slots=True)
class Traffic:
    """`per_month` invocations on average, spread over time by `shape`."""

    per_month: float
    shape: Shape = "diurnal"
    qualifier: str = ""  # who receives it: "" for $LATEST, or an alias
    peak_hour: int = 14
    error_rate: float = 0.0005
    error_kind: str = "handled"
    episode_rate: float = 0.0  # share of hours in which errors come in a wave
    episode_error_rate: float = 0.0
    payload_spread: float = 0.0  # sigma of the log of the payload's scale
    asynchronous: float = 0.0  # share of invocations by events

    def hourly_rate(self, hours: Integers, key: int) -> Floats:
        """Expected invocations in each hour."""
        if self.shape == "never" or self.per_month <= 0:
            return np.zeros(len(hours))
        mean = self.per_month / HOURS_PER_MONTH
        result: Floats = mean * self._profile(hours, key)
        return result

    def _profile(self, hours: Integers, key: int) -> Floats:
        of_day = (hours % 24).astype(np.float64)
        day = (hours // 24 + 3) % 7  # 0 is Monday: 1 January 1970 was a Thursday
        weekend = day >= 5  # noqa: PLR2004 - Saturday and Sunday
        wave = 1.0 + 0.65 * np.cos((of_day - self.peak_hour) * np.pi / 12)
        keys = hours.astype(np.uint64) ^ np.uint64(key)
        profiles: dict[str, Callable[[], Floats]] = {
            "flat": lambda: np.ones(len(hours)),
            "diurnal": lambda: np.asarray(wave * np.where(weekend, 0.75, 1.1)),
            "office": lambda: self._office(of_day, weekend),
            "nightly": lambda: np.where(of_day == self.peak_hour % 24, 23.5, 0.5 / 23),
            "weekly": lambda: np.where((day == 0) & (of_day == self.peak_hour % 24), 160.0, 0.05),
            "bursts": lambda: np.where(uniforms(keys, _BURST) < _BURST_SHARE, 13.0, 0.37),
            "quiet": lambda: np.where(uniforms(keys, _QUIET) < _QUIET_SHARE, 10.0, 0.0),
        }
        return profiles[self.shape]()

    def _office(self, of_day: Floats, weekend: NDArray[np.bool_]) -> Floats:
        at_work = (np.abs(of_day - self.peak_hour) <= _HALF_WORKDAY) & ~weekend
        return np.where(at_work, 24 * 7 / (11 * 5) * 0.96, 0.06)
