"""Undoing what a measurement did to the account. Every step may be repeated without harm.

The same steps end a measurement, clean up after Ctrl-C, and repair after a kill. Nothing is undone
on the strength of a name alone: what a measurement makes carries its mark in the description, and
`$LATEST` gets its memory size back only while it still has the one that the measurement gave it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lambda_autotuner.aws.configuration import LATEST, FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, ErrorCode, MissingError
from lambda_autotuner.aws.functions import get_function, list_aliases, list_versions
from lambda_autotuner.aws.logs import list_log_groups
from lambda_autotuner.aws.session import Account

_PREFIX = "lambda-autotuner measurement "
_ATTEMPTS = 12
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 2.0
_SETTLE_SECONDS = 300.0

Sleep = Callable[[float], None]


class Kind(StrEnum):
    """What may have to be undone."""

    LATEST_MEMORY = "measurement.latest_memory"
    VERSIONS = "measurement.versions"
    COPY = "measurement.copy"


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing found and did, in words; `complete` is False when something stayed."""

    done: tuple[str, ...] = ()
    complete: bool = True


def mark(run_id: str) -> str:
    """The description that everything made by a run carries."""
    return f"{_PREFIX}{run_id}"


def undo(
    account: Account, kind: Kind, detail: Mapping[str, Any], *, sleep: Sleep = time.sleep
) -> Undone:
    """Undo one journalled step.

    Args:
        account: where it was done.
        kind: what was done.
        detail: as it was journalled.
        sleep: how to wait.

    Raises:
        AwsError: the account could not be asked or changed; the step stays open.
    """
    function = str(detail["function"])
    match kind:
        case Kind.LATEST_MEMORY:
            return restore_latest(
                account,
                function,
                probe_mb=int(detail["probe_mb"]),
                original_mb=int(detail["original_mb"]),
                sleep=sleep,
            )
        case Kind.VERSIONS:
            return remove_versions(account, function, str(detail["mark"]), sleep=sleep)
        case Kind.COPY:
            return remove_copy(
                account,
                str(detail["copy"]),
                str(detail["mark"]),
                log_group=detail.get("log_group"),
                sleep=sleep,
            )


def restore_latest(
    account: Account, function: str, *, probe_mb: int, original_mb: int, sleep: Sleep = time.sleep
) -> Undone:
    """Give `$LATEST` its memory size back, unless somebody has changed it meanwhile.

    Raises:
        AwsError: the account could not be asked or changed.
    """
    waits = _waits()
    for _ in range(_ATTEMPTS):
        try:
            # A failed update still has to be undone.
            now = wait_settled(account, function, sleep=sleep, failed_is_fine=True)
        except MissingError:
            return Undone((f"{function} does not exist any more.",))
        if now.memory_mb == original_mb:
            return Undone()
        if now.memory_mb != probe_mb:
            return Undone((_taken_over(now, probe_mb, original_mb),))
        try:
            account.call(
                "lambda",
                "UpdateFunctionConfiguration",
                FunctionName=function,
                MemorySize=original_mb,
                RevisionId=now.revision_id,
            )
        except AwsError as error:
            if not _passes(error):
                raise
            sleep(next(waits))
            continue
        wait_settled(account, function, sleep=sleep)
        return Undone((f"$LATEST of {function} is back at {original_mb} MB.",))
    raise AwsError(
        f"$LATEST of {function} could not be set back to {original_mb} MB in {_ATTEMPTS} attempts.",
        code=ErrorCode.CONFLICT,
        remedy="The next command tries again.",
    )


def _taken_over(now: FunctionConfiguration, probe_mb: int, original_mb: int) -> str:
    return (
        f"$LATEST of {now.name} has {now.memory_mb} MB, which is neither the {original_mb} MB before "
        f"the measurement nor its {probe_mb} MB: somebody else changed it, so it stays."
    )


