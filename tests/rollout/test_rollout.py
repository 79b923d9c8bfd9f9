"""Plan, approve, apply, watch, promote and roll back, against the real embedded account."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from lambda_autotuner import rollout
from lambda_autotuner.aws import Account, AccountTarget, AwsError, ErrorCode, functions
from lambda_autotuner.errors import NotFoundError, RefusedError, UsageError
from lambda_autotuner.journal import Journal, UsedError
from lambda_autotuner.rollout import ConflictError, RefusedPlanError, State, Strategy

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


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("environment", {"Environment": {"Variables": {"NEW_FLAG": "1"}}}),
        ("role", {"Role": "arn:aws:iam::123456789012:role/other"}),
        ("handler", {"Handler": "other.handler"}),
        ("code", None),
        ("layer", "layer"),
    ],
)
@pytest.mark.parametrize("moment", ["before the plan", "after the approval", "while applying"])
def test_undeployed_changes_never_reach_the_alias(world, what, values, moment):
    def deploy() -> None:
        if what == "code":
            _new_code(world)
        elif what == "layer":
            _new_layer(world)
        else:
            world.update(ALIAS, **values)

    if moment == "before the plan":
        deploy()
        with pytest.raises(RefusedPlanError, match="more than this plan names"):
            world.plan(ALIAS, memory_mb=1024)
    else:
        plan = world.plan(ALIAS, memory_mb=1024)
        world.approve(plan)
        if moment == "after the approval":
            deploy()
            with pytest.raises(RefusedPlanError, match="changed since"):
                world.apply(plan)
        else:
            done = []

            def sneak(line: str) -> None:
                if line.startswith("publish") and not done:
                    done.append(line)
                    deploy()

            with pytest.raises((ConflictError, RefusedError)):
                world.apply(plan, progress=sneak)
            assert done
            assert world.state(plan) == "conflict"
    assert world.standing(ALIAS)["aliases"] == {"live": ("4", {})}
    assert set(world.standing(ALIAS)["versions"]) == {"1", "2", "3", "4"}


def _new_code(world) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 'undeployed'\n")
    world.account.call(
        "lambda", "UpdateFunctionCode", FunctionName=ALIAS, ZipFile=buffer.getvalue()
    )


def _new_layer(world) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/extra.py", "X = 1\n")
    client = world.account.client("lambda", purpose="write")
    layer = client.publish_layer_version(LayerName="extra", Content={"ZipFile": buffer.getvalue()})
    world.update(ALIAS, Layers=[layer["LayerVersionArn"]])


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


def test_a_batch_stops_at_the_first_failure(world):
    good, bad, last = (
        world.plan(name, memory_mb=512) for name in (LATEST, "otp-sender", "cart-service")
    )
    world.approve(good)
    world.approve(last)
    ids = [good.id, bad.id, last.id]
    result = rollout.apply_batch(world.account, world.journal, world.settings, ids, actor="ann")
    assert [outcome.plan.id for outcome in result.outcomes] == [good.id]
    assert [failed for failed, _ in result.failures] == [bad.id]
    assert result.skipped == [last.id]
    result = rollout.apply_batch(
        world.account, world.journal, world.settings, ids[1:], actor="a", stop_on_failure=False
    )
    assert [outcome.plan.id for outcome in result.outcomes] == [last.id]


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
