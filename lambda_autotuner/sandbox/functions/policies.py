"""Resource policies of functions: AddPermission, RemovePermission, GetPolicy."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.changes import current_revision, hold_revision
from lambda_autotuner.sandbox.functions.naming import Reference, find, not_found, refer
from lambda_autotuner.sandbox.functions.records import LATEST, FunctionRecord, function_arn
from lambda_autotuner.sandbox.registry import Params, Result, operation

_ACCOUNT: Final = re.compile(r"\d{12}")
_SERVICE: Final = re.compile(r"[a-z0-9.-]+\.amazonaws\.com|events\.amazonaws\.com|.*\.alexa\..*")
_ARN: Final = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+")


def _subject(call: Call, reference: Reference) -> FunctionRecord:
    record = call.region.functions.get(reference.name)
    qualifier = reference.qualifier
    if record is None:
        raise not_found(
            call, Reference(reference.name, None, reference.account_id, reference.region)
        )
    if qualifier is None or qualifier in record.aliases or qualifier in record.versions:
        return record
    if qualifier.isdigit() or "$" in qualifier:
        raise not_found(call, reference)
    arn = function_arn(call.region_name, call.account_id, reference.name, qualifier)
    raise ServiceError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404)


def _principal(text: str) -> Any:
    if text == "*":
        return "*"
    if _ACCOUNT.fullmatch(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if _ARN.fullmatch(text):
        return {"AWS": text}
    if _SERVICE.fullmatch(text):
        return {"Service": text}
    raise ServiceError(
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
        400,
    )


def _condition(params: Params) -> dict[str, Any]:
    equal = {
        "AWS:SourceAccount": params.get("SourceAccount"),
        "lambda:EventSourceToken": params.get("EventSourceToken"),
        "lambda:FunctionUrlAuthType": params.get("FunctionUrlAuthType"),
        "aws:PrincipalOrgID": params.get("PrincipalOrgID"),
    }
    found: dict[str, Any] = {}
    equal = {name: value for name, value in equal.items() if value is not None}
    if equal:
        found["StringEquals"] = equal
    if params.get("SourceArn"):
        found["ArnLike"] = {"AWS:SourceArn": params["SourceArn"]}
    if params.get("InvokedViaFunctionUrl") is not None:
        found["Bool"] = {
            "lambda:InvokedViaFunctionUrl": str(params["InvokedViaFunctionUrl"]).lower()
        }
    return found


def _revision(call: Call, record: FunctionRecord, qualifier: str | None) -> str:
    if qualifier and qualifier in record.aliases:
        return record.aliases[qualifier].revision_id
    if qualifier and qualifier in record.versions:
        return record.versions[qualifier].revision_id
    return current_revision(call, record)


def _renew(call: Call, record: FunctionRecord, qualifier: str | None) -> None:
    # A policy is part of what a revision stands for.
    if qualifier and qualifier in record.aliases:
        record.aliases[qualifier].revision_id = call.uuid()
    elif qualifier and qualifier in record.versions:
        record.versions[qualifier].revision_id = call.uuid()
    else:
        record.revision_id = call.uuid()
        record.settles_ms = record.modified_ms = max(record.modified_ms, record.settles_ms)


@operation("lambda", "AddPermission")
def add_permission(call: Call, params: Params) -> Result:
    """Let somebody invoke a function."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    qualifier = reference.qualifier
    if qualifier == LATEST:
        raise ServiceError(
            "InvalidParameterValueException",
            "We currently do not support adding policies for $LATEST.",
            400,
        )
    principal = _principal(params["Principal"])
    record = _subject(call, reference)
    read_with = "GetPolicy" if qualifier else "GetFunction/GetAlias"
    hold_revision(params.get("RevisionId"), _revision(call, record, qualifier), read_with)
    policy = record.policies.setdefault(
        qualifier or "", {"Version": "2012-10-17", "Id": "default", "Statement": []}
    )
    name = params["StatementId"]
    if any(statement["Sid"] == name for statement in policy["Statement"]):
        raise ServiceError(
            "ResourceConflictException",
            f"The statement id ({name}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement.",
            409,
        )
    statement: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Principal": principal,
        "Action": params["Action"],
        "Resource": function_arn(call.region_name, call.account_id, record.name, qualifier),
    }
    condition = _condition(params)
    if condition:
        statement["Condition"] = condition
    policy["Statement"].append(statement)
    _renew(call, record, qualifier)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


@operation("lambda", "RemovePermission")
def remove_permission(call: Call, params: Params) -> Result:
    """Take a statement out of a policy."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    if reference.name not in call.region.functions:
        arn = function_arn(call.region_name, call.account_id, reference.name, reference.qualifier)
        raise ServiceError("ResourceNotFoundException", f"No policy found for: {arn}", 404)
    record = _subject(call, reference)
    key = reference.qualifier or ""
    policy = record.policies.get(key)
    if policy is None:
        raise ServiceError(
            "ResourceNotFoundException", "No policy is associated with the given resource.", 404
        )
    name = params["StatementId"]
    left = [statement for statement in policy["Statement"] if statement["Sid"] != name]
    if len(left) == len(policy["Statement"]):
        raise ServiceError(
            "ResourceNotFoundException", f"Statement {name} is not found in resource policy.", 404
        )
    read_with = "GetPolicy" if key else "GetFunction/GetAlias"
    hold_revision(params.get("RevisionId"), _revision(call, record, reference.qualifier), read_with)
    policy["Statement"] = left
    if not left:
        del record.policies[key]
    _renew(call, record, reference.qualifier)
    return {}


@operation("lambda", "GetPolicy")
def get_policy(call: Call, params: Params) -> Result:
    """The policy of a function, a version or an alias."""
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    record = call.region.functions.get(reference.name)
    policy = record.policies.get(reference.qualifier or "") if record else None
    if record is None or policy is None:
        raise ServiceError(
            "ResourceNotFoundException", "The resource you requested does not exist.", 404
        )
    find(call, reference)
    return {
        "Policy": json.dumps(policy, separators=(",", ":")),
        "RevisionId": _revision(call, record, reference.qualifier),
    }
