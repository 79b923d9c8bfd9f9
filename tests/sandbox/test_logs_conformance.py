"""CloudWatch Logs answers what AWS answered (recorded responses, requests rebuilt by name)."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

_spec = importlib.util.spec_from_file_location(
    "sandbox_conformance", Path(__file__).with_name("conformance.py")
)
conformance = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conformance)

FILES = (
    "test_logs_events.snapshot.json", "test_logs_filter_events.snapshot.json",
    "test_logs_groups.snapshot.json", "test_logs_queries.snapshot.json",
    "test_logs_streams.snapshot.json",
)  # fmt: skip
# Differences that stay, each with its reason: (test, response, path) -> why.
KNOWN = {
    ("test_describe_log_groups_with_pattern", "describe-log-groups-pattern", ".nextToken: missing"):
        "AWS pages through all groups of an account for a pattern; a last page has no token here",
}  # fmt: skip
GROUP, STREAM = "/conformance/group", "stream-one"


class Actor:
    """Does what the recorded tests did, by their names."""

    def __init__(self, client: Any) -> None:
        self.logs = client
        self.said: dict[tuple[str, str], Any] = {}

    def note(self, test: str, response: str, call: Callable[..., Any], **arguments: Any) -> None:
        try:
            self.said[test, response] = call(**arguments)
        except ClientError as error:
            self.said[test, response] = error.response

    def group(self, name: str = GROUP, **arguments: Any) -> str:
        self.logs.create_log_group(logGroupName=name, **arguments)
        return name

    def stream(self, group: str, name: str = STREAM) -> str:
        self.logs.create_log_stream(logGroupName=group, logStreamName=name)
        return name

    def events(self) -> None:
        logs, now = self.logs, int(time.time() * 1000)
        group = self.group("/c/events")
        stream = self.stream(group)
        place = {"logGroupName": group, "logStreamName": stream}
        one = [{"timestamp": now, "message": "a"}]
        self.note(
            "test_put_log_events_to_invalid_stream",
            "error-invalid-stream",
            logs.put_log_events,
            logGroupName=group,
            logStreamName="none",
            logEvents=one,
        )
        self.note(
            "test_put_log_events_wrong_order",
            "error-wrong-order",
            logs.put_log_events,
            **place,
            logEvents=[*one, {"timestamp": now - 1000, "message": "b"}],
        )
        self.note(
            "test_put_log_events_too_old",
            "response-too-old",
            logs.put_log_events,
            **place,
            logEvents=[{"timestamp": now - 15 * 86_400_000, "message": "old"}],
        )
        self.note(
            "test_put_log_events_too_new",
            "response-too-new",
            logs.put_log_events,
            **place,
            logEvents=[{"timestamp": now + 3 * 3_600_000, "message": "new"}],
        )
        self.note(
            "test_get_log_events_invalid_token",
            "error-invalid-token",
            logs.get_log_events,
            **place,
            nextToken="not-a-token",
        )
        self.note(
            "test_get_log_events_limit_validation",
            "error-limit-exceeded",
            logs.get_log_events,
            **place,
            limit=10_001,
        )
        self.note(
            "test_resource_does_not_exist",
            "error-log-group-does-not-exist",
            logs.get_log_events,
            logGroupName="/none",
            logStreamName="none",
        )
        self.note(
            "test_resource_does_not_exist",
            "error-log-stream-does-not-exist",
            logs.get_log_events,
            logGroupName=group,
            logStreamName="none",
        )
        self.note(
            "test_filter_log_events_limit_validation",
            "error-limit-exceeded",
            logs.filter_log_events,
            logGroupName=group,
            limit=10_001,
        )
        self.note(
            "test_filter_log_events_unknown_token",
            "invalid-token",
            logs.filter_log_events,
            logGroupName=group,
            nextToken="unknown",
        )

    def groups(self) -> None:
        logs = self.logs
        self.group("/c/kms", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/abc")
        self.note(
            "test_create_log_group_with_kms_key",
            "describe-log-groups-with-kms",
            logs.describe_log_groups,
            logGroupNamePrefix="/c/kms",
        )
        self.note(
            "test_create_log_group_duplicate_error",
            "error-duplicate-log-group",
            logs.create_log_group,
            logGroupName="/c/kms",
        )
        self.note(
            "test_create_log_group_invalid_name_length",
            "error-invalid-name-length",
            logs.create_log_group,
            logGroupName="a" * 513,
        )
        for number in range(3):
            self.group(f"/prefix/{number}")
        self.note(
            "test_describe_log_groups_with_prefix",
            "describe-log-groups-prefix",
            logs.describe_log_groups,
            logGroupNamePrefix="/prefix/",
        )
        self.note(
            "test_describe_log_groups_with_pattern",
            "describe-log-groups-pattern",
            logs.describe_log_groups,
            logGroupNamePattern="refix/1",
        )
        self.note(
            "test_describe_log_groups_prefix_and_pattern_error",
            "error-prefix-and-pattern",
            logs.describe_log_groups,
            logGroupNamePrefix="a",
            logGroupNamePattern="a",
        )
        self.note(
            "test_list_log_groups_with_pattern",
            "list-log-groups-no-match",
            logs.describe_log_groups,
            logGroupNamePattern="nothing-of-the-kind",
        )
        found = logs.describe_log_groups(logGroupNamePattern="refix/2")["logGroups"]
        names = (
            "logGroupName",
            "creationTime",
            "metricFilterCount",
            "arn",
            "logGroupClass",
            "logGroupArn",
        )
        self.said["test_list_log_groups_with_pattern", "list-log-groups-match"] = [
            {name: group[name] for name in names} for group in found
        ]

    def tags(self) -> None:
        logs = self.logs
        self.group("/t/1", tags={"env": "testing"})
        self.note(
            "test_create_log_group_with_tags",
            "list-tags-after-create",
            logs.list_tags_log_group,
            logGroupName="/t/1",
        )
        self.group("/t/2")
        logs.tag_log_group(logGroupName="/t/2", tags={"tag_key_1": "tag_value_1"})
        self.note(
            "test_tag_log_group",
            "list-tags-after-tag",
            logs.list_tags_log_group,
            logGroupName="/t/2",
        )
        logs.tag_log_group(logGroupName="/t/2", tags={"tag_key_2": "tag_value_2"})
        logs.untag_log_group(logGroupName="/t/2", tags=["tag_key_1"])
        self.note(
            "test_untag_log_group",
            "list-tags-after-untag",
            logs.list_tags_log_group,
            logGroupName="/t/2",
        )
        self.group("/t/3", tags={"env": "testing1"})
        arn = logs.describe_log_groups(logGroupNamePrefix="/t/3")["logGroups"][0]["logGroupArn"]
        test = "test_tag_resource_api"

        def both(after: str) -> None:
            self.note(
                test, f"list-tags-log-group-{after}", logs.list_tags_log_group, logGroupName="/t/3"
            )
            self.note(
                test,
                f"list-tags-for-resource-{after}",
                logs.list_tags_for_resource,
                resourceArn=arn,
            )

        self.note(test, "list-tags-after-create", logs.list_tags_log_group, logGroupName="/t/3")
        logs.tag_resource(resourceArn=arn, tags={"test1": "val1", "test2": "val2"})
        both("after-tag-resource")
        logs.tag_log_group(logGroupName="/t/3", tags={"test3": "val3"})
        both("after-tag-log-group")
        logs.untag_log_group(logGroupName="/t/3", tags=["env", "test1"])
        logs.untag_resource(resourceArn=arn, tagKeys=["test3"])
        both("after-untag")

    def queries(self) -> None:
        logs, now = self.logs, int(time.time())
        self.group("/q/one")
        window = {"startTime": now - 60, "endTime": now + 60, "queryString": "fields @message"}
        self.note(
            "test_start_query_basic",
            "start-query",
            logs.start_query,
            logGroupName="/q/one",
            **window,
        )
        self.note(
            "test_start_query_log_group_not_found",
            "error-log-group-not-found",
            logs.start_query,
            logGroupName="/q/none",
            **window,
        )
        self.note(
            "test_describe_queries",
            "describe-queries",
            logs.describe_queries,
            logGroupName="/q/one",
        )
        test = "test_describe_queries_with_status_filter"
        self.note(
            test,
            "describe-queries-complete",
            logs.describe_queries,
            logGroupName="/q/one",
            status="Complete",
        )
        self.note(
            test,
            "describe-queries-scheduled",
            logs.describe_queries,
            logGroupName="/q/one",
            status="Scheduled",
        )

    def streams(self) -> None:
        logs = self.logs
        group = self.group("/s/one")
        self.stream(group, "only")
        shown = {"logGroupName": group, "logStreamNamePrefix": "only"}
        self.note(
            "test_create_and_delete_log_stream",
            "describe-log-streams-after-create",
            logs.describe_log_streams,
            **shown,
        )
        self.note(
            "test_log_stream_arn_format",
            "describe-log-streams-with-arn",
            logs.describe_log_streams,
            **shown,
        )
        self.note(
            "test_create_log_stream_duplicate_error",
            "error-duplicate-log-stream",
            logs.create_log_stream,
            logGroupName=group,
            logStreamName="only",
        )
        arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupArn"]
        test = "test_describe_log_streams_with_log_group_identifier"
        self.note(
            test,
            "describe-streams-identifier-name",
            logs.describe_log_streams,
            logGroupIdentifier=group,
        )
        self.note(
            test,
            "describe-streams-identifier-arn",
            logs.describe_log_streams,
            logGroupIdentifier=arn,
        )
        self.note(
            test,
            "error-both-name-and-identifier",
            logs.describe_log_streams,
            logGroupName=group,
            logGroupIdentifier=group,
        )
        for name in ("p-1", "p-2", "p-3"):
            self.stream(group, name)
        self.note(
            "test_describe_log_streams_with_prefix",
            "describe-streams-with-prefix",
            logs.describe_log_streams,
            logGroupName=group,
            logStreamNamePrefix="p-",
        )


@pytest.fixture(scope="module")
def said(server, request) -> dict[tuple[str, str], Any]:
    """Everything that the sandbox said."""
    make_client = request.getfixturevalue("make")
    actor = Actor(make_client("logs"))
    for act in (actor.events, actor.groups, actor.tags, actor.queries, actor.streams):
        act()
    return actor.said


@pytest.fixture(scope="module")
def make(server):
    import boto3
    from botocore.config import Config

    return lambda service: boto3.client(
        service, endpoint_url=server.endpoint_url, region_name="us-east-1",
        aws_access_key_id="300000000001", aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )  # fmt: skip


@pytest.mark.shared
def test_every_recorded_answer_of_logs_is_met(shared_dir, said):
    wanted = {
        case: content
        for name in FILES
        for case, content in conformance.recorded(shared_dir, name).items()
    }
    assert set(said) == set(wanted)
    found = {
        (*case, line)
        for case, content in wanted.items()
        for line in conformance.differences(content, said[case])
    }
    assert found == set(KNOWN)
    errors = [case for case, content in wanted.items() if "Error" in content]
    assert (len(wanted), len(errors)) == (40, 14)
