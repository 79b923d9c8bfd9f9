"""What an invocation and a month cost.

Duration is billed in GB-seconds: memory / 1,024 MB x billed duration. The tiers are bands of a
month's GB-seconds per architecture and region, over the whole organisation. Prices come from one
file of package data in which every price carries its source and how well it was checked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.units import (
    ARCHITECTURES,
    DAYS_PER_MONTH,
    MB_PER_GB,
    MS_PER_SECOND,
    SECONDS_PER_DAY,
    Architecture,
    architecture_name,
    finite,
    memory_size,
)

INCLUDED_EPHEMERAL_MB = 512
MAXIMUM_EPHEMERAL_MB = 10_240
PROVISIONED_ROUNDING_SECONDS = 300
FULL_PERCENT = 100.0
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Tier:
    """One band of monthly duration: up to `up_to_gb_seconds` (None: no end) at this price."""

    up_to_gb_seconds: float | None
    gb_second_usd: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in one region on one architecture, in US dollars.

    Attributes:
        region: The region that the prices hold in.
        architecture: The architecture that they hold on.
        tiers: Duration price bands, ascending, per GB-second.
        request_usd: Per invocation.
        ephemeral_gb_second_usd: Per GB-second of ephemeral storage above 512 MB.
        provisioned_idle_gb_second_usd: Per GB-second for which concurrency is provisioned.
        provisioned_active_gb_second_usd: Per GB-second of duration on provisioned concurrency.
        snapstart_cache_gb_second_usd: Per GB-second of a cached snapshot (free for Java).
        snapstart_restore_gb_usd: Per GB restored from a snapshot (free for Java).
        unverified: Names of the prices that were not seen in any price data.
        as_of: Day of the price book, ISO 8601.
    """

    region: str
    architecture: Architecture
    tiers: tuple[Tier, ...]
    request_usd: float
    ephemeral_gb_second_usd: float
    provisioned_idle_gb_second_usd: float
    provisioned_active_gb_second_usd: float
    snapstart_cache_gb_second_usd: float
    snapstart_restore_gb_usd: float
    unverified: tuple[str, ...] = ()
    as_of: str = ""

    @property
    def gb_second_usd(self) -> float:
        """Duration price of the first tier, per GB-second."""
        return self.tiers[0].gb_second_usd

    def discounted(self, savings_plan_pct: float) -> Rates:
        """The same prices under a Savings Plan, which covers duration but not requests.

        Args:
            savings_plan_pct: Discount in percent of the duration prices, at least 0, below 100.

        Raises:
            UsageError: The discount is not a percentage.
        """
        share = finite("savings_plan_discount_pct", savings_plan_pct, minimum=0) / FULL_PERCENT
        if share >= 1:
            raise UsageError(f"A discount must be below 100 %, not {savings_plan_pct:g} %.")
        tiers = tuple(replace(t, gb_second_usd=t.gb_second_usd * (1 - share)) for t in self.tiers)
        idle = self.provisioned_idle_gb_second_usd * (1 - share)
        active = self.provisioned_active_gb_second_usd * (1 - share)
        return replace(
            self,
            tiers=tiers,
            provisioned_idle_gb_second_usd=idle,
            provisioned_active_gb_second_usd=active,
        )

    def marginal_gb_second_usd(self, gb_seconds_before: float) -> float:
        """Duration price of the next GB-second after that many in the month."""
        used = finite("gb_seconds_before", gb_seconds_before, minimum=0)
        for tier in self.tiers:
            if tier.up_to_gb_seconds is None or used < tier.up_to_gb_seconds:
                return tier.gb_second_usd
        return self.tiers[-1].gb_second_usd

    def duration_usd(self, gb_seconds: float, *, gb_seconds_before: float = 0) -> float:
        """Price of a month's duration, walking through the tiers.

        Args:
            gb_seconds: GB-seconds to be priced.
            gb_seconds_before: GB-seconds that others in the organisation used up before them.

        Raises:
            UsageError: A number is negative or not finite.
        """
        remaining = finite("gb_seconds", gb_seconds, minimum=0)
        used = finite("gb_seconds_before", gb_seconds_before, minimum=0)
        total = 0.0
        for tier in self.tiers:
            end = math.inf if tier.up_to_gb_seconds is None else tier.up_to_gb_seconds
            part = min(remaining, max(0.0, end - used))
            total += part * tier.gb_second_usd
            remaining -= part
            used += part
        return total


