"""The recorded tests of versions and aliases."""

from __future__ import annotations

from .conftest import zip_of
from .lambda_stage import Stage, scenario

V = "TestLambdaVersions::"
A = "TestLambdaAlias::"


@scenario(V + "test_publish_version_on_create")
def _(s: Stage) -> None:
    s.create("create_response", Publish=True)
    s("get_function_result", "get_function", FunctionName=s.name)
    s("get_function_version_result", "get_function", FunctionName=s.name, Qualifier="1")
    s("get_function_latest_result", "get_function", FunctionName=s.name, Qualifier="$LATEST")
    s("list_versions_result", "list_versions_by_function", FunctionName=s.name)
    s("repeated_publish_response", "publish_version", FunctionName=s.name, Description="again")
    s("list_versions_result_after_publish", "list_versions_by_function", FunctionName=s.name)


@scenario(V + "test_version_lifecycle")
def _(s: Stage) -> None:
    s.create("create_response", Description="No version :(")
    s("get_function_result", "get_function", FunctionName=s.name)
    s("list_versions_result", "list_versions_by_function", FunctionName=s.name)
    s(
        "first_update_response",
        "update_function_configuration",
        FunctionName=s.name,
        Description="First version :)",
    )
    s.settle()
    s("first_update_get_function", "get_function", FunctionName=s.name)
    s(
        "first_publish_response",
        "publish_version",
        FunctionName=s.name,
        Description="First version description :)",
    )
    s("first_publish_get_function", "get_function", FunctionName=s.name, Qualifier="1")
    s(
        "first_publish_get_function_config",
        "get_function_configuration",
        FunctionName=s.name,
        Qualifier="1",
    )
    s(
        "second_update_response",
        "update_function_configuration",
        FunctionName=s.name,
        Description="Second version :))",
    )
    s.settle()
    s("first_publish_get_function_after_update", "get_function", FunctionName=s.name, Qualifier="1")
    s("second_publish_response", "publish_version", FunctionName=s.name)
    s(
        "third_publish_response",
        "publish_version",
        FunctionName=s.name,
        Description="Third version :)))",
    )
    s("list_versions_result_after_third_publish", "list_versions_by_function", FunctionName=s.name)
    s.do("delete_function", FunctionName=s.name, Qualifier="1")
    s(
        "list_versions_result_after_deletion_of_first_version",
        "list_versions_by_function",
        FunctionName=s.name,
    )


@scenario(V + "test_publish_with_wrong_revisionid")
def _(s: Stage) -> None:
    s.create("create_response", Runtime="python3.9")
    current = s("get_fn_response", "get_function", FunctionName=s.name)["Configuration"][
        "RevisionId"
    ]
    s("publish_wrong_revisionid_exc", "publish_version", FunctionName=s.name, RevisionId="wrong")
    s("publish_result", "publish_version", FunctionName=s.name, RevisionId=current)


@scenario(V + "test_publish_with_wrong_sha256")
def _(s: Stage) -> None:
    s.create("create_response", Runtime="python3.12")
    current = s("get_fn_response", "get_function", FunctionName=s.name)["Configuration"][
        "CodeSha256"
    ]
    s(
        "publish_wrong_sha256_exc",
        "publish_version",
        FunctionName=s.name,
        CodeSha256="somenonexistentsha256",
    )
    s("publish_result", "publish_version", FunctionName=s.name, CodeSha256=current)


@scenario(V + "test_publish_with_update")
def _(s: Stage) -> None:
    s.create("create_response", Runtime="python3.12")
    s("get_function_result", "get_function", FunctionName=s.name)
    s(
        "update_function_code_result",
        "update_function_code",
        FunctionName=s.name,
        ZipFile=zip_of("z=3"),
        Publish=True,
    )
    s("get_function_version_result", "get_function", FunctionName=s.name, Qualifier="1")
    s("get_function_latest_result", "get_function", FunctionName=s.name, Qualifier="$LATEST")


def _two_versions(s: Stage, *responses: str, publish: bool = False) -> None:
    create, first, second = responses
    s.create(create, Environment={"Variables": {"testenv": "staging"}}, Publish=publish)
    s(first, "publish_version", FunctionName=s.name)
    s.do(
        "update_function_configuration",
        FunctionName=s.name,
        Environment={"Variables": {"testenv": "prod"}},
    )
    s.settle()
    s(second, "publish_version", FunctionName=s.name)


