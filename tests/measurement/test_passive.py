"""`recommend` against the embedded account, without one invocation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lambda_autotuner import measurement
from lambda_autotuner.aws.errors import MissingError
from lambda_autotuner.aws.functions import list_aliases
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import UsageError
from lambda_autotuner.measurement import Choices, NotApplicable
from lambda_autotuner.sandbox.process import SandboxProcess
from lambda_autotuner.sandbox.truth import Truth
from lambda_autotuner.settings import Settings, load_settings
from lambda_autotuner.sizing.telemetry import headroom
from lambda_autotuner.tuning import Configuration, NeedMoreData, Outcome, Settled

CHOICES = Choices.from_settings(Settings())


def test_nothing_is_invoked_or_changed(account: Account) -> None:
    account.calls.clear()
    result = measurement.recommend(account, "cart-service", choices=CHOICES)
    assert result.evidence.invocations() > 100
    assert {s.source for s in result.evidence} <= {"report_line", "metric"}
    reads = ("Get", "List", "Filter", "Describe")
    assert all(name.split(":")[1].startswith(reads) for name in account.calls)
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", ["cart-service", "image-resize", "thumbnail-avatar", "csv-import"])
def test_what_is_committed_holds_what_production_uses(account: Account, name: str) -> None:
    result = measurement.recommend(account, name, choices=CHOICES)
    truth = Truth(seed=7, functions=60).function(name)
    if isinstance(result.answer, Settled):
        assert result.answer.proposed.memory_mb >= truth.out_of_memory_below_mb
    else:
        assert isinstance(result.answer, NeedMoreData)
        assert result.answer.invocations
        assert result.answer.missing


@pytest.mark.parametrize(("name", "told"), [("static-site-router", True), ("csv-import", False)])
def test_the_mean_of_all_invocations_counts_where_hardly_any_failed_or_was_cold(
    account: Account, name: str, *, told: bool
) -> None:
    result = measurement.recommend(account, name, choices=CHOICES)
    lines = [s for s in result.evidence if s.source == "report_line"]
    others = sum(s.cold or s.outcome is not Outcome.OK for s in lines)
    assert (others <= 0.02 * len(lines)) is told
    weights = [s.weight for s in result.evidence if s.source == "metric"]
    assert bool(weights) is told
    assert all(weight > len(result.evidence) for weight in weights)


def test_a_function_that_nobody_calls(account: Account) -> None:
    result = measurement.recommend(account, "nobody-calls-me", choices=CHOICES)
    assert isinstance(result.answer, NeedMoreData)
    assert result.workload.invocations_per_month is None
    assert any("Nobody invoked it" in text for text in result.cautions)


def test_a_function_that_nobody_changed_for_years_is_seen_at_work(account: Account) -> None:
    changed = account.call("lambda", "GetFunctionConfiguration", FunctionName="legacy-soap-bridge")
    result = measurement.recommend(account, "legacy-soap-bridge", choices=CHOICES)
    assert result.window is not None
    modified = datetime.fromisoformat(changed["LastModified"])
    assert result.window.end - modified > timedelta(days=500)
    assert result.workload.invocations_per_month


def test_an_image_function_is_answered_with_a_caution(account: Account) -> None:
    result = measurement.recommend(account, "fraud-scoring", choices=CHOICES)
    assert any("container image" in text for text in result.cautions)


def test_an_unknown_function_names_the_nearest(account: Account) -> None:
    with pytest.raises(MissingError) as caught:
        measurement.recommend(account, "cart-servise", choices=CHOICES)
    assert "cart-service" in caught.value.nearest
    with pytest.raises(UsageError):
        measurement.recommend(account, "not a name!", choices=CHOICES)


def test_traffic_by_an_alias_is_what_is_sized(account: Account) -> None:
    name = "graphql-gateway"
    (alias, *_) = list_aliases(account, name)
    result = measurement.recommend(account, name, choices=CHOICES)
    assert result.qualifier == alias.name
    assert result.configuration.version == alias.version


def test_managed_instances_get_a_reason_instead_of_a_number(
    account: Account, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = account.call

    def call(service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        answer = original(service, operation, **parameters)
        if operation == "GetFunctionConfiguration":
            answer["CapacityProviderConfig"] = {
                "LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "arn:x"}
            }
        return answer

    monkeypatch.setattr(account, "call", call)
    result = measurement.recommend(account, released, choices=CHOICES)
    assert isinstance(result.answer, NotApplicable)
    assert "Managed Instances" in result.verdict
    assert result.to_dict()["recommendation"]["kind"] == "not_applicable"


def test_logs_that_may_not_be_read_leave_the_metrics(
    account: Account, sandbox: SandboxProcess
) -> None:
    sandbox.add_fault(kind="access-denied", operation="FilterLogEvents", account=account.account_id)
    try:
        result = measurement.recommend(account, "cart-service", choices=CHOICES)
    finally:
        sandbox.clear_faults()
    assert [s.source for s in result.evidence] == ["metric"]
    assert any("logs:FilterLogEvents" in text for text in result.cautions)


def test_the_same_account_gives_the_same_answer(account: Account) -> None:
    first, second = (
        measurement.recommend(account, "cart-service", choices=CHOICES).to_dict() for _ in range(2)
    )
    assert first["recommendation"]["kind"] == second["recommendation"]["kind"]


def test_choices_come_from_settings_and_guardrails_narrow_them() -> None:
    settings = load_settings(
        {
            "tuning.min_memory_mb": 256,
            "tuning.max_memory_mb": 4096,
            "guardrails.max_memory_mb": 2048,
            "tuning.memory_step_mb": 128,
            "tuning.objective": "slo:p95<500ms",
        },
        environ={},
    )
    found = Choices.from_settings(settings)
    sizes = found.space_for(Configuration(1000)).sizes_mb
    assert (sizes[0], sizes[-1]) == (256, 2048)
    assert 1000 in sizes
    assert found.with_sizes([512, 1024]).space_for(Configuration(1000)).sizes_mb == (512, 1024)
    with pytest.raises(UsageError, match="outside"):
        found.with_sizes([128])
    assert str(found.objective) == "slo:p95<500ms"
    both = replace(found, architectures=("x86_64", "arm64"))
    assert both.space_for(Configuration(512, "arm64")).architectures == ("arm64", "x86_64")


def test_guardrails_that_leave_nothing_are_an_error() -> None:
    settings = load_settings(
        {"tuning.min_memory_mb": 2048, "guardrails.max_memory_mb": 1024}, environ={}
    )
    with pytest.raises(UsageError, match="No memory size is left"):
        Choices.from_settings(settings)


def test_the_headroom_shrinks_with_what_was_seen() -> None:
    shares = [headroom(lines) for lines in (0, 49, 50, 299, 300, 5000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(0.15)
    assert shares[-1] == pytest.approx(0.05)
