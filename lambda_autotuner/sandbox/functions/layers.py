"""Layers: publish, list, get, delete, their policies, and what functions may refer to."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.changes import hold_revision
from lambda_autotuner.sandbox.functions.code import load_code
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.rendering import lambda_time
from lambda_autotuner.sandbox.registry import Params, Result, operation

MAX_LAYERS: Final = 5
_ARN: Final = re.compile(r"arn:[^:]+:lambda:([^:]*):(\d*):layer:([^:]+):(\d+)")


@dataclass(slots=True)
class LayerVersion:
    """One version of a layer; immutable but for its policy."""

    number: int
    values: dict[str, Any]
    created_ms: int
    code: bytes
    statements: list[dict[str, Any]] = field(default_factory=list)
    policy_revision: str = ""


@dataclass(slots=True)
class Layers:
    """All layers of an account in a region."""

    versions: dict[str, dict[int, LayerVersion]] = field(default_factory=dict)
    next_number: dict[str, int] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older by `delta_ms`."""
        for numbered in self.versions.values():
            for version in numbered.values():
                version.created_ms -= delta_ms


def _layers(call: Call) -> Layers:
    return call.state("layers", Layers)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def hold_layers(call: Call, arns: list[str]) -> None:
    """Refuse layers that a function cannot have.

    Raises:
        ServiceError: too many, two versions of one, another region, or unknown.
    """
    if len(arns) > MAX_LAYERS:
        raise _invalid(f"Cannot reference more than {MAX_LAYERS} layers.")
    seen: dict[str, str] = {}
    for arn in arns:
        base = arn.rpartition(":")[0]
        if base in seen:
            raise _invalid(
                "Two different versions of the same layer are not allowed to be referenced in the "
                f"same function. {seen[base]} and {arn} are versions of the same layer."
            )
        seen[base] = arn
    for arn in arns:
        match = _ARN.fullmatch(arn)
        if match is None:
            continue
        region, account_id, name, number = match.groups()
        if region != call.region_name:
            raise _invalid(
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {call.region_name}."
            )
        own = account_id == call.account_id
        # Layers of other accounts (AWS's own, vendors') are taken as they are named.
        if own and not _known(call, name, int(number)):
            raise _invalid(f"Layer version {arn} does not exist.")


def _known(call: Call, name: str, number: int) -> bool:
    if number in _layers(call).versions.get(name, {}):
        return True
    arn = call.arn("lambda", f"layer:{name}:{number}")
    return any(arn in record.latest.layers for record in call.region.functions.values())


def _shown(call: Call, name: str, version: LayerVersion, *, listed: bool = False) -> dict[str, Any]:
    shown = {
        **version.values,
        "LayerVersionArn": call.arn("lambda", f"layer:{name}:{version.number}"),
        "CreatedDate": lambda_time(version.created_ms),
        "Version": version.number,
    }
    if not listed:
        digest = base64.b64encode(hashlib.sha256(version.code).digest()).decode()
        shown["LayerArn"] = call.arn("lambda", f"layer:{name}")
        shown["Content"] = {
            "Location": f"{call.base_url}/_sandbox/layer/{call.account_id}/{name}/{version.number}",
            "CodeSha256": digest,
            "CodeSize": len(version.code),
        }
    return shown


@operation("lambda", "PublishLayerVersion")
def publish_layer_version(call: Call, params: Params) -> Result:
    """The next version of a layer."""
    name = params["LayerName"].rpartition(":")[2]
    package = load_code(call, params["Content"], "Zip")
    state = _layers(call)
    number = state.next_number.get(name, 1)
    state.next_number[name] = number + 1
    values = {
        "Description": params.get("Description", ""),
        "LicenseInfo": params.get("LicenseInfo"),
        "CompatibleRuntimes": params.get("CompatibleRuntimes"),
        "CompatibleArchitectures": params.get("CompatibleArchitectures"),
    }
    values = {key: value for key, value in values.items() if value is not None}
    version = LayerVersion(number, values, call.now_ms, package.raw or b"")
    state.versions.setdefault(name, {})[number] = version
    return _shown(call, name, version)


def _positive(number: int) -> int:
    if number < 1:
        raise _invalid("Layer Version Cannot be less than 1")
    return number


def _find(call: Call, name: str, number: int) -> LayerVersion:
    found = _layers(call).versions.get(name.rpartition(":")[2], {}).get(_positive(number))
    if found is None:
        raise ServiceError(
            "ResourceNotFoundException", "The resource you requested does not exist.", 404
        )
    return found


