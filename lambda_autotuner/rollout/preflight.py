"""Everything that can be known to stand in a plan's way before the first write."""

from __future__ import annotations

from datetime import datetime, timedelta

from lambda_autotuner.aws.concurrency import provisioned_concurrency, reserved_concurrency
from lambda_autotuner.aws.configuration import LATEST, configuration_from
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import get_alias, get_tags, raw_configuration
from lambda_autotuner.aws.operations import find_operation
from lambda_autotuner.aws.permissions import Permission, check_permissions, function_arn
from lambda_autotuner.aws.session import Account
from lambda_autotuner.journal import Journal
from lambda_autotuner.rollout.guardrails import Finding, check_guardrails, check_moment
from lambda_autotuner.rollout.permissions import required_calls
from lambda_autotuner.rollout.plan import Plan
from lambda_autotuner.rollout.snapshot import differences, take_snapshot
from lambda_autotuner.settings import Settings

# Two machines that share a journal may differ by this much.
_CLOCKS_DIFFER = timedelta(minutes=2)


def preflight(
    account: Account,
    journal: Journal,
    settings: Settings,
    plan: Plan,
    *,
    now: datetime | None = None,
) -> list[Finding]:
    """Check a plan against the account, the permissions and the guardrails as they are now.

    Args:
        account: where the function is.
        journal: for the rate of changes, and its clock.
        settings: guardrails.
        plan: what shall be done.
        now: instead of the journal's clock.

    Returns:
        Findings; those of severity "block" and "later" stand against applying now.
    """
    now = now or journal.now()
    findings = [*_belongs_here(account, plan), *_expiry(plan, now)]
    if any(finding.severity == "block" for finding in findings):
        return findings
    findings += _unchanged(account, plan)
    findings += _guards(account, journal, settings, plan, now)
    findings += _permissions(account, plan)
    if not account.writes_allowed:
        findings.append(
            Finding(
                "read-only",
                "later",
                f"Account {account.account_id} is read-only here.",
                "Set writes_allowed: true (LAMBDA_AUTOTUNER_WRITES_ALLOWED) to allow changes.",
            )
        )
    return findings


def _belongs_here(account: Account, plan: Plan) -> list[Finding]:
    here = (account.account_id, account.region)
    if here == (plan.account_id, plan.region):
        return []
    return [
        Finding(
            "account",
            "block",
            f"Plan {plan.id} is for account {plan.account_id} in {plan.region}; "
            f"this is {here[0]} in {here[1]}.",
            "Choose the account with --account, --profile and --region.",
        )
    ]


def _expiry(plan: Plan, now: datetime) -> list[Finding]:
    if now < plan.created_at - _CLOCKS_DIFFER:
        return [
            Finding(
                "clock",
                "block",
                f"Plan {plan.id} was made at {plan.created_at:%Y-%m-%d %H:%M:%S} UTC, and here it "
                f"is {now:%Y-%m-%d %H:%M:%S} UTC: whether it has expired cannot be told.",
                "Set the clocks of both machines, then make a new plan.",
            )
        ]
    if now < plan.expires_at:
        return []
    return [
        Finding(
            "expiry",
            "block",
            f"Plan {plan.id} expired at {plan.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
            "Make a new plan.",
        )
    ]


def _unchanged(account: Account, plan: Plan) -> list[Finding]:
    """The function and the alias must be what the plan was made for."""
    try:
        raw = raw_configuration(account, plan.function, LATEST)
        alias = get_alias(account, plan.function, plan.alias.name) if plan.alias else None
    except MissingError as error:
        return [Finding("existence", "block", error.message, error.remedy)]
    findings = []
    configuration = configuration_from(raw)
    found = differences(plan.snapshot, take_snapshot(raw, plan.salt))
    if found or configuration.revision_id != plan.revision_id:
        shown = "; ".join(str(item) for item in found) or "only its revision"
        findings.append(
            Finding(
                "revision",
                "block",
                f"{plan.function} changed since the plan was made: {shown}.",
                "Look at the change, then make a new plan.",
            )
        )
    findings += _concurrency_unchanged(account, plan)
    if configuration.updating:
        findings.append(
            Finding("state", "later", f"An update of {plan.function} is under way.", "Wait for it.")
        )
    if plan.alias and alias and alias.revision_id != plan.alias.revision_id:
        findings.append(
            Finding(
                "alias",
                "block",
                f"The alias {alias.name} of {plan.function} changed since the plan was made.",
                "Make a new plan.",
            )
        )
    return findings


def _concurrency_unchanged(account: Account, plan: Plan) -> list[Finding]:
    """No revision tells about these: their values do."""
    now: dict[str, int | None] = {}
    if "reserved_concurrency" in plan.after:
        now["reserved_concurrency"] = reserved_concurrency(account, plan.function)
    if "provisioned_concurrency" in plan.after:
        found = provisioned_concurrency(account, plan.function, plan.qualifier or "")
        now["provisioned_concurrency"] = found.requested if found else None
    return [
        Finding(
            "concurrency",
            "block",
            f"{field} of {plan.function} changed since the plan was made: "
            f"{plan.before[field]} -> {value}.",
            "Look at the change, then make a new plan.",
        )
        for field, value in now.items()
        if value != plan.before[field]
    ]


def _guards(
    account: Account, journal: Journal, settings: Settings, plan: Plan, now: datetime
) -> list[Finding]:
    arn = function_arn(account, plan.function)
    try:
        tags = get_tags(account, arn)
    except (AwsError, MissingError) as error:
        message = f"The tags of {plan.function} could not be read: {error.message}"
        return [Finding("tags", "block", message, "Allow lambda:ListTags.")]
    return [
        *check_guardrails(
            settings.guardrails,
            function=plan.function,
            tags=tags,
            before=plan.before,
            after=plan.after,
        ),
        *check_moment(settings.guardrails, journal, plan.account_id, plan.region, now),
    ]


def _permissions(account: Account, plan: Plan) -> list[Finding]:
    """What IAM's simulation denies stands in the way; what it could not tell is said."""
    arn = function_arn(account, plan.function)
    narrow: list[str] = []
    broad: list[str] = []
    for service, name in required_calls(plan):
        operation = find_operation(service, name)
        (narrow if operation.scope == "function" else broad).extend(operation.actions)
    checked = check_permissions(account, narrow, arn) + check_permissions(account, broad)
    return [*_denied(checked), *_unchecked(checked)]


def _denied(checked: list[Permission]) -> list[Finding]:
    return [
        Finding(
            "permission",
            "block",
            f"Not allowed: {item.action} on {item.resource} ({item.reason}).",
            "Add the action to the role in use; docs/permissions.md has the policy per verb.",
        )
        for item in checked
        if item.allowed is False
    ]


def _unchecked(checked: list[Permission]) -> list[Finding]:
    open_ones = [item for item in checked if item.allowed is None]
    if not open_ones:
        return []
    actions = ", ".join(item.action for item in open_ones)
    return [
        Finding(
            "permission",
            "warn",
            f"Whether these actions are allowed is unknown: {actions} ({open_ones[0].reason}).",
            "Allow iam:SimulatePrincipalPolicy to have them checked before the first write.",
        )
    ]
