"""Functions, versions and aliases through boto3."""

from __future__ import annotations

import hashlib
import statistics
import urllib.request
from base64 import b64decode, b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_autotuner.sandbox.world.archetypes import ARCHETYPES

from .conftest import ROLE, settle, zip_of


def refused(call: Any, **params: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    status = error["ResponseMetadata"]["HTTPStatusCode"]
    return status, error["Error"]["Code"], error["Error"]["Message"]


def test_the_catalogue_is_listed_page_by_page(functions):
    first = functions.list_functions(MaxItems=20)
    assert len(first["Functions"]) == 20
    names = [
        item["FunctionName"]
        for part in functions.get_paginator("list_functions").paginate(
            PaginationConfig={"PageSize": 7}
        )
        for item in part["Functions"]
    ]
    assert sorted(names) == sorted(archetype.name for archetype in ARCHETYPES)
    assert len(names) == len(set(names)) >= 40


def test_the_law_never_shows(functions):
    shown = repr(functions.get_function(FunctionName="image-resize"))
    for word in ("io_ms", "cpu_ms", "parallel", "archetype", "law"):
        assert word not in shown


def test_a_change_is_in_progress_then_successful_and_blocks_another(create, functions):
    create("one")
    before = functions.get_function_configuration(FunctionName="one")
    answer = functions.update_function_configuration(FunctionName="one", MemorySize=512)
    assert answer["LastUpdateStatus"] == "InProgress"
    status, code, message = refused(
        functions.update_function_configuration, FunctionName="one", MemorySize=640
    )
    assert (status, code) == (409, "ResourceConflictException")
    assert "An update is in progress for resource: arn:aws:lambda" in message
    after = settle(functions, "one")
    assert after["MemorySize"] == 512
    assert len({before["RevisionId"], answer["RevisionId"], after["RevisionId"]}) == 3


@pytest.mark.parametrize(
    "operation", ["update_function_configuration", "update_function_code", "publish_version"]
)
def test_a_stale_revision_is_refused_everywhere(create, functions, operation):
    create("one")
    old = functions.get_function_configuration(FunctionName="one")["RevisionId"]
    functions.update_function_configuration(FunctionName="one", Timeout=9)
    current = settle(functions, "one")["RevisionId"]
    extra = {"update_function_code": {"ZipFile": zip_of("x = 1\n")}}.get(operation, {})
    call = getattr(functions, operation)
    status, code, _ = refused(call, FunctionName="one", RevisionId=old, **extra)
    assert (status, code) == (412, "PreconditionFailedException")
    call(FunctionName="one", RevisionId=current, **extra)


def test_aliases_have_revisions_of_their_own(create, functions):
    create("one", Publish=True)
    alias = functions.create_alias(FunctionName="one", Name="live", FunctionVersion="1")
    functions.update_alias(FunctionName="one", Name="live", Description="x")
    status, code, _ = refused(
        functions.update_alias, FunctionName="one", Name="live", RevisionId=alias["RevisionId"]
    )
    assert (status, code) == (412, "PreconditionFailedException")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"MemorySize": 10241},
            ("10241", "memorySize", "less", "10240"),
        ),
        (
            {"MemorySize": 127},
            ("127", "memorySize", "greater", "128"),
        ),
        (
            {"Timeout": 901},
            ("901", "timeout", "less", "900"),
        ),
        (
            {"EphemeralStorage": {"Size": 10241}},
            ("10241", "ephemeralStorage.size", "less", "10240"),
        ),
    ],
)
def test_limits_are_answered_in_the_models_words(connect, changes, words):
    client = connect("lambda", parameter_validation=False)
    status, code, message = refused(
        client.update_function_configuration, FunctionName="image-resize", **changes
    )
    assert (status, code) == (400, "ValidationException")
    value, member, side, limit = words
    assert message == (
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have value {side} than or equal to {limit}"
    )


