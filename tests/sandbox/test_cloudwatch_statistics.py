"""Statistics, metric math and alarm states, against numpy, scipy and CloudWatch's own examples."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.sandbox.cloudwatch import alarm_rules
from lambda_autotuner.sandbox.cloudwatch.alarm_state import ALARM, INSUFFICIENT, OK, Rule, judge
from lambda_autotuner.sandbox.cloudwatch.expression_parser import ExpressionError, parse
from lambda_autotuner.sandbox.cloudwatch.expressions import evaluate
from lambda_autotuner.sandbox.cloudwatch.series import MetricData, aggregate, rounded_time
from lambda_autotuner.sandbox.cloudwatch.statistics import (
    group,
    parse_statistic,
    percentile,
    statistic_of,
)
from lambda_autotuner.sandbox.cloudwatch.values import Scope, Series

samples = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.floats(1e-3, 1e6, allow_nan=False),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=60,
)


def expanded(rows, bucket):
    return np.concatenate(
        [np.repeat(value, count) for b, value, count in rows if b == bucket] or [[]]
    )


def arrays(rows):
    rows = sorted(rows, key=lambda row: row[0])
    buckets, values, counts = zip(*rows, strict=True)
    return np.array(buckets, np.int64), np.array(values), np.array(counts, np.float64)


@settings(max_examples=150, deadline=None)
@given(rows=samples, percent=st.floats(0, 100))
def test_percentiles_are_numpys_on_the_expanded_samples(rows, percent):
    grouped = group(*arrays(rows))
    held = dict(zip(grouped.buckets.tolist(), percentile(grouped, percent).tolist(), strict=True))
    for bucket in range(5):
        values = expanded(rows, bucket)
        assert (bucket in held) == (len(values) > 0)
        if len(values):
            assert held[bucket] == pytest.approx(np.percentile(values, percent), rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(rows=samples, cut=st.integers(0, 49))
def test_trimmed_means_drop_whole_observations_like_scipy(rows, cut):
    grouped = group(*arrays(rows))
    statistic = parse_statistic(f"TM({cut}%:{100 - cut}%)")
    for bucket, value in zip(grouped.buckets, statistic_of(grouped, statistic), strict=True):
        values = expanded(rows, bucket)
        assert value == pytest.approx(scipy.stats.trim_mean(values, cut / 100 + 1e-12), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(rows=samples, name=st.sampled_from(["Sum", "Average", "Minimum", "Maximum", "SampleCount"]))
def test_simple_statistics_are_the_same_by_either_way(rows, name):
    buckets, values, counts = arrays([row for row in rows if row[2]] or [(0, 1.0, 1)])
    data = MetricData("None", buckets * 60_000, values, counts)
    points = aggregate(data, parse_statistic(name), 0, 60_000)
    grouped = group(buckets, values, counts)
    assert (points.timestamp_ms // 60_000).tolist() == grouped.buckets.tolist()
    assert points.values == pytest.approx(statistic_of(grouped, parse_statistic(name)), rel=1e-9)


def one(values, name):
    array = np.array(values, np.float64)
    grouped = group(np.zeros(len(array), np.int64), array, np.ones(len(array)))
    return float(statistic_of(grouped, parse_statistic(name))[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tm90", np.mean(range(1, 91))), ("TM(10%:)", np.mean(range(11, 101))),
        ("IQM", np.mean(range(26, 76))), ("TC(10%:90%)", 80), ("TS(:90%)", sum(range(1, 91))),
        ("wm90", (sum(range(1, 91)) + 10 * 90) / 100), ("PR(:25)", 25), ("PR(10:30)", 20),
        ("TM(90:)", np.mean(range(91, 101))), ("TC(:10)", 10), ("p50", 50.5), ("p99.9", 99.901),
    ],
)  # fmt: skip
def test_ranges_mean_what_the_user_guide_says(name, value):
    assert one(range(1, 101), name) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "name", ["p100.1", "p", "sum", "TM()", "TM(10%:9%)", "PR(1%:2%)", "TM(5:90%)"]
)
def test_other_names_are_no_statistics(name):
    assert parse_statistic(name) is None


def test_start_times_round_by_their_age():
    now = 1_700_000_000_000
    minute, day = 60_000, 86_400_000
    assert rounded_time(now - 1, minute, now) == (now - 1) // minute * minute
    assert rounded_time(now - 20 * day, minute, now) % 300_000 == 0
    assert rounded_time(now - 70 * day, minute, now) % 3_600_000 == 0
    assert rounded_time(now - 1, 10_000, now) % 10_000 == 0


TIMES = np.arange(10, dtype=np.int64) * 60_000
M1 = Series(TIMES, np.arange(10.0), 60_000, "one", "m1")
M2 = Series(TIMES[::2], np.arange(5.0) * 2, 60_000, "two", "m2")
SCOPE = Scope({"m1": M1, "m2": M2}, ["m1", "m2"], 0, 600_000, 60_000)


def value(text):
    return evaluate(parse(text), SCOPE)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m1 + m2", [0, 4, 8, 12, 16]),
        ("m1 * 2 - 1", [-1, 1, 3, 5, 7, 9, 11, 13, 15, 17]),
        ("2 ^ 3 ^ 2 + m2 * 0", [512] * 5),
        ("-m2", [0, -2, -4, -6, -8]),
        ("SUM(METRICS())", [0, 1, 4, 3, 8, 5, 12, 7, 16, 9]),
        ('MAX([m1, m2]) - MIN(METRICS("m"))', [0] * 10),
        ("FILL(m2, 0)", [0, 0, 2, 0, 4, 0, 6, 0, 8, 0]),
        ("FILL(m2, REPEAT)", [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]),
        ("FILL(m2, LINEAR)", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("RATE(m2)", [2 / 120] * 4),
        ("DIFF(m1)", [1] * 9),
        ("IF(m1 > 6, m1)", [7, 8, 9]),
        ("IF(m1 > 6 AND m1 < 9, m1, -1)", [-1] * 7 + [7, 8, -1]),
        ("m1 / m2", [1, 1, 1, 1]),
        ("RUNNING_SUM(m2)", [0, 2, 6, 12, 20]),
        ("m2 + AVG(m1)", [4.5, 6.5, 8.5, 10.5, 12.5]),
        ("m2 * PERIOD(m2)", [0, 120, 240, 360, 480]),
        ("FIRST([m2, m1])", [0, 2, 4, 6, 8]),
        ("SLICE(SORT(METRICS(), SUM, ASC), 1, 2) * 1", None),
        ("MINUTE(m1)", list(range(10))),
    ],
)
def test_metric_math(text, values):
    held = value(text)
    if isinstance(held, list):
        assert [item.id for item in held] == ["m1"]
        return
    assert held.values == pytest.approx(values)


@pytest.mark.parametrize(
    "text",
    ["", "m1 +", "m3", "NOPE(m1)", "SUM(1, 2)", "'a' + m1", "METRICS() + [m1]", "1 / 0", "((((m1", "m1 $ 2",
     "ANOMALY_DETECTION_BAND(m1)", "[1, 2]", "-" * 200 + "m1"],
)  # fmt: skip
def test_bad_expressions_are_refused_not_guessed(text):
    with pytest.raises(ExpressionError):
        value(text)


def points(*values):
    return [(index * 60_000, value) for index, value in enumerate(values)]


def state(values, *, periods=3, needed=None, missing="missing"):
    rule = Rule("GreaterThanThreshold", 10.0, periods, needed or periods, missing)
    return judge(rule, points(*values)).state


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ((0, 0, 11, 12, 13), {}, ALARM),
        ((0, 0, 11, 9, 13), {}, OK),
        ((0, 0, 11, 9, 13), {"needed": 2}, ALARM),
        ((0, 0, 11, 9, 8), {"needed": 2}, OK),
        ((None,) * 5, {}, INSUFFICIENT),
        ((None,) * 5, {"missing": "breaching"}, ALARM),
        ((None,) * 5, {"missing": "notBreaching"}, OK),
        ((None,) * 5, {"missing": "ignore"}, None),
        ((0, 0, 11, None, 13), {"missing": "breaching"}, ALARM),
        ((0, 0, 11, None, 13), {"missing": "notBreaching"}, OK),
        ((None, 12, 11, None, 13), {}, ALARM),  # the wider range has three that breach
        ((None, None, 11, None, 13), {}, None),
        ((10.0, 10.0, 10.0), {}, OK),
    ],
)
def test_alarm_states(values, options, expected):
    assert state(values, **options) == expected


def test_an_alarms_reason_is_cloudwatchs_sentence():
    rule = Rule("GreaterThanThreshold", 21.0, 1, 1, "ignore")
    assert judge(rule, [(0, 21.5)]).reason == (
        "Threshold Crossed: 1 datapoint [21.5 (01/01/70 00:00:00)] was greater than the threshold (21.0)."
    )
    rule = Rule("LessThanThreshold", 5.0, 3, 2, "missing")
    assert judge(rule, points(1, 9, 2)).reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [2.0 (01/01/70 00:02:00), 1.0 (01/01/70 00:00:00)] "
        "were less than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )


def test_composite_rules():
    states = {"a": "ALARM", "b": "OK", "c d": "INSUFFICIENT_DATA"}
    held = states.get

    def holds(rule):
        return alarm_rules.holds(rule, held)

    assert holds('ALARM(a) AND OK("b")')
    assert holds("ALARM(b) OR NOT (OK(a) AND TRUE)")
    assert holds('INSUFFICIENT_DATA("c d") AND ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:a)')
    assert not holds("FALSE OR OK(a)")
    assert alarm_rules.names('ALARM(a) OR (OK("b") AND ALARM(a))') == ["a", "b"]
    for bad in ("", "ALARM(a", "ALARM(a) OK(b)", "AND", "(" * 100):
        with pytest.raises(alarm_rules.RuleError):
            holds(bad)
