"""Filter patterns and the Insights language, by themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lambda_autotuner.sandbox.logs.insights import QueryError, Table, parse, run
from lambda_autotuner.sandbox.logs.insights.columns import Column, as_texts, objects
from lambda_autotuner.sandbox.logs.insights_tables import about_reports, countable, discover
from lambda_autotuner.sandbox.logs.pattern_values import PatternError
from lambda_autotuner.sandbox.logs.patterns import matcher

JSON = json.dumps(
    {
        "level": "ERROR", "took": 120.5, "user": {"id": "u-17", "tags": ["a", "b"]}, "ok": False,
        "none": None, "path": "/orders/42",
    }
)  # fmt: skip
LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("ERROR", "[ERROR] boom", True),
        ("error", "[ERROR] boom", False),
        ("ERROR boom", "boom ERROR", True),
        ("ERROR -boom", "boom ERROR", False),
        ("?ERROR ?WARN", "a WARN b", True),
        ("?ERROR ?WARN", "fine", False),
        ('"Task timed out"', "x Task timed out after", True),
        ('"Task timed out"', "timed Task out", False),
        ('"say \\"hi\\""', 'they say "hi"', True),
        ("%ERR(OR)?:\\s\\d+%", "ERR: 42", True),
        ("%^REPORT%", "no REPORT", False),
        ('{ $.level = "ERROR" }', JSON, True),
        ('{ $.level = "WARN" }', JSON, False),
        ('{ $.level = "ERR*" && $.took > 100 }', JSON, True),
        ("{ $.took >= 120.5 || $.nope = 1 }", JSON, True),
        ("{ $.took < 100 }", JSON, False),
        ('{ $.user.id != "u-18" }', JSON, True),
        ('{ $.nope != "u-18" }', JSON, False),
        ('{ $.user.tags[1] = "b" }', JSON, True),
        ('{ $.user.tags[*] = "a" }', JSON, True),
        ("{ $.ok IS FALSE }", JSON, True),
        ("{ $.none IS NULL }", JSON, True),
        ("{ $.nope NOT EXISTS }", JSON, True),
        ("{ $.none NOT EXISTS }", JSON, False),
        ("{ $.path = %orders/\\d+% }", JSON, True),
        ('{ ($.level = "WARN") || ($.ok IS FALSE && $.took > 1) }', JSON, True),
        ('{ $.level = "ERROR" }', "not json", False),
        ("[ip, id, user, time, request, status = 4*, size]", LINE, True),
        ("[ip, id, user, time, request, status = 4*, size > 2000]", LINE, False),
        ('[ip, ..., request = "GET*", status = 404 || status = 410, size]', LINE, True),
        ("[ip, user]", LINE, False),
        ("", "anything", True),
    ],
)
def test_filter_patterns(pattern, message, matches):
    test = matcher(pattern)
    assert (test is None or test(message)) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a = }",
        "{ a = 1 }",
        "{ $.a = 1",
        "[a, ..., ..., b]",
        "%(%",
        "%(a+)+%",
        "{ $.a > x }",
        "x" * 1025,
        "a(b",
    ],
)
def test_bad_patterns_are_refused(pattern):
    with pytest.raises(PatternError):
        matcher(pattern)


ROWS = 10
DURATIONS = np.linspace(10, 100, ROWS)
COLUMNS = {
    "@timestamp": Column(np.arange(ROWS) * 60_000.0, "time"),
    "@duration": Column(DURATIONS, "raw"),
    "@memorySize": Column(np.full(ROWS, 1.28e8), "raw"),
    "@type": objects(["REPORT"] * 9 + ["START"]),
    "@message": objects([f"REPORT RequestId: {n}\tDuration: {d:.2f} ms" for n, d in enumerate(DURATIONS)]),
    "host": objects(["a", "b"] * 5),
    "code": objects(["200", "404", None, "500", "200"] * 2),
}  # fmt: skip


def ask(text, weights=None):
    def load(name, index):
        return COLUMNS.get(name, Column(np.full(ROWS, np.nan))).take(index)

    table = Table(load, np.arange(ROWS), np.ones(ROWS) if weights is None else weights)
    outcome = run(parse(text), table, now_ms=1_700_000_000_000, limit=None)
    columns = [as_texts(column) for column in outcome.columns]
    return [dict(zip(outcome.names, row, strict=True)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("fields @duration | sort @duration desc | limit 2", [{"@duration": "100.0"}, {"@duration": "90.0"}]),
        ("fields @duration | limit 1", [{"@duration": "100.0"}]),  # the newest comes first
        ("sort @timestamp asc | fields @timestamp, host | limit 1",
         [{"@timestamp": "1970-01-01 00:00:00.000", "host": "a"}]),
        ('filter @type = "REPORT" | stats count(*) as n', [{"n": "9"}]),
        ("filter @type != 'REPORT' | stats count()", [{"count()": "1"}]),
        ("stats avg(@duration), max(@duration) - min(@duration) as spread by bin(5m)",
         [{"bin(5m)": "1970-01-01 00:00:00.000", "avg(@duration)": "30", "spread": "40"},
          {"bin(5m)": "1970-01-01 00:05:00.000", "avg(@duration)": "80", "spread": "40"}]),
        ("stats pct(@duration, 95) as p95, stddev(@duration) as sd, sum(@duration)",
         [{"p95": "95.5", "sd": "28.7228", "sum(@duration)": "550"}]),
        ("stats count(code) as n, count_distinct(code) as kinds by host | sort host desc",
         [{"host": "b", "n": "4", "kinds": "3"}, {"host": "a", "n": "4", "kinds": "3"}]),
        ("parse @message 'Duration: * ms' as d | filter d > 85 | display d",
         [{"d": "100.00"}, {"d": "90.00"}]),
        (r"parse @message /RequestId: (?<id>\d+)/ | filter id in ['3', '4'] and host like /^b/ | display id",
         [{"id": "3"}]),
        ("filter code >= 400 | stats count(*) by code | sort code",
         [{"code": "404", "count(*)": "2"}, {"code": "500", "count(*)": "2"}]),
        ("filter not ispresent(code) | fields concat(host, '-', toupper(host)) as h | dedup h",
         [{"h": "b-B"}, {"h": "a-A"}]),
        ("fields coalesce(code, 'none') as c, strlen(host) as l | limit 3 | sort c desc",
         [{"c": "none", "l": "1"}, {"c": "500", "l": "1"}, {"c": "200", "l": "1"}]),
        ("stats max(@memorySize / 1000 / 1000) as mb, max(@memorySize / 1024 / 1024) as mib",
         [{"mb": "128", "mib": "122.0703"}]),
        ("stats avg(@duration) as d by host | stats max(d) as worst", [{"worst": "60"}]),
        ("stats max(@duration) as most, min(@duration) as least, most - least as span",
         [{"most": "100", "least": "10", "span": "90"}]),
        ("stats earliest(host) as first, latest(host) as last", [{"first": "a", "last": "b"}]),
        ("filter @duration > 1000 | stats count(*) as n, avg(@duration) as d", []),
        ("fields @memorySize | limit 1", [{"@memorySize": "1.28E8"}]),
        ("# a comment\nfields floor(@duration / 30) as g # and one more\n| stats count(*) as n by g | sort n desc, g | limit 1",
         [{"g": "1", "n": "3"}]),
        ("fields datefloor(@timestamp, 5m) as t, if(@duration > 50, 'slow', 'fast') as s | limit 1",
         [{"t": "1970-01-01 00:05:00.000", "s": "slow"}]),
        ("filter host = 'a' or (host = 'b' and @duration < 25) | stats count(*) as n", [{"n": "6"}]),
    ],
)  # fmt: skip
def test_insights_queries(text, rows):
    assert ask(text) == rows


def test_weights_count_like_so_many_rows():
    weights = np.arange(1.0, ROWS + 1)
    many = np.repeat(DURATIONS, weights.astype(int))
    (row,) = ask(
        "stats count(*) as n, avg(@duration) as a, pct(@duration, 90) as p, stddev(@duration) as s",
        weights,
    )
    assert float(row["n"]) == len(many)
    assert float(row["a"]) == pytest.approx(many.mean(), abs=1e-4)
    assert float(row["p"]) == pytest.approx(np.percentile(many, 90), abs=1e-4)
    assert float(row["s"]) == pytest.approx(many.std(), abs=1e-4)


@pytest.mark.parametrize(
    "text",
    ["", "foo x", "fields", "filter @a ==", "stats @duration", "stats max(@duration) as a, a - b as c", "stats b - 1 as c, max(@duration) as b", "stats pct(@duration)", "stats pct(@duration, 101)",
     "limit 0", "limit x", "parse @message 'a * b *' as one", "parse @message /(/", "fields nosuch(@a)",
     "filter @a like", "sort", "fields 'unclosed", "fields a | | fields b", "stats count(*) by bin(x)",
     "filter " + "(" * 80 + "a", "fields sum(@duration)", "fields a; fields b"],
)  # fmt: skip
def test_malformed_queries_are_refused_not_guessed(text):
    with pytest.raises(QueryError):
        ask(text)


@pytest.mark.parametrize(
    ("text", "reports", "counts"),
    [
        ('filter @type = "REPORT" | stats avg(@duration)', True, True),
        ("filter @message like /^REPORT/ | parse @message 'Max Memory Used: * MB' as m | stats max(m) by bin(1h)", True, True),
        ('filter @type = "REPORT" and @duration > 5 | stats count_distinct(@requestId)', True, False),
        ('filter @type = "REPORT" or @type = "END" | stats count(*)', False, True),
        ("filter @message like /ERROR/ | stats count(*) by bin(1m)", False, True),
        ('filter @type = "REPORT" | stats count(*) by bin(10s)', True, False),
        ("stats count(*) by @type", False, True),
        ('filter @type = "REPORT" | sort @duration desc | limit 5', True, False),
    ],
)  # fmt: skip
def test_which_queries_run_over_columns(text, reports, counts):
    commands = parse(text)
    assert (about_reports(commands), countable(commands)) == (reports, counts)


def test_fields_are_discovered_as_aws_discovers_them():
    report = (
        "REPORT RequestId: 0d193e55-aa5f-4b8b-a9b0-514c0d820751\tDuration: 3010.74 ms\tBilled Duration: 3011 ms\t"
        "Memory Size: 256 MB\tMax Memory Used: 150 MB\tInit Duration: 88.10 ms\t\n"
    )
    assert discover(report) == {
        "@type": "REPORT", "@requestId": "0d193e55-aa5f-4b8b-a9b0-514c0d820751", "@duration": 3010.74,
        "@billedDuration": 3011.0, "@memorySize": 256e6, "@maxMemoryUsed": 150e6, "@initDuration": 88.1,
    }  # fmt: skip
    assert discover(JSON)["user.tags.0"] == "a"
    assert discover("plain words") == {}
