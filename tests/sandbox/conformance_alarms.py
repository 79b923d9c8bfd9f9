"""What the recorded tests about alarms did, by their names."""

from __future__ import annotations

from typing import Any

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
ALARM = {
    "Namespace": "ns", "EvaluationPeriods": 1, "Period": 60, "Statistic": "Sum", "Threshold": 30.0,
    "ComparisonOperator": "GreaterThanThreshold",
}  # fmt: skip


def act(actor: Any) -> None:
    """All of them, each in an account of its own."""
    for part in (_simple, _tags, _states, _switches, _composite, _crossing, _breaching):
        actor.start()
        part(actor)


def _simple(actor: Any) -> None:
    cw = actor.cw
    describe = cw.describe_alarms
    test = "test_describe_alarms_converts_date_format_correctly"
    cw.put_metric_alarm(AlarmName="a1", MetricName="m", **ALARM)
    actor.note(test, "describe-alarms", describe, AlarmNames=["a1"])
    cw.put_metric_alarm(AlarmName="a2", MetricName="m", **{**ALARM, "Period": 10})
    actor.note(
        "test_describe_minimal_metric_alarm",
        "describe_minimal_metric_alarm",
        describe,
        AlarmNames=["a2"],
    )
    cw.put_metric_alarm(
        AlarmName="a3",
        MetricName="m",
        AlarmDescription="<",
        AlarmActions=["arn:aws:sns:us-east-1:111122223333:MyTopic"],
        **{**ALARM, "Period": 600, "Threshold": 1.0},
    )
    test = "test_put_metric_alarm_escape_character"
    actor.note(test, "describe-alarms-escaped-character", describe, AlarmNames=["a3"])
    test = "test_delete_alarm"
    cw.put_metric_alarm(AlarmName="a4", MetricName="metric1", **ALARM)
    actor.note(test, "describe-alarm", describe, AlarmNames=["a4"])
    actor.note(test, "delete-alarm", cw.delete_alarms, AlarmNames=["a4"])
    actor.note(test, "describe-after-delete", describe, AlarmNames=["a4"])
    test = "test_set_alarm_invalid_input"
    actor.note(
        test,
        "error-invalid-state",
        cw.set_alarm_state,
        AlarmName="a1",
        StateValue="INVALID",
        StateReason="x",
    )
    actor.note(
        test,
        "error-resource-not-found",
        cw.set_alarm_state,
        AlarmName="none",
        StateValue="OK",
        StateReason="x",
    )


def _tags(actor: Any) -> None:
    cw = actor.cw
    test = "test_store_tags"
    actor.note(
        test,
        "put_metric_alarm",
        cw.put_metric_alarm,
        AlarmName="t1",
        MetricName="store_tags",
        **ALARM,
    )
    found = actor.note(test, "describe_alarms", cw.describe_alarms, AlarmNames=["t1"])
    arn = found["MetricAlarms"][0]["AlarmArn"]
    actor.note(test, "list_tags_for_resource_empty ", cw.list_tags_for_resource, ResourceARN=arn)
    tags = [{"Key": "tag1", "Value": "foo"}, {"Key": "tag2", "Value": "bar"}]
    cw.tag_resource(ResourceARN=arn, Tags=tags)
    actor.note(test, "list_tags_for_resource", cw.list_tags_for_resource, ResourceARN=arn)
    cw.untag_resource(ResourceARN=arn, TagKeys=["tag1"])
    actor.note(
        test, "list_tags_for_resource_post_untag", cw.list_tags_for_resource, ResourceARN=arn
    )
    own = [{"Key": "Environment", "Value": "Production"}]
    for test, name, blank in (
        ("test_tagging_metric_alarm", "t2", ""),
        ("test_tagging_composite_alarm", "t3", " "),
    ):
        if name == "t2":
            actor.note(
                test,
                "put_metric_alarm",
                cw.put_metric_alarm,
                AlarmName=name,
                MetricName="m",
                Tags=own,
                **ALARM,
            )
        else:
            cw.put_composite_alarm(AlarmName=name, AlarmRule='ALARM("t1")', Tags=own)
        arn = arn.rsplit(":", 1)[0] + f":{name}"
        actor.note(
            test,
            f"list_tags_for_resource_after_creation{blank}",
            cw.list_tags_for_resource,
            ResourceARN=arn,
        )
        cw.tag_resource(ResourceARN=arn, Tags=tags)
        actor.note(
            test, "list_tags_for_resource_updated", cw.list_tags_for_resource, ResourceARN=arn
        )
        cw.untag_resource(ResourceARN=arn, TagKeys=["tag1"])
        actor.note(
            test, "list_tags_for_resource_post_untag", cw.list_tags_for_resource, ResourceARN=arn
        )
        cw.delete_alarms(AlarmNames=[name])
        actor.note(
            test, "list_tags_for_deleted_resource", cw.list_tags_for_resource, ResourceARN=arn
        )


def _states(actor: Any) -> None:
    cw = actor.cw
    cw.put_metric_alarm(
        AlarmName="s1", AlarmDescription="Test Alarm when CPU exceeds 50 percent", AlarmActions=[TOPIC], OKActions=[TOPIC],
        Dimensions=[{"Name": "InstanceId", "Value": "i-0317828c84edbe100"}], MetricName="CPUUtilization-3",
        TreatMissingData="ignore", Unit="Percent",
        **{**ALARM, "EvaluationPeriods": 2, "Period": 300, "Statistic": "Average", "Threshold": 50.0},
    )  # fmt: skip
    cw.set_alarm_state(AlarmName="s1", StateValue="ALARM", StateReason="testing alarm")
    actor.note("test_set_alarm", "triggered-alarm", cw.describe_alarms, AlarmNames=["s1"])
    cw.set_alarm_state(AlarmName="s1", StateValue="OK", StateReason="resetting alarm")
    actor.note("test_set_alarm", "reset-alarm", cw.describe_alarms, AlarmNames=["s1"])


