"""What befalls an invocation by chance befalls each for itself, also where one row is many."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.serving import Options, build_world
from lambda_autotuner.sandbox.wire.http import Request
from lambda_autotuner.sandbox.world import telemetry
from lambda_autotuner.sandbox.world.ageing import advance
from lambda_autotuner.sandbox.world.binomial import binomial
from lambda_autotuner.sandbox.world.invocations import Outcome

ACCOUNT = "123456789012"
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
NOW_MS = 1_790_000_040_000  # on the minute
BUSY = "recommendation-inference"


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(build_world(Options(now_ms=NOW_MS, settle_seconds=0)))


def columns(gateway, start_ms, end_ms):
    region = gateway.world.account(ACCOUNT).region("us-east-1")
    return telemetry.columns(region, BUSY, start_ms, end_ms)


def call(gateway, method, path, body):
    scope = f"Credential={ACCOUNT}/20260101/us-east-1/lambda/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    content = json.dumps(body).encode()
    response = gateway.handle(Request(method, path, "", headers, content)).response
    assert response.status < 400, response.body
    return json.loads(response.body)


def per_bucket(table, chosen, start_ms, minutes, buckets):
    place = (table.timestamp_ms - start_ms) // (minutes * MINUTE_MS)
    return np.bincount(place[chosen], table.weight[chosen], minlength=buckets)


@given(st.integers(1, 400), st.floats(0.0, 1.0), st.floats(1e-9, 1 - 1e-9, exclude_max=True))
def test_binomial_numbers_are_quantiles_of_the_binomial_law(of, chance, draw):
    found = int(binomial(np.array([of]), np.array([chance]), np.array([draw]))[0])
    assert 0 <= found <= of
    if of == 1:
        assert found == (draw < chance)
    elif min(chance, 1 - chance) * of <= 50:
        # One step of the distribution function is what rounding may cost.
        law = stats.binom(of, chance)
        assert law.sf(found) <= draw + 1e-9
        assert found == 0 or law.sf(found - 1) >= draw - 1e-9


def test_errors_and_cold_starts_of_a_busy_function_do_not_come_in_lumps(gateway):
    start, buckets = NOW_MS - 4 * DAY_MS, 4 * 24 * 4
    table = columns(gateway, start, NOW_MS)
    assert table.weight.max() > 10
    for chosen in (table.outcome == Outcome.ERROR, ~np.isnan(table.init_ms)):
        counts = per_bucket(table, chosen, start, 15, buckets)
        asked = per_bucket(table, np.ones(len(table), dtype=bool), start, 15, buckets)
        expected = asked * counts.sum() / asked.sum()
        # Independent events scatter as a Poisson number does: this is near 1, 30 with lumps.
        assert ((counts - expected) ** 2 / expected).mean() < 1.6


def test_a_canary_gets_its_share_of_single_invocations(gateway):
    base = f"/2015-03-31/functions/{BUSY}"
    call(gateway, "PUT", f"{base}/configuration", {"MemorySize": 2688})
    version = call(gateway, "POST", f"/2015-03-31/functions/{BUSY}/versions", {})["Version"]
    routing = {"RoutingConfig": {"AdditionalVersionWeights": {version: 0.05}}}
    call(gateway, "PUT", f"{base}/aliases/live", routing)
    advance(gateway.world.account(ACCOUNT), 6 * 3_600_000)
    # The change itself came a few requests after the full minute.
    start = NOW_MS - 6 * 3_600_000 + MINUTE_MS
    table = columns(gateway, start, NOW_MS)
    canary = table.version == table.versions.index(version)
    total = table.weight.sum()
    number = table.weight[canary].sum()
    assert number == pytest.approx(0.05 * total, abs=4 * (0.05 * 0.95 * total) ** 0.5)
    # The figures of a canary rest on nearly as many distinct durations as there are invocations.
    assert len(np.unique(table.duration_ms[canary])) > 0.75 * number
    single = table.expand()
    assert len(single) == total
    assert len(np.unique(single.key)) == total
    assert set(single.timestamp_ms // MINUTE_MS) == set(table.timestamp_ms // MINUTE_MS)
    expected = columns_without_canary(start)
    assert total == expected


def columns_without_canary(start):
    other = Gateway(build_world(Options(now_ms=NOW_MS, settle_seconds=0)))
    advance(other.world.account(ACCOUNT), 6 * 3_600_000)
    return columns(other, start, NOW_MS).weight.sum()
