"""Runtime management, recursion detection and code signing."""

from __future__ import annotations

import dataclasses

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import find_unqualified, resolve
from lambda_autotuner.sandbox.functions.records import function_arn
from lambda_autotuner.sandbox.registry import Params, Result, operation


@operation("lambda", "GetRuntimeManagementConfig")
def get_runtime_management(call: Call, params: Params) -> Result:
    """When the runtime is updated."""
    target = resolve(call, params["FunctionName"], params.get("Qualifier"))
    return {
        "UpdateRuntimeOn": target.configuration.update_runtime_on,
        "RuntimeVersionArn": target.configuration.runtime_arn,
        "FunctionArn": function_arn(
            call.region_name, call.account_id, target.record.name, target.qualifier
        ),
    }


@operation("lambda", "PutRuntimeManagementConfig")
def put_runtime_management(call: Call, params: Params) -> Result:
    """Say when the runtime is updated."""
    target = resolve(call, params["FunctionName"], params.get("Qualifier"))
    wanted, arn = params["UpdateRuntimeOn"], params.get("RuntimeVersionArn")
    if (wanted == "Manual") != bool(arn):
        raise ServiceError(
            "InvalidParameterValueException",
            "RuntimeVersionArn is required for, and only for, the update mode Manual.",
            400,
        )
    changed = dataclasses.replace(target.configuration, update_runtime_on=wanted, runtime_arn=arn)
    if target.version is None:
        target.record.latest = changed
    else:
        target.version.configuration = changed
    return {
        "UpdateRuntimeOn": wanted,
        "RuntimeVersionArn": arn,
        "FunctionArn": function_arn(
            call.region_name, call.account_id, target.record.name, target.qualifier
        ),
    }


@operation("lambda", "GetFunctionRecursionConfig")
def get_recursion(call: Call, params: Params) -> Result:
    """What happens to loops."""
    return {"RecursiveLoop": find_unqualified(call, params).recursive_loop}


@operation("lambda", "PutFunctionRecursionConfig")
def put_recursion(call: Call, params: Params) -> Result:
    """Say what happens to loops."""
    record = find_unqualified(call, params)
    record.recursive_loop = params["RecursiveLoop"]
    return {"RecursiveLoop": record.recursive_loop}


@operation("lambda", "GetFunctionCodeSigningConfig")
def get_function_code_signing(call: Call, params: Params) -> Result:
    """No function of the sandbox has its code signed."""
    return {"FunctionName": find_unqualified(call, params).name}


@operation("lambda", "GetFunctionScalingConfig")
def get_scaling(call: Call, params: Params) -> Result:
    """Scaling of managed instances, which no function of the sandbox runs on."""
    target = resolve(call, params["FunctionName"], params.get("Qualifier"))
    arn = function_arn(call.region_name, call.account_id, target.record.name, target.qualifier)
    return {"FunctionArn": arn}