def test_two_faults_are_told_in_one_message(connect):
    client = connect("lambda", parameter_validation=False)
    _, _, message = refused(
        client.update_function_configuration, FunctionName="image-resize", MemorySize=1, Timeout=0
    )
    assert message.startswith("2 validation errors detected: ")


def test_versions_are_immutable_and_republishing_without_a_change_is_none(create, functions):
    create("one", MemorySize=256)
    first = functions.publish_version(FunctionName="one")
    again = functions.publish_version(FunctionName="one")
    assert first["Version"] == again["Version"] == "1"
    functions.update_function_configuration(FunctionName="one", MemorySize=512)
    settle(functions, "one")
    second = functions.publish_version(FunctionName="one", Description="bigger")
    assert (second["Version"], second["MemorySize"]) == ("2", 512)
    old = functions.get_function_configuration(FunctionName="one", Qualifier="1")
    assert old["MemorySize"] == 256
    functions.delete_function(FunctionName="one", Qualifier="1")
    functions.update_function_configuration(FunctionName="one", MemorySize=640)
    settle(functions, "one")
    assert functions.publish_version(FunctionName="one")["Version"] == "3"


def test_a_version_that_an_alias_names_stays(create, functions):
    create("one", Publish=True)
    functions.create_alias(FunctionName="one", Name="live", FunctionVersion="1")
    status, code, _ = refused(functions.delete_function, FunctionName="one", Qualifier="1")
    assert (status, code) == (409, "ResourceConflictException")