@scenario(A + "test_alias_lifecycle")
def _(s: Stage) -> None:
    _two_versions(s, "create_response", "publish_v1", "publish_v2")
    weights = {"AdditionalVersionWeights": {"2": 0.2}}
    f = s.name
    s(
        "create_alias_1_1",
        "create_alias",
        FunctionName=f,
        Name="aliasname1_1",
        FunctionVersion="1",
        Description="custom-alias",
        RoutingConfig=weights,
    )
    s("get_alias_1_1", "get_alias", FunctionName=f, Name="aliasname1_1")
    s("get_function_alias_1_1", "get_function", FunctionName=f, Qualifier="aliasname1_1")
    s("get_function_byarn_alias_1_1", "get_function", FunctionName=s.arn(qualifier="aliasname1_1"))
    s(
        "get_function_alias_notfound_exc",
        "get_function",
        FunctionName=f,
        Qualifier="aliasdoesnotexist",
    )
    s(
        "get_function_alias_byarn_notfound_exc",
        "get_function",
        FunctionName=s.arn(qualifier="aliasdoesnotexist"),
    )
    s(
        "create_alias_1_2",
        "create_alias",
        FunctionName=f,
        Name="aliasname1_2",
        FunctionVersion="1",
        Description="custom-alias",
    )
    s("get_alias_1_2", "get_alias", FunctionName=f, Name="aliasname1_2")
    s("create_alias_1_3", "create_alias", FunctionName=f, Name="aliasname1_3", FunctionVersion="1")
    s("get_alias_1_3", "get_alias", FunctionName=f, Name="aliasname1_3")
    s(
        "create_alias_2",
        "create_alias",
        FunctionName=f,
        Name="aliasname2",
        FunctionVersion="2",
        Description="custom-alias",
    )
    s("get_alias_2", "get_alias", FunctionName=f, Name="aliasname2")
    s("list_aliases_for_fnname", "list_aliases", FunctionName=f)
    s(
        "update_alias_1_1",
        "update_alias",
        FunctionName=f,
        Name="aliasname1_1",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
    s("get_alias_1_1_after_update", "get_alias", FunctionName=f, Name="aliasname1_1")
    s("list_aliases_for_fnname_after_update", "list_aliases", FunctionName=f)
    s("update_alias_1_2", "update_alias", FunctionName=f, Name="aliasname1_2")
    s("get_alias_1_2_after_update", "get_alias", FunctionName=f, Name="aliasname1_2")
    s("list_aliases_for_fnname_after_update_2", "list_aliases", FunctionName=f)
    s("list_aliases_for_version", "list_aliases", FunctionName=f, FunctionVersion="1")
    s("delete_alias_response", "delete_alias", FunctionName=f, Name="aliasname1_1")
    s("list_aliases_for_fnname_afterdelete", "list_aliases", FunctionName=f)


@scenario(A + "test_notfound_and_invalid_routingconfigs")
def _(s: Stage) -> None:
    _two_versions(s, "create_response", "publish_v1", "publish_v2", publish=True)

    def alias(
        response: str,
        version: str,
        weights: dict[str, float] | None = None,
        name: str = "custom",
        function: str | None = None,
    ) -> None:
        extra = {} if weights is None else {"RoutingConfig": {"AdditionalVersionWeights": weights}}
        s(
            response,
            "create_alias",
            FunctionName=function or s.name,
            Name=name,
            FunctionVersion=version,
            **extra,
        )

    alias("routing_config_exc_toomany", "1", {"1": 0.8, "2": 0.2})
    alias("routing_config_exc_toohigh", "1", {"2": 2.0})
    alias("routing_config_exc_subzero", "1", {"2": -1.0})
    alias("routing_config_exc_sameversion", "1", {"1": 0.5})
    alias("target_version_doesnotexist", "10", {"2": 0.5})
    alias("routing_config_exc_version_doesnotexist", "1", {"10": 0.5})
    alias("target_version_exc_version_latest", "$LATEST", {"1": 0.5})
    alias("routing_config_exc_version_latest", "1", {"$LATEST": 0.5})
    alias("create-alias-latest", "$LATEST", name="custom-latest")
    alias("routing_config_exc_fn_doesnotexist", "1", function=s.name + "-unknown")
    alias("create_alias_empty_routingconfig", "1", {}, name="custom-empty-routingconfig")
    alias("create_alias_response", "1", {"2": 0.5})
    alias("routing_config_exc_already_exist", "1", {"2": 0.5})
    s("alias_does_not_exist_esc", "get_alias", FunctionName=s.name, Name="non-existent")


@scenario(A + "test_non_existent_alias_deletion")
def _(s: Stage) -> None:
    s.create("create_response", Environment={"Variables": {"testenv": "staging"}})
    s("delete_alias_response", "delete_alias", FunctionName=s.name, Name="non-existent")


@scenario(A + "test_non_existent_alias_update")
def _(s: Stage) -> None:
    s.create("create_response", Environment={"Variables": {"testenv": "staging"}})
    s("update_alias_response", "update_alias", FunctionName=s.name, Name="non-existent")
