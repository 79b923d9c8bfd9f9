"""One approval, for one plan, once; by a person or by a rule."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from lambda_autotuner import rollout
from lambda_autotuner.errors import RefusedError, SettingsError, UsageError
from lambda_autotuner.journal import Journal, UsedError
from lambda_autotuner.rollout import State

LATEST = "image-resize"  # traffic to $LATEST


def test_an_approval_is_for_one_use_of_one_plan(world):
    plan = world.plan(LATEST, memory_mb=1024)
    with pytest.raises(RefusedError, match="not approved"):
        world.apply(plan)
    with pytest.raises(RefusedError, match="hash differs"):
        rollout.decide(
            world.journal, plan.id, approved=True, actor="a", source="cli", plan_hash="0" * 64
        )
    world.approve(plan)
    with pytest.raises(UsedError):
        world.approve(plan)
    world.apply(plan)
    with pytest.raises(UsedError, match="verifying already"):
        world.apply(plan)
    world.roll_back(plan)
    with pytest.raises(UsedError):
        world.apply(plan)
    with pytest.raises(RefusedError, match="nothing to roll back"):
        world.roll_back(plan)


def test_a_rejected_plan_stays_rejected(world):
    plan = world.plan(LATEST, memory_mb=1024)
    rollout.decide(world.journal, plan.id, approved=False, actor="ann", source="cli")
    with pytest.raises(UsedError, match="rejected"):
        world.approve(plan)
    with pytest.raises(UsedError, match="rejected"):
        world.apply(plan)


def test_an_expired_plan_is_refused(world):
    approved = world.plan(LATEST, memory_mb=1024)
    world.approve(approved)
    waiting = world.plan(LATEST, memory_mb=2048)
    later = approved.expires_at + timedelta(minutes=1)
    with Journal(world.journal_url, clock=lambda: later) as journal:
        world.journal.close()
        world.journal = journal
        with pytest.raises(RefusedError, match="expired"):
            world.apply(approved)
        with pytest.raises(RefusedError, match="expired"):
            world.approve(waiting)
        assert world.state(approved) == "expired"
    world.journal = Journal(world.journal_url)


def test_an_altered_plan_is_refused(world):
    plan = world.plan(LATEST, memory_mb=1024)
    with world.journal.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER journal_plans_no_update")
        connection.execute(sa.text("UPDATE journal_plans SET body = replace(body, '1024', '9999')"))
    with pytest.raises(RefusedError, match="altered"):
        world.approve(plan)
    with pytest.raises(RefusedError, match="altered"):
        world.apply(plan)


def test_a_plan_for_another_account_is_refused(world, make_world):
    other = make_world()
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    for action in (rollout.apply_plan, rollout.watch_plan, rollout.roll_back):
        with pytest.raises(RefusedError, match=f"for account {world.account_id}"):
            action(other.account, world.journal, world.settings, plan.id, actor="ann")


def test_policies_are_off_by_default_and_agree_only_to_what_they_name(make_world):
    rule = {"name": "small", "functions": ["otp-*"], "max_factor": 2}
    off = make_world(**{"approval.rules": [rule]})
    plan = off.plan("otp-sender", memory_mb=256)
    with pytest.raises(RefusedError, match="not approved"):
        off.apply(plan)
    on = make_world(**{"approval.policy_enabled": True, "approval.rules": [rule]})
    for function, changes in (
        (LATEST, {"memory_mb": 512}),
        ("otp-sender", {"memory_mb": 512}),
        ("otp-sender", {"memory_mb": 256, "timeout_seconds": 20}),
    ):
        with pytest.raises(RefusedError, match="not approved"):
            on.apply(on.plan(function, **changes))
    agreed = on.plan("otp-sender", memory_mb=256)
    assert on.apply(agreed).state is State.VERIFYING
    assert on.journal.approval(agreed.id).source == "policy"


def test_a_rule_without_a_target_is_no_rule(make_world):
    world = make_world(**{"approval.policy_enabled": True, "approval.rules": [{"max_factor": 2}]})
    with pytest.raises(UsageError, match="neither tags nor functions"):
        world.apply(world.plan(LATEST, memory_mb=512))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"functions": "otp-*"}, "functions"),
        ({"functions": ["otp-*"], "fields": "memory_mb"}, "fields"),
        ({"functions": ["otp-*"], "fields": ["memory"]}, "fields"),
        ({"functions": ["otp-*"], "min_saving_usd_month": float("nan")}, "min_saving"),
        ({"functions": ["otp-*"], "max_factor": True}, "max_factor"),
        ({"functions": ["otp-*"], "max_factor": "2"}, "max_factor"),
        ({"tags": ["env"]}, "tags"),
        ({"functions": ["otp-*"], "max_faktor": 2}, "unknown keys"),
    ],
)
def test_a_rule_that_cannot_be_meant_agrees_to_nothing(make_world, rule, words):
    rules = [{"functions": ["never-*"]}, rule]
    world = make_world(**{"approval.policy_enabled": True, "approval.rules": rules})
    plan = world.plan("otp-sender", memory_mb=256)
    with pytest.raises(SettingsError, match=words):
        world.apply(plan)
    assert world.state(plan) == "planned"


def test_a_rule_about_evidence_does_not_agree_to_a_wish(make_world):
    for key in ("min_saving_usd_month", "min_confidence"):
        rule = {"functions": ["*"], key: 0.01}
        world = make_world(**{"approval.policy_enabled": True, "approval.rules": [rule]})
        with pytest.raises(RefusedError, match="not approved"):
            world.apply(world.plan("otp-sender", memory_mb=256))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal_plans SET function = 'otp-sender'",
        "UPDATE journal_plans SET account_id = '999999999999'",
        "UPDATE journal_plans SET hash = 'f00d'",
        "UPDATE journal_approvals SET plan_hash = 'f00d'",
        "UPDATE journal_approvals SET approved = 0",
    ],
)
def test_an_altered_row_is_refused(world, change):
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    table = change.split()[1]
    with world.journal.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER {table}_no_update")
        connection.execute(sa.text(change))
    with pytest.raises(RefusedError):
        world.apply(plan)
    assert world.standing(LATEST)["latest"]["MemorySize"] == 256


def test_a_plan_from_the_future_is_refused(world):
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    earlier = plan.created_at - timedelta(hours=2)
    with Journal(world.journal_url, clock=lambda: earlier) as journal:
        own, world.journal = world.journal, journal
        with pytest.raises(RefusedError, match="clocks"):
            world.apply(plan)
        world.journal = own
