"""How events are retried and where they end: the event invoke configuration."""

from __future__ import annotations

from typing import Any

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import Reference, refer
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.records import LATEST, FunctionRecord, function_arn
from lambda_autotuner.sandbox.registry import Params, Result, operation

_DESTINATIONS = ("lambda", "sqs", "sns", "events", "s3")


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def _arn(call: Call, reference: Reference) -> str:
    return function_arn(
        call.region_name, call.account_id, reference.name, reference.qualifier or LATEST
    )


def _missing(call: Call, reference: Reference) -> ServiceError:
    return ServiceError(
        "ResourceNotFoundException",
        f"The function {_arn(call, reference)} doesn't have an EventInvokeConfig",
        404,
    )


def _subject(call: Call, params: Params) -> tuple[FunctionRecord, Reference]:
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    record = call.region.functions.get(reference.name)
    qualifier = reference.qualifier
    known = record is not None and (
        qualifier in {None, LATEST} or qualifier in record.versions or qualifier in record.aliases
    )
    if record is None or not known:
        raise ServiceError("ResourceNotFoundException", "The function doesn't exist.", 404)
    return record, reference


def _hold_destinations(call: Call, record: FunctionRecord, params: Params) -> None:
    config = params.get("DestinationConfig") or {}
    for side in ("OnSuccess", "OnFailure"):
        arn = (config.get(side) or {}).get("Destination")
        if not arn:
            continue
        parts = arn.split(":")
        service = parts[2] if len(parts) > 2 else ""  # noqa: PLR2004 - arn:partition:service
        if service not in _DESTINATIONS:
            shown = f"{side}(destination={arn})"
            success = shown if side == "OnSuccess" else "null"
            failure = shown if side == "OnFailure" else "null"
            raise _invalid(
                "The provided destination config DestinationConfig("
                f"onSuccess={success}, onFailure={failure}) is invalid."
            )
        if service == "lambda":
            name = parts[6]
            if name == record.name:
                raise _invalid("You can't specify the function as a destination for itself.")
            if name not in call.region.functions:
                raise _invalid(f"The destination ARN {arn} is invalid.")


def _store(call: Call, params: Params, before: dict[str, Any]) -> dict[str, Any]:
    record, reference = _subject(call, params)
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    given = {name: params[name] for name in names if params.get(name) is not None}
    if not given:
        raise _invalid("You must specify at least one of error handling or destination setting.")
    _hold_destinations(call, record, params)
    destinations = {
        "OnSuccess": {},
        "OnFailure": {},
        **(given.pop("DestinationConfig", None) or {}),
    }
    config = {
        "DestinationConfig": destinations,
        **before,
        **given,
        "FunctionArn": _arn(call, reference),
        "LastModified": call.now_ms,
    }
    if params.get("DestinationConfig"):
        config["DestinationConfig"] = destinations
    record.event_configs[reference.qualifier or LATEST] = config
    return config


@operation("lambda", "PutFunctionEventInvokeConfig")
def put_event_config(call: Call, params: Params) -> Result:
    """Say anew how events are handled."""
    return _store(call, params, {})


@operation("lambda", "UpdateFunctionEventInvokeConfig")
def update_event_config(call: Call, params: Params) -> Result:
    """Change how events are handled."""
    record, reference = _subject(call, params)
    before = record.event_configs.get(reference.qualifier or LATEST)
    if before is None:
        raise _missing(call, reference)
    return _store(call, params, before)


@operation("lambda", "GetFunctionEventInvokeConfig")
def get_event_config(call: Call, params: Params) -> Result:
    """How events are handled."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    record = call.region.functions.get(reference.name)
    config = record.event_configs.get(reference.qualifier or LATEST) if record else None
    if config is None:
        raise _missing(call, reference)
    return config


@operation("lambda", "DeleteFunctionEventInvokeConfig")
def delete_event_config(call: Call, params: Params) -> Result:
    """Handle events in the ordinary way again."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    record = call.region.functions.get(reference.name)
    if record is None or record.event_configs.pop(reference.qualifier or LATEST, None) is None:
        raise _missing(call, reference)
    return {}


@operation("lambda", "ListFunctionEventInvokeConfigs")
def list_event_configs(call: Call, params: Params) -> Result:
    """All of a function's."""
    record, _ = _subject(call, params)
    return page("FunctionEventInvokeConfigs", list(record.event_configs.values()), params)
