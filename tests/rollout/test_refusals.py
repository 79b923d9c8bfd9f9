"""What cannot be, must not be, or is not what it was: refused with the reason and the remedy."""

from __future__ import annotations

import pytest

from lambda_autotuner.aws import Account, AccountTarget, AwsError, ErrorCode, functions
from lambda_autotuner.errors import NotFoundError, UsageError
from lambda_autotuner.rollout import RefusedPlanError

ALIAS = "product-search"  # traffic by the alias `live`
LATEST = "image-resize"  # traffic to $LATEST


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"memory_mb": 127}, "out of range"),
        ({"memory_mb": 10_241}, "out of range"),
        ({"timeout_seconds": 901}, "out of range"),
        ({"memory_mb": 1024.5}, "not a whole number"),
        ({"memory_mb": "1024"}, "not a whole number"),
        ({"memory_mb": True}, "not a whole number"),
        ({"architecture": "sparc"}, "not possible"),
        ({"color": "blue"}, "cannot change"),
        ({}, "at least one change"),
        ({"memory_mb": 256}, "Nothing to change"),
        ({"provisioned_concurrency": 5}, "needs an alias"),
    ],
)
def test_values_that_cannot_be_are_refused(world, changes, words):
    with pytest.raises(UsageError, match=words):
        world.plan(LATEST, **changes)
    assert world.journal.plans() == []


def test_names_that_do_not_exist_bring_the_nearest(world):
    with pytest.raises(NotFoundError) as caught:
        world.plan("image-resise", memory_mb=1024)
    assert "image-resize" in caught.value.nearest
    with pytest.raises(NotFoundError, match="live"):
        world.plan(ALIAS, memory_mb=1024, qualifier="production")
    with pytest.raises(UsageError, match="published version"):
        world.plan(ALIAS, memory_mb=1024, qualifier="3")


@pytest.mark.parametrize(
    ("overrides", "function", "words"),
    [
        ({"guardrails.max_memory_mb": 512}, LATEST, "outside the guardrails"),
        ({"guardrails.max_step_factor": 2}, LATEST, "step of 4x"),
        ({"guardrails.protected_names": "image-*"}, LATEST, "protected by its name"),
        ({}, "checkout-api", "infrastructure as code"),
    ],
)
def test_guardrails_refuse_with_a_remedy(make_world, overrides, function, words):
    world = make_world(**overrides)
    with pytest.raises(RefusedPlanError, match=words) as caught:
        world.plan(function, memory_mb=1024 if function == LATEST else 512)
    assert caught.value.exit_code == 3
    assert caught.value.remedy


def test_infrastructure_as_code_names_the_file(world):
    with pytest.raises(RefusedPlanError, match="MemorySize: 512") as caught:
        world.plan("checkout-api", memory_mb=512)
    assert "template" in caught.value.remedy


def test_a_protected_tag_stops_a_plan_that_was_made_before(world):
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    arn = functions.get_function(world.account, LATEST).arn
    world.account.call("lambda", "TagResource", Resource=arn, Tags={"autotuner:protected": "yes"})
    with pytest.raises(RefusedPlanError, match="protected by its tag"):
        world.apply(plan)
    assert world.standing(LATEST)["latest"]["MemorySize"] == 256


def test_the_rate_of_changes_is_limited(make_world):
    world = make_world(**{"guardrails.max_changes_per_hour": 1})
    world.applied(LATEST, memory_mb=512)
    second = world.plan("otp-sender", memory_mb=256)
    world.approve(second)
    with pytest.raises(RefusedPlanError, match="in the last hour"):
        world.apply(second)


def test_a_function_in_another_rollout_is_refused(world):
    with pytest.raises(RefusedPlanError, match="in a rollout already"):
        world.plan("graphql-gateway", memory_mb=512)


def test_a_read_only_account_writes_nothing(world):
    target = AccountTarget(
        "sandbox",
        region="us-east-1",
        endpoint_url=world.server.endpoint_url,
        access_key_id=world.account_id,
        secret_access_key="sandbox",
        writes_allowed=False,
    )
    plan = world.plan(LATEST, memory_mb=1024)
    world.approve(plan)
    with Account.connect(target) as reader:
        world.account, writer = reader, world.account
        with pytest.raises(RefusedPlanError, match="read-only"):
            world.apply(plan)
        with pytest.raises(AwsError) as caught:
            world.update(LATEST, Timeout=5)
        assert caught.value.code is ErrorCode.READ_ONLY
        world.account = writer
    assert world.standing(LATEST)["latest"]["MemorySize"] == 256
