"""A function's settings as the API shows them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lambda_autotuner.sandbox.functions.records import (
    LATEST,
    Alias,
    Configuration,
    FunctionRecord,
    Version,
    function_arn,
)
from lambda_autotuner.sandbox.world.randomness import key_of, uuid_text

_CREATING_REASON = "The function is being created."


def lambda_time(ms: int) -> str:
    """Lambda's LastModified: `2026-11-22T10:00:00.000+0000`."""
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def settled(record: FunctionRecord, now_ms: int) -> bool:
    """Whether the last change has come to its end."""
    return now_ms >= record.settles_ms


def revision_id(record: FunctionRecord, now_ms: int) -> str:
    """The current revision: it changes when a change starts, and again when it has settled."""
    if record.modified_ms == record.settles_ms or not settled(record, now_ms):
        return record.revision_id
    high = key_of(record.revision_id, "settled")
    return uuid_text(high, key_of(record.revision_id, high))


def latest(record: FunctionRecord, region: str, account_id: str, now_ms: int) -> dict[str, Any]:
    """`$LATEST` as GetFunctionConfiguration shows it."""
    shown = _settings(record.latest)
    shown["FunctionName"] = record.name
    shown["FunctionArn"] = function_arn(region, account_id, record.name)
    shown["LastModified"] = lambda_time(record.modified_ms)
    shown["Version"] = LATEST
    shown["RevisionId"] = revision_id(record, now_ms)
    done = settled(record, now_ms)
    if record.creating and not done:
        shown["State"] = "Pending"
        shown["StateReason"] = _CREATING_REASON
        shown["StateReasonCode"] = "Creating"
        return shown
    shown["State"] = "Active"
    shown["LastUpdateStatus"] = "Successful" if done else "InProgress"
    if not done:
        shown["LastUpdateStatusReason"] = _CREATING_REASON
        shown["LastUpdateStatusReasonCode"] = "Creating"
    return shown


def version(
    record: FunctionRecord, item: Version, region: str, account_id: str, now_ms: int
) -> dict[str, Any]:
    """A published version as GetFunctionConfiguration shows it."""
    shown = _settings(item.configuration)
    shown["FunctionName"] = record.name
    shown["FunctionArn"] = function_arn(region, account_id, record.name, item.number)
    shown["LastModified"] = lambda_time(item.created_ms)
    shown["Version"] = item.number
    shown["RevisionId"] = item.revision_id
    if item.configuration.snap_start == "PublishedVersions":
        ready = now_ms >= item.ready_ms
        shown["SnapStart"] = {
            "ApplyOn": "PublishedVersions",
            "OptimizationStatus": "On" if ready else "Off",
        }
    if now_ms < item.ready_ms:
        shown["State"] = "Pending"
        shown["StateReason"] = _CREATING_REASON
        shown["StateReasonCode"] = "Creating"
        return shown
    shown["State"] = "Active"
    shown["LastUpdateStatus"] = "Successful"
    return shown


def _settings(item: Configuration) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Runtime": item.runtime,
        "Role": item.role,
        "Handler": item.handler,
        "CodeSize": item.code_size,
        "Description": item.description,
        "Timeout": item.timeout_s,
        "MemorySize": item.memory_mb,
        "CodeSha256": item.code_sha256,
        "TracingConfig": {"Mode": item.tracing},
        "PackageType": item.package_type,
        "Architectures": [item.architecture],
        "EphemeralStorage": {"Size": item.ephemeral_mb},
        "SnapStart": {"ApplyOn": item.snap_start, "OptimizationStatus": "Off"},
    }
    if item.environment is not None:
        shown["Environment"] = {"Variables": item.environment}
    if item.vpc is not None:
        shown["VpcConfig"] = item.vpc
    if item.layers:
        shown["Layers"] = [{"Arn": arn, "CodeSize": 1024} for arn in item.layers]
    if item.dead_letter_arn:
        shown["DeadLetterConfig"] = {"TargetArn": item.dead_letter_arn}
    if item.kms_key_arn:
        shown["KMSKeyArn"] = item.kms_key_arn
    if item.file_systems:
        shown["FileSystemConfigs"] = list(item.file_systems)
    if item.image_config:
        shown["ImageConfigResponse"] = {"ImageConfig": item.image_config}
    if item.runtime is not None:
        arn = item.runtime_arn or f"arn:aws:lambda:us-east-1::runtime:{_runtime_hash(item.runtime)}"
        shown["RuntimeVersionConfig"] = {"RuntimeVersionArn": arn}
    return shown


def with_logging(shown: dict[str, Any], record: FunctionRecord, item: Configuration) -> None:
    """Add LoggingConfig, which names the log group."""
    logging: dict[str, Any] = {
        "LogFormat": item.log_format,
        "LogGroup": item.log_group or f"/aws/lambda/{record.name}",
    }
    if item.log_format == "JSON":
        logging["ApplicationLogLevel"] = item.application_log_level or "INFO"
        logging["SystemLogLevel"] = item.system_log_level or "INFO"
    shown["LoggingConfig"] = logging


def _runtime_hash(runtime: str) -> str:
    return f"{key_of('runtime', runtime):016x}" * 4


def alias(record: FunctionRecord, item: Alias, region: str, account_id: str) -> dict[str, Any]:
    """An alias as GetAlias shows it."""
    shown: dict[str, Any] = {
        "AliasArn": function_arn(region, account_id, record.name, item.name),
        "Name": item.name,
        "FunctionVersion": item.version,
        "Description": item.description,
        "RevisionId": item.revision_id,
    }
    if item.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(item.weights)}
    return shown
