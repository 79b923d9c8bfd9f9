"""The look around before the first tool: which functions exist, and what is not allowed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from lambda_autotuner.agent.answer import Gap
from lambda_autotuner.agent.tools.inventory import READ_OPERATIONS
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.errors import ErrorCode as AwsCode
from lambda_autotuner.aws.functions import get_function, list_functions
from lambda_autotuner.aws.permissions import check_operations
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import UsageError

_FRESH_SECONDS = 20.0
_PERMISSIONS_SECONDS = 300.0
_NAME_LIKE = re.compile(r"(?<![\w/.:-])([A-Za-z][\w-]{2,139})(?![\w/])")
_PROBES = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known before a question is answered.

    Attributes:
        missing: IAM actions that the caller is known not to have.
    """

    inventory: tuple[str, ...]
    missing: frozenset[str]
    gaps: tuple[Gap, ...] = ()


def survey(account: Account, question: str) -> Survey:
    """Look around an account; names are kept for 20 s and permissions for five minutes.

    Raises:
        AwsError: the account cannot be reached at all, or there are no credentials.
    """
    missing = _missing_permissions(account)
    try:
        return Survey(_names(account), missing)
    except AwsError as error:
        if error.code is not AwsCode.ACCESS_DENIED:
            raise
        gap = Gap(
            "The list of functions", "not allowed, so names can only be tried as they were said",
            iam_action="lambda:ListFunctions",
        )  # fmt: skip
        return Survey(_probe(account, question), missing | {"lambda:ListFunctions"}, (gap,))


def _names(account: Account) -> tuple[str, ...]:
    kept = account.remember("agent_inventory")
    if kept is not None and time.monotonic() - kept[0] < _FRESH_SECONDS:
        names: tuple[str, ...] = kept[1]
        return names
    names = tuple(item.name for item in list_functions(account))
    account.remember("agent_inventory", (time.monotonic(), names))
    return names


def _probe(account: Account, question: str) -> tuple[str, ...]:
    """Without a list, the names that were said are looked up one by one."""
    found = []
    candidates = [
        word for word in _NAME_LIKE.findall(question) if re.search(r"[-_\d]|[a-z][A-Z]", word)
    ]
    for name in list(dict.fromkeys(candidates))[:_PROBES]:
        try:
            found.append(get_function(account, name).name)
        except (AwsError, MissingError, UsageError):
            continue
    return tuple(found)


def _missing_permissions(account: Account) -> frozenset[str]:
    kept = account.remember("agent_permissions")
    if kept is not None and time.monotonic() - kept[0] < _PERMISSIONS_SECONDS:
        missing: frozenset[str] = kept[1]
        return missing
    found = check_operations(account, READ_OPERATIONS)
    missing = frozenset(permission.action for permission in found if permission.allowed is False)
    account.remember("agent_permissions", (time.monotonic(), missing))
    return missing
