"""The steps that move traffic and concurrency: the alias's route, reserved and provisioned."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from lambda_autotuner.aws.concurrency import provisioned_concurrency, reserved_concurrency
from lambda_autotuner.aws.errors import MissingError
from lambda_autotuner.aws.functions import get_alias
from lambda_autotuner.rollout.changes import CODE_FIELDS, CONFIGURATION_FIELDS
from lambda_autotuner.rollout.plan import Plan, Strategy
from lambda_autotuner.rollout.snapshot import Difference
from lambda_autotuner.rollout.steps import (
    ArchitectureStep,
    ConfigurationStep,
    ConflictError,
    Context,
    Position,
    PublishStep,
    SettleError,
    Step,
    Where,
)

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
_SAME_WEIGHT = 1e-9


@dataclass
class RouteStep(Step):
    """The alias's route: a share for the new version, or all of it.

    Attributes:
        weight: share of the new version; None gives it everything.
    """

    weight: float | None
    name: ClassVar[str] = "route"
    operation: ClassVar[str] = "UpdateAlias"
    undo_operation: ClassVar[str] = "UpdateAlias"

    def position(self, context: Context) -> Position:
        """AFTER means this weight, BEFORE any earlier point of this plan's own rollout."""
        plan, version = context.plan, PublishStep().published(context)
        held = plan.alias
        if held is None:
            raise SettleError(f"Plan {plan.id} has no alias to route.")
        try:
            alias = get_alias(context.account, plan.function, held.name)
        except MissingError:
            gone = Difference(f"alias {held.name}", _route(held.version, {}), "deleted")
            return Position(Where.FOREIGN, found=(gone,), detail={"version": version})
        route = _route(alias.version, alias.weights)
        detail = {"version": version, "route": route}
        mine = version is not None and set(alias.weights) <= {version}
        if alias.version == version and not alias.weights:
            where = Where.AFTER if self.weight is None else Where.FOREIGN
        elif alias.version == held.version and not alias.weights:
            where = Where.BEFORE
        elif alias.version == held.version and mine and version is not None:
            same = self.weight is not None and _close(alias.weights[version], self.weight)
            known = any(_close(alias.weights[version], step) for step in plan.canary_steps)
            where = Where.AFTER if same else Where.BEFORE if known else Where.FOREIGN
        else:
            where = Where.FOREIGN
        found: tuple[Difference, ...] = ()
        if where is Where.FOREIGN:
            found = (Difference(f"route of {held.name}", _route(held.version, {}), route),)
        return Position(where, alias.revision_id, found, detail)

    def verify(self, context: Context) -> None:
        """Provisioned environments of the alias move with it: all of them must be there."""
        if self.weight is None and context.plan.strategy is Strategy.SWITCH:
            wait_for_provisioned(context)

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        held = context.plan.alias
        version = position.detail["version"]
        target = held.version if held else ""
        weights: dict[str, float] = {}
        if not undo and self.weight is None:
            target = version
        elif not undo and self.weight is not None:
            weights = {version: self.weight}
        return {
            "FunctionName": context.plan.function,
            "Name": held.name if held else "",
            "FunctionVersion": target,
            "RoutingConfig": {"AdditionalVersionWeights": weights},
            "RevisionId": position.revision_id,
        }


class RouteBack(RouteStep):
    """The alias as it stood before: BEFORE when it is, AFTER anywhere in this plan's rollout."""

    def __init__(self) -> None:
        super().__init__(weight=None)

    def position(self, context: Context) -> Position:
        """See `Step`; used for undoing only."""
        held = context.plan.alias
        found = super().position(context)
        route = str(found.detail.get("route"))
        if found.where is Where.BEFORE and held and route != _route(held.version, {}):
            return Position(Where.AFTER, found.revision_id, (), found.detail)
        return found


def _close(one: float, other: float) -> bool:
    return abs(one - other) < _SAME_WEIGHT


def _route(version: str, weights: Any) -> str:
    parts = [f"{name} {share:.1%}" for name, share in sorted(dict(weights).items())]
    return f"version {version}" + (f" with {', '.join(parts)}" if parts else "")


class ConcurrencyStep(Step):
    """A concurrency setting, which Lambda guards by no revision.

    It is read once more right before it is written: what somebody else wrote since the last look
    is seen then and left alone. What is written within that one round trip cannot be seen, and
    nothing that Lambda offers could tell.
    """

    field: ClassVar[str]
    parameter: ClassVar[str]
    removal: ClassVar[str]

    @abstractmethod
    def now(self, context: Context) -> int | None:
        """The value in the account; None when there is none."""

    def position(self, context: Context) -> Position:
        """See `Step`."""
        plan = context.plan
        try:
            now = self.now(context)
        except MissingError:
            gone = Difference("function", plan.function, "deleted")
            return Position(Where.FOREIGN, found=(gone,))
        if now == plan.after[self.field]:
            return Position(Where.AFTER)
        if now == plan.before[self.field]:
            return Position(Where.BEFORE)
        return Position(
            Where.FOREIGN, found=(Difference(self.field, plan.before[self.field], now),)
        )

    def run(self, context: Context, request: dict[str, Any], *, undo: bool) -> dict[str, Any]:
        """Look once more, then put the value or take the setting away."""
        position = self.position(context)
        if position.where is Where.FOREIGN:
            raise ConflictError(context.plan, position.found)
        if position.where is (Where.BEFORE if undo else Where.AFTER):
            return {"skipped": "it stands already"}
        put = self.parameter in request
        answer = context.account.call("lambda", self.operation if put else self.removal, **request)
        # No LastModified tells about these settings; the answer's own date does.
        headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
        return {"date": headers.get("date")}


