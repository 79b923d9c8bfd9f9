"""Everything that the account tells about one function before anything is invoked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from lambda_autotuner.aws.concurrency import get_concurrency
from lambda_autotuner.aws.configuration import LATEST, FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import get_function, list_aliases, list_versions, resolve
from lambda_autotuner.aws.logs import fetch_reports
from lambda_autotuner.aws.metrics import Window
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import Target, Telemetry, fetch_telemetry, window_for
from lambda_autotuner.sizing.applicability import Applicability, judge
from lambda_autotuner.sizing.choices import Choices, current_of
from lambda_autotuner.sizing.telemetry import (
    Reports,
    architectures_by_version,
    dominant_version,
    read_more_where_memory_ran_out,
    read_reports,
    report_samples,
    telemetry_sample,
    workload_of,
)
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, Sample
from lambda_autotuner.tuning.units import Architecture
from lambda_autotuner.tuning.workload import Workload

# Fewer REPORT lines than this at the size in use say less than the metric over all invocations.
_ENOUGH_LINES = 20
# A mean over all invocations is one of warm ones that ended well where hardly any other was seen.
_OTHERS_IN_THE_MEAN = 0.02
_RECENT = timedelta(hours=24)
# As many as the smallest headroom over Max Memory Used asks for, and some that may be unreadable.
_RECENT_LINES = 320


@dataclass(frozen=True, slots=True)
class Background:
    """What is known about a function before anything is invoked."""

    configuration: FunctionConfiguration
    qualifier: str | None
    applicability: Applicability
    window: Window | None
    telemetry: Telemetry | None
    evidence: Evidence
    workload: Workload
    cautions: tuple[str, ...]

    @property
    def current(self) -> Configuration:
        """The configuration in use."""
        return current_of(self.configuration)


def read_background(
    account: Account, function: str, choices: Choices, *, qualifier: str | None = None
) -> Background:
    """Read everything that the account tells about a function.

    Raises:
        MissingError: no such function or qualifier.
        AwsError: not allowed, or the account could not be asked.
    """
    reference = resolve(account, function)
    qualifier = qualifier or reference.qualifier
    configuration = get_function(account, reference.name, qualifier)
    applicability = judge(configuration)
    if not applicability.applies:
        return Background(
            configuration, qualifier, applicability, None, None, Evidence(), Workload(), ()
        )
    window = window_for(account, reference.name, days=choices.window_days, qualifier=qualifier)
    target = Target(reference.name, qualifier)
    telemetry = fetch_telemetry(account, [target], window)[target]
    reports = read_reports(account, configuration, window)
    configuration, qualifier = _subject(account, configuration, qualifier, reports)
    reports = read_more_where_memory_ran_out(account, configuration, window, reports)
    samples, notes = _samples(account, configuration, qualifier, telemetry, reports)
    workload, unknown = _workload(account, configuration, choices, telemetry, reports)
    return Background(
        configuration=configuration,
        qualifier=qualifier,
        applicability=applicability,
        window=window,
        telemetry=telemetry,
        evidence=Evidence(samples),
        workload=workload,
        cautions=(*applicability.cautions, *notes, *unknown),
    )


def _subject(
    account: Account,
    configuration: FunctionConfiguration,
    qualifier: str | None,
    reports: Reports,
) -> tuple[FunctionConfiguration, str | None]:
    """The version that carries the traffic, where nobody named one.

    Traffic by an alias runs a version whose memory size `$LATEST` need not have.
    """
    if qualifier is not None:
        return configuration, qualifier
    version = dominant_version(reports.lines)
    if version in {None, LATEST}:
        return configuration, None
    try:
        found = get_function(account, configuration.name, version)
    except MissingError:
        # That version was deleted since; what would run now is `$LATEST`.
        return configuration, None
    try:
        aliases = list_aliases(account, configuration.name)
    except AwsError:
        aliases = []
    # A change goes to the alias that callers use, so it is the name to remember.
    named = next((alias.name for alias in aliases if alias.version == version), version)
    return found, named


def _samples(
    account: Account,
    configuration: FunctionConfiguration,
    qualifier: str | None,
    telemetry: Telemetry,
    reports: Reports,
) -> tuple[list[Sample], list[str]]:
    current = current_of(configuration)
    notes = [f"REPORT lines could not be read: {reports.reason}."] if reports.reason else []
    lines = list(reports.lines)
    by_version: dict[str, Architecture] = {}
    if lines and len({line.version for line in lines}) > 1:
        try:
            by_version = architectures_by_version(list_versions(account, configuration.name))
        except AwsError as error:
            notes.append(f"Earlier versions could not be read: {error.message}")
    samples = report_samples(lines, architecture=current.architecture, by_version=by_version)
    here = sum(sample.configuration == current for sample in samples)
    whole = telemetry_sample(telemetry, configuration)
    sampled = not (reports.complete or telemetry.partial)
    if whole is not None and whole.weight > here and _tells_more(samples, current, sampled=sampled):
        samples.append(whole)
    if not telemetry.invocations and not samples:
        where = f" under {qualifier}" if qualifier else ""
        notes.append(
            f"Nobody invoked it{where} in the window, so there is no evidence, no volume and nothing to save."
        )
    return samples, notes


def _tells_more(samples: list[Sample], current: Configuration, *, sampled: bool) -> bool:
    """Whether the mean of the metric says more about warm invocations than the lines do.

    A sample of lines misses what happens seldom and what only some hours have; the metric has every
    invocation, but cold and failed ones are among them, and those of other sizes.
    """
    elsewhere = sum(sample.configuration != current for sample in samples)
    if len(samples) - elsewhere < _ENOUGH_LINES:
        return elsewhere == 0
    others = sum(
        sample.configuration != current or sample.cold or sample.outcome is not Outcome.OK
        for sample in samples
    )
    return sampled and others <= _OTHERS_IN_THE_MEAN * len(samples)


def _workload(
    account: Account,
    configuration: FunctionConfiguration,
    choices: Choices,
    telemetry: Telemetry,
    reports: Reports,
) -> tuple[Workload, list[str]]:
    notes: list[str] = []
    reserved, provisioned = None, 0.0
    try:
        concurrency = get_concurrency(account, configuration.name)
        reserved = concurrency.reserved
        provisioned = float(sum(item.requested for item in concurrency.provisioned))
    except (AwsError, MissingError) as error:
        notes.append(f"Concurrency settings could not be read: {error.message}")
    workload = workload_of(
        configuration,
        choices,
        telemetry=telemetry,
        reports=reports,
        reserved_concurrency=reserved,
        provisioned_concurrency=provisioned,
    )
    return workload, notes


def look_deeper(
    account: Account, configuration: FunctionConfiguration, window: Window, choices: Choices
) -> Background:
    """What one page of REPORT lines from the end of a window adds to the metrics: a single call.

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    recent = Window(max(window.start, window.end - _RECENT), window.end, window.anchor)
    found, complete = fetch_reports(account, configuration.log_group, recent, limit=_RECENT_LINES)
    reports = Reports(tuple(found), complete)
    version = dominant_version(reports.lines)
    current = current_of(configuration)
    samples = report_samples(reports.lines, architecture=current.architecture)
    if version not in {None, LATEST}:
        # Traffic by an alias runs a version whose memory size `$LATEST` need not have.
        sizes = [line.memory_mb for line in reports.lines if line.version == version]
        configuration = replace(configuration, memory_mb=sizes[-1], version=str(version))
    return Background(
        configuration=configuration,
        qualifier=None,
        applicability=judge(configuration),
        window=recent,
        telemetry=None,
        evidence=Evidence(samples),
        workload=workload_of(configuration, choices, reports=reports),
        cautions=(),
    )
