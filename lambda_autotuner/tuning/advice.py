"""Timeout, concurrency, SnapStart and architecture, each with its own evidence.

None of these is applied together with memory by itself: each is a proposal with what it rests on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np

from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.pricing import (
    FULL_PERCENT,
    INCLUDED_EPHEMERAL_MB,
    provisioned_month_usd,
)
from lambda_autotuner.tuning.recommendation import Advice, Outlook, Topic
from lambda_autotuner.tuning.units import (
    DAYS_PER_MONTH,
    MAXIMUM_TIMEOUT_MS,
    MB_PER_GB,
    MS_PER_SECOND,
    SECONDS_PER_DAY,
)

_TIMEOUT_MARGIN = 3.0
_MINIMUM_TIMEOUT_S = 3
_TIGHT_TIMEOUT = 1.5
_LOOSE_TIMEOUT = 10.0
_LOOSE_TIMEOUT_MS = 60_000
_CONCURRENCY_MARGIN = 1.25
_SECONDS_PER_MONTH = DAYS_PER_MONTH * SECONDS_PER_DAY
_SNAPSTART_INIT_MS = 1_000.0
_SNAPSTART_SHARE = 0.001
_FREE_SNAPSTART = re.compile(r"java(11|17|2\d)")
_PAID_SNAPSTART = re.compile(r"python3\.(1[2-9]|[2-9]\d)|dotnet([89]|\d\d)")
_PRESSURE = 0.9
_ENOUGH_TO_COMPARE = 3


def advise(
    model: Model, picked: Configuration, proposed: Outlook, current: Outlook | None
) -> tuple[Advice, ...]:
    """Everything worth saying beside memory.

    Args:
        model: What is known.
        picked: The proposed configuration.
        proposed: What to expect of it.
        current: What to expect of the configuration in production; None where unknown.
    """
    found: Iterable[Advice | None] = (
        _timeout(model, picked, proposed),
        _reserved(model, proposed, current),
        _provisioned(model, picked, proposed),
        _snapstart(model, picked),
        _architecture(model, picked, proposed),
        _pressure(model, picked),
    )
    return tuple(advice for advice in found if advice is not None)


def _timeout(model: Model, picked: Configuration, proposed: Outlook) -> Advice | None:
    """From the tail at the pick and the share of invocations that were cut off."""
    summary = model.evidence.at(picked.memory_mb, picked.architecture)
    cold = [
        duration + init for duration, init in zip(summary.cold_ms, summary.init_ms, strict=True)
    ]
    longest = max([proposed.p99_ms.high, *summary.warm_ms, *cold, *summary.timeouts_ms])
    seconds = max(_MINIMUM_TIMEOUT_S, math.ceil(longest * _TIMEOUT_MARGIN / MS_PER_SECOND))
    seconds = min(seconds, MAXIMUM_TIMEOUT_MS // MS_PER_SECOND)
    limit, share = model.workload.timeout_ms, model.workload.timeout_share
    if limit is None:
        return None
    cut = f"; {share:.2%} of invocations are cut off" if share else ""
    evidence = (
        f"The longest to expect at {picked} is {longest:.0f} ms, the limit {limit:.0f} ms{cut}."
    )
    if (share or longest * _TIGHT_TIMEOUT > limit) and seconds * MS_PER_SECOND > limit:
        confidence = "high" if share else "medium"
        action = f"Raise the timeout to {seconds} s."
        return Advice(Topic.TIMEOUT, action, evidence, confidence, {"timeout_s": seconds})
    if limit > _LOOSE_TIMEOUT_MS and limit > longest * _LOOSE_TIMEOUT and not share:
        action = f"Lower the timeout to {seconds} s: a stuck invocation is billed until then."
        return Advice(Topic.TIMEOUT, action, evidence, "medium", {"timeout_s": seconds})
    return None


def _reserved(model: Model, proposed: Outlook, current: Outlook | None) -> Advice | None:
    """Concurrency is arrival rate times duration, so it moves with the duration."""
    reserved, peak = model.workload.reserved_concurrency, model.workload.peak_concurrency
    if reserved is None or peak is None or current is None:
        return None
    expected = peak * proposed.mean_ms.value / max(current.mean_ms.value, 1e-3)
    wanted = max(1, math.ceil(expected * _CONCURRENCY_MARGIN))
    if wanted <= reserved:
        return None
    return Advice(
        Topic.CONCURRENCY,
        f"Raise reserved concurrency from {reserved} to {wanted}.",
        f"The peak of {peak:g} becomes about {expected:.0f} at the proposed duration.",
        "medium",
        {"reserved_concurrency": wanted},
    )


def _provisioned(model: Model, picked: Configuration, proposed: Outlook) -> Advice | None:
    """Provisioned concurrency is cheaper than on demand only while it is mostly busy."""
    kept, volume = model.workload.provisioned_concurrency, model.workload.invocations_per_month
    if not kept or volume is None:
        return None
    rates = model.rates[picked.architecture]
    idle, active = rates.provisioned_idle_gb_second_usd, rates.provisioned_active_gb_second_usd
    break_even = idle / max(rates.gb_second_usd - active, 1e-12)
    busy = volume * proposed.mean_ms.value / MS_PER_SECOND / _SECONDS_PER_MONTH
    if busy >= break_even * kept:
        return None
    fits = math.floor(busy / break_even)
    saved = provisioned_month_usd(picked.memory_mb, kept - fits, rates)
    saved -= (
        max(0.0, min(busy, kept) - fits)
        * picked.memory_mb
        / MB_PER_GB
        * (_SECONDS_PER_MONTH * (rates.gb_second_usd - active))
    )
    return Advice(
        Topic.CONCURRENCY,
        f"Lower provisioned concurrency from {kept:g} to {fits}, if cold starts are acceptable.",
        f"{busy:.2f} environments are busy on average; below {break_even:.0%} use, provisioned "
        "concurrency costs more than on demand.",
        "medium",
        {"provisioned_concurrency": fits},
        saved,
    )


def _snapstart(model: Model, picked: Configuration) -> Advice | None:
    """Worth it where init is long, cold starts happen and the runtime can."""
    workload = model.workload
    runtime = workload.runtime or ""
    free = _FREE_SNAPSTART.fullmatch(runtime) is not None
    able = free or _PAID_SNAPSTART.fullmatch(runtime) is not None
    inits = [s.init_ms for s in model.evidence if s.init_ms is not None]
    if workload.snapstart or not able or workload.package_type != "Zip" or not inits:
        return None
    init_ms, rate = float(np.mean(inits)), model.cold_rate
    if init_ms < _SNAPSTART_INIT_MS or rate < _SNAPSTART_SHARE:
        return None
    if workload.provisioned_concurrency or workload.ephemeral_mb > INCLUDED_EPHEMERAL_MB:
        return None
    fee = 0.0
    volume = workload.invocations_per_month
    if not free and volume is not None:
        gigabytes = picked.memory_mb / MB_PER_GB
        rates = model.rates[picked.architecture]
        fee = gigabytes * _SECONDS_PER_MONTH * rates.snapstart_cache_gb_second_usd
        fee += gigabytes * rate * volume * rates.snapstart_restore_gb_usd
    saved = None
    if volume is not None:
        saved = volume * rate * init_ms * float(model.usd_per_ms([picked])[0]) - fee
    price = "without a charge" if free else "charged for the cached snapshot and each restore"
    return Advice(
        Topic.SNAPSTART,
        f"Try SnapStart ({price}); it needs published versions and code that can be restored.",
        f"Init takes {init_ms:.0f} ms on average in {len(inits)} cold starts, and {rate:.1%} of "
        f"invocations start cold; {runtime} can.",
        "medium",
        {"snapstart": "PublishedVersions"},
        saved,
    )


def _architecture(model: Model, picked: Configuration, proposed: Outlook) -> Advice | None:
    """Measured where both were; otherwise the price difference, and what others saw."""
    if picked.architecture == "arm64":
        return None
    workload, rates = model.workload, model.rates
    tried = sum(
        s.succeeded for s in model.evidence.summaries() if s.configuration.architecture == "arm64"
    )
    if "arm64" not in rates or workload.architecture_portable is False:
        return None
    if tried >= _ENOUGH_TO_COMPARE:
        return None
    share = 1 - rates["arm64"].gb_second_usd / rates["x86_64"].gb_second_usd
    month = None
    if proposed.month_usd is not None:
        month = proposed.month_usd.value * share
    return Advice(
        Topic.ARCHITECTURE,
        "Measure arm64 too; changing it means deploying code built for it.",
        f"A GB-second costs {share:.0%} less on arm64. In published measurements it was cheaper in "
        "23 of 23 pairs, by 4 to 83 % (median 22 %), each at its own best size; this function "
        "was not measured on it.",
        "medium" if workload.architecture_portable else "low",
        {"architecture": "arm64"},
        month,
    )


def _pressure(model: Model, picked: Configuration) -> Advice | None:
    """Max Memory Used close to the memory size leaves no room for larger inputs."""
    summary = model.evidence.at(picked.memory_mb, picked.architecture)
    used = summary.max_memory_used_mb
    if used is None or used < _PRESSURE * picked.memory_mb:
        return None
    share = used / picked.memory_mb
    return Advice(
        Topic.MEMORY_PRESSURE,
        "Check the largest inputs before going down to this size.",
        f"Max Memory Used was {used} MB of {picked.memory_mb} MB "
        f"({share * FULL_PERCENT:.0f} %) in {summary.succeeded} invocations.",
        "high",
    )