def _sensitive(actor: Any, name: str, metric: str, **more: Any) -> None:
    actor.cw.put_metric_alarm(
        AlarmName=name, MetricName=metric, AlarmDescription="testing cloudwatch alarms", AlarmActions=[TOPIC],
        OKActions=[TOPIC], Dimensions=[{"Name": "InstanceId", "Value": "abc"}], Unit="Seconds",
        **{**ALARM, "Period": 10, "Statistic": "Average", **more},
    )  # fmt: skip


def _switches(actor: Any) -> None:
    cw, test = actor.cw, "test_enable_disable_alarm_actions"
    _sensitive(
        actor, "e1", "my-metric101", EvaluationPeriods=2, Threshold=2.0, TreatMissingData="ignore"
    )
    actor.note(test, "describe_alarm", cw.describe_alarms, AlarmNames=["e1"])
    cw.set_alarm_state(AlarmName="e1", StateValue="ALARM", StateReason="testing alarm")
    actor.note(test, "alarm-state-describe", cw.describe_alarms, AlarmNames=["e1"])
    cw.set_alarm_state(AlarmName="e1", StateValue="OK", StateReason="testing OK state")
    cw.disable_alarm_actions(AlarmNames=["e1"])
    actor.note(test, "describe_alarm_disabled", cw.describe_alarms, AlarmNames=["e1"])
    actor.note(test, "ok-state-action-disabled-describe", cw.describe_alarms, AlarmNames=["e1"])
    cw.enable_alarm_actions(AlarmNames=["e1"])
    actor.note(test, "describe_alarm_enabled", cw.describe_alarms, AlarmNames=["e1"])


def _composite(actor: Any) -> None:
    cw, test = actor.cw, "test_trigger_composite_alarm"
    for name in ("c1", "c2"):
        cw.put_metric_alarm(AlarmName=name, MetricName=name, **ALARM)
    arns = {alarm["AlarmName"]: alarm["AlarmArn"] for alarm in cw.describe_alarms()["MetricAlarms"]}
    actor.note(
        test, "put-composite-alarm", cw.put_composite_alarm, AlarmName="both",
        AlarmDescription="composite alarm description", AlarmActions=[TOPIC], OKActions=[TOPIC],
        AlarmRule=f'ALARM("{arns["c1"]}") OR ALARM("{arns["c2"]}")',
    )  # fmt: skip

    def then(response: str, name: str, state: str) -> None:
        cw.set_alarm_state(AlarmName=name, StateValue=state, StateReason="testing")
        found = cw.describe_alarms(AlarmNames=["both"], AlarmTypes=["CompositeAlarm"])
        actor.said[test, response] = found["CompositeAlarms"][0]

    cw.set_alarm_state(AlarmName="c1", StateValue="OK", StateReason="testing")
    then("composite-alarm-in-alarm-when-alarm-1-is-in-alarm", "c1", "ALARM")
    then("composite-alarm-in-ok-when-alarm-1-is-back-to-ok", "c1", "OK")
    then("composite-alarm-in-alarm-when-alarm-2-is-in-alarm", "c2", "ALARM")
    then("composite-alarm-in-ok-when-alarm-2-is-back-to-ok", "c2", "OK")
    cw.set_alarm_state(AlarmName="c1", StateValue="ALARM", StateReason="testing")
    cw.describe_alarms()
    then("composite-alarm-is-triggered-by-alarm-1-and-then-unchanged-by-alarm-2", "c2", "ALARM")


def _crossing(actor: Any) -> None:
    """Two observations in one period of ten seconds, and then some time."""
    cw, test = actor.cw, "test_put_metric_alarm"
    _sensitive(actor, "p1", "my-metric1", Threshold=21.0, TreatMissingData="ignore")
    actor.note(test, "describe-alarm", cw.describe_alarms, AlarmNames=["p1"])
    data = {"MetricName": "my-metric1", "Dimensions": [{"Name": "InstanceId", "Value": "abc"}],
            "Unit": "Seconds", "StorageResolution": 1}  # fmt: skip
    cw.put_metric_data(
        Namespace="ns", MetricData=[{**data, "Value": 21.0}, {**data, "Value": 22.0}]
    )
    actor.server.advance(21, account_id=actor.account)
    cw.describe_alarms(AlarmNames=["p1"])
    actor.note(
        test,
        "describe-alarm-history",
        cw.describe_alarm_history,
        AlarmName="p1",
        HistoryItemType="StateUpdate",
    )
    actor.note(
        test,
        "describe-alarms-for-metric",
        cw.describe_alarms_for_metric,
        MetricName="my-metric1",
        Namespace="ns",
        Dimensions=data["Dimensions"],
        Statistic="Average",
    )


def _breaching(actor: Any) -> None:
    cw = actor.cw
    _sensitive(
        actor,
        "b1",
        "my-metric101",
        EvaluationPeriods=2,
        Threshold=2.0,
        TreatMissingData="breaching",
    )
    actor.server.advance(40, account_id=actor.account)
    actor.note(
        "test_breaching_alarm_actions", "alarm-1-describe", cw.describe_alarms, AlarmNames=["b1"]
    )
