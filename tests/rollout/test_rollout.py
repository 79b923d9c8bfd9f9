"""Plan, approve, apply, watch, promote and roll back, against the real embedded account."""

from __future__ import annotations

import pytest

from lambda_autotuner.journal import UsedError
from lambda_autotuner.rollout import ConflictError, State, Strategy

ALIAS = "product-search"  # traffic by the alias `live`
LATEST = "image-resize"  # traffic to $LATEST
WIDE = {
    "memory_mb": 1024,
    "timeout_seconds": 45,
    "architecture": "arm64",
    "reserved_concurrency": 50,
}


def test_a_canary_shifts_a_version_that_differs_in_the_plan_alone(world):
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    assert (plan.strategy, plan.qualifier) == (Strategy.CANARY, "live")
    assert world.standing(ALIAS) == before, "planning changes nothing"
    world.approve(plan)
    outcome = world.apply(plan)
    assert outcome.state is State.CANARY
    after = world.standing(ALIAS)
    assert after["latest"]["MemorySize"] == 1024
    assert after["aliases"] == {"live": ("4", {"5": 0.05})}
    assert after["versions"]["5"][0] == 1024
    world.roll_back(plan)
    assert world.standing(ALIAS) == before
    assert world.state(plan) == "rolled_back"


def test_every_field_can_be_changed_and_put_back(world):
    before = world.standing(LATEST)
    plan = world.plan(LATEST, ephemeral_storage_mb=1024, **WIDE)
    world.approve(plan)
    assert world.apply(plan).state is State.VERIFYING
    after = world.standing(LATEST)
    assert after["latest"]["MemorySize"] == 1024
    assert after["latest"]["Timeout"] == 45
    assert after["latest"]["Architectures"] == ["arm64"]
    assert after["latest"]["EphemeralStorage"] == {"Size": 1024}
    assert after["reserved"] == 50
    assert after["latest"]["CodeSha256"] == before["latest"]["CodeSha256"]
    world.roll_back(plan)
    assert world.standing(LATEST) == before


def test_provisioned_concurrency_switches_at_once(world):
    function = "provisioned-login"
    before = world.standing(function)
    plan = world.plan(function, memory_mb=1769, provisioned_concurrency=7)
    assert plan.strategy is Strategy.SWITCH
    world.approve(plan)
    assert world.apply(plan).state is State.VERIFYING
    after = world.standing(function)
    assert after["aliases"]["live"][1] == {}
    assert after["provisioned"]["live"] == 7
    world.roll_back(plan)
    assert world.standing(function) == before


def test_a_dry_run_shows_the_calls_and_makes_none(world):
    plan = world.plan(ALIAS, memory_mb=1024, timeout_seconds=20)
    before = world.standing(ALIAS)
    calls = world.apply(plan, dry=True).calls
    assert [call["operation"] for call in calls] == [
        "lambda:UpdateFunctionConfiguration",
        "lambda:PublishVersion",
        "lambda:UpdateAlias",
    ]
    assert calls[0]["request"]["MemorySize"] == 1024
    assert calls[0]["request"]["RevisionId"] == plan.revision_id
    assert calls[1]["request"]["CodeSha256"] == plan.code_sha256
    assert world.standing(ALIAS) == before
    assert world.state(plan) == "planned"


def test_the_real_calls_are_those_of_the_dry_run(world):
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    shown = [call["operation"] for call in world.apply(plan, dry=True).calls]
    world.apply(plan)
    assert [action.operation for action in world.journal.actions(plan.id)] == shown
    assert {action.outcome for action in world.journal.actions(plan.id)} == {"done"}


def test_a_good_change_is_promoted_and_a_bad_one_undone(world):
    good = world.applied("auth-token-validator", memory_mb=256)
    before = world.standing(ALIAS)
    bad = world.applied(ALIAS, memory_mb=128)
    world.advance(60)
    found = world.watch(bad)
    assert found.outcome.state is State.ROLLED_BACK
    assert "false alarm" in found.outcome.message
    assert world.standing(ALIAS) == before
    for _ in range(10):
        world.advance(45)
        found = world.watch(good)
        if found.settled:
            break
    assert found.outcome.state is State.PROMOTED, found.outcome.message
    assert world.standing("auth-token-validator")["aliases"]["live"] == ("10", {})


def test_a_quiet_function_is_told_so(world):
    plan = world.applied("loan-quote-snapstart", timeout_seconds=20)
    world.advance(30)
    found = world.watch(plan)
    assert found.outcome.state is State.CANARY
    assert "Not enough traffic yet" in found.outcome.message


def test_a_watch_without_traffic_keeps_the_first_step(world):
    plan = world.applied(ALIAS, memory_mb=1024)
    assert world.watch(plan).look.invocations <= 5
    assert world.standing(ALIAS)["aliases"]["live"] == ("4", {"5": 0.05})


def test_rollback_refuses_when_somebody_else_changed_it_since(world):
    plan = world.applied(LATEST, memory_mb=1024)
    world.update(LATEST, Timeout=77)
    theirs = world.standing(LATEST)
    with pytest.raises(ConflictError, match="timeout_seconds: 30 -> 77"):
        world.roll_back(plan)
    with pytest.raises(ConflictError):
        world.watch(plan)
    assert world.standing(LATEST) == theirs
    assert world.state(plan) == "verifying"


def test_an_alias_that_somebody_moved_is_left_alone(world):
    plan = world.applied(ALIAS, memory_mb=1024)
    world.account.call(
        "lambda",
        "UpdateAlias",
        FunctionName=ALIAS,
        Name="live",
        FunctionVersion="3",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
    for action in (world.roll_back, world.watch):
        with pytest.raises(ConflictError, match="route of live"):
            action(plan)
    assert world.standing(ALIAS)["aliases"]["live"] == ("3", {})


def test_secrets_of_the_environment_stay_out_of_the_journal(world):
    secret = "sk-" + "planted" + "0123456789"
    world.update(LATEST, Environment={"Variables": {"API_KEY": secret}})
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    world.apply(plan)
    world.update(LATEST, Environment={"Variables": {"API_KEY": secret + "x"}})
    with pytest.raises(ConflictError, match=r"Environment\.API_KEY") as caught:
        world.roll_back(plan)
    assert secret not in str(caught.value)
    assert not any(secret in line for line in world.journal.export())


def test_a_journal_on_a_server_does_the_same(make_world, postgres_database):
    world = make_world(postgres_database)
    before = world.standing(ALIAS)
    plan = world.applied(ALIAS, memory_mb=1024)
    assert world.state(plan) == "canary"
    with pytest.raises(UsedError):
        world.apply(plan)
    world.journal.transition(plan.id, "rolling_back", expected=world.journal.state(plan.id))
    found = world.reconcile()
    assert [(item.was, item.state) for item in found] == [("rolling_back", "rolled_back")]
    assert world.standing(ALIAS) == before
