"""What is kept about alarms, and the moment at which their states are brought up to date.

States follow the metrics whenever somebody looks: evaluations happen at the end of every period
since the last look, so history is complete without a process that runs in between.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import alarm_rules, alarm_state
from lambda_autotuner.sandbox.cloudwatch.alarm_series import Recent, recent
from lambda_autotuner.sandbox.cloudwatch.alarm_state import INSUFFICIENT, Rule

STATE_KEY: Final = "cloudwatch-alarms"
INITIAL: Final = "Unchecked: Initial alarm creation"
_MOST_STEPS: Final = 500
_HISTORY: Final = 20_000


@dataclass(slots=True)
class HistoryItem:
    """One entry of an alarm's history."""

    alarm: str
    kind: str  # MetricAlarm | CompositeAlarm
    time_ms: int
    item: str  # ConfigurationUpdate | StateUpdate | Action
    summary: str
    data: dict[str, Any]


@dataclass(slots=True)
class Alarm:
    """A metric alarm or, with a rule, a composite one."""

    name: str
    settings: dict[str, Any]
    updated_ms: int
    state: str = INSUFFICIENT
    reason: str = INITIAL
    reason_data: str | None = None
    state_ms: int = 0
    transitioned_ms: int = 0
    evaluated_ms: int = 0
    forced: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def composite(self) -> bool:
        """Whether it looks at other alarms instead of metrics."""
        return "AlarmRule" in self.settings

    @property
    def kind(self) -> str:
        """As the API calls it."""
        return "CompositeAlarm" if self.composite else "MetricAlarm"

    @property
    def period_ms(self) -> int:
        """Length of one evaluated period."""
        if self.settings.get("Period"):
            return int(self.settings["Period"]) * 1000
        periods = [
            int(item.get("Period") or item["MetricStat"]["Period"])
            for item in self.settings.get("Metrics") or ()
            if item.get("Period") or "MetricStat" in item
        ]
        return max(periods, default=60) * 1000


@dataclass(slots=True)
class AlarmBook:
    """All alarms of an account and region."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    history: list[HistoryItem] = field(default_factory=list)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for alarm in self.alarms.values():
            alarm.updated_ms -= delta_ms
            alarm.state_ms -= delta_ms
            alarm.transitioned_ms -= delta_ms
            alarm.evaluated_ms -= delta_ms
        for item in self.history:
            item.time_ms -= delta_ms

    def note(self, entry: HistoryItem) -> None:
        """Add to the history; the oldest entries go when there are too many."""
        self.history.append(entry)
        del self.history[:-_HISTORY]


def book(call: Call) -> AlarmBook:
    """The alarms of the account and region that a request is about."""
    return call.state(STATE_KEY, AlarmBook)


def refresh(call: Call) -> AlarmBook:
    """Bring every alarm's state up to now."""
    found = book(call)
    for alarm in found.alarms.values():
        if not alarm.composite:
            _evaluate(call, found, alarm)
    for alarm in found.alarms.values():
        if alarm.composite:
            settle_composite(call, found, alarm)
    return found


def _rule(alarm: Alarm) -> Rule | None:
    settings = alarm.settings
    if settings.get("Threshold") is None:
        return None  # anomaly bands have none, and are not evaluated
    periods = int(settings["EvaluationPeriods"])
    return Rule(
        settings["ComparisonOperator"],
        float(settings["Threshold"]),
        periods,
        int(settings.get("DatapointsToAlarm") or periods),
        settings.get("TreatMissingData") or "missing",
    )


