"""The steps of a change. Each reads the account to learn where it stands, and can be undone.

A step never assumes that an earlier call worked: `position` looks. That is what makes a change
that was interrupted anywhere, at any call, decidable afterwards.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from lambda_autotuner.aws.configuration import LATEST, configuration_from
from lambda_autotuner.aws.errors import AwsError, ErrorCode, MissingError
from lambda_autotuner.aws.functions import raw_configuration
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import AutotunerError, RefusedError
from lambda_autotuner.rollout.changes import CODE_FIELDS, CONFIGURATION_FIELDS
from lambda_autotuner.rollout.plan import Plan
from lambda_autotuner.rollout.snapshot import Difference, differences, take_snapshot

_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 5.0


class Where(StrEnum):
    """Where the account stands with regard to one step."""

    BEFORE = "before"
    AFTER = "after"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Position:
    """What a step found in the account.

    Attributes:
        revision_id: what a write that follows must name; empty where there is none.
        found: differences from what was expected, when somebody else changed it.
        detail: what later steps need, such as the number of a published version.
    """

    where: Where
    revision_id: str = ""
    found: tuple[Difference, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


class ConflictError(RefusedError):
    """Somebody else changed the function; nothing of theirs is overwritten."""

    def __init__(self, plan: Plan, found: tuple[Difference, ...], *, undone: bool = False) -> None:
        self.found = found
        shown = "; ".join(str(item) for item in found)
        rest = " Theirs was left alone; everything else was undone." if undone else ""
        super().__init__(
            f"{plan.function} was changed by somebody else since plan {plan.id} was made: "
            f"{shown}.{rest}",
            remedy="Look at the change, then make a new plan.",
        )


class SettleError(AutotunerError):
    """The account took the change but could not carry it out."""


@dataclass
class Context:
    """What steps work with.

    Attributes:
        settle_seconds: how long an update may take before it counts as failed.
        sleep: how to wait; for tests.
        reused_version: a version that PublishVersion gave back although this plan did not make it.
        kept_version: the plan's own version that is not deleted, since somebody else uses it now.
    """

    account: Account
    plan: Plan
    settle_seconds: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    reused_version: str | None = None
    kept_version: str | None = None

    def settled_configuration(self, qualifier: str = LATEST) -> dict[str, Any]:
        """The configuration once no update is under way, whether it failed or not.

        Raises:
            SettleError: the update did not end in time.
        """
        waited, wait = 0.0, _FIRST_WAIT_SECONDS
        while True:
            raw = raw_configuration(self.account, self.plan.function, qualifier)
            if not configuration_from(raw).updating:
                return raw
            if waited >= self.settle_seconds:
                raise SettleError(
                    f"The update of {self.plan.function} did not settle within "
                    f"{self.settle_seconds:g} s."
                )
            self.sleep(wait)
            waited += wait
            wait = min(_LONGEST_WAIT_SECONDS, wait * 1.6)

    def successful_configuration(self, qualifier: str = LATEST) -> dict[str, Any]:
        """The same, for what goes on from there: a failed update is the end of it.

        Raises:
            SettleError: the update failed or did not end in time.
        """
        raw = self.settled_configuration(qualifier)
        found = configuration_from(raw)
        if found.last_update_status == "Failed" or found.state == "Failed":
            reason = found.last_update_reason or found.state_reason or "no reason given"
            raise SettleError(
                f"The update of {self.plan.function} failed: {reason.rstrip('.')}.",
                remedy="Look at the reason that Lambda gives, then make a new plan.",
            )
        return raw


class Step(ABC):
    """One reversible call; `name` identifies it in the journal."""

    name: ClassVar[str]
    operation: ClassVar[str]
    undo_operation: ClassVar[str]

    @abstractmethod
    def position(self, context: Context) -> Position:
        """Where the account stands; waits for an update that is under way."""

    @abstractmethod
    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """The exact parameters of the call."""

    def run(self, context: Context, request: dict[str, Any], *, undo: bool) -> dict[str, Any]:
        """Make the call; what it returns goes into the journal."""
        operation = self.undo_operation if undo else self.operation
        context.account.call("lambda", operation, **request)
        return {}

    def shown(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the journal and a dry run show them."""
        return dict(request)

    def verify(self, context: Context) -> None:
        """Check what the call made before anything rests on it.

        Raises:
            RefusedError: it is not what the plan names.
        """
        del context


