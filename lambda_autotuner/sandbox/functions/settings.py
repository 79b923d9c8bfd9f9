"""UpdateFunctionConfiguration and UpdateFunctionCode: what may be set, and in which words not."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions import rendering
from lambda_autotuner.sandbox.functions.changes import (
    configure,
    current_revision,
    hold_revision,
    hold_settled,
)
from lambda_autotuner.sandbox.functions.code import load_code
from lambda_autotuner.sandbox.functions.naming import find_unqualified
from lambda_autotuner.sandbox.functions.records import Configuration, FunctionRecord
from lambda_autotuner.sandbox.functions.versions import publish
from lambda_autotuner.sandbox.registry import Params, Result, operation

RUNTIMES: Final = (
    "nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x",
    "nodejs22.x", "java25", "python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2",
    "python3.8", "python3.9", "java17", "nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6",
    "nodejs18.x", "provided.al2", "java8.al2",
)  # fmt: skip
RETIRED_RUNTIMES: Final = frozenset(
    {
        "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x",
        "nodejs12.x", "nodejs14.x", "java8", "python2.7", "python3.6", "python3.7",
        "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "ruby2.5",
        "ruby2.7", "provided",
    }
)  # fmt: skip
_SNAP_START: Final = re.compile(r"java(11|17|21|25)|python3\.1[2-9]|dotnet(8|10)")
_MAX_ENVIRONMENT: Final = 4096
_RESERVED: Final = frozenset(
    {
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER",
    }
)  # fmt: skip
_LAYER: Final = re.compile(r"arn:[^:]+:lambda:([^:]+):(\d+):layer:([^:]+):(\d+)")
_PLAIN: Final = {
    "Runtime": "runtime",
    "Role": "role",
    "Handler": "handler",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mb",
}


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def hold_new(params: Params) -> None:
    """What a new function must have.

    Raises:
        ServiceError: InvalidParameterValueException.
    """
    hold_runtime(params.get("Runtime"))
    if params.get("PackageType", "Zip") == "Image":
        return
    if params.get("Runtime") is None or params.get("Handler") is None:
        raise _invalid(
            "Runtime and Handler are mandatory parameters for functions created with "
            "deployment packages."
        )


def hold_runtime(runtime: str | None) -> None:
    """A runtime that Lambda has.

    Raises:
        ServiceError: InvalidParameterValueException.
    """
    if runtime in RETIRED_RUNTIMES:
        raise _invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions."
        )
    if runtime is not None and runtime not in RUNTIMES:
        raise _invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{', '.join(RUNTIMES)}] or be a valid ARN"
        )


@operation("lambda", "UpdateFunctionConfiguration")
def update_function_configuration(call: Call, params: Params) -> Result:
    """Change settings of $LATEST."""
    record = find_unqualified(call, params)
    hold_runtime(params.get("Runtime"))
    hold_revision(params.get("RevisionId"), current_revision(call, record))
    hold_settled(call, record)
    configuration = apply_settings(call, record.latest, params)
    configure(call, record, configuration)
    return shown_latest(call, record)


def shown_latest(call: Call, record: FunctionRecord) -> dict[str, Any]:
    """$LATEST as the answer to a change shows it."""
    shown = rendering.latest(record, call.region_name, call.account_id, call.now_ms)
    rendering.with_logging(shown, record, record.latest)
    return shown


@operation("lambda", "UpdateFunctionCode")
def update_function_code(call: Call, params: Params) -> Result:
    """Change the code of $LATEST, and with it the architecture; publish it when asked to."""
    record = find_unqualified(call, params)
    hold_revision(params.get("RevisionId"), current_revision(call, record))
    hold_settled(call, record)
    package = load_code(call, params, record.latest.package_type)
    configuration = package.onto(record.latest)
    architectures = params.get("Architectures")
    configuration = dataclasses.replace(
        configuration, architecture=architectures[0] if architectures else "x86_64"
    )
    if params.get("DryRun"):
        preview = dataclasses.replace(record, latest=configuration)
        return shown_latest(call, preview)
    record.code = package.raw
    configure(call, record, configuration)
    if params.get("Publish"):
        version = publish(call, record)
        shown = rendering.version(record, version, call.region_name, call.account_id, call.now_ms)
        rendering.with_logging(shown, record, version.configuration)
        return shown
    return shown_latest(call, record)


def apply_settings(call: Call, configuration: Configuration, params: Params) -> Configuration:
    """The settings after a request that may set any of them.

    Raises:
        ServiceError: in Lambda's words.
    """
    changes: dict[str, Any] = {
        name: params[member] for member, name in _PLAIN.items() if params.get(member) is not None
    }
    changes.update(_compute(params))
    changes.update(_attachments(call, params))
    changes.update(_logging(params.get("LoggingConfig")))
    result = dataclasses.replace(configuration, **changes)
    return _with_snap_start(result, params.get("SnapStart"))


def _compute(params: Params) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if architectures := params.get("Architectures"):
        changes["architecture"] = architectures[0]
    if storage := params.get("EphemeralStorage"):
        changes["ephemeral_mb"] = storage["Size"]
    if tracing := params.get("TracingConfig"):
        changes["tracing"] = tracing.get("Mode", "PassThrough")
    if "PackageType" in params:
        changes["package_type"] = params["PackageType"]
        if params["PackageType"] == "Image":
            changes.update(runtime=None, handler=None)
    if (environment := params.get("Environment")) is not None:
        changes["environment"] = _environment(environment.get("Variables") or {})
    if image := params.get("ImageConfig"):
        changes["image_config"] = image
    return changes


def _attachments(call: Call, params: Params) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if (layers := params.get("Layers")) is not None:
        changes["layers"] = _layers(call, layers)
    if (dead_letter := params.get("DeadLetterConfig")) is not None:
        changes["dead_letter_arn"] = dead_letter.get("TargetArn") or None
    if "KMSKeyArn" in params:
        changes["kms_key_arn"] = params["KMSKeyArn"] or None
    if (vpc := params.get("VpcConfig")) is not None:
        changes["vpc"] = _vpc(vpc)
    if (systems := params.get("FileSystemConfigs")) is not None:
        changes["file_systems"] = tuple(systems)
    return changes


def _with_snap_start(configuration: Configuration, wanted: dict[str, Any] | None) -> Configuration:
    if wanted is None:
        return configuration
    apply_on = wanted.get("ApplyOn", "None")
    runtime = configuration.runtime or ""
    if apply_on == "PublishedVersions" and not _SNAP_START.fullmatch(runtime):
        raise _invalid(f"{runtime} is not supported for SnapStart enabled functions.")
    return dataclasses.replace(configuration, snap_start=apply_on)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > _MAX_ENVIRONMENT:
        raise _invalid(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {text}"
        )
    reserved = sorted(_RESERVED & set(variables))
    if reserved:
        raise _invalid(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    return dict(variables)


def _layers(call: Call, arns: list[str]) -> tuple[str, ...]:
    from lambda_autotuner.sandbox.functions.layers import hold_layers

    hold_layers(call, arns)
    return tuple(arns)


def _vpc(vpc: dict[str, Any]) -> dict[str, Any] | None:
    subnets, groups = vpc.get("SubnetIds") or [], vpc.get("SecurityGroupIds") or []
    if not subnets and not groups:
        return None
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": groups,
        "Ipv6AllowedForDualStack": bool(vpc.get("Ipv6AllowedForDualStack")),
        "VpcId": "vpc-0sandbox",
    }


def _logging(logging: dict[str, Any] | None) -> dict[str, Any]:
    if logging is None:
        return {}
    found = {
        "log_format": logging.get("LogFormat"),
        "log_group": logging.get("LogGroup"),
        "application_log_level": logging.get("ApplicationLogLevel"),
        "system_log_level": logging.get("SystemLogLevel"),
    }
    return {name: value for name, value in found.items() if value is not None}
