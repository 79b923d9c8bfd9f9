"""Making a plan: what stands now, what shall stand, what it rests on, and whether it may be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from lambda_autotuner.aws.concurrency import provisioned_concurrency, reserved_concurrency
from lambda_autotuner.aws.configuration import (
    LATEST,
    FunctionConfiguration,
    FunctionReference,
    configuration_from,
)
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import (
    Alias,
    get_alias,
    get_tags,
    list_aliases,
    raw_configuration,
    resolve,
)
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError, UsageError
from lambda_autotuner.journal import Journal
from lambda_autotuner.rollout.changes import VERSION_FIELDS, check_changes
from lambda_autotuner.rollout.checks import (
    check_alias,
    check_concurrency,
    check_function,
    check_route,
    notes_for,
)
from lambda_autotuner.rollout.expectation import check_expectation, expectation_of
from lambda_autotuner.rollout.guardrails import Finding, check_guardrails
from lambda_autotuner.rollout.permissions import required_actions
from lambda_autotuner.rollout.plan import AliasBefore, Bounds, Plan, Strategy
from lambda_autotuner.rollout.snapshot import take_snapshot
from lambda_autotuner.settings import Settings


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan that was made and what the checks found; blocking findings were refused."""

    plan: Plan
    findings: tuple[Finding, ...]


