"""Event source mappings: queues and streams that feed functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import resolve
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.records import function_arn
from lambda_autotuner.sandbox.registry import Params, Result, operation

MAPPINGS: Final = "event-source-mappings"
_STREAMS: Final = frozenset({"kinesis", "dynamodb"})
_POSITIONS: Final = frozenset({"LATEST", "TRIM_HORIZON"})
_PASSED: Final = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "EventSourceArn",
    "FilterCriteria",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "FunctionResponseTypes",
    "ScalingConfig",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "KMSKeyArn",
)


@dataclass(slots=True)
class Mapping:
    """One mapping."""

    uuid: str
    function_arn: str
    enabled: bool
    values: dict[str, Any]
    modified_ms: int
    settles_ms: int
    creating: bool = True
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Mappings:
    """All mappings of an account in a region."""

    items: dict[str, Mapping] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older by `delta_ms`."""
        for item in self.items.values():
            item.modified_ms -= delta_ms
            item.settles_ms -= delta_ms


def mappings(call: Call) -> Mappings:
    """The mappings of the caller's account and region."""
    return call.state(MAPPINGS, Mappings)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def _source(params: Params) -> str:
    return (
        str(params.get("EventSourceArn", "")).split(":")[2] if params.get("EventSourceArn") else ""
    )


def source_defaults(kind: str) -> dict[str, Any]:
    """What a mapping of this kind of source is set to when nobody says otherwise."""
    if kind in _STREAMS:
        return {
            "BatchSize": 100,
            "MaximumBatchingWindowInSeconds": 0,
            "ParallelizationFactor": 1,
            "MaximumRecordAgeInSeconds": -1,
            "BisectBatchOnFunctionError": False,
            "MaximumRetryAttempts": -1,
            "TumblingWindowInSeconds": 0,
            "DestinationConfig": {"OnFailure": {}},
            "FunctionResponseTypes": [],
        }
    if kind == "sqs":
        return {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
    return {"BatchSize": 100}


@operation("lambda", "CreateEventSourceMapping")
def create_mapping(call: Call, params: Params) -> Result:
    """Let a queue or a stream feed a function."""
    if not params.get("EventSourceArn") and not params.get("SelfManagedEventSource"):
        raise _invalid("Unrecognized event source.")
    kind = _source(params)
    position = params.get("StartingPosition")
    if kind in _STREAMS and position is None:
        raise _invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null."
        )
    if kind == "dynamodb" and position not in _POSITIONS:
        raise _invalid(f"Unsupported starting position for arn type: {params['EventSourceArn']}")
    if params.get("SelfManagedEventSource") and not params.get("SourceAccessConfigurations"):
        raise _invalid("Required 'sourceAccessConfigurations' parameter is missing.")
    try:
        target = resolve(call, params["FunctionName"], None)
    except ServiceError as error:
        if error.code == "ResourceNotFoundException":
            raise _invalid("Function does not exist") from error
        raise
    arn = function_arn(call.region_name, call.account_id, target.record.name, target.qualifier)
    _hold_new(call, params, arn)
    given: dict[str, Any] = {name: params[name] for name in _PASSED if name in params}
    values: dict[str, Any] = {**source_defaults(kind), **given}
    item = Mapping(
        uuid=call.uuid(),
        function_arn=arn,
        enabled=bool(params.get("Enabled", True)),
        values=values,
        modified_ms=call.now_ms,
        settles_ms=call.now_ms + call.world.settings.settle_ms,
        tags=dict(params.get("Tags") or {}),
    )
    if params.get("SelfManagedEventSource"):
        values.setdefault("SelfManagedKafkaEventSourceConfig", {"ConsumerGroupId": call.uuid()})
    mappings(call).items[item.uuid] = item
    return {**_shown(call, item), "State": "Creating"}


def _hold_new(call: Call, params: Params, arn: str) -> None:
    source = params.get("EventSourceArn")
    for item in mappings(call).items.values():
        same = source is not None and item.values.get("EventSourceArn") == source
        if same and item.function_arn == arn:
            raise ServiceError(
                "ResourceConflictException",
                f'An event source mapping with event source ("{source}") and function '
                f'("{arn}") already exists. Please update or delete the existing mapping with '
                f"UUID {item.uuid}",
                409,
            )


def _shown(call: Call, item: Mapping) -> dict[str, Any]:
    settled = call.now_ms >= item.settles_ms
    target = "Enabled" if item.enabled else "Disabled"
    busy = "Creating" if item.creating else "Updating"
    return {
        **item.values,
        "UUID": item.uuid,
        "EventSourceMappingArn": call.arn("lambda", f"event-source-mapping:{item.uuid}"),
        "FunctionArn": item.function_arn,
        "LastModified": item.modified_ms,
        "LastProcessingResult": "No records processed",
        "State": target if settled else busy,
        "StateTransitionReason": "User action",
    }


def _find(call: Call, params: Params) -> Mapping:
    item = mappings(call).items.get(params["UUID"])
    if item is None:
        raise ServiceError(
            "ResourceNotFoundException", "The resource you requested does not exist.", 404
        )
    return item


@operation("lambda", "GetEventSourceMapping")
def get_mapping(call: Call, params: Params) -> Result:
    """One mapping."""
    return _shown(call, _find(call, params))


@operation("lambda", "UpdateEventSourceMapping")
def update_mapping(call: Call, params: Params) -> Result:
    """Change a mapping."""
    item = _find(call, params)
    if call.now_ms < item.settles_ms:
        raise ServiceError(
            "ResourceInUseException",
            "Cannot update the event source mapping because it is in use.",
            400,
        )
    item.values.update({name: params[name] for name in _PASSED if name in params})
    if "Enabled" in params:
        item.enabled = bool(params["Enabled"])
    if params.get("FunctionName"):
        target = resolve(call, params["FunctionName"], None)
        item.function_arn = function_arn(
            call.region_name, call.account_id, target.record.name, target.qualifier
        )
    item.creating = False
    item.modified_ms = call.now_ms
    item.settles_ms = call.now_ms + call.world.settings.settle_ms
    return {**_shown(call, item), "State": "Updating"}


@operation("lambda", "DeleteEventSourceMapping")
def delete_mapping(call: Call, params: Params) -> Result:
    """Forget a mapping."""
    item = _find(call, params)
    del mappings(call).items[item.uuid]
    return {**_shown(call, item), "State": "Deleting"}


@operation("lambda", "ListEventSourceMappings")
def list_mappings(call: Call, params: Params) -> Result:
    """Mappings of an account, a function or a source."""
    wanted = None
    if params.get("FunctionName"):
        target = resolve(call, params["FunctionName"], None)
        wanted = function_arn(
            call.region_name, call.account_id, target.record.name, target.qualifier
        )
    source = params.get("EventSourceArn")
    shown = [
        _shown(call, item)
        for item in mappings(call).items.values()
        if (wanted is None or item.function_arn == wanted)
        and (source is None or item.values.get("EventSourceArn") == source)
    ]
    return page("EventSourceMappings", shown, params, maximum=100)
