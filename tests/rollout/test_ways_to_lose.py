"""What can go wrong beside us: strangers, vanished things, refusals, full disks and lost servers."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

from lambda_autotuner import rollout
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.journal import Journal
from lambda_autotuner.rollout import (
    ConflictError,
    LeftOpenError,
    RefusedPlanError,
    State,
    UndoneError,
)

ALIAS = "product-search"  # traffic by the alias `live`
LATEST = "image-resize"  # traffic to $LATEST
WARM = "provisioned-login"  # the alias `live` has provisioned concurrency


def at_step(name: str, action):
    """A progress that does something once, between the journal's record of a call and the call."""
    done = []

    def progress(line: str) -> None:
        if line.startswith(name) and not done:
            done.append(line)
            action()

    progress.done = done
    return progress


def consume(items) -> None:
    for _ in items:
        pass


def call(world, operation: str, **parameters):
    return world.account.call("lambda", operation, **parameters)


# Strangers


@pytest.mark.parametrize("undo", [False, True])
def test_reserved_concurrency_set_by_somebody_else_right_before_is_theirs(world, undo):
    plan = world.plan(LATEST, reserved_concurrency=50)
    world.approve(plan)

    def theirs() -> None:
        call(world, "PutFunctionConcurrency", FunctionName=LATEST, ReservedConcurrentExecutions=77)

    if undo:
        world.apply(plan)
        act = rollout.roll_back
        progress = at_step("undoing reserved", theirs)
    else:
        act = rollout.apply_plan
        progress = at_step("reserved", theirs)
    with pytest.raises(ConflictError, match="reserved_concurrency"):
        act(world.account, world.journal, world.settings, plan.id, actor="ann", progress=progress)
    assert progress.done
    assert world.standing(LATEST)["reserved"] == 77
    world.reconcile()
    assert world.state(plan) == "conflict"
    assert world.standing(LATEST)["reserved"] == 77


def test_concurrency_that_changed_since_the_plan_is_seen_before_the_first_write(world):
    plan = world.plan(LATEST, memory_mb=512, reserved_concurrency=50)
    world.approve(plan)
    call(world, "PutFunctionConcurrency", FunctionName=LATEST, ReservedConcurrentExecutions=60)
    with pytest.raises(RefusedPlanError, match="reserved_concurrency .* None -> 60"):
        world.apply(plan)
    assert world.journal.actions(plan.id) == []


def test_a_harmful_canary_is_stopped_although_somebody_changed_latest(world):
    plan = world.applied(ALIAS, memory_mb=128)
    world.update(ALIAS, Timeout=13)
    with pytest.raises(ConflictError):
        world.watch(plan)  # nothing is known against the canary yet: a person looks
    world.advance(60)
    found = world.watch(plan)
    assert found.outcome.state is State.CONFLICT, found.outcome.message
    assert found.settled
    after = world.standing(ALIAS)
    assert after["aliases"] == {"live": ("4", {})}
    assert set(after["versions"]) == {"1", "2", "3", "4"}
    assert after["latest"]["Timeout"] == 13


def test_nothing_is_left_of_a_plan_that_meets_somebody_else_on_its_way(world):
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    world.server.add_fault(
        kind="access-denied", service="lambda", operation="UpdateAlias", account=world.account_id
    )
    progress = at_step("route", lambda: world.update(ALIAS, Timeout=13))
    with pytest.raises(ConflictError, match="timeout_seconds"):
        world.apply(plan, progress=progress)
    after = world.standing(ALIAS)
    assert set(after["versions"]) == {"1", "2", "3", "4"}, "the version is gone"
    assert after["latest"]["Timeout"] == 13
    assert world.state(plan) == "conflict"


def test_a_version_that_another_alias_names_stays(world):
    before = world.standing(ALIAS)
    plan = world.applied(ALIAS, memory_mb=1024)
    call(world, "CreateAlias", FunctionName=ALIAS, Name="staging", FunctionVersion="5")
    outcome = world.roll_back(plan)
    assert "version 5 stays" in outcome.message
    after = world.standing(ALIAS)
    assert after["aliases"] == {**before["aliases"], "staging": ("5", {})}
    assert after["latest"] == before["latest"]
    assert world.state(plan) == "rolled_back"


