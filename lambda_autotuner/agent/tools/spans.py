"""A span of the calendar as a window of the account's own time, in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

from lambda_autotuner.agent.reading.spans import MONTHS, WEEKDAYS
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.aws.metrics import Window

_DAY = timedelta(days=1)
_WEEK_DAYS = 7


def span_window(span: str, end: datetime) -> Window:
    """The window that a span means for evidence that ends at `end`.

    Args:
        span: as `reading.spans` writes it: `october`, `11-23`, `monday 09:00-11:00`, `11-10..`.
        end: the last evidence; a month or a day without a year is the last one that began before it.

    Raises:
        ToolError: it names no date, or begins after the evidence ends.
    """
    days, _, hours = span.partition(" ") if ":" in span else (span, "", "")
    if hours and days in {"this", "last"}:
        word, _, hours = hours.partition(" ")
        days = f"{days} {word}"
    first, dots, last = days.partition("..")
    start, stop = _base(first, end)
    if dots:
        stop = _base(last, end)[1] if last else end
    if hours:
        begins, ends = hours.split("-")
        start, stop = _at(start, begins), _at(start, ends)
    stop = min(stop, end)
    if start >= stop:
        raise ToolError(
            ErrorCode.INVALID_ARGUMENTS,
            f"{span} has not happened yet: the last activity was at {end:%Y-%m-%d %H:%M} UTC.",
            remedy="Name a day or a month before that.",
        )
    label = f"since {span[:-2]}" if span.endswith("..") else span.replace("..", " to ")
    return Window(start, stop, f"{label}, UTC")


def _at(day: datetime, clock: str) -> datetime:
    hour, minute = (int(part) for part in clock.split(":"))
    try:
        return day.replace(hour=hour, minute=minute)
    except ValueError as error:
        raise ToolError(ErrorCode.INVALID_ARGUMENTS, f"There is no time {clock}.") from error


def _base(name: str, end: datetime) -> tuple[datetime, datetime]:
    """Start and end of one day or month."""
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    if name in {"today", "yesterday"}:
        day = midnight if name == "today" else midnight - _DAY
        return day, day + _DAY
    if name in {"this month", "last month"}:
        first = midnight.replace(day=1)
        first = first if name == "this month" else (first - _DAY).replace(day=1)
        return first, _next_month(first)
    if name in WEEKDAYS:
        day = midnight - timedelta(days=(midnight.weekday() - WEEKDAYS.index(name)) % _WEEK_DAYS)
        return day, day + _DAY
    if name in MONTHS:
        first = midnight.replace(day=1, month=MONTHS.index(name) + 1)
        first = first if first <= end else first.replace(year=first.year - 1)
        return first, _next_month(first)
    return _dated(name, midnight)


def _dated(name: str, midnight: datetime) -> tuple[datetime, datetime]:
    parts = name.split("-")
    try:
        numbers = [int(part) for part in parts]
        if len(parts[0]) == 4:  # noqa: PLR2004 - a year
            day = midnight.replace(
                year=numbers[0],
                month=numbers[1],
                day=numbers[2] if len(numbers) > 2 else 1,  # noqa: PLR2004
            )
            return day, (day + _DAY if len(numbers) > 2 else _next_month(day))  # noqa: PLR2004
        day = midnight.replace(month=numbers[0], day=numbers[1])
        day = day if day <= midnight else day.replace(year=day.year - 1)
    except (ValueError, IndexError) as error:
        raise ToolError(
            ErrorCode.INVALID_ARGUMENTS,
            f"{name!r} is no day or month.",
            remedy="Write 2026-11-23, 11-23, november or monday.",
        ) from error
    else:
        return day, day + _DAY


def _next_month(first: datetime) -> datetime:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
