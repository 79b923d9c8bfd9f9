"""How a function is used: what turns one invocation into a month."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.pricing import FULL_PERCENT, INCLUDED_EPHEMERAL_MB
from lambda_autotuner.tuning.units import MAXIMUM_TIMEOUT_MS, finite


@dataclass(frozen=True, slots=True)
class Workload:
    """What is known about a function's use and settings. None means unknown, never zero.

    Attributes:
        invocations_per_month: Volume; 0 is a function without traffic.
        cold_rate: Share of invocations that start cold, 0..1; None takes what the evidence's
            telemetry shows, and without any of that cold starts are left out, and said so.
        request_fee: Whether the price per request belongs to the cost of an invocation.
        ephemeral_mb: Ephemeral storage in MB.
        savings_plan_discount_pct: Savings Plan discount on duration in percent.
        provisioned_concurrency: Environments that are kept provisioned.
        reserved_concurrency: Reserved concurrency; None is unreserved.
        peak_concurrency: Highest concurrency seen.
        account_gb_seconds_per_month: GB-seconds that others in the organisation use before this
            function in the tiers of the same architecture.
        timeout_ms: Configured timeout in ms.
        timeout_share: Share of production invocations that time out, 0..1.
        runtime: Runtime identifier such as `python3.12`; None for images.
        package_type: "Zip" or "Image".
        snapstart: Whether SnapStart is on.
        architecture_portable: Whether the code can run on the other architecture (pure Python
            or JavaScript, multi-architecture layers); None is unknown.
        tail_ratios: Percentile of the warm duration divided by its mean, as telemetry over many
            invocations shows it: pairs of (percentile, ratio), for the tail carries over to other
            sizes better than any few invocations tell it.
        production_ms: Percentiles of the duration that production had over a window, in ms, as
            pairs of (percentile, ms), at `production_at` alone.
        production_at: The configuration that production ran on over that window.
        payload_shares: Share of each payload in production, as pairs of (name, share); fewer than
            two mean that invocations are alike.
        memory_headroom: Memory kept free above Max Memory Used where a size was not tried, as a
            share of what was used.
        horizon_days: Time over which a measurement has to pay back.
    """

    invocations_per_month: float | None = None
    cold_rate: float | None = None
    request_fee: bool = True
    ephemeral_mb: int = INCLUDED_EPHEMERAL_MB
    savings_plan_discount_pct: float = 0.0
    provisioned_concurrency: float = 0.0
    reserved_concurrency: int | None = None
    peak_concurrency: float | None = None
    account_gb_seconds_per_month: float = 0.0
    timeout_ms: float | None = None
    timeout_share: float | None = None
    runtime: str | None = None
    package_type: str = "Zip"
    snapstart: bool = False
    architecture_portable: bool | None = None
    tail_ratios: tuple[tuple[float, float], ...] = ()
    production_ms: tuple[tuple[float, float], ...] = ()
    production_at: Configuration | None = None
    payload_shares: tuple[tuple[str, float], ...] = ()
    memory_headroom: float = 0.15
    horizon_days: float = 30.0

    def __post_init__(self) -> None:
        for name in (
            "invocations_per_month",
            "peak_concurrency",
            "account_gb_seconds_per_month",
            "provisioned_concurrency",
            "memory_headroom",
            "timeout_ms",
        ):
            value = getattr(self, name)
            if value is not None:
                finite(name, value, minimum=0)
        for name, pairs in (
            ("tail_ratios", self.tail_ratios),
            ("production_ms", self.production_ms),
        ):
            _check_percentiles(name, pairs)
        for payload, share in self.payload_shares:
            finite(f"the share of payload {payload}", share, minimum=0, exclusive=True)
        finite("horizon_days", self.horizon_days, minimum=0, exclusive=True)
        for name in ("cold_rate", "timeout_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= finite(name, value) <= 1:
                raise UsageError(f"{name} is a share between 0 and 1, not {value!r}.")
        if (
            not 0
            <= finite("savings_plan_discount_pct", self.savings_plan_discount_pct)
            < (FULL_PERCENT)
        ):
            raise UsageError(
                f"A discount is at least 0 and below 100 %, not {self.savings_plan_discount_pct!r}."
            )
        if self.timeout_ms is not None and self.timeout_ms > MAXIMUM_TIMEOUT_MS:
            raise UsageError(f"A timeout is at most 900 s, not {self.timeout_ms:g} ms.")


def _check_percentiles(name: str, pairs: tuple[tuple[float, float], ...]) -> None:
    for percentile, value in pairs:
        if not 0 < finite("percentile", percentile) < FULL_PERCENT:
            raise UsageError(f"A percentile is between 0 and 100, not {percentile!r}.")
        finite(name, value, minimum=0, exclusive=True)
