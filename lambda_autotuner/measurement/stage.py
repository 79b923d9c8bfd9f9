"""Where sizes are measured: on versions of the function, or on a temporary copy of it.

Either way each size becomes a published version, which keeps its memory size for good, so that
sizes can be measured in any order, interleaved, without touching anything between two invocations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.functions import get_alias, list_versions
from lambda_autotuner.aws.session import Account
from lambda_autotuner.measurement.cleanup import Kind, Sleep, mark, wait_settled
from lambda_autotuner.measurement.journalling import Steps
from lambda_autotuner.sizing.choices import current_of
from lambda_autotuner.tuning.evidence import Configuration

_ATTEMPTS = 8
_FIRST_WAIT_SECONDS = 0.1
ALIAS_PREFIX = "lambda-autotuner-"


class SizeRefusedError(AwsError):
    """The account does not allow a memory size; `maximum_mb` is the largest that it does."""

    def __init__(self, message: str, maximum_mb: int | None) -> None:
        super().__init__(
            message,
            code=ErrorCode.INVALID,
            operation="lambda:UpdateFunctionConfiguration",
            remedy="Lower tuning.max_memory_mb, or ask AWS to raise the account's memory limit.",
        )
        self.maximum_mb = maximum_mb


@dataclass(frozen=True, slots=True)
class Place:
    """What to invoke for one configuration, and the version that has to answer."""

    function: str
    qualifier: str
    version: str


class Stage(Protocol):
    """Makes a configuration invokable."""

    def place(self, where: Configuration) -> Place:
        """A version of that configuration behind a temporary alias, made on first use."""


def send(
    account: Account, operation: str, *, sleep: Sleep = time.sleep, **parameters: Any
) -> dict[str, Any]:
    """Send a write, again only when it was certainly not carried out.

    Raises:
        AwsError: it failed; on an `ambiguous` one the account has to be read.
    """
    wait = _FIRST_WAIT_SECONDS
    for attempt in range(_ATTEMPTS):
        try:
            return account.call("lambda", operation, **parameters)
        except AwsError as error:
            if not error.retryable or error.ambiguous or attempt == _ATTEMPTS - 1:
                raise
        sleep(wait)
        wait *= 2
    raise AssertionError  # the last attempt returns or raises


def set_memory(
    account: Account, now: FunctionConfiguration, memory_mb: int, *, sleep: Sleep = time.sleep
) -> FunctionConfiguration:
    """Give `$LATEST` a memory size and wait until it has it.

    Raises:
        SizeRefusedError: the account does not allow the size.
        AwsError: somebody else changed the function meanwhile, or the account failed.
    """
    try:
        send(
            account,
            "UpdateFunctionConfiguration",
            sleep=sleep,
            FunctionName=now.name,
            MemorySize=memory_mb,
            RevisionId=now.revision_id,
        )
    except AwsError as error:
        if error.code is ErrorCode.INVALID and "emory" in error.message:
            raise SizeRefusedError(
                f"The account does not allow {memory_mb} MB: {error.message}",
                _stated_maximum(error.message, memory_mb),
            ) from error
        if not error.ambiguous:
            raise
    found = wait_settled(account, now.name, sleep=sleep)
    if found.memory_mb != memory_mb:
        raise AwsError(
            f"$LATEST of {now.name} has {found.memory_mb} MB where the measurement had set "
            f"{memory_mb} MB: somebody else is changing it.",
            code=ErrorCode.STALE,
            remedy="Measure it when nobody is deploying.",
        )
    return found


def _stated_maximum(message: str, refused_mb: int) -> int | None:
    """The limit that an error message names, such as "less than or equal to 3008"."""
    import re

    found = re.search(r"(?:less than or equal to|at most|maximum of)\s+(\d+)", message)
    if found and int(found[1]) < refused_mb:
        return int(found[1])
    return None


def publish(
    account: Account, now: FunctionConfiguration, marked: str, *, sleep: Sleep = time.sleep
) -> FunctionConfiguration:
    """Publish `$LATEST` as it was just seen; an equal version that exists already is as good.

    Raises:
        AwsError: the code or the configuration changed meanwhile, or the account failed.
    """
    try:
        answer = send(
            account,
            "PublishVersion",
            sleep=sleep,
            FunctionName=now.name,
            CodeSha256=now.code_sha256,
            RevisionId=now.revision_id,
            Description=marked,
        )
        version = str(answer["Version"])
    except AwsError as error:
        if not error.ambiguous:
            raise
        version = _published(account, now, marked, error)
    return wait_settled(account, now.name, version, sleep=sleep)


def _published(account: Account, now: FunctionConfiguration, marked: str, error: AwsError) -> str:
    """The version that a publish of unclear outcome made.

    Raises:
        AwsError: it made none.
    """
    for version in reversed(list_versions(account, now.name)):
        if version.description == marked and version.memory_mb == now.memory_mb:
            return version.version
    raise error


def alias_for(account: Account, version: FunctionConfiguration, alias: str, marked: str) -> Place:
    """A temporary alias on a version."""
    try:
        send(
            account,
            "CreateAlias",
            FunctionName=version.name,
            Name=alias,
            FunctionVersion=version.version,
            Description=marked,
        )
    except AwsError as error:
        if not error.ambiguous and error.code is not ErrorCode.CONFLICT:
            raise
        found = get_alias(account, version.name, alias)
        if found.version != version.version or found.description != marked:
            raise
    return Place(version.name, alias, version.version)


@dataclass
class VersionStage:
    """Sizes as versions of the function itself; `$LATEST` changes for seconds, one size at a time."""

    account: Account
    steps: Steps
    original: FunctionConfiguration
    sleep: Sleep = time.sleep
    _places: dict[Configuration, Place] = field(default_factory=dict)

    def place(self, where: Configuration) -> Place:
        """A version of that configuration behind a temporary alias, made on first use.

        Raises:
            SizeRefusedError: the account does not allow the size.
            AwsError: the function changed meanwhile, or the account failed.
        """
        if where not in self._places:
            if where.architecture != self.original.architecture:
                raise AwsError(
                    f"{where} would need other code in $LATEST.",
                    code=ErrorCode.INVALID,
                    remedy="Measure on a temporary copy (--copy).",
                )
            self._places[where] = self._make(where)
        return self._places[where]

    def _make(self, where: Configuration) -> Place:
        marked = mark(self.steps.run_id)
        now = wait_settled(self.account, self.original.name, sleep=self.sleep)
        self._check_unchanged(now)
        if where.memory_mb == now.memory_mb:
            version = publish(self.account, now, marked, sleep=self.sleep)
        else:
            with self.steps.until_undone(
                Kind.LATEST_MEMORY,
                original_mb=self.original.memory_mb,
                probe_mb=where.memory_mb,
            ):
                changed = set_memory(self.account, now, where.memory_mb, sleep=self.sleep)
                self._check_unchanged(changed, memory_mb=where.memory_mb)
                version = publish(self.account, changed, marked, sleep=self.sleep)
        alias = f"{ALIAS_PREFIX}{self.steps.run_id}-{where.memory_mb}"
        return alias_for(self.account, version, alias, marked)

    def _check_unchanged(self, now: FunctionConfiguration, *, memory_mb: int | None = None) -> None:
        expected = self.original.memory_mb if memory_mb is None else memory_mb
        if now.code_sha256 != self.original.code_sha256 or now.memory_mb != expected:
            raise AwsError(
                f"{now.name} was changed by somebody else during the measurement.",
                code=ErrorCode.STALE,
                remedy="Measure it when nobody is deploying.",
            )


@dataclass
class CopyStage:
    """Sizes as versions of a temporary copy, which no caller knows."""

    account: Account
    copy: FunctionConfiguration
    marked: str
    code: Callable[[], dict[str, Any]]
    run_id: str
    sleep: Sleep = time.sleep
    _places: dict[Configuration, Place] = field(default_factory=dict)

    def place(self, where: Configuration) -> Place:
        """A version of that configuration behind a temporary alias, made on first use.

        Raises:
            SizeRefusedError: the account does not allow the size.
            AwsError: the account failed.
        """
        if where not in self._places:
            now = wait_settled(self.account, self.copy.name, sleep=self.sleep)
            if now.architecture != where.architecture:
                now = self._set_architecture(where)
            if now.memory_mb != where.memory_mb:
                now = set_memory(self.account, now, where.memory_mb, sleep=self.sleep)
            version = publish(self.account, now, self.marked, sleep=self.sleep)
            alias = f"{ALIAS_PREFIX}{self.run_id}-{where.architecture}-{where.memory_mb}"
            self._places[where] = alias_for(self.account, version, alias, self.marked)
        return self._places[where]

    def _set_architecture(self, where: Configuration) -> FunctionConfiguration:
        send(
            self.account,
            "UpdateFunctionCode",
            sleep=self.sleep,
            FunctionName=self.copy.name,
            Architectures=[where.architecture],
            **self.code(),
        )
        found = wait_settled(self.account, self.copy.name, sleep=self.sleep)
        if current_of(found).architecture != where.architecture:
            raise AwsError(
                f"The copy stayed on {found.architecture}.",
                code=ErrorCode.OTHER,
                operation="lambda:UpdateFunctionCode",
            )
        return found


@contextmanager
def version_stage(
    account: Account, steps: Steps, original: FunctionConfiguration, *, sleep: Sleep = time.sleep
) -> Iterator[Stage]:
    """Measure on versions; all of them are removed at the end, and `$LATEST` is as before."""
    with steps.until_undone(Kind.VERSIONS, mark=mark(steps.run_id)):
        yield VersionStage(account, steps, original, sleep)