@operation("lambda", "GetLayerVersion")
def get_layer_version(call: Call, params: Params) -> Result:
    """One version of a layer."""
    version = _find(call, params["LayerName"], params["VersionNumber"])
    return _shown(call, params["LayerName"].rpartition(":")[2], version)


@operation("lambda", "GetLayerVersionByArn")
def get_layer_version_by_arn(call: Call, params: Params) -> Result:
    """One version of a layer, by its ARN."""
    match = _ARN.fullmatch(params["Arn"])
    name, number = (match[3], int(match[4])) if match else ("", 1)
    return _shown(call, name, _find(call, name, number))


@operation("lambda", "DeleteLayerVersion")
def delete_layer_version(call: Call, params: Params) -> Result:
    """Forget a version; one that does not exist is no error."""
    number = _positive(params["VersionNumber"])
    _layers(call).versions.get(params["LayerName"].rpartition(":")[2], {}).pop(number, None)
    return {}


def _fits(version: LayerVersion, params: Params) -> bool:
    runtime, side = params.get("CompatibleRuntime"), params.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.values.get("CompatibleRuntimes", ())) and (
        side is None or side in version.values.get("CompatibleArchitectures", ())
    )


@operation("lambda", "ListLayerVersions")
def list_layer_versions(call: Call, params: Params) -> Result:
    """A layer's versions, the newest first."""
    name = params["LayerName"].rpartition(":")[2]
    numbered = _layers(call).versions.get(name, {})
    shown = [
        _shown(call, name, numbered[number], listed=True)
        for number in sorted(numbered, reverse=True)
        if _fits(numbered[number], params)
    ]
    return page("LayerVersions", shown, params)


@operation("lambda", "ListLayers")
def list_layers(call: Call, params: Params) -> Result:
    """Layers with their newest version."""
    shown = []
    for name, numbered in sorted(_layers(call).versions.items()):
        fitting = [number for number in numbered if _fits(numbered[number], params)]
        if fitting:
            newest = _shown(call, name, numbered[max(fitting)], listed=True)
            arn = call.arn("lambda", f"layer:{name}")
            shown.append({"LayerName": name, "LayerArn": arn, "LatestMatchingVersion": newest})
    return page("Layers", shown, params)


def _with_policy(call: Call, params: Params) -> tuple[LayerVersion, str]:
    name, number = params["LayerName"].rpartition(":")[2], params["VersionNumber"]
    version = _layers(call).versions.get(name, {}).get(number)
    arn = call.arn("lambda", f"layer:{name}:{number}")
    if version is None:
        raise ServiceError("ResourceNotFoundException", f"Layer version {arn} does not exist.", 404)
    return version, arn


@operation("lambda", "AddLayerVersionPermission")
def add_layer_permission(call: Call, params: Params) -> Result:
    """Let others use a layer."""
    version, arn = _with_policy(call, params)
    hold_revision(params.get("RevisionId"), version.policy_revision, "GetLayerPolicy")
    name = params["StatementId"]
    if any(statement["Sid"] == name for statement in version.statements):
        raise ServiceError(
            "ResourceConflictException",
            f"The statement id ({name}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement.",
            409,
        )
    principal = params["Principal"]
    statement: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Principal": principal if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": params["Action"],
        "Resource": arn,
    }
    if params.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": params["OrganizationId"]}}
    version.statements.append(statement)
    version.policy_revision = call.uuid()
    return {
        "Statement": json.dumps(statement, separators=(",", ":")),
        "RevisionId": version.policy_revision,
    }


@operation("lambda", "GetLayerVersionPolicy")
def get_layer_policy(call: Call, params: Params) -> Result:
    """Who may use a layer."""
    version, _ = _with_policy(call, params)
    if not version.statements:
        raise ServiceError(
            "ResourceNotFoundException", "No policy is associated with the given resource.", 404
        )
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": version.statements}
    return {
        "Policy": json.dumps(policy, separators=(",", ":")),
        "RevisionId": version.policy_revision,
    }


@operation("lambda", "RemoveLayerVersionPermission")
def remove_layer_permission(call: Call, params: Params) -> Result:
    """Let somebody no longer use a layer."""
    version, _ = _with_policy(call, params)
    hold_revision(params.get("RevisionId"), version.policy_revision, "GetLayerPolicy")
    left = [each for each in version.statements if each["Sid"] != params["StatementId"]]
    if len(left) == len(version.statements):
        raise ServiceError(
            "ResourceNotFoundException",
            f"Statement {params['StatementId']} is not found in resource policy.",
            404,
        )
    version.statements = left
    version.policy_revision = call.uuid()
    return {}