def test_a_version_that_existed_already_is_used_and_kept(world):
    world.update(ALIAS, MemorySize=1024)
    call(world, "PublishVersion", FunctionName=ALIAS)
    world.update(ALIAS, MemorySize=512)
    before = world.standing(ALIAS)
    plan = world.applied(ALIAS, memory_mb=1024)
    assert world.standing(ALIAS)["aliases"]["live"] == ("4", {"5": 0.05})
    world.roll_back(plan)
    assert world.standing(ALIAS) == before


# Vanished


@pytest.mark.parametrize("moment", ["approved", "publishing", "canary"])
def test_a_function_that_is_deleted_meanwhile_ends_the_plan(world, moment):
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)

    def delete() -> None:
        call(world, "DeleteFunction", FunctionName=ALIAS)

    if moment == "publishing":
        with pytest.raises(ConflictError, match="deleted"):
            world.apply(plan, progress=at_step("publish", delete))
        assert world.state(plan) == "conflict"
    elif moment == "approved":
        delete()
        with pytest.raises(RefusedPlanError, match="no function"):
            world.apply(plan)
    else:
        world.apply(plan)
        delete()
        for action in (world.watch, world.roll_back):
            with pytest.raises(ConflictError, match="deleted"):
                action(plan)
    assert world.reconcile() == []


def test_an_alias_that_is_deleted_meanwhile_is_told(world):
    plan = world.applied(ALIAS, memory_mb=1024)
    call(world, "DeleteAlias", FunctionName=ALIAS, Name="live")
    for action in (world.watch, world.roll_back):
        with pytest.raises(ConflictError, match="alias live: version 4 -> deleted"):
            action(plan)


# Refusals of the account


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("PublishVersion", "CodeStorageExceededException"),
        ("UpdateAlias", "InvalidParameterValueException"),
        ("UpdateFunctionConfiguration", "ResourceConflictException"),
    ],
)
def test_what_the_account_refuses_for_good_is_undone(world, operation, code):
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    world.server.add_fault(
        kind="error", service="lambda", operation=operation, code=code, status=400, count=1,
        account=world.account_id,
    )  # fmt: skip
    with pytest.raises(UndoneError, match=code):
        world.apply(plan)
    assert world.state(plan) == "undone"
    assert world.standing(ALIAS) == before


def test_an_update_that_fails_inside_the_account_is_undone(world, monkeypatch):
    from lambda_autotuner.rollout import steps

    read = steps.raw_configuration

    def failing(account, function, qualifier=None):
        raw = read(account, function, qualifier)
        if raw["MemorySize"] == 1024 and raw.get("LastUpdateStatus") == "Successful":
            raw |= {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "The key is disabled."}
        return raw

    monkeypatch.setattr(steps, "raw_configuration", failing)
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    with pytest.raises(UndoneError, match="The key is disabled"):
        world.apply(plan)
    assert world.state(plan) == "undone"
    assert world.standing(ALIAS) == before


def test_a_promotion_that_is_refused_goes_on_as_a_canary(make_world):
    world = make_world(**{"rollout.canary_steps": [0.5], "rollout.step_minutes": 45})
    plan = world.applied("cart-service", memory_mb=512)
    world.server.add_fault(
        kind="access-denied", service="lambda", operation="UpdateAlias", account=world.account_id
    )
    with pytest.raises(AutotunerError, match="UpdateAlias"):
        consume((world.advance(45), world.watch(plan)) for _ in range(8))
    assert world.state(plan) == "canary"
    world.server.clear_faults()
    assert world.watch(plan).outcome.state is State.PROMOTED


def test_a_package_goes_back_under_the_key_it_was_kept_under(world, monkeypatch):
    from dataclasses import replace

    from lambda_autotuner.aws import code

    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    fetch, sent = code.fetch_code, []
    monkeypatch.setattr(
        code, "fetch_code", lambda *words: replace(fetch(*words), source_kms_key_arn=key)
    )
    plain = world.account.call

    def seen(service, operation, /, **parameters):
        if operation == "UpdateFunctionCode":
            sent.append(parameters.pop("SourceKMSKeyArn"))
        return plain(service, operation, **parameters)

    monkeypatch.setattr(world.account, "call", seen)
    world.roll_back(world.applied(LATEST, architecture="arm64"))
    assert sent == [key, key]


# Warm environments