def _latest_position(context: Context, own: tuple[str, ...]) -> Position:
    """Where `$LATEST` stands in the fields that a step sets; anything else is somebody else's."""
    plan = context.plan
    try:
        raw = context.settled_configuration()
    except MissingError:
        gone = Difference("function", plan.function, "deleted")
        return Position(Where.FOREIGN, found=(gone,))
    snapshot = take_snapshot(raw, plan.salt)
    revision_id = str(raw.get("RevisionId", ""))
    fields = [name for name in own if name in plan.after]
    foreign = differences(plan.snapshot, snapshot, ignore=plan.version_changes)
    now = {name: snapshot[name] for name in fields}
    if foreign:
        return Position(Where.FOREIGN, revision_id, tuple(foreign))
    if now == {name: plan.after[name] for name in fields}:
        return Position(Where.AFTER, revision_id)
    if now == {name: plan.snapshot[name] for name in fields}:
        return Position(Where.BEFORE, revision_id)
    expected = {name: plan.snapshot[name] for name in fields}
    return Position(Where.FOREIGN, revision_id, tuple(differences(expected, now)))


class ConfigurationStep(Step):
    """Memory, timeout, ephemeral storage and SnapStart of `$LATEST`."""

    name = "configuration"
    operation = "UpdateFunctionConfiguration"
    undo_operation = "UpdateFunctionConfiguration"

    def position(self, context: Context) -> Position:
        """See `Step`."""
        return _latest_position(context, CONFIGURATION_FIELDS)

    def verify(self, context: Context) -> None:
        """See `Step`."""
        context.successful_configuration()

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        plan = context.plan
        values = plan.snapshot if undo else plan.after
        request: dict[str, Any] = {
            "FunctionName": plan.function,
            "RevisionId": position.revision_id,
        }
        for name in CONFIGURATION_FIELDS:
            if name not in plan.after:
                continue
            if name == "memory_mb":
                request["MemorySize"] = values[name]
            elif name == "timeout_seconds":
                request["Timeout"] = values[name]
            elif name == "ephemeral_storage_mb":
                request["EphemeralStorage"] = {"Size": values[name]}
            else:
                request["SnapStart"] = {"ApplyOn": values[name]}
        return request