def remove_versions(
    account: Account, function: str, marked: str, *, sleep: Sleep = time.sleep
) -> Undone:
    """Delete the aliases and versions that carry the mark.

    Raises:
        AwsError: the account could not be asked or changed.
    """
    done = []
    try:
        for alias in list_aliases(account, function):
            if alias.description == marked:
                _delete(account, "DeleteAlias", sleep, FunctionName=function, Name=alias.name)
                done.append(f"Alias {alias.name} of {function} is removed.")
        for version in list_versions(account, function):
            if version.version != LATEST and version.description == marked:
                _delete(
                    account,
                    "DeleteFunction",
                    sleep,
                    FunctionName=function,
                    Qualifier=version.version,
                )
                done.append(f"Version {version.version} of {function} is removed.")
    except MissingError:
        done.append(f"{function} does not exist any more.")
    return Undone(tuple(done))


def remove_copy(
    account: Account,
    copy: str,
    marked: str,
    *,
    log_group: str | None,
    sleep: Sleep = time.sleep,
) -> Undone:
    """Delete a temporary copy of a function and the log group that it wrote to.

    Raises:
        AwsError: the account could not be asked or changed.
    """
    done = []
    try:
        found = get_function(account, copy)
        if found.description != marked:
            return Undone((f"{copy} is not the copy that the measurement made, so it stays.",))
        _delete(account, "DeleteFunction", sleep, FunctionName=copy)
        done.append(f"The temporary copy {copy} is removed.")
    except MissingError:
        pass
    if log_group is not None and _log_group_exists(account, log_group):
        try:
            _delete(account, "DeleteLogGroup", sleep, service="logs", logGroupName=log_group)
            done.append(f"The log group {log_group} is removed.")
        except MissingError:
            pass
        except AwsError as error:
            if error.code is not ErrorCode.ACCESS_DENIED:
                raise
            done.append(f"The log group {log_group} stays: {error.message}")
    return Undone(tuple(done))


def _log_group_exists(account: Account, name: str) -> bool:
    """Whether there is a log group; True where that may not be read, so that deleting is tried."""
    try:
        return any(group.name == name for group in list_log_groups(account, prefix=name))
    except AwsError as error:
        if error.code is not ErrorCode.ACCESS_DENIED:
            raise
        return True


def wait_settled(
    account: Account,
    function: str,
    qualifier: str | None = None,
    *,
    sleep: Sleep = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    failed_is_fine: bool = False,
) -> FunctionConfiguration:
    """Wait until no update of a function is under way.

    Raises:
        MissingError: it does not exist.
        AwsError: the update failed, or is still under way after five minutes.
    """
    deadline = clock() + _SETTLE_SECONDS
    waits = _waits()
    while True:
        found = get_function(account, function, qualifier)
        if not found.updating:
            break
        if clock() > deadline:
            raise AwsError(
                f"The update of {function} is still under way after {_SETTLE_SECONDS:g} s.",
                code=ErrorCode.IN_PROGRESS,
                remedy="Run the command again when it has ended.",
            )
        sleep(next(waits))
    if not failed_is_fine and "Failed" in {found.last_update_status, found.state}:
        why = found.last_update_reason or found.state_reason or "no reason given"
        raise AwsError(f"The last update of {function} failed: {why}.", code=ErrorCode.OTHER)
    return found


def _passes(error: AwsError) -> bool:
    """Whether to look at the account and try again: a race, a throttle, or an unclear outcome."""
    return error.retryable or error.code in {ErrorCode.STALE, ErrorCode.CONFLICT}


def _delete(
    account: Account, operation: str, sleep: Sleep, *, service: str = "lambda", **parameters: Any
) -> None:
    """Delete something; gone already is as good."""
    waits = _waits()
    for attempt in range(_ATTEMPTS):
        try:
            account.call(service, operation, **parameters)
        except MissingError:
            return
        except AwsError as error:
            if not _passes(error) or attempt == _ATTEMPTS - 1:
                raise
            sleep(next(waits))
        else:
            return


def _waits() -> Any:
    wait = _FIRST_WAIT_SECONDS
    while True:
        yield wait
        wait = min(wait * 1.7, _LONGEST_WAIT_SECONDS)
