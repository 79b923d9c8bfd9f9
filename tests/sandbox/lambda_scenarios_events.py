"""The recorded tests of event invoke configurations and function URLs."""

from __future__ import annotations

from .lambda_stage import Stage, scenario

E = "TestLambdaEventInvokeConfig::"
U = "TestLambdaUrl::"


@scenario(E + "test_lambda_eventinvokeconfig_exceptions")
def _(s: Stage) -> None:
    s.create()
    s.create(name="second")
    f = s.name
    s.do("publish_version", FunctionName=f)
    s.do("create_alias", FunctionName=f, Name="eventinvokealias", FunctionVersion="$LATEST")
    put, update = "put_function_event_invoke_config", "update_function_event_invoke_config"
    get, delete = "get_function_event_invoke_config", "delete_function_event_invoke_config"
    s("put_functionname_name_notfound", put, FunctionName="doesnotexist", MaximumRetryAttempts=1)
    s(
        "put_functionname_arn_notfound",
        put,
        FunctionName=s.arn("doesnotexist"),
        MaximumRetryAttempts=1,
    )
    s("put_functionname_nootherargs", put, FunctionName=f)

    def destination(response: str, side: str, arn: str) -> None:
        s(response, put, FunctionName=f, DestinationConfig={side: {"Destination": arn}})

    destination("put_destination_lambda_doesntexist", "OnSuccess", s.arn("doesnotexist"))
    destination("put_destination_recursive", "OnSuccess", s.arn())
    destination(
        "put_destination_invalid_service_arn", "OnSuccess", s.arn().replace(":lambda:", ":iam:")
    )
    destination(
        "put_destination_invalid_arn_pattern",
        "OnFailure",
        s.arn().replace(":lambda:", ":_-/!lambda:"),
    )
    many = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}
    s("put_alias_doesnotexist", put, FunctionName=f, Qualifier="doesnotexist", **many)
    s(
        "put_alias_qualifiedarn_qualifierconflict",
        put,
        FunctionName=s.arn(qualifier="eventinvokealias"),
        Qualifier="other",
        **many,
    )
    s(
        "put_alias_shorthand_qualifierconflict",
        put,
        FunctionName=f"{f}:eventinvokealias",
        Qualifier="other",
        **many,
    )
    for number, (one, other) in enumerate(
        (("$LATEST", "1"), ("1", "$LATEST"), ("eventinvokealias", "1")), start=1
    ):
        s(
            f"put_shorthand_qualifier_mismatch_{number}",
            put,
            FunctionName=f"{f}:{one}",
            Qualifier=other,
            **many,
        )
    s(
        "put_maxevent_maxvalue_result",
        put,
        FunctionName=f,
        MaximumRetryAttempts=2,
        MaximumEventAgeInSeconds=21600,
    )
    s("put_pre_overwrite", put, FunctionName=f, **many)
    s("pre_update_response", put, FunctionName=f, **many)
    s("update_response", update, FunctionName=f, MaximumRetryAttempts=0)
    s("update_response_existing", update, FunctionName=f, MaximumRetryAttempts=0)
    s("delete_function_doesnotexist", delete, FunctionName="doesnotexist")
    s(
        "list_function_doesnotexist",
        "list_function_event_invoke_configs",
        FunctionName="doesnotexist",
    )
    s("get_function_doesnotexist", get, FunctionName="doesnotexist")
    s("get_qualifier_doesnotexist", get, FunctionName=f, Qualifier="doesnotexist")
    s.do(delete, FunctionName=f)
    s("list_configs_postdelete", "list_function_event_invoke_configs", FunctionName=f)
    s("delete_function_not_found", delete, FunctionName=f)
    s("update_eventinvokeconfig_function_doesnotexist", update, FunctionName="doesnotexist", **many)
    s("get_eventinvokeconfig_doesnotexist", get, FunctionName=f, Qualifier="eventinvokealias")
    s(
        "update_eventinvokeconfig_config_doesnotexist_with_qualifier",
        update,
        FunctionName=f,
        Qualifier="eventinvokealias",
        **many,
    )
    s(
        "update_eventinvokeconfig_config_doesnotexist_without_qualifier",
        update,
        FunctionName=f,
        **many,
    )