class ArchitectureStep(Step):
    """The architecture of `$LATEST`, which goes with the code."""

    name = "architecture"
    operation = "UpdateFunctionCode"
    undo_operation = "UpdateFunctionCode"

    def position(self, context: Context) -> Position:
        """See `Step`."""
        return _latest_position(context, CODE_FIELDS)

    def verify(self, context: Context) -> None:
        """See `Step`."""
        context.successful_configuration()

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        plan = context.plan
        values = plan.snapshot if undo else plan.after
        return {
            "FunctionName": plan.function,
            "RevisionId": position.revision_id,
            "Architectures": [values["architecture"]],
        }

    def run(self, context: Context, request: dict[str, Any], *, undo: bool) -> dict[str, Any]:
        """Send the function's own package again, for the other architecture."""
        from lambda_autotuner.aws.code import fetch_code

        del undo
        code = fetch_code(context.account, context.plan.function)
        if code.package is None:
            raise RefusedError(
                f"{context.plan.function} has no ZIP package that can be sent again."
            )
        key = {"SourceKMSKeyArn": code.source_kms_key_arn} if code.source_kms_key_arn else {}
        context.account.call("lambda", self.operation, ZipFile=code.package, **key, **request)
        return {}

    def shown(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The package itself is named, not shown."""
        return {**request, "ZipFile": "(the function's own package)"}


class PublishStep(Step):
    """A version that holds what `$LATEST` is after the change, and nothing else that is new."""

    name = "publish"
    operation = "PublishVersion"
    undo_operation = "DeleteFunction"

    def position(self, context: Context) -> Position:
        """See `Step`; a version that somebody else uses by now counts as not this plan's."""
        number = self.published(context)
        if number is not None and number != context.kept_version:
            return Position(Where.AFTER, detail={"version": number})
        try:
            raw = context.settled_configuration()
        except MissingError:
            return Position(Where.BEFORE)
        return Position(Where.BEFORE, str(raw.get("RevisionId", "")))

    def published(self, context: Context) -> str | None:
        """The number of the version of this plan; None while there is none."""
        if context.reused_version is not None:
            return context.reused_version
        plan = context.plan
        pages = context.account.pages(
            "lambda", "ListVersionsByFunction", FunctionName=plan.function
        )
        try:
            for raw in pages:
                if raw.get("Version") != LATEST and raw.get("Description") == plan.marker:
                    return str(raw["Version"])
        except MissingError:
            return None
        return None

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        plan = context.plan
        if undo:
            return {"FunctionName": plan.function, "Qualifier": position.detail["version"]}
        return {
            "FunctionName": plan.function,
            "CodeSha256": plan.code_sha256,
            "RevisionId": position.revision_id,
            "Description": plan.marker,
        }

    def run(self, context: Context, request: dict[str, Any], *, undo: bool) -> dict[str, Any]:
        """Publish after a last look at `$LATEST`; delete only what this plan published."""
        if undo:
            return self._delete(context, request)
        plan = context.plan
        raw = context.successful_configuration()
        self._refuse_others(plan, take_snapshot(raw, plan.salt), "$LATEST")
        answer = context.account.call("lambda", self.operation, **request)
        version = str(answer["Version"])
        if answer.get("Description") != plan.marker:
            # Lambda gives the last version back when nothing has changed since.
            context.reused_version = version
        return {"version": version, "reused": context.reused_version is not None}

    def _delete(self, context: Context, request: dict[str, Any]) -> dict[str, Any]:
        """Lambda refuses to delete a version that another alias names: that one stays."""
        if context.reused_version is not None:
            context.kept_version = context.reused_version
            return {"kept": context.reused_version}
        try:
            return super().run(context, request, undo=True)
        except AwsError as error:
            if error.code is not ErrorCode.CONFLICT:
                raise
            context.kept_version = str(request["Qualifier"])
            return {"kept": context.kept_version, "reason": error.message}

    def verify(self, context: Context) -> None:
        """The version may differ from the alias's only in what the plan names.

        Raises:
            UndeployedError: it differs in more.
            SettleError: the version did not become ready.
        """
        version = self.published(context)
        if version is None:
            raise SettleError(f"The version of plan {context.plan.id} was not published.")
        raw = context.successful_configuration(version)
        self._refuse_others(context.plan, take_snapshot(raw, context.plan.salt), version)

    def _refuse_others(self, plan: Plan, snapshot: Mapping[str, Any], what: str) -> None:
        if plan.alias is None:
            return
        expected = {**plan.alias.snapshot, **plan.version_changes}
        found = differences(expected, snapshot, ignore={"Description"})
        if found:
            raise UndeployedError(plan, what, tuple(found))


class UndeployedError(RefusedError):
    """What would go live differs from what is live in more than the plan names."""

    def __init__(self, plan: Plan, what: str, found: tuple[Difference, ...]) -> None:
        self.found = found
        shown = "; ".join(str(item) for item in found)
        alias = plan.alias.name if plan.alias else ""
        super().__init__(
            f"{what} of {plan.function} differs from what {alias} serves in more than plan "
            f"{plan.id} names: {shown}.",
            remedy="Deploy or take back that difference first, then make a new plan.",
        )


def is_final(error: AwsError) -> bool:
    """Whether trying the same call again makes no sense."""
    return not error.retryable and error.code is not ErrorCode.STALE
