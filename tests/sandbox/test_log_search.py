"""A search that leaves invocations out finds what a reader of every line finds."""

from __future__ import annotations

import time

import pytest

from lambda_autotuner.sandbox.logs.patterns import Terms, matcher

GROUPS = ("report-generator-leaky", "timeout-loop", "order-events-consumer", "checkout-api")
PATTERNS = (
    "ERROR",
    "error",
    "?ERROR ?Exception ?Task",
    '?ERROR ?"nothing at all"',
    "REPORT",
    '"Init Duration"',
    "INIT_START",
    "RequestId -END -START",
    "-REPORT",
    '"timed out"',
    "signal: killed",
    "Duration: 1",
    "abc",
    "%Duration: [0-9]%",
    "?ERROR ?%Max Memory%",
)


def events(logs, group, start, end, pattern=""):
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{group}", startTime=start, endTime=end, filterPattern=pattern
    )
    return [(event["eventId"], event["message"]) for page in pages for event in page["events"]]


@pytest.mark.parametrize("group", GROUPS)
def test_a_search_finds_what_reading_every_line_finds(connect, group):
    logs = connect("logs")
    end = int(time.time() * 1000) - 60_000
    start = end - 900_000
    every = events(logs, group, start, end)
    for pattern in PATTERNS:
        meets = matcher(pattern)
        wanted = [event for event in every if meets(event[1])]
        assert events(logs, group, start, end, pattern) == wanted, pattern
    some = every[len(every) // 2][1] if every else "START RequestId: 0"
    part = some.split("RequestId: ")[1][:13] if "RequestId: " in some else "0"
    assert events(logs, group, start, end, f'"{part}"') == [e for e in every if part in e[1]]


@pytest.mark.parametrize("seconds", [3_600, 90.5])
def test_lines_stay_in_order_when_time_has_passed(connect, server, account_id, seconds):
    server.advance(seconds, account_id=account_id)
    logs = connect("logs")
    # Within a minute, so that what belongs to the one before could stray past the end.
    end = int(time.time()) // 60 * 60_000 - 50_000
    query = {
        "logGroupName": "/aws/lambda/auth-token-validator",
        "startTime": end - 70_000,
        "endTime": end,
    }
    pages = list(logs.get_paginator("filter_log_events").paginate(**query))
    times = [event["timestamp"] for page in pages for event in page["events"]]
    assert len(times) > 100
    assert times == sorted(times)
    assert query["startTime"] <= times[0] <= times[-1] <= query["endTime"]


def test_only_what_cannot_differ_rules_a_line_out():
    line = "REPORT RequestId: 0a-1b\tDuration: 12.34 ms\n"

    def never(pattern):
        terms = matcher(pattern)
        assert isinstance(terms, Terms)
        return terms.never_in(line)

    assert never("ERROR")
    assert never("?ERROR ?Exception")
    assert never('"Duration: 99 s"')
    assert not never("Duration: 99")
    assert not never("deadbeef")
    assert not never("?ERROR ?REPORT")
    assert not never("?ERROR ?%x%"), "a regex may meet anything"
    assert not never("-REPORT")
