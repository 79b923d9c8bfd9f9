"""The recorded tests of reserved and provisioned concurrency."""

from __future__ import annotations

from .lambda_stage import Stage, scenario

C = "TestLambdaProvisionedConcurrency::"


@scenario("TestLambdaReservedConcurrency::test_function_concurrency_exceptions")
def _(s: Stage) -> None:
    s(
        "put_function_concurrency_with_function_name_doesnotexist",
        "put_function_concurrency",
        FunctionName="doesnotexist",
        ReservedConcurrentExecutions=1,
    )
    s(
        "put_function_concurrency_with_function_name_doesnotexist_and_invalid_concurrency",
        "put_function_concurrency",
        FunctionName="doesnotexist",
        ReservedConcurrentExecutions=10**6,
    )
    s.create()
    s(
        "put_function_concurrency_with_qualified_arn",
        "put_function_concurrency",
        FunctionName=s.arn(qualifier="$LATEST"),
        ReservedConcurrentExecutions=1,
    )


@scenario("TestLambdaReservedConcurrency::test_function_concurrency")
def _(s: Stage) -> None:
    s.create()
    s(
        "put_function_concurrency_with_reserved_0",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=0,
    )
    s(
        "put_function_concurrency_with_reserved_1",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=1,
    )
    s("get_function_concurrency", "get_function_concurrency", FunctionName=s.name)
    s("delete_response", "delete_function_concurrency", FunctionName=s.name)
    s("get_function_concurrency_after_delete", "get_function_concurrency", FunctionName=s.name)


@scenario("TestLambdaReservedConcurrency::test_function_concurrency_limits")
def _(s: Stage) -> None:
    s.create()
    s(
        "put_function_concurrency_account_limit_exceeded",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=1001,
    )
    s(
        "put_function_concurrency_below_unreserved_min_value",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=910,
    )


@scenario(C + "test_provisioned_concurrency_exceptions")
def _(s: Stage) -> None:
    s.create()
    s.do("publish_version", FunctionName=s.name)
    f = s.name
    get, put, delete = (
        f"{verb}_provisioned_concurrency_config" for verb in ("get", "put", "delete")
    )
    s("get_provisioned_config_doesnotexist", get, FunctionName=f, Qualifier="1")
    s(
        "get_provisioned_functionname_doesnotexist",
        get,
        FunctionName="doesnotexist",
        Qualifier="noalias",
    )
    s("get_provisioned_qualifier_doesnotexist", get, FunctionName=f, Qualifier="noalias")
    s("get_provisioned_version_doesnotexist", get, FunctionName=f, Qualifier="10")
    s("get_provisioned_latest", get, FunctionName=f, Qualifier="$LATEST")
    s("list_provisioned_noconfigs", "list_provisioned_concurrency_configs", FunctionName=f)
    s(
        "list_provisioned_functionname_doesnotexist",
        "list_provisioned_concurrency_configs",
        FunctionName="doesnotexist",
    )
    s(
        "delete_provisioned_functionname_doesnotexist",
        delete,
        FunctionName="doesnotexist",
        Qualifier="1",
    )
    s("delete_provisioned_qualifier_doesnotexist", delete, FunctionName=f, Qualifier="noalias")
    s("delete_provisioned_version_doesnotexist", delete, FunctionName=f, Qualifier="10")
    s("delete_provisioned_latest", delete, FunctionName=f, Qualifier="$LATEST")
    s(
        "put_provisioned_invalid_param_0",
        put,
        FunctionName=f,
        Qualifier="1",
        ProvisionedConcurrentExecutions=0,
    )

    def attempt(response: str, name: str, qualifier: str) -> None:
        s(response, put, FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=1)

    attempt("put_provisioned_functionname_doesnotexist_alias", "doesnotexist", "noalias")
    attempt("put_provisioned_functionname_doesnotexist_version", "doesnotexist", "1")
    attempt("put_provisioned_qualifier_doesnotexist", f, "doesnotexist")
    attempt("put_provisioned_version_doesnotexist", f, "10")
    attempt("put_provisioned_latest", f, "$LATEST")


@scenario(C + "test_provisioned_concurrency_limits")
def _(s: Stage) -> None:
    s.create(Publish=True)
    put = "put_provisioned_concurrency_config"
    s(
        "put_provisioned_concurrency_account_limit_exceeded",
        put,
        FunctionName=s.name,
        Qualifier="1",
        ProvisionedConcurrentExecutions=1001,
    )
    s(
        "put_provisioned_concurrency_below_unreserved_min_value",
        put,
        FunctionName=s.name,
        Qualifier="1",
        ProvisionedConcurrentExecutions=910,
    )


@scenario(C + "test_lambda_provisioned_lifecycle")
def _(s: Stage) -> None:
    s.fixture()
    f = s.name
    s("publish_version_result", "publish_version", FunctionName=f)
    s("create_alias_result", "create_alias", FunctionName=f, Name="al", FunctionVersion="1")
    get, put, delete = (
        f"{verb}_provisioned_concurrency_config" for verb in ("get", "put", "delete")
    )
    one = {"ProvisionedConcurrentExecutions": 1}
    s("put_provisioned_on_version", put, FunctionName=f, Qualifier="1", **one)
    s("put_provisioned_on_alias_versionconflict", put, FunctionName=f, Qualifier="al", **one)
    s("delete_provisioned_version", delete, FunctionName=f, Qualifier="1")
    s("get_provisioned_version_postdelete", get, FunctionName=f, Qualifier="1")
    s("put_provisioned_on_alias", put, FunctionName=f, Qualifier="al", **one)
    s("put_provisioned_on_version_conflict", put, FunctionName=f, Qualifier="1", **one)
    s("delete_alias_result", "delete_alias", FunctionName=f, Name="al")
    s("get_provisioned_alias_postaliasdelete", get, FunctionName=f, Qualifier="al")
    s("list_response_postdeletes", "list_provisioned_concurrency_configs", FunctionName=f)


@scenario("TestLambdaConcurrency::test_lambda_concurrency_crud")
def _(s: Stage) -> None:
    s.create()
    s("get_function_concurrency_default", "get_function_concurrency", FunctionName=s.name)
    s(
        "put_function_concurrency",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=0,
    )
    s("get_function_concurrency_updated", "get_function_concurrency", FunctionName=s.name)
    s.do("delete_function_concurrency", FunctionName=s.name)
    s("get_function_concurrency_deleted", "get_function_concurrency", FunctionName=s.name)


@scenario("TestLambdaURL::test_lambda_url_invalid_invoke_mode")
def _(s: Stage) -> None:
    s.create()
    s(
        "invoke_function_invalid_invoke_type",
        "create_function_url_config",
        FunctionName=s.name,
        AuthType="NONE",
        InvokeMode="UNKNOWN",
    )


@scenario("TestLambdaConcurrency::test_reserved_concurrency_async_queue")
def _(s: Stage) -> None:
    s.fixture()
    s("fn", "get_function_configuration", FunctionName=s.name, Qualifier="$LATEST")
    s(
        "put_fn_concurrency",
        "put_function_concurrency",
        FunctionName=s.name,
        ReservedConcurrentExecutions=1,
    )
    s.do("put_function_concurrency", FunctionName=s.name, ReservedConcurrentExecutions=0)
    s("too_many_requests_exc", "invoke", FunctionName=s.name)