class RefusedPlanError(RefusedError):
    """The checks found reasons against a plan; `findings` has them all."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            " ".join(finding.message for finding in findings),
            remedy=" ".join(dict.fromkeys(f.remedy for f in findings if f.remedy)) or None,
        )


def make_plan(
    account: Account,
    journal: Journal,
    settings: Settings,
    function: str,
    *,
    changes: Mapping[str, Any] | None = None,
    recommendation: Any | None = None,
    qualifier: str | None = None,
    latency_bound_pct: float | None = None,
    error_bound_points: float | None = None,
    actor: str | None = None,
) -> Draft:
    """Make a plan and write it into the journal. Nothing in the account is changed.

    Args:
        account: where the function is.
        journal: where the plan is kept.
        settings: guardrails, approval and rollout.
        function: name, `name:alias` or ARN.
        changes: new values by field (`memory_mb`, `timeout_seconds`, `architecture`,
            `ephemeral_storage_mb`, `snapstart`, `reserved_concurrency`,
            `provisioned_concurrency`); None takes a concurrency setting away.
        recommendation: an engine's answer instead of, or beside, explicit changes.
        qualifier: the alias that carries the traffic; without one `$LATEST` is changed, or the
            only alias when there is exactly one.
        latency_bound_pct: how much p50, p95 and p99 may rise, in percent; a setting without it.
        error_bound_points: how much the error share may rise, in points; a setting without it.
        actor: who asks.

    Raises:
        UsageError: unknown field, value out of range, or nothing to change.
        MissingError: no such function or alias.
        RefusedPlanError: a guardrail or the state of the function stands against it.
        AwsError: the account cannot be asked.
    """
    reference = resolve(account, function)
    name = reference.name
    wanted = check_changes(_wanted(changes, recommendation))
    raw = raw_configuration(account, name, LATEST)
    configuration = configuration_from(raw)
    alias = _choose_alias(account, name, qualifier or reference.qualifier, wanted)
    before = _values_now(account, name, alias, raw, wanted)
    after = {field: value for field, value in wanted.items() if before[field] != value}
    if not after:
        shown = ", ".join(f"{field} {value}" for field, value in wanted.items())
        raise UsageError(f"Nothing to change: {name} has {shown} already.")
    before = {field: before[field] for field in after}
    tags, tag_findings = _read_tags(account, configuration)
    salt = secrets.token_hex(16)
    snapshot = take_snapshot(raw, salt)
    held = _hold_alias(account, name, alias, salt)
    expected = expectation_of(recommendation)
    bounds = _bounds(settings, expected, latency_bound_pct, error_bound_points)
    findings = [
        *tag_findings,
        *check_guardrails(
            settings.guardrails, function=name, tags=tags, before=before, after=after
        ),
        *check_function(configuration, raw, after),
        *check_alias(alias, held, snapshot, after),
        *check_concurrency(account, name, alias, after),
        *check_route(account, configuration, alias, after, named=_named(qualifier, reference)),
        *check_expectation(expected, bounds.latency_pct, explicit=latency_bound_pct is not None),
    ]
    refuse_blocked(findings)
    now = journal.now()
    strategy = _strategy(account, name, alias, after)
    plan = Plan(
        id=journal.new_id("p"),
        account_id=account.account_id,
        region=account.region,
        function=name,
        qualifier=alias.name if alias else None,
        strategy=strategy,
        created_at=now,
        expires_at=now + timedelta(minutes=settings.approval.expiry_minutes),
        before=before,
        after=after,
        revision_id=configuration.revision_id,
        code_sha256=configuration.code_sha256,
        snapshot=snapshot,
        salt=salt,
        alias=held,
        bounds=bounds,
        canary_steps=settings.rollout.canary_steps if strategy is Strategy.CANARY else (),
        evidence=_evidence(recommendation, actor),
        expected=expected,
        notes=notes_for(configuration, alias, after, strategy),
    )
    plan = replace(plan, actions=required_actions(plan))
    journal.add_plan(plan.to_stored())
    return Draft(plan, tuple(findings))


def refuse_blocked(findings: list[Finding], *, severities: tuple[str, ...] = ("block",)) -> None:
    """Refuse when a finding stands against going on.

    Raises:
        RefusedPlanError: with every such finding.
    """
    blocking = [finding for finding in findings if finding.severity in severities]
    if blocking:
        raise RefusedPlanError(blocking)


def _wanted(changes: Mapping[str, Any] | None, recommendation: Any | None) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if recommendation is not None:
        kind = getattr(recommendation, "kind", None)
        proposed = getattr(recommendation, "proposed", None)
        if kind != "change" or proposed is None:
            reasons = " ".join(getattr(recommendation, "reasons", ()))
            raise UsageError(f"The recommendation is to change nothing ({kind}). {reasons}".strip())
        wanted["memory_mb"] = int(proposed.memory_mb)
        current = getattr(recommendation, "current", None)
        if current is None or current.architecture != proposed.architecture:
            wanted["architecture"] = str(proposed.architecture)
    wanted.update(changes or {})
    return wanted


def _named(qualifier: str | None, reference: FunctionReference) -> bool:
    """Whether a person said which alias carries the traffic."""
    return (qualifier or reference.qualifier) is not None


def _choose_alias(
    account: Account, name: str, qualifier: str | None, wanted: Mapping[str, Any]
) -> Alias | None:
    """The alias that the change is for; a version cannot be changed."""
    if qualifier == LATEST:
        return None
    if qualifier is not None and qualifier.isdigit():
        raise UsageError(
            f"{name}:{qualifier} is a published version, which never changes.",
            remedy="Name the alias that routes to it.",
        )
    if qualifier is not None:
        return get_alias(account, name, qualifier)
    aliases = list_aliases(account, name)
    needs_alias = "provisioned_concurrency" in wanted or set(wanted) & set(VERSION_FIELDS)
    if len(aliases) == 1 and needs_alias:
        return aliases[0]
    if len(aliases) > 1 and needs_alias:
        names = ", ".join(alias.name for alias in aliases)
        raise UsageError(
            f"{name} has several aliases ({names}); say which one carries the traffic.",
            remedy="Use --qualifier ALIAS, or --qualifier '$LATEST'.",
        )
    return None


def _values_now(
    account: Account,
    name: str,
    alias: Alias | None,
    raw: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> dict[str, Any]:
    now = take_snapshot(raw, "")
    values = {field: now[field] for field in VERSION_FIELDS}
    if alias is not None and set(wanted) & set(VERSION_FIELDS):
        behind = take_snapshot(raw_configuration(account, name, alias.version), "")
        values.update({field: behind[field] for field in VERSION_FIELDS})
    if "reserved_concurrency" in wanted:
        values["reserved_concurrency"] = reserved_concurrency(account, name)
    if "provisioned_concurrency" in wanted:
        if alias is None:
            raise UsageError(
                f"Provisioned concurrency of {name} needs an alias.",
                remedy="Use --qualifier ALIAS.",
            )
        found = provisioned_concurrency(account, name, alias.name)
        values["provisioned_concurrency"] = found.requested if found else None
    return values


def _read_tags(
    account: Account, configuration: FunctionConfiguration
) -> tuple[dict[str, str], list[Finding]]:
    """Tags decide about protection, so not being able to read them stands against a change."""
    try:
        return get_tags(account, configuration.arn), []
    except (AwsError, MissingError) as error:
        return {}, [
            Finding(
                "tags",
                "block",
                f"The tags of {configuration.name} could not be read, so that its protection is "
                f"unknown: {error.message}",
                "Allow lambda:ListTags.",
            )
        ]


def _hold_alias(account: Account, name: str, alias: Alias | None, salt: str) -> AliasBefore | None:
    if alias is None:
        return None
    raw = raw_configuration(account, name, alias.version)
    return AliasBefore(alias.name, alias.version, alias.revision_id, take_snapshot(raw, salt))


def _strategy(
    account: Account, name: str, alias: Alias | None, after: Mapping[str, Any]
) -> Strategy:
    if alias is None or not set(after) & set(VERSION_FIELDS):
        return Strategy.DIRECT
    # An alias with provisioned concurrency cannot route to two versions.
    if provisioned_concurrency(account, name, alias.name) is not None:
        return Strategy.SWITCH
    if after.get("provisioned_concurrency") is not None:
        return Strategy.SWITCH
    return Strategy.CANARY


def _bounds(
    settings: Settings,
    expected: Mapping[str, Any],
    latency_bound_pct: float | None,
    error_bound_points: float | None,
) -> Bounds:
    rollout = settings.rollout
    latency = rollout.p95_bound_pct if latency_bound_pct is None else latency_bound_pct
    errors = rollout.error_bound_points if error_bound_points is None else error_bound_points
    if not 0 < latency <= 10_000:  # noqa: PLR2004 - a hundredfold slowdown is no bound
        raise UsageError(f"A latency bound of {latency} % is not possible.")
    if not 0 < errors <= 100:  # noqa: PLR2004 - percent
        raise UsageError(f"An error bound of {errors} points is not possible.")
    ratio = expected.get("cost_ratio_high")
    limit = None if ratio is None else max(1.0, ratio) * (1 + rollout.cost_bound_pct / 100)
    return Bounds(latency, errors, limit, rollout.false_alarm_rate)


def _evidence(recommendation: Any | None, actor: str | None) -> dict[str, Any]:
    if recommendation is None:
        return {"kind": "wish", "by": actor or "unknown"}
    return {"kind": "recommendation", "by": actor or "unknown", "answer": recommendation.to_dict()}
