"""The recorded Lambda tests that are played again (names as in the recordings)."""

from __future__ import annotations

import functools
from typing import Any

from .conftest import zip_of
from .lambda_stage import SCENARIOS, Stage, scenario

F = "TestLambdaFunction::"


@scenario(F + "test_function_lifecycle")
def _(s: Stage) -> None:
    s.fixture("create_response", MemorySize=256, Timeout=5)
    s("get_function_response", "get_function", FunctionName=s.name)
    s(
        "update_func_conf_response",
        "update_function_configuration",
        FunctionName=s.name,
        Description="Changed-Description",
        MemorySize=512,
        Timeout=10,
        Runtime="python3.11",
        Environment={"Variables": {"ENV_A": "a"}},
    )
    s.settle()
    s("get_function_response_postupdate", "get_function", FunctionName=s.name)
    s("update_code_response", "update_function_code", FunctionName=s.name, ZipFile=zip_of("x=1"))
    s.settle()
    s("get_function_response_postcodeupdate", "get_function", FunctionName=s.name)
    s("delete_response", "delete_function", FunctionName=s.name)
    s("delete_postdelete", "delete_function", FunctionName=s.name)


@scenario(F + "test_redundant_updates")
def _(s: Stage) -> None:
    s.fixture("create_response", Description="Initial description")
    s(
        "first_update_result",
        "update_function_configuration",
        FunctionName=s.name,
        Description="1st update description",
    )
    s.settle()
    s("get_fn_config_result", "get_function_configuration", FunctionName=s.name)
    s("get_fn_result", "get_function", FunctionName=s.name)
    s(
        "redundant_update_result",
        "update_function_configuration",
        FunctionName=s.name,
        Description="1st update description",
    )
    s.settle()
    s("get_fn_result_after_redundant_update", "get_function", FunctionName=s.name)


def _mismatch(s: Stage, operation: str) -> None:
    s(
        "not_match_exception",
        operation,
        FunctionName=s.arn("some-function", "$LATEST"),
        Qualifier="1",
    )
    s(
        "match_exception",
        operation,
        FunctionName=s.arn("some-function", "$LATEST"),
        Qualifier="$LATEST",
    )


def _version_missing(s: Stage, operation: str) -> None:
    s.create()
    s("version_not_found_exception", operation, FunctionName=s.name, Qualifier="1221")


def _function_missing(s: Stage, operation: str) -> None:
    s("not_found_exception", operation, FunctionName="not-there")


def _wrong_region(s: Stage, operation: str) -> None:
    arn = s.arn("f").replace("us-east-1", "eu-central-1")
    s("wrong_region_exception", operation, FunctionName=arn)


for operation in ("delete_function", "get_function", "get_function_configuration"):
    SCENARIOS[f"{F}test_ops_with_arn_qualifier_mismatch[{operation}]"] = functools.partial(
        _mismatch, operation=operation
    )
for operation in ("get_function", "get_function_configuration", "get_function_event_invoke_config"):
    SCENARIOS[f"{F}test_ops_on_nonexisting_version[{operation}]"] = functools.partial(
        _version_missing, operation=operation
    )
for operation in (
    "delete_function", "get_function", "get_function_configuration", "get_function_url_config",
    "get_function_code_signing_config", "get_function_event_invoke_config",
    "get_function_concurrency",
):  # fmt: skip
    SCENARIOS[f"{F}test_ops_on_nonexisting_fn[{operation}]"] = functools.partial(
        _function_missing, operation=operation
    )
for operation in (
    "delete_function", "get_function", "get_function_configuration", "get_function_url_config",
    "get_function_code_signing_config", "get_function_event_invoke_config",
    "get_function_concurrency", "invoke",
):  # fmt: skip
    SCENARIOS[f"{F}test_get_function_wrong_region[{operation}]"] = functools.partial(
        _wrong_region, operation=operation
    )