def _evaluate(call: Call, found: AlarmBook, alarm: Alarm) -> None:
    rule = _rule(alarm)
    if rule is None:
        return
    step = max(alarm.period_ms, 60_000) if alarm.period_ms >= 60_000 else alarm.period_ms  # noqa: PLR2004
    last = call.now_ms // step * step
    first = max(alarm.evaluated_ms // step * step + step, last - (_MOST_STEPS - 1) * step)
    if first > last:
        return
    read = recent(call, alarm.settings, alarm.period_ms, first, last, rule.periods)
    for end_ms in range(first, last + 1, step):
        points = read.before(end_ms, rule.periods)
        verdict = alarm_state.judge(rule, points)
        alarm.evaluated_ms = end_ms
        if verdict.state is not None and verdict.state != alarm.state:
            data = _reason_data(alarm, rule, read, points, end_ms)
            change(found, alarm, verdict.state, verdict.reason, data, end_ms)


def _reason_data(
    alarm: Alarm, rule: Rule, read: Recent, points: list[tuple[int, float | None]], end_ms: int
) -> str:
    settings = alarm.settings
    used = points[-rule.periods :]
    known = [(time, value) for time, value in used if value is not None]
    data: dict[str, Any] = {"version": "1.0", "queryDate": _stamp(end_ms)}
    if known:
        data["startDate"] = _stamp(known[0][0])
    if settings.get("Unit"):
        data["unit"] = settings["Unit"]
    statistic = settings.get("Statistic") or settings.get("ExtendedStatistic")
    if statistic:
        data["statistic"] = statistic
    data["period"] = alarm.period_ms // 1000
    data["recentDatapoints"] = [value for _, value in known]
    data["threshold"] = rule.threshold
    evaluated: list[dict[str, Any]] = []
    for time, value in reversed(used):
        item: dict[str, Any] = {"timestamp": _stamp(time)}
        if value is not None:
            count = read.counts.get(time)
            if count is not None:
                item["sampleCount"] = count
            item["value"] = value
        evaluated.append(item)
    data["evaluatedDatapoints"] = evaluated
    return json.dumps(data, separators=(",", ":"))


def _stamp(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms / 1000, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03d}+0000"


def change(
    found: AlarmBook, alarm: Alarm, state: str, reason: str, data: str | None, time_ms: int
) -> None:
    """Give an alarm a state and write it into the history."""
    before = {"stateValue": alarm.state, "stateReason": alarm.reason}
    after: dict[str, Any] = {"stateValue": state, "stateReason": reason}
    if alarm.reason_data:
        before["stateReasonData"] = json.loads(alarm.reason_data)
    if data:
        after["stateReasonData"] = json.loads(data)
    if state != alarm.state:
        alarm.transitioned_ms = time_ms
        found.note(
            HistoryItem(
                alarm.name,
                alarm.kind,
                time_ms,
                "StateUpdate",
                f"Alarm updated from {alarm.state} to {state}",
                {"version": "1.0", "oldState": before, "newState": after},
            )
        )
        _act(found, alarm, state, time_ms)
    alarm.state, alarm.reason, alarm.reason_data = state, reason, data
    alarm.state_ms = time_ms


def _act(found: AlarmBook, alarm: Alarm, state: str, time_ms: int) -> None:
    """Actions are recorded, not carried out: there is nobody in the sandbox to notify."""
    member = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(state, "InsufficientDataActions")
    if not alarm.settings.get("ActionsEnabled", True):
        return
    for action in alarm.settings.get(member) or ():
        found.note(
            HistoryItem(
                alarm.name,
                alarm.kind,
                time_ms,
                "Action",
                f"Successfully executed action {action}",
                {"actionState": "Succeeded", "notificationResource": action},
            )
        )


def settle_composite(call: Call, found: AlarmBook, alarm: Alarm) -> None:
    """Bring a composite alarm in line with the alarms that its rule names."""
    names = alarm_rules.names(alarm.settings["AlarmRule"])

    def state_of(name: str) -> str:
        other = found.alarms.get(name)
        return other.state if other is not None else INSUFFICIENT

    true = alarm_rules.holds(alarm.settings["AlarmRule"], state_of)
    state = alarm_state.ALARM if true else alarm_state.OK
    if state == alarm.state:
        return
    children = [found.alarms[name] for name in names if name in found.alarms]
    newest = max(children, key=lambda item: item.transitioned_ms, default=None)
    time_ms = call.now_ms
    data = None
    reason = f"{call.arn('cloudwatch', 'alarm:' + alarm.name)} transitioned to {state}"
    if newest is not None:
        newest_arn = call.arn("cloudwatch", f"alarm:{newest.name}")
        at = dt.datetime.fromtimestamp(newest.transitioned_ms / 1000, tz=dt.UTC)
        when = at.strftime("%A %d %B, %Y %H:%M:%S UTC")
        reason = f"{newest_arn} transitioned to {newest.state} at {when}"
        child = {"value": newest.state, "timestamp": _stamp(newest.transitioned_ms)}
        data = json.dumps({"triggeringAlarms": [{"arn": newest_arn, "state": child}]})
        time_ms = max(newest.transitioned_ms, alarm.updated_ms)
    change(found, alarm, state, reason, data, time_ms)
