"""The recorded tests of layers, event source mappings and recursion."""

from __future__ import annotations

from typing import Any

from .conftest import zip_of
from .lambda_stage import Stage, scenario

L = "TestLambdaLayer::"


@scenario("TestLambdaEventSourceMappings::test_event_source_mapping_exceptions")
def _(s: Stage) -> None:
    unknown = "12345678-0000-4000-8000-0123456789ab"
    s("get_unknown_uuid", "get_event_source_mapping", UUID=unknown)
    s("delete_unknown_uuid", "delete_event_source_mapping", UUID=unknown)
    s("update_unknown_uuid", "update_event_source_mapping", UUID=unknown, Enabled=False)
    s("create_no_event_source_arn", "create_event_source_mapping", FunctionName="doesnotexist")
    s(
        "create_unknown_params",
        "create_event_source_mapping",
        FunctionName="doesnotexist",
        EventSourceArn=f"arn:aws:sqs:us-east-1:{s.account_id}:q",
    )


@scenario(
    "TestLambdaEventSourceMappings::test_create_event_source_validation",
    "TestLambdaEventSourceMappings::test_create_event_source_validation_kinesis",
)
def _(s: Stage) -> None:
    s.create()
    dynamo = not s.test.endswith("kinesis")
    place = f"us-east-1:{s.account_id}"
    arn = (
        f"arn:aws:dynamodb:{place}:table/t/stream/2026-01-01T00:00:00.000"
        if dynamo
        else f"arn:aws:kinesis:{place}:stream/s"
    )

    def attempt(response: str, **extra: Any) -> None:
        s(response, "create_event_source_mapping", FunctionName=s.name, EventSourceArn=arn, **extra)

    attempt("no_starting_position")
    attempt("invalid_starting_position", StartingPosition="invalid")
    if dynamo:
        attempt(
            "incompatible_starting_position",
            StartingPosition="AT_TIMESTAMP",
            StartingPositionTimestamp=1741010802,
        )


@scenario("TestLambdaRecursion::test_put_function_recursion_config_allow")
def _(s: Stage) -> None:
    s.create()
    s(
        "put_recursion_config_response",
        "put_function_recursion_config",
        FunctionName=s.name,
        RecursiveLoop="Allow",
    )
    s("get_recursion_config_response", "get_function_recursion_config", FunctionName=s.name)


@scenario("TestLambdaRecursion::test_put_function_recursion_config_default_terminate")
def _(s: Stage) -> None:
    s.create()
    s(
        "get_recursion_default_terminate_response",
        "get_function_recursion_config",
        FunctionName=s.name,
    )


@scenario("TestLambdaRecursion::test_put_function_recursion_config_invalid_value")
def _(s: Stage) -> None:
    s.create()
    s(
        "put_recursion_invalid_value_error",
        "put_function_recursion_config",
        FunctionName=s.name,
        RecursiveLoop="InvalidValue",
    )


def _publish(s: Stage, response: str, name: str, **extra: Any) -> Any:
    return s(
        response, "publish_layer_version", LayerName=name, Content={"ZipFile": zip_of()}, **extra
    )


@scenario(L + "test_layer_exceptions")
def _(s: Stage) -> None:
    fits = {"CompatibleRuntimes": ["python3.12"], "CompatibleArchitectures": ["x86_64"]}
    _publish(s, "publish_result", "lay", **fits)
    s(
        "list_layers_exc_compatibleruntime_invalid",
        "list_layers",
        CompatibleRuntime="runtimedoesnotexist",
    )
    s(
        "list_layers_exc_compatiblearchitecture_invalid",
        "list_layers",
        CompatibleArchitecture="archdoesnotexist",
    )
    s("list_nonexistent_layer", "list_layer_versions", LayerName="unknown")
    get, delete = "get_layer_version", "delete_layer_version"
    s("get_layer_version_exc_layer_doesnotexist", get, LayerName="unknown", VersionNumber=1)
    s(
        "get_layer_version_exc_layer_version_doesnotexist_negative",
        get,
        LayerName="lay",
        VersionNumber=-1,
    )
    s(
        "get_layer_version_exc_layer_version_doesnotexist_zero",
        get,
        LayerName="lay",
        VersionNumber=0,
    )
    s("get_layer_version_exc_layer_version_doesnotexist_2", get, LayerName="lay", VersionNumber=2)
    arn = f"arn:aws:lambda:us-east-1:{s.account_id}:layer:lay"
    s("get_layer_version_by_arn_exc_invalidarn", "get_layer_version_by_arn", Arn=arn)
    s("get_layer_version_by_arn_exc_nonexistentversion", "get_layer_version_by_arn", Arn=f"{arn}:2")
    s("delete_nonexistent_response", delete, LayerName="unknown", VersionNumber=1)
    s("delete_nonexistent_version_response", delete, LayerName="lay", VersionNumber=2)
    s("delete_layer_response", delete, LayerName="lay", VersionNumber=1)
    s("delete_layer_again_response", delete, LayerName="lay", VersionNumber=1)
    s(
        "delete_layer_version_exc_layerversion_invalid_version",
        delete,
        LayerName="lay",
        VersionNumber=0,
    )
    _publish(s, "publish_empty_result", "lay2", CompatibleRuntimes=[], CompatibleArchitectures=[])


