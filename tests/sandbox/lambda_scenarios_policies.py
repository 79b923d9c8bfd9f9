"""The recorded tests of policies and tags."""

from __future__ import annotations

from typing import Any

from .lambda_stage import Stage, scenario

P = "TestLambdaPermissions::"
T = "TestLambdaTags::"


@scenario(P + "test_permission_exceptions")
def _(s: Stage) -> None:
    s.create()
    s.do("create_alias", FunctionName=s.name, Name="any", FunctionVersion="$LATEST")
    base: dict[str, Any] = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}

    def add(response: str, name: str, statement: str = "s3", **extra: Any) -> None:
        s(response, "add_permission", FunctionName=name, StatementId=statement, **{**base, **extra})

    add("add_permission_invalid_statement_id", s.name, "example.com")
    add("add_permission_fn_qualifier_mismatch", s.arn(qualifier="any"), Qualifier="other")
    add("add_permission_fn_qualifier_latest", s.name, Qualifier="$LATEST")
    add("add_permission_principal_invalid", s.name, Principal="invalid.nonaws.com")
    s("get_policy_fn_doesnotexist", "get_policy", FunctionName="doesnotexist")
    s("get_policy_fn_version_doesnotexist", "get_policy", FunctionName=s.name, Qualifier="42")
    add("add_permission_fn_doesnotexist", "doesnotexist")
    s(
        "remove_permission_policy_doesnotexist",
        "remove_permission",
        FunctionName=s.name,
        StatementId="s3",
    )
    add("add_permission_fn_alias_doesnotexist", s.name, Qualifier="alias-doesnotexist")
    add("add_permission_fn_version_doesnotexist", s.name, Qualifier="42")
    add("add_permission_fn_qualifier_invalid", s.name, Qualifier="invalid-qualifier-with-?-char")
    add(
        "add_permission_fn_qualifier_valid_doesnotexist",
        s.name,
        Qualifier="valid-with-$-but-doesnotexist",
    )
    s.do("add_permission", FunctionName=s.name, StatementId="s3", **base)
    add("add_permission_conflicting_statement_id", s.name)
    s(
        "remove_permission_fn_doesnotexist",
        "remove_permission",
        FunctionName="doesnotexist",
        StatementId="s3",
    )
    s(
        "remove_permission_fn_alias_doesnotexist",
        "remove_permission",
        FunctionName=s.name,
        StatementId="s3",
        Qualifier="alias-doesnotexist",
    )


@scenario(P + "test_add_lambda_permission_aws")
def _(s: Stage) -> None:
    s.fixture("create_lambda")
    s(
        "add_permission",
        "add_permission",
        FunctionName=s.name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::b",
    )
    s("get_policy", "get_policy", FunctionName=s.name)


