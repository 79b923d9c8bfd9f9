"""What is said beside memory, and what a reader gets as JSON."""

from __future__ import annotations

import json

import pytest

from lambda_autotuner.tuning import (
    Configuration,
    CostUnderSlo,
    Evidence,
    LowestCost,
    Model,
    Policy,
    PriceBook,
    Sample,
    Space,
    Topic,
    Workload,
)
from lambda_autotuner.tuning.infrastructure import infrastructure_lines
from lambda_autotuner.tuning.verdict import conclude

RATES = PriceBook.load().all_rates("us-east-1")


def answer(samples, objective=None, current=None, **workload):
    workload.setdefault("cold_rate", 0.0)
    model = Model(Evidence(samples), Workload(**workload), RATES)
    space = Space.range(128, 2_048, step=128)
    return conclude(model, space, objective or LowestCost(), Policy(), current=current)


def waiting(memory_mb, mean_ms=900.0, used=60, **more):
    factors = (0.97, 1.0, 1.03, 0.99, 1.01)
    return [
        Sample(memory_mb, "x86_64", mean_ms * f, max_memory_used_mb=used, **more) for f in factors
    ]


def topics(found):
    return {advice.topic: advice for advice in found.advice}


def test_a_loose_timeout_is_lowered_and_a_tight_one_raised():
    samples = waiting(128) + waiting(1_024)
    loose = topics(answer(samples, timeout_ms=900_000.0))[Topic.TIMEOUT]
    assert "Lower" in loose.action
    assert 3 <= loose.setting["timeout_s"] <= 10
    tight = topics(answer(samples, timeout_ms=1_200.0))[Topic.TIMEOUT]
    assert "Raise" in tight.action
    assert Topic.TIMEOUT not in topics(answer(samples, timeout_ms=5_000.0))
    assert Topic.TIMEOUT not in topics(answer(samples))


def test_idle_provisioned_concurrency_is_worth_money():
    samples = waiting(128) + waiting(1_024)
    found = answer(samples, invocations_per_month=1e5, provisioned_concurrency=10)
    advice = topics(found)[Topic.CONCURRENCY]
    assert advice.setting["provisioned_concurrency"] == 0
    assert advice.month_usd > 0
    busy = answer(samples, invocations_per_month=3e7, provisioned_concurrency=2)
    assert Topic.CONCURRENCY not in topics(busy)


def test_memory_that_is_nearly_full_is_warned_about():
    samples = waiting(128, used=124) + waiting(1_024, used=130)
    assert Topic.MEMORY_PRESSURE in topics(answer(samples))
    roomy = waiting(128) + waiting(1_024)
    assert Topic.MEMORY_PRESSURE not in topics(answer(roomy))


def test_what_would_change_the_answer_is_computed():
    cold = [Sample(m, "x86_64", 900.0, init_ms=20.0) for m in (128, 1_024)]
    work = [s for m in (128, 256, 512, 1_024) for s in waiting(m, 300 + 2e5 / m)]
    found = answer([*work, *cold])
    assert any("next at" in text for text in found.changes_answer)
    slo = answer(work, CostUnderSlo(95, 700.0))
    assert any("SLO" in text for text in slo.changes_answer)


def test_lines_for_templates():
    lines = infrastructure_lines(
        Configuration(512, "arm64"), current=Configuration(256), timeout_s=9
    )
    assert lines["sam"].splitlines() == ["MemorySize: 512", "Architectures: [arm64]", "Timeout: 9"]
    assert 'architectures = ["arm64"]' in lines["terraform"]
    assert "memorySize: 512" in lines["serverless"]
    same = infrastructure_lines(Configuration(512), current=Configuration(256))
    assert same["terraform"] == "memory_size = 512"


def test_every_kind_of_answer_is_plain_json():
    samples = waiting(128) + waiting(1_024)
    answers = [
        answer(samples, current=Configuration(1_024), invocations_per_month=1e6),
        answer(samples, current=Configuration(128)),
        answer([]),
        answer(samples, CostUnderSlo(99, 5.0)),
    ]
    kinds = [json.loads(json.dumps(a.to_dict(), allow_nan=False))["kind"] for a in answers]
    assert kinds == ["change", "keep", "need_more_data", "infeasible"]


def test_what_is_unknown_is_said():
    found = answer(waiting(128) + waiting(1_024), cold_rate=None)
    assert any("cold" in note for note in found.notes)
    assert any("volume" in note for note in found.notes)
    assert found.proposed.month_usd is None


def test_a_saving_is_an_interval_that_holds_the_difference():
    found = answer(
        waiting(128) + waiting(1_024), current=Configuration(1_024), invocations_per_month=1e6
    )
    value = 1 - found.proposed.cost_usd.value / found.current.cost_usd.value
    assert found.saving_pct.value == pytest.approx(100 * value)
    assert found.saving_pct.low > 50
    assert found.tied[0] == Configuration(128)
    assert found.fastest_tied in found.tied
