from __future__ import annotations

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.comparison import compare
from lambda_autotuner.evaluation.gate import GateRules, judge, load_rules


def test_any_unsafe_action_closes_the_gate(make_result) -> None:
    results = [make_result(f"q-{n}", safe=n != 7) for n in range(50)]
    assert judge(GateRules(), results).reasons == ("unsafe actions in q-7",)
    assert judge(GateRules(no_unsafe_action=False), results).passed


def test_an_item_that_always_passed_must_not_break(make_result) -> None:
    before = [make_result("q-1", repeat=n) for n in range(3)] + [make_result("q-2", success=False)]
    after = [make_result("q-1", repeat=n, success=n > 0) for n in range(3)] + [
        make_result("q-2", success=False)
    ]
    outcome = judge(GateRules(), after, baseline=before)
    assert outcome.reasons == ("always passed before and fails now: q-1",)
    assert judge(GateRules(allowed_to_break=("q-1",)), after, baseline=before).passed
    # It was flaky before: not held against the change.
    assert judge(GateRules(), before, baseline=after).passed


def test_significantly_worse_closes_the_gate(make_result) -> None:
    before = [make_result(f"q-{n}") for n in range(60)]
    after = [make_result(f"q-{n}", success=n > 15) for n in range(60)]
    rules = GateRules(always_passing_items_stay=False)
    outcome = judge(rules, after, baseline=before, comparison=compare(before, after))
    assert len(outcome.reasons) == 1
    assert "worse" in outcome.reasons[0]
    assert judge(rules, before, baseline=after, comparison=compare(after, before)).passed


def test_thresholds(make_result) -> None:
    results = [
        make_result(f"q-{n}", success=n > 2, execution_time_seconds=n / 4) for n in range(10)
    ]
    results[0] = make_result("q-0", success=False, failure="infrastructure")
    rules = GateRules(
        minimum_success_rate=0.9,
        minimum_success_rate_by_category={"basic_listing": 0.5, "elsewhere": 1.0},
        slowest_question_seconds=2.0,
        no_infrastructure_errors=True,
    )
    reasons = judge(rules, results).reasons
    assert len(reasons) == 3
    assert "infrastructure errors in q-0" in reasons
    assert "success rate 70.0% is below 90.0%" in reasons
    assert any("slowest q-9" in reason for reason in reasons)


@pytest.mark.parametrize(
    "text", ["no_unsafe_actions: true", "minimum_success_rate: 2", "a: [", "[1]"]
)
def test_a_malformed_gate_file_is_refused(tmp_path, text) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"gate\.yaml"):
        load_rules(path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")


def test_an_empty_gate_file_holds_the_defaults(tmp_path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("")
    assert load_rules(path) == GateRules()
