"""CloudWatch alarms and dashboards, and what they watch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambda_autotuner.aws.configuration import parse_time
from lambda_autotuner.aws.errors import MissingError
from lambda_autotuner.aws.session import Account


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric or composite alarm.

    Attributes:
        state: "OK", "ALARM" or "INSUFFICIENT_DATA".
        functions: names of functions whose metrics it watches.
        rule: the rule of a composite alarm.
    """

    name: str
    state: str
    state_reason: str
    state_since: datetime | None
    metric: str | None
    namespace: str | None
    statistic: str | None
    threshold: float | None
    comparison: str | None
    period_seconds: int | None
    evaluation_periods: int | None
    description: str
    functions: tuple[str, ...] = ()
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard in the list."""

    name: str
    last_modified: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DashboardSummary:
    """What a dashboard shows; `problem` says why its body could not be read."""

    name: str
    widget_count: int
    widget_types: Mapping[str, int]
    titles: tuple[str, ...]
    metrics: tuple[str, ...]
    functions: tuple[str, ...]
    log_groups: tuple[str, ...]
    regions: tuple[str, ...]
    problem: str = ""


def list_alarms(
    account: Account,
    *,
    function: str | None = None,
    state: str | None = None,
    prefix: str | None = None,
) -> list[Alarm]:
    """Alarms, those in state ALARM first.

    Args:
        account: where to ask.
        function: only alarms that watch this function.
        state: only "OK", "ALARM" or "INSUFFICIENT_DATA".
        prefix: only names that start so.

    Raises:
        AwsError: not allowed, or the account could not be asked.
    """
    asked: dict[str, Any] = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}
    if state:
        asked["StateValue"] = state
    if prefix:
        asked["AlarmNamePrefix"] = prefix
    found: list[Alarm] = []
    while True:
        answer = account.call("cloudwatch", "DescribeAlarms", **asked)
        found += [_metric_alarm(raw) for raw in answer.get("MetricAlarms") or ()]
        found += [_composite_alarm(raw) for raw in answer.get("CompositeAlarms") or ()]
        token = answer.get("NextToken")
        if not token or token == asked.get("NextToken"):
            break
        asked["NextToken"] = token
    if function:
        found = [alarm for alarm in found if function in alarm.functions]
    return sorted(found, key=lambda alarm: (alarm.state != "ALARM", alarm.name))


def _watched(dimensions: Any) -> Iterator[str]:
    for dimension in dimensions or ():
        if dimension.get("Name") == "FunctionName":
            yield str(dimension.get("Value"))


def _metric_alarm(raw: Mapping[str, Any]) -> Alarm:
    functions = list(_watched(raw.get("Dimensions")))
    metric = raw.get("MetricName")
    for part in raw.get("Metrics") or ():
        inner = (part.get("MetricStat") or {}).get("Metric") or {}
        functions += _watched(inner.get("Dimensions"))
        metric = metric or inner.get("MetricName") or part.get("Expression")
    threshold = raw.get("Threshold")
    return Alarm(
        name=str(raw["AlarmName"]),
        state=str(raw.get("StateValue", "")),
        state_reason=str(raw.get("StateReason", "")),
        state_since=parse_time(raw.get("StateUpdatedTimestamp")),
        metric=metric,
        namespace=raw.get("Namespace"),
        statistic=raw.get("Statistic") or raw.get("ExtendedStatistic"),
        threshold=None if threshold is None else float(threshold),
        comparison=raw.get("ComparisonOperator"),
        period_seconds=raw.get("Period"),
        evaluation_periods=raw.get("EvaluationPeriods"),
        description=str(raw.get("AlarmDescription", "")),
        functions=tuple(dict.fromkeys(functions)),
    )


def _composite_alarm(raw: Mapping[str, Any]) -> Alarm:
    return Alarm(
        name=str(raw["AlarmName"]),
        state=str(raw.get("StateValue", "")),
        state_reason=str(raw.get("StateReason", "")),
        state_since=parse_time(raw.get("StateUpdatedTimestamp")),
        metric=None,
        namespace=None,
        statistic=None,
        threshold=None,
        comparison=None,
        period_seconds=None,
        evaluation_periods=None,
        description=str(raw.get("AlarmDescription", "")),
        rule=raw.get("AlarmRule"),
    )


def list_dashboards(account: Account, *, prefix: str | None = None) -> list[Dashboard]:
    """Dashboards whose name starts with `prefix`."""
    asked: dict[str, Any] = {"DashboardNamePrefix": prefix} if prefix else {}
    return [
        Dashboard(
            str(raw["DashboardName"]), parse_time(raw.get("LastModified")), int(raw.get("Size", 0))
        )
        for raw in account.pages("cloudwatch", "ListDashboards", **asked)
    ]


def dashboard_summary(account: Account, name: str) -> DashboardSummary:
    """What a dashboard shows.

    Raises:
        MissingError: no such dashboard; `nearest` holds names that exist.
    """
    try:
        answer = account.call("cloudwatch", "GetDashboard", DashboardName=name)
    except MissingError as error:
        known = tuple(item.name for item in list_dashboards(account))
        hint = f"There are: {', '.join(known[:10])}." if known else "The account has none."
        raise MissingError(
            f"There is no dashboard {name!r} in account {account.account_id}.",
            nearest=known[:10],
            remedy=hint,
        ) from error
    try:
        body = json.loads(answer.get("DashboardBody") or "{}")
        widgets = [widget for widget in body.get("widgets", ()) if isinstance(widget, dict)]
    except (ValueError, AttributeError) as error:
        return DashboardSummary(name, 0, {}, (), (), (), (), (), f"not a dashboard body: {error}")
    return _summarise(name, widgets)


def _summarise(name: str, widgets: list[dict[str, Any]]) -> DashboardSummary:
    metrics: dict[str, None] = {}
    functions: dict[str, None] = {}
    groups: dict[str, None] = {}
    titles, regions = [], []
    for widget in widgets:
        properties = widget.get("properties")
        if not isinstance(properties, dict):
            continue
        if properties.get("title"):
            titles.append(str(properties["title"]))
        if properties.get("region"):
            regions.append(str(properties["region"]))
        for row in properties.get("metrics") or ():
            _read_metric(row, metrics, functions)
        for part in str(properties.get("query", "")).split("'")[1::2]:
            groups[part] = None
    return DashboardSummary(
        name=name,
        widget_count=len(widgets),
        widget_types=dict(Counter(str(widget.get("type", "unknown")) for widget in widgets)),
        titles=tuple(titles),
        metrics=tuple(metrics),
        functions=tuple(functions),
        log_groups=tuple(groups),
        regions=tuple(dict.fromkeys(regions)),
    )


def _read_metric(row: Any, metrics: dict[str, None], functions: dict[str, None]) -> None:
    """One row of a metric widget: [namespace, metric, dimension name, value, ..., {options}]."""
    if not isinstance(row, list):
        return
    words = [part for part in row if isinstance(part, str)]
    if len(words) < 2:  # noqa: PLR2004 - a namespace and a metric
        return
    metrics[f"{words[0]} {words[1]}"] = None
    pairs = words[2:]
    for key, value in zip(pairs[::2], pairs[1::2], strict=False):
        if key == "FunctionName":
            functions[value] = None