def test_warm_environments_of_the_version_are_not_left_behind(world):
    call(
        world,
        "PutProvisionedConcurrencyConfig",
        FunctionName=ALIAS,
        Qualifier="4",
        ProvisionedConcurrentExecutions=5,
    )
    with pytest.raises(RefusedPlanError, match="would start cold"):
        world.plan(ALIAS, memory_mb=1024)


def test_reserved_is_never_below_provisioned(world):
    held = sum(world.standing(WARM)["provisioned"].values())
    assert held > 2
    with pytest.raises(RefusedPlanError, match="fewer reserved than provisioned"):
        world.plan(WARM, reserved_concurrency=1)
    up = world.applied(WARM, qualifier="live", reserved_concurrency=20, provisioned_concurrency=15)
    assert world.state(up) == "verifying"
    # Both go down in one plan: provisioned first, or Lambda would refuse.
    down = world.applied(WARM, qualifier="live", reserved_concurrency=4, provisioned_concurrency=3)
    assert (world.standing(WARM)["reserved"], world.standing(WARM)["provisioned"]) == (
        4,
        {"live": 3},
    )
    world.roll_back(down)
    assert world.standing(WARM)["reserved"] == 20


def test_traffic_that_does_not_come_by_the_alias_is_told(world):
    for number in range(3):
        call(world, "PublishVersion", FunctionName=LATEST, Description=str(number))
    call(world, "CreateAlias", FunctionName=LATEST, Name="live", FunctionVersion="1")
    with pytest.raises(RefusedPlanError, match="did not come by the alias live") as caught:
        world.plan(LATEST, memory_mb=512)
    assert "--qualifier" in caught.value.remedy
    draft = rollout.make_plan(
        world.account,
        world.journal,
        world.settings,
        LATEST,
        changes={"memory_mb": 512},
        qualifier="live",
    )
    assert [item.severity for item in draft.findings if item.check == "route"] == ["warn"]


# The journal


def test_a_full_disk_stops_before_the_next_write_and_the_next_command_undoes(world):
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    engine, full = world.journal.engine, []

    @sa.event.listens_for(engine, "connect")
    def _limit(connection, _record) -> None:
        if full:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        full.append(True)
        engine.dispose()
        # Every table's last page, too.
        writes = (
            lambda: world.journal.record("note", data={"text": "x" * 2_000}),
            lambda: world.journal.record("note"),
            lambda: world.journal.begin_action(plan.id, "note", "note", "note", {}),
        )
        for write in writes:
            with pytest.raises(AutotunerError, match="full"):
                consume(write() for _ in range(400))

    with pytest.raises(LeftOpenError, match="could not be used") as caught:
        world.apply(plan, progress=at_step("publish", fill))
    assert caught.value.exit_code == 4
    full.clear()
    engine.dispose()
    assert [item.state for item in world.reconcile()] == ["undone"]
    assert world.standing(ALIAS) == before


def test_a_locked_journal_stops_before_the_next_write(make_world, monkeypatch):
    monkeypatch.setattr("lambda_autotuner.journal.schema._BUSY_SECONDS", 0.2)
    world = make_world()
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    other = sqlite3.connect(world.journal_url.removeprefix("sqlite:///"), isolation_level=None)
    progress = at_step("publish", lambda: other.execute("BEGIN IMMEDIATE"))
    with pytest.raises(LeftOpenError, match="locked"):
        world.apply(plan, progress=progress)
    other.execute("ROLLBACK")
    other.close()
    assert [item.state for item in world.reconcile()] == ["undone"]
    assert world.standing(ALIAS) == before


def test_who_loses_the_lock_with_the_server_writes_no_more(make_world, postgres_database):
    world = make_world(postgres_database)
    before = world.standing(ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    told = []

    def cut_and_take_over() -> None:
        engine = sa.create_engine(postgres_database, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()
        with Journal(f"{postgres_database}?application_name=another") as another:
            told.extend(rollout.reconcile(world.account, another, world.settings))

    with pytest.raises(LeftOpenError, match="connection to the journal broke"):
        world.apply(plan, progress=at_step("publish", cut_and_take_over))
    assert [item.state for item in told] == ["undone"]
    assert world.standing(ALIAS) == before
    assert world.state(plan) == "undone"
    assert world.reconcile() == []