@scenario(E + "test_lambda_eventinvokeconfig_lifecycle")
def _(s: Stage) -> None:
    s.fixture()
    f = s.name
    put, update = "put_function_event_invoke_config", "update_function_event_invoke_config"
    get, listing = "get_function_event_invoke_config", "list_function_event_invoke_configs"
    s("put_invokeconfig_retries_0", put, FunctionName=f, MaximumRetryAttempts=0)
    s("put_invokeconfig_eventage_60", put, FunctionName=f, MaximumEventAgeInSeconds=60)
    s("update_invokeconfig_eventage_nochange", update, FunctionName=f, MaximumEventAgeInSeconds=60)
    s("update_invokeconfig_retries", update, FunctionName=f, MaximumRetryAttempts=1)
    s("get_invokeconfig", get, FunctionName=f)
    s("get_invokeconfig_latest", get, FunctionName=f, Qualifier="$LATEST")
    s("list_single_invokeconfig", listing, FunctionName=f)
    s("publish_version_result", "publish_version", FunctionName=f)
    s("get_invokeconfig_postpublish", get, FunctionName=f, Qualifier="1")
    s(
        "put_published_invokeconfig",
        put,
        FunctionName=f,
        Qualifier="1",
        MaximumEventAgeInSeconds=120,
    )
    s("get_published_invokeconfig", get, FunctionName=f, Qualifier="1")
    s.do("delete_function_event_invoke_config", FunctionName=f)
    s("list_paging_nolimit_postdelete", listing, FunctionName=f)


@scenario(U + "test_url_config_lifecycle")
def _(s: Stage) -> None:
    s.create()
    f = s.name
    s("url_creation", "create_function_url_config", FunctionName=f, AuthType="NONE")
    s("failed_duplication", "create_function_url_config", FunctionName=f, AuthType="NONE")
    s("get_url_config", "get_function_url_config", FunctionName=f)
    s("updated_url_config", "update_function_url_config", FunctionName=f, AuthType="AWS_IAM")
    s.do("delete_function_url_config", FunctionName=f)
    s("failed_getter", "get_function_url_config", FunctionName=f)


@scenario(U + "test_url_config_exceptions")
def _(s: Stage) -> None:
    s.create()
    f = s.name
    s.do("publish_version", FunctionName=f)
    s.do("create_alias", FunctionName=f, Name="any", FunctionVersion="1")
    for verb in ("create", "get", "delete", "update"):
        operation = f"{verb}_function_url_config"
        extra = {"AuthType": "NONE"} if verb in {"create", "update"} else {}

        def attempt(
            suffix: str,
            name: str,
            qualifier: str | None = None,
            operation: str = operation,
            extra: dict[str, str] = extra,
        ) -> None:
            more = {"Qualifier": qualifier} if qualifier else {}
            s(f"{operation}_{suffix}", operation, FunctionName=name, **extra, **more)

        attempt("name_doesnotexist", "doesnotexist")
        attempt("arn_doesnotexist", s.arn("doesnotexist"))
        attempt("name_doesnotexist_qualifier", "doesnotexist", "1")
        attempt("qualifier_version", f, "1")
        attempt("qualifier_version_doesnotexist", f, "2")
        attempt("qualifier_alias_doesnotexist", f, "doesnotexist")
        if verb != "delete":
            attempt("qualifier_alias_doesnotmatch_arn", s.arn(qualifier="any"), "doesnotmatch")
        attempt("qualifier_latest", f, "$LATEST")
        if verb != "create":
            attempt("config_doesnotexist", f)


@scenario(U + "test_url_config_list_paging")
def _(s: Stage) -> None:
    listing = "list_function_url_configs"
    s("list_function_notfound", listing, FunctionName="doesnotexist")
    s.create()
    s.do("publish_version", FunctionName=s.name)
    s.do("create_alias", FunctionName=s.name, Name="urlalias", FunctionVersion="1")
    s("list_all_empty", listing, FunctionName=s.name)
    s("url_config_fn", "create_function_url_config", FunctionName=s.name, AuthType="NONE")
    s(
        "url_config_alias",
        "create_function_url_config",
        FunctionName=s.name,
        AuthType="NONE",
        Qualifier="urlalias",
    )
    s("list_all", listing, FunctionName=s.name)