def test_settings_that_other_emulators_drop_are_kept(create, functions):
    create("one", Runtime="java21", EphemeralStorage={"Size": 2048})
    functions.update_function_configuration(
        FunctionName="one",
        EphemeralStorage={"Size": 4096},
        TracingConfig={"Mode": "Active"},
        SnapStart={"ApplyOn": "PublishedVersions"},
        Environment={"Variables": {"AB": "b"}},
        LoggingConfig={"LogFormat": "JSON"},
    )
    shown = settle(functions, "one")
    assert shown["EphemeralStorage"] == {"Size": 4096}
    assert shown["TracingConfig"] == {"Mode": "Active"}
    assert shown["SnapStart"]["ApplyOn"] == "PublishedVersions"
    assert shown["Environment"] == {"Variables": {"AB": "b"}}
    assert shown["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
    functions.update_function_code(FunctionName="one", ZipFile=zip_of(), Architectures=["arm64"])
    assert settle(functions, "one")["Architectures"] == ["arm64"]


def test_code_comes_back_as_it_was_sent(create, functions):
    code = zip_of("def handler(event, context):\n    return 7\n")
    create("one", code=code)
    place = functions.get_function(FunctionName="one")["Code"]["Location"]
    with urllib.request.urlopen(place) as answer:  # noqa: S310 - loopback
        assert answer.read() == code


def test_a_copy_of_seeded_code_has_its_hash_and_its_behaviour(create, functions):
    original = functions.get_function(FunctionName="crypto-settlement")
    place = original["Code"]["Location"]
    with urllib.request.urlopen(place) as answer:  # noqa: S310 - loopback
        code = answer.read()
    digest = b64encode(hashlib.sha256(code).digest()).decode()
    assert digest == original["Configuration"]["CodeSha256"]
    create("copy", code=code, MemorySize=512, Timeout=60)

    def usual(name: str) -> float:
        # The median: one slow invocation in two hundred takes several times as long.
        durations = []
        for _ in range(25):
            answer = functions.invoke(FunctionName=name, LogType="Tail")
            text = b64decode(answer["LogResult"]).decode()
            durations.append(float(text.split("\tDuration: ")[1].split(" ms")[0]))
        return statistics.median(durations)

    assert usual("copy") == pytest.approx(usual("crypto-settlement"), rel=0.15)


def test_a_deleted_function_is_gone_and_may_come_again(create, functions):
    create("one")
    answer = functions.delete_function(FunctionName="one")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    status, code, message = refused(functions.get_function, FunctionName="one")
    assert (status, code) == (404, "ResourceNotFoundException")
    assert message.startswith("Function not found: arn:aws:lambda:us-east-1:")
    create("one")


def test_accounts_and_regions_are_kept_apart(connect, create, functions):
    create("mine")
    other = connect("lambda", account="299999999999")
    assert refused(other.get_function, FunctionName="mine")[1] == "ResourceNotFoundException"
    elsewhere = connect("lambda", region="eu-west-1")
    assert elsewhere.list_functions()["Functions"] == []
    arn = functions.get_function(FunctionName="mine")["Configuration"]["FunctionArn"]
    assert refused(elsewhere.get_function, FunctionName=arn)[0] == 404
    assert refused(other.get_function, FunctionName=arn)[1] == "AccessDeniedException"


def test_tags_policies_and_urls_live_and_die_with_the_function(create, functions):
    answer = create("one", Tags={"team": "a"})
    arn = answer["FunctionArn"]
    functions.tag_resource(Resource=arn, Tags={"stage": "prod"})
    functions.untag_resource(Resource=arn, TagKeys=["team"])
    assert functions.list_tags(Resource=arn)["Tags"] == {"stage": "prod"}
    functions.add_permission(
        FunctionName="one", StatementId="s", Action="lambda:InvokeFunction", Principal="*"
    )
    assert '"Sid":"s"' in functions.get_policy(FunctionName="one")["Policy"]
    url = functions.create_function_url_config(FunctionName="one", AuthType="NONE")
    assert url["FunctionUrl"].startswith("http://127.0.0.1:")
    functions.delete_function(FunctionName="one")
    assert refused(functions.get_policy, FunctionName="one")[0] == 404


def test_concurrency_is_limited_by_the_account(create, functions):
    create("one", Publish=True)
    status, code, message = refused(
        functions.put_function_concurrency,
        FunctionName="one",
        ReservedConcurrentExecutions=901,
    )
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "UnreservedConcurrentExecution below its minimum value of [100]" in message
    functions.put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=10)
    left = functions.get_account_settings()["AccountLimit"]
    assert left["ConcurrentExecutions"] - left["UnreservedConcurrentExecutions"] == 10 + 22
    answer = functions.put_provisioned_concurrency_config(
        FunctionName="one", Qualifier="1", ProvisionedConcurrentExecutions=5
    )
    assert answer["Status"] == "IN_PROGRESS"
    listed = functions.list_provisioned_concurrency_configs(FunctionName="one")
    assert len(listed["ProvisionedConcurrencyConfigs"]) == 1


def test_event_sources_are_mapped(functions):
    listed = functions.list_event_source_mappings(FunctionName="order-events-consumer:live")[
        "EventSourceMappings"
    ]
    assert listed[0]["EventSourceArn"].endswith("stream/order-events")
    made = functions.create_event_source_mapping(
        FunctionName="csv-import", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:in"
    )
    shown = functions.get_event_source_mapping(UUID=made["UUID"])
    assert shown["BatchSize"] == 10


def test_waiters_end(functions):
    functions.update_function_configuration(FunctionName="cart-service", MemorySize=384)
    functions.get_waiter("function_updated_v2").wait(FunctionName="cart-service")
    assert functions.get_function_configuration(FunctionName="cart-service")["MemorySize"] == 384


def test_role_and_runtime_are_checked(connect):
    client = connect("lambda", parameter_validation=False)
    base = {"FunctionName": "x", "Handler": "a.b", "Code": {"ZipFile": zip_of()}}
    assert refused(client.create_function, **base, Runtime="python3.12", Role="r1")[1] == (
        "ValidationException"
    )
    status, code, message = refused(client.create_function, **base, Runtime="cobol", Role=ROLE)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message.startswith("Value cobol at 'runtime' failed to satisfy constraint")
