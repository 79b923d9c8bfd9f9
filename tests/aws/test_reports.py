"""REPORT lines in every form that Lambda writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.aws.reports import Outcome, parse_report, percentile, report_statistics

WARM = (
    "REPORT RequestId: 5f2c\tDuration: 2.90 ms\tBilled Duration: 3 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 36 MB\t\n"
)
COLD = WARM.rstrip("\t\n") + "\tInit Duration: 110.10 ms\t\n"


def test_a_warm_start():
    found = parse_report(WARM, stream="2026/01/02/[$LATEST]abcdef")
    assert (found.duration_ms, found.billed_ms, found.memory_mb) == (2.9, 3, 128)
    assert (found.max_memory_used_mb, found.init_ms, found.cold) == (36, None, False)
    assert (found.outcome, found.version) == (Outcome.OK, "$LATEST")


def test_a_cold_start_and_a_restore():
    assert parse_report(COLD).init_ms == 110.1
    line = (
        WARM.rstrip("\t\n") + "\tRestore Duration: 512.11 ms\tBilled Restore Duration: 513 ms\t\n"
    )
    found = parse_report(line, stream="2026/01/02/[12]abcdef")
    assert (found.duration_ms, found.restore_ms, found.billed_restore_ms) == (2.9, 512.11, 513)
    assert found.cold
    assert found.version == "12"


def test_tracing_comes_on_a_line_of_its_own():
    line = WARM + "XRAY TraceId: 1-5e8\tSegmentId: 3f2\tSampled: true\t\n"
    assert parse_report(line).xray_trace_id == "1-5e8"


@pytest.mark.parametrize(
    ("tail", "outcome"),
    [
        ("Status: timeout", Outcome.TIMEOUT),
        ("Status: error\tError Type: Runtime.Unknown", Outcome.ERROR),
        ("Status: error\tError Type: Runtime.OutOfMemory", Outcome.OUT_OF_MEMORY),
    ],
)
def test_what_the_status_says(tail, outcome):
    assert parse_report(WARM.rstrip("\t\n") + f"\t{tail}\n").outcome is outcome


def test_memory_at_its_limit_tells_a_killed_process_from_an_exit():
    full = WARM.replace("Max Memory Used: 36", "Max Memory Used: 128").rstrip("\t\n")
    exited = "\tStatus: error\tError Type: Runtime.ExitError\n"
    assert parse_report(full + exited).outcome is Outcome.OUT_OF_MEMORY
    assert parse_report(WARM.rstrip("\t\n") + exited).outcome is Outcome.ERROR
    assert parse_report(full).outcome is Outcome.OK, "full and well is well"


def test_a_tail_log_says_what_its_report_line_does_not():
    tail = (
        "START RequestId: 5f2c Version: 3\n2026-01-01T00:00:00Z 5f2c Task timed out after 3.00 "
        f"seconds\n\nEND RequestId: 5f2c\n{WARM}"
    )
    assert parse_report(tail).outcome is Outcome.TIMEOUT


def test_spaces_from_copying_are_fine():
    assert parse_report(WARM.replace("\t", "    ")).billed_ms == 3


def test_json_logs():
    record = {
        "time": "2026-01-01T00:00:00Z",
        "type": "platform.report",
        "record": {
            "requestId": "5f2c",
            "status": "timeout",
            "metrics": {
                "durationMs": 3000.0,
                "billedDurationMs": 3000,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 54,
                "initDurationMs": 99.5,
            },
        },
    }
    found = parse_report(json.dumps(record))
    assert (found.outcome, found.init_ms, found.max_memory_used_mb) == (Outcome.TIMEOUT, 99.5, 54)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "START RequestId: 1",
        "{",
        "[]",
        '{"type": "platform.start"}',
        "REPORT RequestId: x\tDuration:",
    ],
)
def test_other_lines_are_none(text):
    assert parse_report(text) is None


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_nothing_that_a_function_logs_breaks_the_parser(text):
    parse_report(text)
    parse_report(f"REPORT RequestId: {text}")


def test_statistics_keep_sizes_apart():
    lines = [WARM, COLD, WARM.replace("128 MB", "256 MB").replace("2.90", "1.10")]
    found = report_statistics([parse_report(line) for line in lines])
    assert [(item.memory_mb, item.count, item.cold_count) for item in found] == [
        (128, 2, 1),
        (256, 1, 0),
    ]
    assert found[1].p95_duration_ms == 1.1
    assert found[0].cold_share == 0.5


def test_percentiles_interpolate():
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
    assert percentile([7], 0.99) == 7
    assert percentile([], 0.5) is None