@scenario(L + "test_layer_policy_exceptions")
def _(s: Stage) -> None:
    _publish(
        s,
        "publish_result",
        "lay",
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["x86_64"],
    )
    grant: dict[str, Any] = {
        "StatementId": "s1",
        "Action": "lambda:GetLayerVersion",
        "Principal": "*",
    }
    add, get = "add_layer_version_permission", "get_layer_version_policy"
    remove = "remove_layer_version_permission"
    one: dict[str, Any] = {"LayerName": "lay", "VersionNumber": 1}
    s("layer_permission_nopolicy_get", get, **one)
    s("add_layer_permission_result", add, **one, **grant)
    s("layer_permission_action_invalid", add, **one, **{**grant, "Action": "*"})
    s("layer_permission_duplicate_statement", add, **one, **grant)
    s(
        "layer_permission_wrong_revision",
        add,
        **one,
        **{**grant, "StatementId": "s2"},
        RevisionId="wrong",
    )
    for suffix, place in (
        ("layername_doesnotexist", {"LayerName": "lay-doesnotexist", "VersionNumber": 1}),
        ("layerversion_doesnotexist", {"LayerName": "lay", "VersionNumber": 2}),
    ):
        s(f"layer_permission_{suffix}_add", add, **place, **grant)
        s(f"layer_permission_{suffix}_get", get, **place)
        s(f"layer_permission_{suffix}_remove", remove, **place, StatementId="s1")
    s("layer_permission_statementid_doesnotexist_remove", remove, **one, StatementId="doesnotexist")
    s("layer_permission_wrong_revision_remove", remove, **one, StatementId="s1", RevisionId="wrong")


@scenario(L + "test_layer_function_exceptions")
def _(s: Stage) -> None:
    s.create()
    arns = [_publish(s, f"publish_{n}", "lay")["LayerVersionArn"] for n in (1, 2, 3)]
    for name in ("publish_1", "publish_2", "publish_3"):
        del s.answers[name]
    base = arns[0].rpartition(":")[0]

    def attempt(response: str, *layers: str) -> None:
        s(response, "update_function_configuration", FunctionName=s.name, Layers=list(layers))

    attempt("two_layer_versions_single_function_exc", *arns[:2])
    attempt("three_layer_versions_single_function_exc", *arns)
    attempt("two_identical_layer_versions_single_function_exc", arns[0], arns[0])
    attempt("add_nonexistent_layer_exc", base.replace("layer:lay", "layer:doesnotexist") + ":1")
    attempt("add_nonexistent_layer_version_exc", f"{base}:9")
    attempt("add_layer_arn_without_version_exc", base)


@scenario(L + "test_layer_function_quota_exception")
def _(s: Stage) -> None:
    arns = [f"arn:aws:lambda:us-east-1:{s.account_id}:layer:l{n}:1" for n in range(6)]
    s(
        "create_function_with_six_layers",
        "create_function",
        FunctionName=s.name,
        Runtime="python3.12",
        Handler="a.b",
        Role="arn:aws:iam::123456789012:role/r",
        Code={"ZipFile": zip_of()},
        Layers=arns,
    )