@scenario(P + "test_remove_multi_permissions")
def _(s: Stage) -> None:
    s.create()
    f = s.name
    s(
        "add_permission_1",
        "add_permission",
        FunctionName=f,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    s(
        "add_permission_2",
        "add_permission",
        FunctionName=f,
        StatementId="sqs",
        Action="lambda:InvokeFunction",
        Principal="sqs.amazonaws.com",
        SourceArn="arn:aws:s3:::b",
    )
    s("policy_after_2_add", "get_policy", FunctionName=f)
    s(
        "remove_permission_exception_nonexisting_sid",
        "remove_permission",
        FunctionName=f,
        StatementId="non-existent",
    )
    s.do("remove_permission", FunctionName=f, StatementId="sqs")
    s("policy_after_removal", "get_policy", FunctionName=f)
    s("policy_after_removal_attempt", "get_policy", FunctionName=f)
    s.do("remove_permission", FunctionName=f, StatementId="s3")
    s("get_policy_exception_removed_all", "get_policy", FunctionName=f)


@scenario(P + "test_create_multiple_lambda_permissions")
def _(s: Stage) -> None:
    s.create()
    for number, name in enumerate(("logs", "kinesis"), start=1):
        s(
            f"add_permission_response_{number}",
            "add_permission",
            FunctionName=s.name,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal=f"{name}.amazonaws.com",
        )
    s("policy_after_2_add", "get_policy", FunctionName=s.name)


@scenario(P + "test_add_lambda_permission_fields")
def _(s: Stage) -> None:
    s.create()

    def add(
        response: str,
        statement: str,
        principal: str,
        action: str = "lambda:InvokeFunction",
        **extra: Any,
    ) -> None:
        s(
            response,
            "add_permission",
            FunctionName=s.name,
            StatementId=statement,
            Action=action,
            Principal=principal,
            **extra,
        )

    own = {"SourceAccount": s.account_id}
    add("add_permission_principal_wildcard", "wilcard", "*", **own)
    add("add_permission_principal_service", "lambda", "lambda.amazonaws.com", **own)
    add("add_permission_principal_account", "account-id", s.account_id)
    add("add_permission_principal_arn", "user-arn", f"arn:aws:iam::{s.account_id}:user/u", **own)
    add(
        "add_permission_optional_fields",
        "urlPermission",
        "*",
        "lambda:InvokeFunctionUrl",
        SourceArn="arn:aws:s3:::b",
        FunctionUrlAuthType="NONE",
        PrincipalOrgID="o-1234567890",
        **own,
    )
    add(
        "add_permission_alexa_skill",
        "alexaSkill",
        "*",
        EventSourceToken="amzn1.ask.skill.xxxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    )


@scenario("TestLambdaTag::test_tag_lifecycle[lambda_function]", "TestLambdaTag::test_tag_lifecycle")
def _(s: Stage) -> None:
    s.create()
    arn = s.arn()

    def tag(response: str, **tags: str) -> None:
        s(response, "tag_resource", Resource=arn, Tags=tags)
        s(f"{response}_listtags", "list_tags", Resource=arn)

    def untag(response: str, *keys: str) -> None:
        s(response, "untag_resource", Resource=arn, TagKeys=list(keys))
        s(f"{response}_listtags", "list_tags", Resource=arn)

    tag("tag_single_response", A="tag-a")
    tag("tag_multiple_response", B="tag-b", C="tag-c")
    tag("tag_overlap_response", C="tag-c-newsuffix", D="tag-d")
    untag("untag_single_response", "A")
    untag("untag_multiple_response", "B", "C")
    untag("untag_nonexisting_response", "F")
    untag("untag_existing_and_nonexisting_response", "D", "F")


@scenario(
    "TestLambdaTag::test_tag_exceptions[lambda_function]",
    "TestLambdaTag::test_tag_exceptions[event_source_mapping]",
    "TestLambdaTag::test_tag_exceptions[capacity_provider]",
)
def _(s: Stage) -> None:
    kind = {
        "lambda_function": "function",
        "event_source_mapping": "event-source-mapping",
        "capacity_provider": "capacity-provider",
    }[s.parameter]
    name = "0a1b2c3d-0000-4000-8000-0123456789ab"
    arn = f"arn:aws:lambda:us-east-1:{s.account_id}:{kind}:{name}"
    s("not_found_exception_tag", "tag_resource", Resource=arn, Tags={"A": "B"})
    s("not_found_exception_untag", "untag_resource", Resource=arn, TagKeys=["A"])
    s("not_found_exception_list", "list_tags", Resource=arn)
    s("aliased_arn_exception", "tag_resource", Resource=f"{arn}:alias", Tags={"A": "B"})
    s(
        "invalid_arn_exception",
        "tag_resource",
        Tags={"A": "B"},
        Resource=f"arn:aws:lambda:us-east-1:{s.account_id}:foobar:{name}",
    )


@scenario("TestLambdaTag::test_tag_nonexisting_resource")
def _(s: Stage) -> None:
    s("not_found_exception_tag", "tag_resource", Resource=s.arn("gone"), Tags={"A": "B"})
    s("not_found_exception_untag", "untag_resource", Resource=s.arn("gone"), TagKeys=["A"])
    s("not_found_exception_list", "list_tags", Resource=s.arn("gone"))


@scenario(T + "test_tag_exceptions")
def _(s: Stage) -> None:
    s.create()
    s("tag_lambda_invalidarn", "tag_resource", Resource="arn:aws:something", Tags={"k": "v"})
    s("tag_lambda_doesnotexist", "tag_resource", Resource=s.arn("doesnotexist"), Tags={"k": "v"})
    s(
        "tag_lambda_qualifier_doesnotexist",
        "tag_resource",
        Resource=s.arn(qualifier="v"),
        Tags={"k": "v"},
    )
    s("list_tag_lambda_empty", "list_tags", Resource=s.arn())
    s("untag_nomatch", "untag_resource", Resource=s.arn(), TagKeys=["somekey"])
    s("untag_empty_keys", "untag_resource", Resource=s.arn(), TagKeys=[])
    s("tag_empty_tags", "tag_resource", Resource=s.arn(), Tags={})


@scenario(T + "test_tag_limits")
def _(s: Stage) -> None:
    s.create()
    s(
        "tag_lambda_too_many_tags",
        "tag_resource",
        Resource=s.arn(),
        Tags={f"{i}_key": "v" for i in range(51)},
    )
    s("tag_response", "tag_resource", Resource=s.arn(), Tags={f"{i}_key": "v" for i in range(50)})


@scenario(T + "test_tag_versions")
def _(s: Stage) -> None:
    s.create(Publish=True)
    s("tag_resource_exception", "tag_resource", Resource=s.arn(qualifier="1"), Tags={"k": "v"})
    s(
        "tag_resource_latest_exception",
        "tag_resource",
        Resource=s.arn(qualifier="$LATEST"),
        Tags={"k": "v"},
    )