class ReservedStep(ConcurrencyStep):
    """Reserved concurrency of the function."""

    name = "reserved"
    operation = "PutFunctionConcurrency"
    undo_operation = "PutFunctionConcurrency"
    field = "reserved_concurrency"
    parameter = "ReservedConcurrentExecutions"
    removal = "DeleteFunctionConcurrency"

    def now(self, context: Context) -> int | None:
        """See `ConcurrencyStep`."""
        return reserved_concurrency(context.account, context.plan.function)

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        del position
        plan = context.plan
        value = (plan.before if undo else plan.after)["reserved_concurrency"]
        request: dict[str, Any] = {"FunctionName": plan.function}
        if value is not None:
            request["ReservedConcurrentExecutions"] = value
        return request


class ProvisionedStep(ConcurrencyStep):
    """Provisioned concurrency of the alias."""

    name = "provisioned"
    operation = "PutProvisionedConcurrencyConfig"
    undo_operation = "PutProvisionedConcurrencyConfig"
    field = "provisioned_concurrency"
    parameter = "ProvisionedConcurrentExecutions"
    removal = "DeleteProvisionedConcurrencyConfig"

    def now(self, context: Context) -> int | None:
        """See `ConcurrencyStep`."""
        plan = context.plan
        found = provisioned_concurrency(context.account, plan.function, plan.qualifier or "")
        return found.requested if found else None

    def request(self, context: Context, position: Position, *, undo: bool) -> dict[str, Any]:
        """See `Step`."""
        del position
        plan = context.plan
        value = (plan.before if undo else plan.after)["provisioned_concurrency"]
        request: dict[str, Any] = {"FunctionName": plan.function, "Qualifier": plan.qualifier}
        if value is not None:
            request["ProvisionedConcurrentExecutions"] = value
        return request

    def verify(self, context: Context) -> None:
        """Wait until the environments are there."""
        wait_for_provisioned(context)


def wait_for_provisioned(context: Context) -> None:
    """Wait until the alias has all of its provisioned environments; it may have none at all.

    Raises:
        SettleError: Lambda could not provide them, or not in time.
    """
    plan, waited, wait = context.plan, 0.0, _FIRST_WAIT_SECONDS
    while True:
        found = provisioned_concurrency(context.account, plan.function, plan.qualifier or "")
        if found is None or found.status == "READY":
            return
        if found.status == "FAILED":
            raise SettleError(f"Provisioned concurrency failed: {found.reason}.")
        if waited >= context.settle_seconds:
            raise SettleError(
                f"Provisioned concurrency of {plan.function} was not ready within "
                f"{context.settle_seconds:g} s.",
                remedy="Raise rollout.settle_timeout_seconds, or ask for fewer environments.",
            )
        context.sleep(wait)
        waited += wait
        wait = min(_LONGEST_WAIT_SECONDS, wait * 1.6)


def apply_steps(plan: Plan) -> list[Step]:
    """The steps that `apply` takes, in order."""
    steps: list[Step] = []
    if any(
        name in plan.after and plan.snapshot[name] != plan.after[name]
        for name in CONFIGURATION_FIELDS
    ):
        steps.append(ConfigurationStep())
    if any(name in plan.after and plan.snapshot[name] != plan.after[name] for name in CODE_FIELDS):
        steps.append(ArchitectureStep())
    if "reserved_concurrency" in plan.after and not _reserves_less(plan):
        steps.append(ReservedStep())
    if plan.strategy is not Strategy.DIRECT:
        steps.append(PublishStep())
        first = plan.canary_steps[0] if plan.canary_steps else None
        steps.append(RouteStep(first))
    if "provisioned_concurrency" in plan.after:
        steps.append(ProvisionedStep())
    if _reserves_less(plan):
        steps.append(ReservedStep())
    return steps


def _reserves_less(plan: Plan) -> bool:
    """Whether reserved concurrency shrinks; it must never be below what is provisioned."""
    if "reserved_concurrency" not in plan.after:
        return False
    before, after = plan.before["reserved_concurrency"], plan.after["reserved_concurrency"]
    return after is not None and (before is None or after < before)


def undo_steps(plan: Plan) -> list[Step]:
    """The steps that go back to exactly what stood before, in order."""
    return [RouteBack() if isinstance(step, RouteStep) else step for step in apply_steps(plan)][
        ::-1
    ]


def promote_step() -> RouteStep:
    """All traffic to the new version."""
    return RouteStep(None)
