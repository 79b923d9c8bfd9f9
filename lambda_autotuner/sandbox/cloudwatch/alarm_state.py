"""When an alarm is in which state: M out of N datapoints, and what missing ones count for.

Pure: values in, a verdict out. Source: Amazon CloudWatch User Guide, "Evaluating an alarm" and
"Configuring how CloudWatch alarms treat missing data".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT: Final = "INSUFFICIENT_DATA"

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}
_WORDS: Final = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alarm compares with what, and over how many periods."""

    operator: str
    threshold: float
    periods: int
    to_alarm: int
    missing: str  # breaching | notBreaching | ignore | missing


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state and why; `state` is None when the present one stays."""

    state: str | None
    reason: str


def breaches(rule: Rule, value: float) -> bool:
    """Whether one datapoint is on the wrong side of the threshold."""
    return _COMPARE[rule.operator](value, rule.threshold)


def judge(rule: Rule, points: Sequence[tuple[int, float | None]]) -> Verdict:
    """The state that the last `rule.periods` periods call for.

    Args:
        rule: the alarm's rule.
        points: (period start in epoch ms, value or None when missing), oldest first; the
            evaluation range may hold more periods than the rule has, and the newest count.
    """
    recent = list(points[-rule.periods :])
    values = [(time, value) for time, value in recent if value is not None]
    absent = rule.periods - len(values)
    if not values and rule.missing in ("missing", "ignore"):
        if rule.missing == "ignore":
            return Verdict(None, "")
        return Verdict(INSUFFICIENT, f"Insufficient Data: {_absent(rule.periods)}.")
    breaching = [(time, value) for time, value in values if breaches(rule, value)]
    filled = len(breaching) + (absent if rule.missing == "breaching" else 0)
    if filled >= rule.to_alarm:
        return Verdict(ALARM, _reason(rule, values, breaching, absent, alarmed=True))
    undecided = rule.missing in ("missing", "ignore") and absent > 0
    healthy = len(values) - len(breaching)
    if undecided and healthy == 0:
        # All that is there breaches, and what is missing could decide either way.
        if _leans_to_alarm(rule, points):
            return Verdict(ALARM, _reason(rule, values, breaching, 0, alarmed=True))
        return Verdict(None, "")
    return Verdict(OK, _reason(rule, values, breaching, absent, alarmed=False))


def _leans_to_alarm(rule: Rule, points: Sequence[tuple[int, float | None]]) -> bool:
    """Whether the wider evaluation range holds enough breaching datapoints."""
    known = [value for _, value in points if value is not None][-rule.periods :]
    return sum(breaches(rule, value) for value in known) >= rule.to_alarm


def _absent(count: int) -> str:
    return f"{count} datapoint{'s were' if count > 1 else ' was'} unknown"


def _listed(points: Sequence[tuple[int, float]]) -> str:
    return ", ".join(f"{float(value)!r} ({_stamp(time)})" for time, value in points)


def _stamp(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms / 1000, tz=dt.UTC)
    return moment.strftime("%d/%m/%y %H:%M:%S")


def _reason(
    rule: Rule,
    values: Sequence[tuple[int, float]],
    breaching: Sequence[tuple[int, float]],
    absent: int,
    *,
    alarmed: bool,
) -> str:
    """CloudWatch's sentence about what crossed, or did not."""
    if not values:
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[rule.missing]
        missing = f"{absent} missing datapoint{'s were' if absent > 1 else ' was'}"
        return (
            f"Threshold Crossed: no datapoints were received for {absent} "
            f"period{'s' if absent > 1 else ''} and {missing} treated as [{treated}]."
        )
    shown = list(breaching if alarmed else [item for item in values if item not in breaching])
    newest = sorted(shown or values, reverse=True)
    count = len(newest)
    verb = "was" if count == 1 else "were"
    relation = f"{verb} {'' if alarmed else 'not '}{_WORDS[rule.operator]} the threshold"
    points = f"{count} datapoint{'s' if count > 1 else ''} [{_listed(newest)}]"
    if rule.to_alarm < rule.periods or (alarmed and count < rule.periods):
        points = f"{count} out of the last {rule.periods} datapoints [{_listed(newest)}]"
    floor = "minimum " if alarmed else ""
    tail = ""
    if rule.to_alarm < rule.periods:
        plural = "s" if rule.to_alarm > 1 else ""
        change = "OK -> ALARM" if alarmed else "ALARM -> OK"
        needed = rule.to_alarm if alarmed else rule.periods - rule.to_alarm + 1
        plural = "s" if needed > 1 else ""
        tail = f" ({floor if alarmed else 'minimum '}{needed} datapoint{plural} for {change} transition)"
    return f"Threshold Crossed: {points} {relation} ({rule.threshold!r}){tail}."
