"""Application Auto Scaling of provisioned concurrency: targets, policies and schedules are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

_SERVICE: Final = "application-autoscaling"
_DIMENSION: Final = "lambda:function:ProvisionedConcurrency"
Key = tuple[str, str, str]


@dataclass(slots=True)
class ScalingState:
    """Targets, policies and scheduled actions by what they are about."""

    targets: dict[Key, dict[str, Any]] = field(default_factory=dict)
    policies: dict[tuple[Key, str], dict[str, Any]] = field(default_factory=dict)
    schedules: dict[tuple[Key, str], dict[str, Any]] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for table in (self.targets, self.policies, self.schedules):
            for item in table.values():
                item["CreationTime"] -= delta_ms


def _state(call: Call) -> ScalingState:
    return call.state("scaling", ScalingState)


def _key(params: Params) -> Key:
    return params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"]


def _check_lambda(call: Call, params: Params) -> None:
    """Provisioned concurrency belongs to an alias or a version that is there."""
    namespace, resource, dimension = _key(params)
    if namespace != "lambda":
        return
    parts = resource.split(":")
    if dimension != _DIMENSION or len(parts) != 3 or parts[0] != "function":  # noqa: PLR2004
        raise ServiceError(
            "ValidationException",
            "Unsupported service namespace, resource type or scalable dimension",
        )
    record = call.region.functions.get(parts[1])
    if record is None or not (parts[2] in record.aliases or parts[2] in record.versions):
        raise ServiceError(
            "ValidationException", f"Lambda function alias or version {resource} does not exist"
        )


def _missing(params: Params, what: str) -> ServiceError:
    namespace, resource, dimension = _key(params)
    return ServiceError(
        "ObjectNotFoundException",
        f"No {what} found for service namespace: {namespace}, resource ID: {resource}, scalable "
        f"dimension: {dimension}",
    )


@operation(_SERVICE, "RegisterScalableTarget")
def register_scalable_target(call: Call, params: Params) -> Result:
    """Make or change a target."""
    _check_lambda(call, params)
    state = _state(call)
    key = _key(params)
    old = state.targets.get(key, {})
    low = params.get("MinCapacity", old.get("MinCapacity"))
    high = params.get("MaxCapacity", old.get("MaxCapacity"))
    if low is None or high is None:
        raise ServiceError(
            "ValidationException", "MinCapacity and MaxCapacity are required for a new target"
        )
    if low > high:
        raise ServiceError(
            "ValidationException", "Maximum capacity cannot be less than minimum capacity"
        )
    arn = old.get("ScalableTargetARN") or call.arn(
        "application-autoscaling", f"scalable-target/{call.token(34)}"
    )
    role = f"arn:aws:iam::{call.account_id}:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
    suspended = {
        "DynamicScalingInSuspended": False,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    state.targets[key] = {
        "ServiceNamespace": key[0],
        "ResourceId": key[1],
        "ScalableDimension": key[2],
        "MinCapacity": low,
        "MaxCapacity": high,
        "RoleARN": params.get("RoleARN") or role,
        "CreationTime": old.get("CreationTime") or call.now_ms,
        "SuspendedState": {**suspended, **(params.get("SuspendedState") or {})},
        "ScalableTargetARN": arn,
    }
    return {"ScalableTargetARN": arn}


@operation(_SERVICE, "DeregisterScalableTarget")
def deregister_scalable_target(call: Call, params: Params) -> Result:
    """Forget a target with its policies and schedules."""
    state = _state(call)
    key = _key(params)
    if state.targets.pop(key, None) is None:
        raise _missing(params, "scalable target")
    for table in (state.policies, state.schedules):
        for entry in [entry for entry in table if entry[0] == key]:
            table.pop(entry)
    return {}


def _chosen(params: Params, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    resources = params.get("ResourceIds") or (
        [params["ResourceId"]] if params.get("ResourceId") else []
    )
    return [
        item
        for item in items
        if item["ServiceNamespace"] == params["ServiceNamespace"]
        and params.get("ScalableDimension") in (None, item["ScalableDimension"])
        and (not resources or item["ResourceId"] in resources)
    ]


@operation(_SERVICE, "DescribeScalableTargets")
def describe_scalable_targets(call: Call, params: Params) -> Result:
    """Targets of a service."""
    return {"ScalableTargets": _chosen(params, list(_state(call).targets.values()))}


@operation(_SERVICE, "PutScalingPolicy")
def put_scaling_policy(call: Call, params: Params) -> Result:
    """Keep a policy for a registered target."""
    state = _state(call)
    key = _key(params)
    if key not in state.targets:
        raise _missing(params, "registered scalable targets")
    entry = (key, params["PolicyName"])
    old = state.policies.get(entry, {})
    resource = f"resource/{key[0]}/{key[1]}:policyName/{params['PolicyName']}"
    arn = old.get("PolicyARN") or call.arn("autoscaling", f"scalingPolicy:{call.uuid()}:{resource}")
    kept = {
        name: params[name]
        for name in (
            "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType",
            "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration",
        )
        if params.get(name) is not None
    }  # fmt: skip
    kept.setdefault("PolicyType", "StepScaling")
    created = old.get("CreationTime") or call.now_ms
    state.policies[entry] = {**kept, "PolicyARN": arn, "CreationTime": created, "Alarms": []}
    return {"PolicyARN": arn, "Alarms": []}


@operation(_SERVICE, "DescribeScalingPolicies")
def describe_scaling_policies(call: Call, params: Params) -> Result:
    """Policies of a service."""
    found = _chosen(params, list(_state(call).policies.values()))
    names = params.get("PolicyNames")
    return {"ScalingPolicies": [item for item in found if not names or item["PolicyName"] in names]}


@operation(_SERVICE, "DeleteScalingPolicy")
def delete_scaling_policy(call: Call, params: Params) -> Result:
    """Forget a policy."""
    if _state(call).policies.pop((_key(params), params["PolicyName"]), None) is None:
        raise _missing(params, "scaling policy")
    return {}


@operation(_SERVICE, "PutScheduledAction")
def put_scheduled_action(call: Call, params: Params) -> Result:
    """Keep a schedule for a registered target."""
    state = _state(call)
    key = _key(params)
    if key not in state.targets:
        raise _missing(params, "registered scalable targets")
    entry = (key, params["ScheduledActionName"])
    old = state.schedules.get(entry, {})
    resource = f"resource/{key[0]}/{key[1]}:scheduledActionName/{params['ScheduledActionName']}"
    kept = {name: value for name, value in params.items() if value is not None}
    state.schedules[entry] = {
        **old,
        **kept,
        "ScheduledActionARN": old.get("ScheduledActionARN")
        or call.arn("autoscaling", f"scheduledAction:{call.uuid()}:{resource}"),
        "CreationTime": old.get("CreationTime") or call.now_ms,
    }
    return {}


@operation(_SERVICE, "DescribeScheduledActions")
def describe_scheduled_actions(call: Call, params: Params) -> Result:
    """Schedules of a service."""
    return {"ScheduledActions": _chosen(params, list(_state(call).schedules.values()))}


@operation(_SERVICE, "DeleteScheduledAction")
def delete_scheduled_action(call: Call, params: Params) -> Result:
    """Forget a schedule."""
    if _state(call).schedules.pop((_key(params), params["ScheduledActionName"]), None) is None:
        raise _missing(params, "scheduled action")
    return {}


@operation(_SERVICE, "DescribeScalingActivities")
def describe_scaling_activities(call: Call, params: Params) -> Result:
    """Nothing scales by itself in the sandbox, so there are none."""
    del call, params
    return {"ScalingActivities": []}
