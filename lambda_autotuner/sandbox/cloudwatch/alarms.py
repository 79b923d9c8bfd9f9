"""The operations on alarms."""

from __future__ import annotations

import json
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import alarm_rules
from lambda_autotuner.sandbox.cloudwatch.alarm_book import (
    Alarm,
    AlarmBook,
    HistoryItem,
    book,
    change,
    refresh,
)
from lambda_autotuner.sandbox.cloudwatch.metrics import combination_error, value_error
from lambda_autotuner.sandbox.cloudwatch.paging import offset_of, token_for
from lambda_autotuner.sandbox.cloudwatch.query_checks import check_period
from lambda_autotuner.sandbox.cloudwatch.recorded import dimensions_of
from lambda_autotuner.sandbox.cloudwatch.statistics import parse_statistic
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

_KEPT: Final = (
    "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
    "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit",
    "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator",
    "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId",
)  # fmt: skip
_KEPT_COMPOSITE: Final = (
    "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
    "AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod",
)  # fmt: skip
_TREATMENTS: Final = ("breaching", "notBreaching", "ignore", "missing")
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_WEEK_S: Final = 604_800
_PAGE: Final = 50


@operation("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(call: Call, params: Params) -> Result:
    """Make or replace a metric alarm."""
    _check_metric_alarm(params)
    settings = {name: params[name] for name in _KEPT if params.get(name) is not None}
    _put(call, params, settings)
    return {}


@operation("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(call: Call, params: Params) -> Result:
    """Make or replace an alarm over other alarms."""
    found = book(call)
    try:
        named = alarm_rules.names(params["AlarmRule"])
    except alarm_rules.RuleError as error:
        raise ServiceError(
            "ValidationException", f"Error in AlarmRule: Could not parse AlarmRule. {error}"
        ) from error
    missing = [name for name in named if name not in found.alarms]
    if missing:
        raise ServiceError(
            "ValidationException",
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm "
            "rule do not exist",
        )
    settings = {name: params[name] for name in _KEPT_COMPOSITE if params.get(name) is not None}
    _put(call, params, settings)
    return {}


def _check_metric_alarm(params: Params) -> None:
    _require(params, "EvaluationPeriods", "ComparisonOperator")
    if params.get("Metrics"):
        if params.get("MetricName"):
            raise ServiceError(
                "ValidationException",
                "Metrics list must not be specified together with MetricName, Namespace, "
                "Dimensions, Period, Unit, Statistic or ExtendedStatistic.",
            )
    else:
        _check_single_metric(params)
    _check_evaluation(params)


def _require(params: Params, *names: str) -> None:
    for name in names:
        if not params.get(name):
            raise ServiceError(
                "MissingRequiredParameterException", f"The parameter {name} is required."
            )


def _check_single_metric(params: Params) -> None:
    _require(params, "MetricName", "Namespace", "Period")
    if bool(params.get("Statistic")) == bool(params.get("ExtendedStatistic")):
        raise combination_error("Exactly one of Statistic and ExtendedStatistic is required.")
    extended = params.get("ExtendedStatistic")
    if extended and parse_statistic(extended) is None:
        raise value_error(f"The value {extended} for parameter ExtendedStatistic is invalid.")
    check_period("Period", int(params["Period"]))


def _check_evaluation(params: Params) -> None:
    periods = int(params["EvaluationPeriods"])
    needed = params.get("DatapointsToAlarm")
    if needed is not None and not 1 <= needed <= periods:
        raise ServiceError(
            "ValidationException",
            f"DatapointsToAlarm ({needed}) must be at least 1 and at most EvaluationPeriods "
            f"({periods}).",
        )
    treatment = params.get("TreatMissingData")
    if treatment is not None and treatment not in _TREATMENTS:
        raise ServiceError(
            "ValidationException",
            f"Option {treatment} is not supported for parameter TreatMissingData. Supported "
            f"options are: {', '.join(_TREATMENTS)}.",
        )
    period_s = int(params.get("Period") or 60)
    longest_s = _WEEK_S if period_s >= _HOUR_S else _DAY_S
    if periods * period_s > longest_s:
        raise ServiceError(
            "ValidationException",
            f"Metrics cannot be checked across more than {longest_s // _DAY_S} day(s) "
            f"(EvaluationPeriods * Period must be <= {longest_s}).",
        )


def _put(call: Call, params: Params, settings: dict[str, Any]) -> None:
    found = book(call)
    name = params["AlarmName"]
    settings.setdefault("ActionsEnabled", True)
    old = found.alarms.get(name)
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags") or ()}
    alarm = Alarm(name, settings, call.now_ms, state_ms=call.now_ms, transitioned_ms=call.now_ms)
    alarm.evaluated_ms = call.now_ms
    alarm.tags = tags
    if old is not None:
        alarm.tags = old.tags
        alarm.state, alarm.reason, alarm.reason_data = old.state, old.reason, old.reason_data
        alarm.state_ms, alarm.transitioned_ms = old.state_ms, old.transitioned_ms
    found.alarms[name] = alarm
    word = "created" if old is None else "updated"
    found.note(
        HistoryItem(
            name,
            alarm.kind,
            call.now_ms,
            "ConfigurationUpdate",
            f'Alarm "{name}" {word}',
            {"version": "1.0", "type": "Create" if old is None else "Update"},
        )
    )


@operation("cloudwatch", "DescribeAlarms")
def describe_alarms(call: Call, params: Params) -> Result:
    """Alarms by name, prefix, state, kind or action."""
    found = refresh(call)
    kinds = params.get("AlarmTypes") or ["MetricAlarm"]
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
    if names and prefix:
        raise combination_error("AlarmNames and AlarmNamePrefix are mutually exclusive.")
    if names:  # named alarms are shown whatever they are
        kinds = params.get("AlarmTypes") or ["MetricAlarm", "CompositeAlarm"]
    chosen = [
        alarm
        for name, alarm in sorted(found.alarms.items())
        if alarm.kind in kinds
        and (not names or name in names)
        and (not prefix or name.startswith(prefix))
        and params.get("StateValue") in (None, alarm.state)
        and _has_action(alarm, params.get("ActionPrefix"))
    ]
    chosen = _family(found, chosen, params)
    offset = offset_of(params.get("NextToken"), "alarms")
    limit = int(params.get("MaxRecords") or _PAGE)
    shown = [(alarm, _shown(call, alarm)) for alarm in chosen[offset : offset + limit]]
    reply: dict[str, Any] = {
        "MetricAlarms": [item for alarm, item in shown if not alarm.composite],
        "CompositeAlarms": [item for alarm, item in shown if alarm.composite],
        "LogAlarms": [],
    }
    if offset + limit < len(chosen):
        reply["NextToken"] = token_for("alarms", offset + limit)
    return reply


def _has_action(alarm: Alarm, prefix: str | None) -> bool:
    if not prefix:
        return True
    members = ("AlarmActions", "OKActions", "InsufficientDataActions")
    actions = [action for member in members for action in alarm.settings.get(member) or ()]
    return any(action.startswith(prefix) for action in actions)


def _family(found: AlarmBook, chosen: list[Alarm], params: Params) -> list[Alarm]:
    """Children or parents of a composite alarm."""
    if params.get("ChildrenOfAlarmName"):
        parent = found.alarms.get(params["ChildrenOfAlarmName"])
        names = alarm_rules.names(parent.settings["AlarmRule"]) if parent else []
        return [found.alarms[name] for name in names if name in found.alarms]
    if params.get("ParentsOfAlarmName"):
        child = params["ParentsOfAlarmName"]
        return [
            alarm
            for alarm in found.alarms.values()
            if alarm.composite and child in alarm_rules.names(alarm.settings["AlarmRule"])
        ]
    return chosen


def _shown(call: Call, alarm: Alarm) -> dict[str, Any]:
    shown = {
        "AlarmName": alarm.name,
        "AlarmArn": call.arn("cloudwatch", f"alarm:{alarm.name}"),
        "AlarmConfigurationUpdatedTimestamp": alarm.updated_ms,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data,
        "StateUpdatedTimestamp": alarm.state_ms,
        "StateTransitionedTimestamp": alarm.transitioned_ms,
        **alarm.settings,
    }
    if not alarm.composite:
        shown.setdefault("Dimensions", [])
        if alarm.settings.get("Metrics"):
            shown.pop("Dimensions")
    return shown


@operation("cloudwatch", "DescribeAlarmsForMetric")
def describe_alarms_for_metric(call: Call, params: Params) -> Result:
    """Alarms on exactly one metric."""
    found = refresh(call)
    wanted = dimensions_of(params.get("Dimensions"))
    chosen = []
    for _, alarm in sorted(found.alarms.items()):
        settings = alarm.settings
        same = (
            settings.get("MetricName") == params["MetricName"]
            and settings.get("Namespace") == params["Namespace"]
            and dimensions_of(settings.get("Dimensions")) == wanted
            and all(
                params.get(name) in (None, settings.get(name))
                for name in ("Statistic", "ExtendedStatistic", "Period", "Unit")
            )
        )
        if same:
            chosen.append(_shown(call, alarm))
    return {"MetricAlarms": chosen}


@operation("cloudwatch", "DescribeAlarmHistory")
def describe_alarm_history(call: Call, params: Params) -> Result:
    """What happened to alarms."""
    found = refresh(call)
    kinds = params.get("AlarmTypes") or ["MetricAlarm"]
    chosen = [
        item
        for item in found.history
        if item.kind in kinds
        and params.get("AlarmName") in (None, item.alarm)
        and params.get("HistoryItemType") in (None, item.item)
        and item.time_ms >= (params.get("StartDate") or 0)
        and item.time_ms <= (params.get("EndDate") or call.now_ms)
    ]
    chosen.sort(key=lambda item: item.time_ms, reverse=params.get("ScanBy") != "TimestampAscending")
    offset = offset_of(params.get("NextToken"), "history")
    limit = int(params.get("MaxRecords") or _PAGE)
    reply: dict[str, Any] = {
        "AlarmHistoryItems": [
            {
                "AlarmName": item.alarm,
                "AlarmType": item.kind,
                "Timestamp": item.time_ms,
                "HistoryItemType": item.item,
                "HistorySummary": item.summary,
                "HistoryData": json.dumps(item.data, separators=(",", ":")),
            }
            for item in chosen[offset : offset + limit]
        ]
    }
    if offset + limit < len(chosen):
        reply["NextToken"] = token_for("history", offset + limit)
    return reply


@operation("cloudwatch", "DeleteAlarms")
def delete_alarms(call: Call, params: Params) -> Result:
    """Delete alarms; unknown names do not matter."""
    found = book(call)
    for name in params["AlarmNames"]:
        found.alarms.pop(name, None)
    return {}


@operation("cloudwatch", "SetAlarmState")
def set_alarm_state(call: Call, params: Params) -> Result:
    """Put an alarm into a state until the next evaluation."""
    found = refresh(call)
    alarm = found.alarms.get(params["AlarmName"])
    if alarm is None:
        raise ServiceError("ResourceNotFound", "", fields={"message": None})
    change(
        found, alarm, params["StateValue"], params["StateReason"],
        params.get("StateReasonData"), call.now_ms,
    )  # fmt: skip
    refresh(call)
    return {}


def _switch(call: Call, params: Params, *, enabled: bool) -> Result:
    found = book(call)
    for name in params["AlarmNames"]:
        if name in found.alarms:
            found.alarms[name].settings["ActionsEnabled"] = enabled
            found.alarms[name].updated_ms = call.now_ms
    return {}


@operation("cloudwatch", "EnableAlarmActions")
def enable_alarm_actions(call: Call, params: Params) -> Result:
    """Let alarms act."""
    return _switch(call, params, enabled=True)


@operation("cloudwatch", "DisableAlarmActions")
def disable_alarm_actions(call: Call, params: Params) -> Result:
    """Keep alarms from acting."""
    return _switch(call, params, enabled=False)
