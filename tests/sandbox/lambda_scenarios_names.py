"""The recorded tests of names, runtimes and SnapStart, which come in families."""

from __future__ import annotations

import functools
from typing import Any

from .conftest import zip_of
from .lambda_stage import SCENARIOS, Stage

F = "TestLambdaFunction::"

NAMES: dict[str, tuple[str, str | None]] = {
    "function_name_is_single_invalid": ("*", None),
    "invalid_characters_in_function_name": ("my-function!", None),
    "invalid_characters_in_qualifier": ("my-function", "invalid!"),
    "qualifier_too_long0": ("my-function", "a" * 129),
    "qualifier_too_long": ("my-function", "a" * 129),
    "invalid_account_id_in_partial_arn": ("invalid-account:function:my-function", None),
    "invalid_region_in_arn": ("arn:aws:lambda:invalid-region:{a}:function:my-function", None),
    "non_lambda_arn": ("arn:aws:ec2:us-east-1:{a}:instance:i-1234567890abcdef0", None),
    "function_name_too_long": ("a" * 65, None),
    "function_name_too_long_and_invalid_region": (
        "arn:aws:lambda:invalid-region:{a}:function:my-function" + "a" * 170, None),
    "full_arn_and_qualifier_too_long_and_invalid_region": (
        "arn:aws:lambda:invalid-region:{a}:function:my-function-" + "a" * 170, "a" * 129),
    "qualifier_too_long1": ("my-function", "a" * 65),
    "function_name_and_qualifier_too_long": ("my-function", "a" * 65),
    "full_arn_with_multiple_qualifiers": (
        "arn:aws:lambda:us-east-1:{a}:function:my-function:1:2", None),
    "incomplete_arn": ("arn:aws:lambda:us-east-1:{a}:function", None),
    "partial_arn_with_extra_qualifier": ("function:my-function:$LATEST:extra", None),
    "latest_version_with_additional_qualifier": (
        "arn:aws:lambda:us-east-1:{a}:function:my-function:$LATEST", "1"),
    "lowercase_latest_qualifier": ("arn:aws:lambda:us-east-1:{a}:function:my-function", "$latest"),
    "missing_region_in_arn": ("arn:aws:lambda::{a}:function:my-function", None),
    "missing_account_id_in_arn": ("arn:aws:lambda:us-east-1::function:my-function", None),
    "misspelled_latest_in_arn": (
        "arn:aws:lambda:us-east-1:{a}:function:my-function:$LATES", None),
}  # fmt: skip


def _name_case(s: Stage, case: str, operation: str) -> None:
    text, qualifier = NAMES[case]
    text = text.replace("{a}", s.account_id)
    params: dict[str, Any] = {"FunctionName": text}
    if operation == "create_function":
        params["FunctionName"] = f"{text}:{qualifier}" if qualifier else text
        params |= {
            "Runtime": "python3.12",
            "Handler": "a.b",
            "Code": {"ZipFile": zip_of()},
            "Role": "arn:aws:iam::123456789012:role/r",
        }
    elif qualifier:
        params["Qualifier"] = qualifier
    answer = s(f"{operation}_exception", operation, **params)
    # These recordings keep the parts of the message instead of the answer.
    message, code = answer["Error"]["Message"], answer["Error"]["Code"]
    head, _, rest = message.partition(" detected: ")
    if head.endswith(("validation error", "validation errors")):
        parts = rest.split("; Value ")
        errors = [parts[0], *("Value " + part for part in parts[1:])]
        kept: dict[str, Any] = {
            "Code": code,
            "Count": int(head.split()[0]),
            "Errors": sorted(errors),
        }
    else:
        kept = {"Code": code, "Message": message}
    s.answers[f"{operation}_exception"] = kept


_NOT_CREATED = ("qualifier_too_long1", "incomplete_arn", "function_name_and_qualifier_too_long")
for case in NAMES:
    for operation in ("get_function", "delete_function", "invoke", "create_function"):
        if operation == "create_function" and case in _NOT_CREATED:
            continue
        SCENARIOS[f"{F}test_function_name_and_qualifier_validation[{case}-{operation}]"] = (
            functools.partial(_name_case, case=case, operation=operation)
        )


def _deprecated(s: Stage, runtime: str) -> None:
    s(
        "deprecation_error",
        "create_function",
        FunctionName=s.name,
        Runtime=runtime,
        Handler="a.b",
        Role="arn:aws:iam::123456789012:role/r",
        Code={"ZipFile": zip_of()},
    )


for runtime in (
    "java8",
    "go1.x",
    "provided",
    "ruby2.7",
    "nodejs14.x",
    "python3.7",
    "dotnetcore3.1",
    "nodejs12.x",
):
    SCENARIOS[
        "TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled"
        f"[{runtime}]"
    ] = functools.partial(_deprecated, runtime=runtime)


def _handler(runtime: str) -> str:
    if runtime.startswith("dotnet"):
        return "dotnet::Dotnet.Function::FunctionHandler"
    return "handler.handler" if runtime.startswith("python") else "echo.Handler"


def _snap_lifecycle(s: Stage, runtime: str) -> None:
    s.create(
        "create_function_response",
        Runtime=runtime,
        Handler=_handler(runtime),
        MemorySize=1024,
        Timeout=5,
    )
    s.do("publish_version", FunctionName=s.name, Description="version1")
    for _ in range(6):
        s.do("get_account_settings")  # lets the clock tick until the snapshot is ready
    s("get_function_response_latest", "get_function", FunctionName=s.name)
    s("get_function_response_version_1", "get_function", FunctionName=s.name, Qualifier="1")


def _snap_update(s: Stage, runtime: str) -> None:
    s.create(
        "create_function_response",
        Runtime=runtime,
        Handler=_handler(runtime),
        MemorySize=1024,
        Timeout=5,
    )
    s(
        "update_function_response",
        "update_function_configuration",
        FunctionName=s.name,
        SnapStart={"ApplyOn": "PublishedVersions"},
    )


for runtime in (
    "java11",
    "java17",
    "java21",
    "java25",
    "python3.12",
    "python3.13",
    "dotnet8",
    "dotnet10",
):
    SCENARIOS[f"TestLambdaSnapStart::test_snapstart_lifecycle[{runtime}]"] = functools.partial(
        _snap_lifecycle, runtime=runtime
    )
    SCENARIOS[f"TestLambdaSnapStart::test_snapstart_update_function_configuration[{runtime}]"] = (
        functools.partial(_snap_update, runtime=runtime)
    )
