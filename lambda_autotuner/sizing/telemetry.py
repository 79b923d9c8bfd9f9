"""What the account recorded about a function, as the engine's evidence and workload."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from lambda_autotuner.aws.configuration import LATEST, FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.logs import fetch_reports
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.reports import Outcome as ReportOutcome
from lambda_autotuner.aws.reports import Report
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import Telemetry
from lambda_autotuner.sizing.choices import Choices, current_of
from lambda_autotuner.tuning.evidence import Outcome, Sample
from lambda_autotuner.tuning.pricing import FULL_PERCENT
from lambda_autotuner.tuning.units import (
    DAYS_PER_MONTH,
    MS_PER_SECOND,
    SECONDS_PER_DAY,
    Architecture,
    architecture_name,
)
from lambda_autotuner.tuning.workload import Workload

_LINES = 800
_SLICES = 8
_SLICE_HOURS = 2.0
# Where memory ran out: lines from so many parts of the window, and how long reading them may take.
_LINES_OF_A_TAIL, _TAIL_SLICES, _TAIL_SECONDS = 4_000, 16, 20.0
# Lines seen, and the share of the largest Max Memory Used among them that is kept free.
_HEADROOM = ((300, 0.05), (50, 0.10), (0, 0.15))
# Percentiles: the share of lines that must be of one size, how near to the timeout durations are
# seen, and how many invocations have to lie beyond.
_SAME_SIZE, _SEEN_TO, _BEYOND = 0.98, 0.95, 10
_BYTECODE = ("java", "dotnet")


@dataclass(frozen=True, slots=True)
class Reports:
    """REPORT lines of a window; `complete` is False for a sample spread over it."""

    lines: tuple[Report, ...]
    complete: bool
    reason: str = ""


def read_reports(
    account: Account, configuration: FunctionConfiguration, window: Window, *, lines: int = _LINES
) -> Reports:
    """REPORT lines of a function: all of them, or a sample spread over the window.

    A busy function writes millions; the oldest thousand of them would describe one hour of one
    day. Then equal shares are taken from slices over the whole window, the last hours included.

    Args:
        account: where to ask.
        configuration: whose lines.
        window: the span of time.
        lines: about how many to read at most.
    """
    group = configuration.log_group
    try:
        found, complete = fetch_reports(account, group, window, limit=lines)
        if complete:
            return Reports(tuple(found), complete=True)
        share = max(1, lines // _SLICES)
        slices = [
            fetch_reports(account, group, part, limit=share)[0]
            for part in _spread(window, configuration.name)
        ]
    except MissingError:
        return Reports((), complete=True, reason=f"there is no log group {group}")
    except AwsError as error:
        return Reports((), complete=False, reason=error.message)
    return Reports(_distinct(line for part in slices for line in part), complete=False)


def read_more_where_memory_ran_out(
    account: Account, configuration: FunctionConfiguration, window: Window, reports: Reports
) -> Reports:
    """Many more REPORT lines where a sample of them shows that a function runs out of memory.

    How much memory is enough then hangs on a tail, which some hundred lines tell to 10 %: enough
    to make a size a tenth too dear or to let one in a hundred be killed.

    Args:
        account: where to ask.
        configuration: whose lines; kills at other memory sizes are history.
        window: the span of time.
        reports: what was read; given back as it is where that is all there is, or nothing was killed.
    """
    killed = any(
        line.outcome is ReportOutcome.OUT_OF_MEMORY and line.memory_mb == configuration.memory_mb
        for line in reports.lines
    )
    if reports.complete or not killed:
        return reports
    until = time.monotonic() + _TAIL_SECONDS
    share = _LINES_OF_A_TAIL // _TAIL_SLICES
    more: list[Report] = []
    # What was read before an error or the deadline counts all the same.
    with suppress(AwsError, MissingError):
        for part in _disjoint(window, configuration.name):
            left = until - time.monotonic()
            if left <= 0:
                break
            more += fetch_reports(
                account, configuration.log_group, part, limit=share, deadline_seconds=left
            )[0]
    return replace(reports, lines=_distinct([*reports.lines, *more]))


def _distinct(lines: Iterable[Report]) -> tuple[Report, ...]:
    """Each line once; attempts of one asynchronous event share its request id."""
    return tuple({(line.request_id, line.timestamp): line for line in lines}.values())


def _spread(window: Window, seed: str) -> list[Window]:
    """Short windows over a long one: one at a random time in each part, and the very last."""
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    length = min(timedelta(hours=_SLICE_HOURS), (window.end - window.start) / _SLICES)
    part = (window.end - window.start) / (_SLICES - 1)
    starts = [window.start + part * (i + rng.random()) for i in range(_SLICES - 1)]
    starts = [min(start, window.end - length) for start in starts]
    return [Window(start, start + length) for start in (*starts, window.end - length)]


def _disjoint(window: Window, seed: str) -> list[Window]:
    """Equal parts of a window, each from a random time in its first half to its end."""
    rng = random.Random(f"{seed} tail")  # noqa: S311 - a sample, not a secret
    part = (window.end - window.start) / _TAIL_SLICES
    ends = [window.start + part * (i + 1) for i in range(_TAIL_SLICES)]
    return [Window(end - part * (1 - rng.random() / 2), end) for end in ends]


def report_samples(
    reports: Iterable[Report],
    *,
    architecture: Architecture,
    by_version: Mapping[str, Architecture] | None = None,
) -> list[Sample]:
    """REPORT lines as samples.

    Args:
        reports: the lines.
        architecture: that of the function today.
        by_version: architecture of each version, where known.
    """
    known = by_version or {}
    return [_sample(line, known.get(line.version or "", architecture)) for line in reports]


def _sample(line: Report, architecture: Architecture) -> Sample:
    init = line.init_ms
    if line.restore_ms is not None:
        init = (init or 0.0) + line.restore_ms
    return Sample(
        memory_mb=line.memory_mb,
        architecture=architecture,
        duration_ms=line.duration_ms,
        outcome=Outcome(line.outcome.value),
        billed_ms=line.billed_ms,
        init_ms=init,
        max_memory_used_mb=line.max_memory_used_mb,
        source="report_line",
    )


def telemetry_sample(telemetry: Telemetry, configuration: FunctionConfiguration) -> Sample | None:
    """The mean duration of a window as one heavy sample; None without invocations."""
    if not telemetry.invocations or telemetry.mean_duration_ms is None:
        return None
    where = current_of(configuration)
    return Sample(
        memory_mb=where.memory_mb,
        architecture=where.architecture,
        duration_ms=telemetry.mean_duration_ms,
        source="metric",
        weight=float(telemetry.invocations),
    )


def monthly(count: float | None, window: Window) -> float | None:
    """A count in a window as a count in an average month."""
    if count is None or window.seconds <= 0:
        return None
    return count * DAYS_PER_MONTH * SECONDS_PER_DAY / window.seconds


def workload_of(
    configuration: FunctionConfiguration,
    choices: Choices,
    *,
    telemetry: Telemetry | None = None,
    reports: Reports | None = None,
    reserved_concurrency: int | None = None,
    provisioned_concurrency: float = 0.0,
) -> Workload:
    """How a function is used, as far as the account tells."""
    lines = reports.lines if reports is not None else ()
    volume = monthly(telemetry.invocations, telemetry.window) if telemetry is not None else None
    cold = sum(line.cold for line in lines) / len(lines) if lines else None
    slow = sum(line.outcome.value == "timeout" for line in lines) / len(lines) if lines else None
    runtime = configuration.runtime
    percentiles = production_percentiles(configuration, telemetry, lines)
    return Workload(
        invocations_per_month=volume,
        cold_rate=cold,
        request_fee=choices.request_fee,
        ephemeral_mb=configuration.ephemeral_storage_mb,
        savings_plan_discount_pct=choices.savings_plan_discount_pct,
        provisioned_concurrency=provisioned_concurrency,
        reserved_concurrency=reserved_concurrency,
        peak_concurrency=telemetry.max_concurrent if telemetry is not None else None,
        timeout_ms=configuration.timeout_seconds * 1_000.0,
        timeout_share=slow,
        runtime=runtime,
        package_type=configuration.package_type,
        snapstart=configuration.snapstart != "None",
        architecture_portable=_portable(configuration),
        memory_headroom=headroom(len(lines)),
        horizon_days=choices.horizon_days,
        production_ms=percentiles,
        production_at=current_of(configuration) if percentiles else None,
    )


def production_percentiles(
    configuration: FunctionConfiguration, telemetry: Telemetry | None, lines: Sequence[Report]
) -> tuple[tuple[float, float], ...]:
    """Percentiles of production's duration in ms at today's configuration, where they are sound.

    A percentile needs ten invocations beyond it; it must come from one configuration (REPORT lines
    show which ran); and beyond the timeout there is nothing to see.
    """
    if telemetry is None or not telemetry.invocations or telemetry.partial:
        return ()
    here = sum(line.memory_mb == configuration.memory_mb for line in lines)
    if not lines or here < _SAME_SIZE * len(lines):
        return ()
    seen = (
        (50.0, telemetry.p50_duration_ms),
        (95.0, telemetry.p95_duration_ms),
        (99.0, telemetry.p99_duration_ms),
    )
    limit_ms = _SEEN_TO * configuration.timeout_seconds * MS_PER_SECOND
    return tuple(
        (percentile, value)
        for percentile, value in seen
        if value is not None
        and 0 < value < limit_ms
        and telemetry.invocations * (1 - percentile / FULL_PERCENT) >= _BEYOND
    )


def headroom(lines: int) -> float:
    """Share of Max Memory Used to keep free: the largest of many lines is seldom surpassed."""
    return next(share for least, share in _HEADROOM if lines >= least)


def _portable(configuration: FunctionConfiguration) -> bool | None:
    """Whether the code runs on the other architecture; None where only trying it can tell.

    A package without layers on Java or .NET holds bytecode. Everything else may hold compiled
    parts that the configuration does not show.
    """
    runtime = configuration.runtime or ""
    if configuration.package_type == "Zip" and not configuration.layers:
        return True if runtime.startswith(_BYTECODE) else None
    return None


def dominant_version(reports: Iterable[Report]) -> str | None:
    """The version that ran most of the newest quarter of the lines; None without any."""
    stamped = [line for line in reports if line.timestamp is not None and line.version]
    stamped.sort(key=lambda line: line.timestamp.timestamp() if line.timestamp else 0.0)
    recent = stamped[-max(1, len(stamped) // 4) :] if stamped else []
    counts: dict[str, int] = {}
    for line in recent:
        counts[str(line.version)] = counts.get(str(line.version), 0) + 1
    return max(counts, key=counts.__getitem__) if counts else None


def architectures_by_version(
    versions: Iterable[FunctionConfiguration],
) -> dict[str, Architecture]:
    """Architecture of each version by its number."""
    return {v.version: architecture_name(v.architecture) for v in versions if v.version != LATEST}


def without_volume(workload: Workload) -> Workload:
    """The same for one invocation instead of a month."""
    return replace(workload, invocations_per_month=None)