@scenario(F + "test_delete_on_nonexisting_version")
def _(s: Stage) -> None:
    s("delete_function_response_non_existent", "delete_function", FunctionName="gone")
    s(
        "delete_function_response_non_existent_with_qualifier",
        "delete_function",
        FunctionName="gone",
        Qualifier="1",
    )


@scenario(F + "test_lambda_code_location_zipfile")
def _(s: Stage) -> None:
    s.create("create-response-zip-file", Handler="index.handler", Runtime="python3.12")
    s("get-function-response", "get_function", FunctionName=s.name)
    s(
        "update-function-response",
        "update_function_code",
        FunctionName=s.name,
        ZipFile=zip_of("y=2"),
    )
    s("get-function-response-updated", "get_function", FunctionName=s.name)


@scenario(F + "test_lambda_code_location_s3_errors")
def _(s: Stage) -> None:
    words: dict[str, Any] = {
        "FunctionName": s.name,
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::123456789012:role/r",
    }
    s(
        "create-error-wrong-bucket",
        "create_function",
        **words,
        Code={"S3Bucket": "no-such-bucket-anywhere", "S3Key": "k"},
    )
    s.create()
    s(
        "update-error-wrong-bucket",
        "update_function_code",
        FunctionName=s.name,
        S3Bucket="no-such-bucket-anywhere",
        S3Key="k",
    )


@scenario(F + "test_list_functions")
def _(s: Stage) -> None:
    s("list_functions_invalid_functionversion", "list_functions", FunctionVersion="invalid")


@scenario(F + "test_create_lambda_exceptions", F + "test_update_lambda_exceptions")
def _(s: Stage) -> None:
    create = "create" in s.test
    if not create:
        s.create()

    def attempt(response: str, **changes: Any) -> None:
        if create:
            base = {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": "arn:aws:iam::123456789012:role/r",
                "Code": {"ZipFile": zip_of()},
            }
            s(response, "create_function", FunctionName=s.name, **{**base, **changes})
        else:
            s(response, "update_function_configuration", FunctionName=s.name, **changes)

    attempt("invalid_role_arn_exc", Role="r1")
    attempt("invalid_runtime_exc", Runtime="non-existent-runtime")
    attempt("uppercase_runtime_exc", Runtime="PYTHON3.9")
    if create:
        attempt("multiple_architectures", Architectures=["x86_64", "arm64"])
        attempt("uppercase_architecture", Architectures=["X86_64"])
        attempt("invalid_zip_exc", Code={"ZipFile": b"this is no zip"})


@scenario(F + "test_function_arns")
def _(s: Stage) -> None:
    base: dict[str, Any] = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::123456789012:role/r",
        "Code": {"ZipFile": zip_of()},
    }
    s("invalid_function_name_exc", "create_function", FunctionName="invalid:function:name", **base)
    s("long_function_name_exc", "create_function", FunctionName="a" * 65, **base)
    s("long_function_arn_exc", "create_function", FunctionName=s.arn("a" * 150), **base)
    other = s.arn("f").replace("us-east-1", "ap-southeast-1")
    s("function_arn_other_region_exc", "get_function", FunctionName=other)


@scenario("TestLambdaSizeLimits::test_oversized_unzipped_lambda")
def _(s: Stage) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", b"\0" * 262_144_001)
    s(
        "invalid_param_exc",
        "create_function",
        FunctionName=s.name,
        Runtime="python3.12",
        Handler="h.h",
        Role="arn:aws:iam::123456789012:role/r",
        Code={"ZipFile": buffer.getvalue()},
    )


@scenario("TestLambdaSizeLimits::test_oversized_zipped_create_lambda")
def _(s: Stage) -> None:
    s(
        "invalid_param_exc",
        "create_function",
        FunctionName=s.name,
        Runtime="python3.12",
        Handler="h.h",
        Role="arn:aws:iam::123456789012:role/r",
        Code={"ZipFile": b"P" * 52_428_801},
    )
