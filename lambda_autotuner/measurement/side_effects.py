"""What suggests that invoking a function changes something outside it.

Nobody can prove that a function is harmless from outside, so this only ever gives reasons to ask
a person first; what could not be read counts as a reason too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import list_event_sources
from lambda_autotuner.aws.session import Account

Kind = Literal["role", "event_source", "environment", "unknown"]

_READING = re.compile(
    r"(get|list|describe|batchget|query|scan|head|select|lookup|search|view|read|decrypt|verify|"
    r"receive|simulate|conditioncheck|partiqlselect|detect|discover)",
    re.IGNORECASE,
)
# Writing one's own logs, traces, metrics and network interfaces is part of running at all.
_HOUSEKEEPING = re.compile(
    r"(logs:(create|put|tag)|xray:put|cloudwatch:putmetricdata|ec2:.*(networkinterface|privateip)|"
    r"kms:generatedatakey|sts:|sqs:(deletemessage|changemessagevisibility)|"
    r"(kafka|kinesis|dynamodb):(describe|get|list|subscribe)|lambda-autotuner)",
    re.IGNORECASE,
)
_TELLING_NAMES = re.compile(
    r"(TABLE|QUEUE|TOPIC|BUCKET|STREAM|WEBHOOK|SMTP|MAIL|SES_|SNS|SQS|SLACK|STRIPE|PAYMENT|TWILIO|"
    r"DATABASE|DB_|_DSN|JDBC|REDIS|MONGO|POSTGRES|MYSQL|API_KEY|ENDPOINT|STATE_MACHINE|EVENT_BUS)",
    re.IGNORECASE,
)
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class SideEffect:
    """One reason to ask before invoking."""

    kind: Kind
    evidence: str


def suspect(account: Account, configuration: FunctionConfiguration) -> tuple[SideEffect, ...]:
    """Reasons to believe that an invocation of this function changes something.

    Reads the role's policies, the event sources and the names of environment variables.
    """
    found = [*_role(account, configuration.role), *_event_sources(account, configuration.name)]
    names = [name for name in configuration.environment_names if _TELLING_NAMES.search(name)]
    if names:
        found.append(SideEffect("environment", f"environment names {', '.join(names[:_SHOWN])}"))
    if configuration.file_systems:
        found.append(SideEffect("environment", "a mounted file system"))
    return tuple(found)


def _event_sources(account: Account, name: str) -> list[SideEffect]:
    try:
        sources = list_event_sources(account, name)
    except (AwsError, MissingError) as error:
        return [SideEffect("unknown", f"the event sources could not be read ({error.message})")]
    services = sorted({_service(source.source_arn) for source in sources})
    if not services:
        return []
    return [SideEffect("event_source", f"it consumes events from {', '.join(services)}")]


def _service(arn: str) -> str:
    parts = arn.split(":")
    return parts[2] if len(parts) > 2 else arn  # noqa: PLR2004 - arn:partition:service


def _role(account: Account, role_arn: str) -> list[SideEffect]:
    role = role_arn.rsplit("/", 1)[-1]
    try:
        actions = sorted(set(_allowed_actions(account, role)))
    except (AwsError, MissingError) as error:
        return [
            SideEffect(
                "unknown", f"the policies of role {role} could not be read ({error.message})"
            )
        ]
    writing = [action for action in actions if is_writing(action)]
    if not writing:
        return []
    more = f" and {len(writing) - _SHOWN} more" if len(writing) > _SHOWN else ""
    return [SideEffect("role", f"role {role} may {', '.join(writing[:_SHOWN])}{more}")]


def is_writing(action: str) -> bool:
    """Whether an IAM action, wildcards included, lets a function change something."""
    if action in {"*", "*:*"}:
        return True
    if _HOUSEKEEPING.match(action):
        return False
    verb = action.partition(":")[2] or action
    return not _READING.match(verb)


def _allowed_actions(account: Account, role: str) -> Iterable[str]:
    for name in account.pages("iam", "ListRolePolicies", RoleName=role):
        answer = account.call("iam", "GetRolePolicy", RoleName=role, PolicyName=name)
        yield from allowed_by(answer.get("PolicyDocument"))
    for policy in account.pages("iam", "ListAttachedRolePolicies", RoleName=role):
        arn = policy["PolicyArn"]
        version = account.call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        answer = account.call("iam", "GetPolicyVersion", PolicyArn=arn, VersionId=version)
        yield from allowed_by(answer["PolicyVersion"].get("Document"))


def allowed_by(document: Any) -> list[str]:
    """Actions that a policy document allows; `NotAction` allows nearly everything."""
    if isinstance(document, str):
        from urllib.parse import unquote

        try:
            document = json.loads(unquote(document))
        except ValueError:
            return ["*"]
    if not isinstance(document, Mapping):
        return []
    statements = document.get("Statement") or []
    if isinstance(statements, Mapping):
        statements = [statements]
    actions: list[str] = []
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement:
            actions.append("*")
        listed = statement.get("Action") or []
        actions += [listed] if isinstance(listed, str) else list(listed)
    return actions
