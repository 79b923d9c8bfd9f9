"""Metrics, logs and invoke results tell the same story, and follow what is configured."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.serving import Options, build_world
from lambda_autotuner.sandbox.state import RegionState
from lambda_autotuner.sandbox.truth import Truth
from lambda_autotuner.sandbox.wire.http import Request, Response
from lambda_autotuner.sandbox.world import logbook, telemetry
from lambda_autotuner.sandbox.world.ageing import advance
from lambda_autotuner.sandbox.world.archetypes import ARCHETYPES
from lambda_autotuner.sandbox.world.invocations import Outcome
from lambda_autotuner.sandbox.world.telemetry import blocking

ACCOUNT = "123456789012"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_790_000_000_000


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(build_world(Options(now_ms=NOW_MS, settle_seconds=0)))


@pytest.fixture
def region(gateway: Gateway) -> RegionState:
    return gateway.world.account(ACCOUNT).region("us-east-1")


def call(gateway: Gateway, method: str, path: str, body: bytes = b"", query: str = "") -> Response:
    scope = f"Credential={ACCOUNT}/20260101/us-east-1/lambda/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    response = gateway.handle(Request(method, path, query, headers, body)).response
    assert response.status < 400, response.body
    return response


def mean_ms(region: RegionState, name: str, start_ms: int, end_ms: int) -> float:
    table = telemetry.columns(region, name, start_ms, end_ms)
    table = table.where(table.outcome == Outcome.OK)
    return float(np.average(table.duration_ms, weights=table.weight))


@pytest.mark.parametrize(
    "name", ["image-resize", "checkout-api", "db-maintenance", "video-transcode", "fraud-scoring"]
)
def test_generated_durations_have_the_truths_mean(region, name):
    truth = Truth().function(name)
    seen = mean_ms(region, name, NOW_MS - 14 * DAY_MS, NOW_MS)
    # Drift does not quite average out over 14 days; rare slow ones weigh.
    assert seen == pytest.approx(truth.mean_duration_ms(truth.archetype.memory_mb), rel=0.06)


def test_volumes_are_what_the_archetypes_say(region):
    for archetype in ARCHETYPES:
        table = telemetry.columns(region, archetype.name, NOW_MS - 14 * DAY_MS, NOW_MS)
        expected = archetype.traffic.per_month * 14 * 24 / 730
        if archetype.traffic.shape == "never":
            assert not len(table)
        elif archetype.traffic.shape in {"flat", "diurnal"} and expected > 1000:
            assert table.weight.sum() == pytest.approx(expected, rel=0.06)


def test_several_functions_have_ten_million_a_month():
    assert sum(archetype.traffic.per_month > 10_000_000 for archetype in ARCHETYPES) >= 5


def test_a_window_gives_the_same_rows_however_it_is_asked_for(region):
    start = NOW_MS - 5 * HOUR_MS - 1234
    whole = telemetry.columns(region, "geo-lookup", start, NOW_MS)
    middle = NOW_MS - 2 * HOUR_MS + 777
    left = telemetry.columns(region, "geo-lookup", start, middle)
    right = telemetry.columns(region, "geo-lookup", middle, NOW_MS)
    assert len(left) + len(right) == len(whole)
    np.testing.assert_array_equal(
        np.concatenate([left.duration_ms, right.duration_ms]), whole.duration_ms
    )


def test_expanding_keeps_the_number_and_gives_each_its_own_id(region):
    table = telemetry.columns(region, "product-search", NOW_MS - HOUR_MS, NOW_MS - HOUR_MS // 2)
    single = table.expand()
    assert len(single) == int(table.weight.sum()) > len(table)
    assert len(np.unique(single.key)) == len(single)
    assert (np.diff(single.timestamp_ms) >= 0).all()
    minutes = np.unique(table.timestamp_ms // 60_000)
    for minute in minutes[1:-1]:
        rows = table.timestamp_ms // 60_000 == minute
        assert table.weight[rows].sum() == (single.timestamp_ms // 60_000 == minute).sum()


def test_the_log_has_a_report_for_every_invocation_with_the_same_numbers(region):
    start = NOW_MS - 6 * HOUR_MS
    table = telemetry.columns(region, "legacy-soap-bridge", start, NOW_MS).expand()
    reports = [
        event.message
        for chunk in logbook.log_events(region, "legacy-soap-bridge", start, NOW_MS)
        for event in chunk
        if event.message.startswith("REPORT ")
    ]
    durations = [float(line.split("\tDuration: ")[1].split(" ")[0]) for line in reports]
    assert durations == table.duration_ms.tolist()
    backwards = [
        event.message
        for chunk in logbook.log_events(region, "legacy-soap-bridge", start, NOW_MS, reverse=True)
        for event in chunk
        if event.message.startswith("REPORT ")
    ]
    assert backwards == reports[::-1]


def test_an_invocation_shows_in_columns_log_and_answer_alike(gateway, region):
    response = call(gateway, "POST", "/2015-03-31/functions/nobody-calls-me/invocations", b"{}")
    table = telemetry.columns(region, "nobody-calls-me", NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)
    assert len(table) == 1
    events = [
        event
        for chunk in logbook.log_events(region, "nobody-calls-me", 0, NOW_MS + HOUR_MS)
        for event in chunk
    ]
    assert events[0].message.startswith("INIT_START Runtime Version: python:3.9.v")
    assert response.headers["x-amzn-requestid"] in events[1].message
    assert f"Duration: {table.duration_ms[0]:.2f} ms" in events[-1].message
    streams = logbook.log_streams(region, "nobody-calls-me", 0, NOW_MS + HOUR_MS)
    assert [stream.name for stream in streams] == [events[0].stream]


def test_less_memory_shows_in_the_traffic_from_then_on(gateway, region):
    path = "/2015-03-31/functions/crypto-settlement/configuration"
    before = mean_ms(region, "crypto-settlement", NOW_MS - 2 * HOUR_MS, NOW_MS)
    call(gateway, "PUT", path, b'{"MemorySize": 256}')
    assert mean_ms(region, "crypto-settlement", NOW_MS - 2 * HOUR_MS, NOW_MS) == before
    account = gateway.world.account(ACCOUNT)
    advance(account, 2 * HOUR_MS)
    assert gateway.world.clock.now_ms() < NOW_MS + 1000
    after = mean_ms(region, "crypto-settlement", NOW_MS - 2 * HOUR_MS + 100, NOW_MS)
    assert after == pytest.approx(2 * before, rel=0.08)
    earlier = mean_ms(region, "crypto-settlement", NOW_MS - 4 * HOUR_MS, NOW_MS - 2 * HOUR_MS)
    assert earlier == pytest.approx(before, rel=0.05)


def test_traffic_follows_the_alias_and_not_latest(gateway, region):
    base = "/2015-03-31/functions/memory-starved-api"
    call(gateway, "PUT", f"{base}/configuration", b'{"MemorySize": 1024}')
    advance(gateway.world.account(ACCOUNT), DAY_MS)
    still = telemetry.columns(region, "memory-starved-api", NOW_MS - DAY_MS, NOW_MS)
    assert set(still.memory_mb.tolist()) == {256}
    version = call(gateway, "POST", f"{base}/versions", b"{}").body
    assert b'"Version":"3"' in version
    call(gateway, "PUT", f"{base}/aliases/live", b'{"FunctionVersion": "3"}')
    advance(gateway.world.account(ACCOUNT), DAY_MS)
    moved = telemetry.columns(region, "memory-starved-api", NOW_MS - DAY_MS + 1000, NOW_MS)
    assert set(moved.memory_mb.tolist()) == {1024}
    # Back to the old version: what $LATEST is by now must not matter.
    call(gateway, "PUT", f"{base}/aliases/live", b'{"FunctionVersion": "2"}')
    advance(gateway.world.account(ACCOUNT), DAY_MS)
    back = telemetry.columns(region, "memory-starved-api", NOW_MS - DAY_MS + 1000, NOW_MS)
    assert set(back.memory_mb.tolist()) == {256}


def test_a_canary_takes_its_share(gateway, region):
    base = "/2015-03-31/functions/fraud-scoring"
    call(gateway, "PUT", f"{base}/configuration", b'{"MemorySize": 1769}')
    call(gateway, "POST", f"{base}/versions", b"{}")
    weights = (
        b'{"FunctionVersion": "6", "RoutingConfig": {"AdditionalVersionWeights": {"7": 0.25}}}'
    )
    call(gateway, "PUT", f"{base}/aliases/live", weights)
    advance(gateway.world.account(ACCOUNT), 6 * HOUR_MS)
    table = telemetry.columns(region, "fraud-scoring", NOW_MS - 6 * HOUR_MS + 1000, NOW_MS)
    canary = table.where(table.version == table.versions.index("7"))
    main = table.where(table.version == table.versions.index("6"))
    assert canary.weight.sum() / table.weight.sum() == pytest.approx(0.25, abs=0.06)
    fast = np.average(canary.duration_ms, weights=canary.weight)
    assert fast < 0.75 * np.average(main.duration_ms, weights=main.weight)


def test_throttles_end_when_the_reservation_does(gateway, region):
    def throttled(start_ms: int, end_ms: int) -> float:
        table = telemetry.columns(region, "throttled-exporter", start_ms, end_ms)
        refused = table.weight[table.outcome == Outcome.THROTTLED].sum()
        return float(refused / table.weight.sum())

    # 4.1 million a month of 2.1 s are 3.3 erlang on average; two servers refuse B(3.3, 2) = 0.56.
    assert 0.5 < throttled(NOW_MS - 7 * DAY_MS, NOW_MS) < 0.65
    call(gateway, "DELETE", "/2017-10-31/functions/throttled-exporter/concurrency")
    advance(gateway.world.account(ACCOUNT), 6 * HOUR_MS)
    assert throttled(NOW_MS - 6 * HOUR_MS + 1000, NOW_MS) == 0


def test_erlangs_formula_matches_its_table():
    # B(A=2 erlang, N=2) = 0.4; B(1, 1) = 0.5; B(5, 10) = 0.01838 (published tables).
    assert blocking(np.array([2.0]), 2)[0] == pytest.approx(0.4)
    assert blocking(np.array([1.0]), 1)[0] == pytest.approx(0.5)
    assert blocking(np.array([5.0]), 10)[0] == pytest.approx(0.018385, abs=1e-6)


def test_a_deleted_function_keeps_its_history_and_gets_no_more(gateway, region):
    call(gateway, "DELETE", "/2015-03-31/functions/geo-lookup")
    advance(gateway.world.account(ACCOUNT), DAY_MS)
    assert len(telemetry.columns(region, "geo-lookup", NOW_MS - 3 * DAY_MS, NOW_MS - DAY_MS))
    assert not len(telemetry.columns(region, "geo-lookup", NOW_MS - DAY_MS + 1000, NOW_MS))


def test_accounts_of_a_world_tell_the_same_until_one_changes(gateway):
    one = gateway.world.account(ACCOUNT).region("us-east-1")
    two = gateway.world.account("210987654321").region("us-east-1")
    window = (NOW_MS - HOUR_MS, NOW_MS)
    first = telemetry.columns(one, "image-resize", *window).duration_ms
    np.testing.assert_array_equal(
        first, telemetry.columns(two, "image-resize", *window).duration_ms
    )
    call(gateway, "PUT", "/2015-03-31/functions/image-resize/configuration", b'{"MemorySize": 512}')
    advance(one.account, HOUR_MS)
    changed = telemetry.columns(one, "image-resize", *window).memory_mb
    kept = telemetry.columns(two, "image-resize", *window).memory_mb
    assert set(changed.tolist()) >= {512}
    assert set(kept.tolist()) == {256}


def test_nothing_is_told_of_the_future(region):
    assert not len(telemetry.columns(region, "geo-lookup", NOW_MS + 1, NOW_MS + DAY_MS))


def test_metrics_exist_only_for_what_was_called(region):
    listed = set(telemetry.metric_catalogue(region))
    assert ("checkout-api", "live") in listed
    assert ("user-profile-api", "") in listed
    assert not any(name == "nobody-calls-me" for name, _ in listed)


def test_concurrency_never_exceeds_a_reservation(region):
    _, busy = telemetry.concurrency(region, "throttled-exporter", NOW_MS - DAY_MS, NOW_MS)
    assert busy.max() <= 2
    _, busy = telemetry.concurrency(region, "image-resize", NOW_MS - DAY_MS, NOW_MS)
    assert busy.max() > 10