@cache
def _packaged() -> dict[str, Any]:
    """The file of prices, read once: a scan asks for the rates of each function."""
    path = resources.files("lambda_autotuner").joinpath("data", "prices.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


class PriceBook:
    """All prices that are known, by region and architecture."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        if content.get("schema") != _SCHEMA:
            raise UsageError(
                f"The price book has schema {content.get('schema')!r}; this version reads {_SCHEMA}."
            )
        self._content = content

    @classmethod
    def load(cls) -> PriceBook:
        """The price book that comes with the package."""
        return cls(_packaged())

    @property
    def as_of(self) -> str:
        """Day on which the prices were taken, ISO 8601."""
        return str(self._content["as_of"])

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions with a price, in alphabetical order."""
        return tuple(sorted(self._content["regions"]))

    def rates(self, region: str, architecture: str) -> Rates:
        """Prices of one region and architecture.

        Raises:
            UsageError: There is no price for this region or architecture.
        """
        name = architecture_name(architecture)
        known = self._content["regions"].get(region)
        if known is None:
            raise UsageError(
                f"No Lambda price is known for region {region!r}.",
                remedy=f"Known regions: {', '.join(self.regions)}.",
            )
        return _rates(region, name, known[name], self.as_of)

    def all_rates(self, region: str) -> dict[Architecture, Rates]:
        """Prices of one region for every architecture, as a search wants them."""
        return {name: self.rates(region, name) for name in ARCHITECTURES}


def _rates(region: str, architecture: Architecture, entry: Mapping[str, Any], as_of: str) -> Rates:
    def usd(name: str) -> float:
        return finite(name, entry[name]["usd"], minimum=0)

    tiers = tuple(
        Tier(tier["up_to_gb_seconds"], finite("gb_second_usd", tier["usd"], minimum=0))
        for tier in entry["duration_tiers"]
    )
    unverified = [
        f"duration tier {position}"
        for position, tier in enumerate(entry["duration_tiers"], start=1)
        if tier["check"] == "unverified"
    ]
    unverified += [
        name
        for name, price in entry.items()
        if name != "duration_tiers" and price["check"] == "unverified"
    ]
    return Rates(
        region=region,
        architecture=architecture,
        tiers=tiers,
        request_usd=usd("request"),
        ephemeral_gb_second_usd=usd("ephemeral_gb_second"),
        provisioned_idle_gb_second_usd=usd("provisioned_idle_gb_second"),
        provisioned_active_gb_second_usd=usd("provisioned_active_gb_second"),
        snapstart_cache_gb_second_usd=usd("snapstart_cache_gb_second"),
        snapstart_restore_gb_usd=usd("snapstart_restore_gb"),
        unverified=tuple(unverified),
        as_of=as_of,
    )


def invocation_cost_usd(
    billed_ms: float,
    memory_mb: int,
    rates: Rates,
    *,
    request_fee: bool = True,
    ephemeral_mb: int = INCLUDED_EPHEMERAL_MB,
) -> float:
    """Price of one invocation at the first tier, in US dollars.

    Args:
        billed_ms: Billed duration in ms; a fraction is rounded up to the next whole ms.
        memory_mb: Memory size in MB.
        rates: Prices of the region and architecture.
        request_fee: Whether the price per request is part of it.
        ephemeral_mb: Ephemeral storage in MB; the first 512 MB are included.

    Raises:
        UsageError: A number is out of Lambda's range or not finite.
    """
    milliseconds = max(1.0, math.ceil(finite("billed_ms", billed_ms, minimum=0)))
    return mean_cost_usd(
        milliseconds, memory_mb, rates, request_fee=request_fee, ephemeral_mb=ephemeral_mb
    )


def mean_cost_usd(
    mean_billed_ms: float,
    memory_mb: float,
    rates: Rates,
    *,
    request_fee: bool = True,
    ephemeral_mb: int = INCLUDED_EPHEMERAL_MB,
) -> float:
    """Mean price of an invocation for a mean of billed durations, which need not be whole.

    Args and errors are those of `invocation_cost_usd`.
    """
    seconds = finite("mean_billed_ms", mean_billed_ms, minimum=0) / MS_PER_SECOND
    gb_usd = memory_mb / MB_PER_GB * rates.gb_second_usd + storage_usd_per_second(
        ephemeral_mb, rates
    )
    return seconds * gb_usd + (rates.request_usd if request_fee else 0.0)


def storage_usd_per_second(ephemeral_mb: int, rates: Rates) -> float:
    """Price of ephemeral storage above the included 512 MB, per second of duration.

    Raises:
        UsageError: Not between 512 and 10,240 MB.
    """
    if not INCLUDED_EPHEMERAL_MB <= ephemeral_mb <= MAXIMUM_EPHEMERAL_MB:
        raise UsageError(f"Ephemeral storage must be 512 to 10,240 MB, not {ephemeral_mb!r}.")
    extra_gb = (ephemeral_mb - INCLUDED_EPHEMERAL_MB) / MB_PER_GB
    return extra_gb * rates.ephemeral_gb_second_usd


def provisioned_month_usd(
    memory_mb: int, concurrency: float, rates: Rates, *, days: float = DAYS_PER_MONTH
) -> float:
    """Price of keeping concurrency provisioned, without what its invocations cost.

    Args:
        memory_mb: Memory size in MB.
        concurrency: Provisioned environments.
        rates: Prices of the region and architecture.
        days: Days for which it is provisioned, rounded up to five minutes; a month by default.

    Raises:
        UsageError: A number is out of range or not finite.
    """
    wanted = finite("days", days, minimum=0) * SECONDS_PER_DAY
    seconds = math.ceil(wanted / PROVISIONED_ROUNDING_SECONDS) * PROVISIONED_ROUNDING_SECONDS
    gigabytes = memory_size(memory_mb) / MB_PER_GB
    environments = finite("concurrency", concurrency, minimum=0)
    return seconds * gigabytes * environments * rates.provisioned_idle_gb_second_usd
