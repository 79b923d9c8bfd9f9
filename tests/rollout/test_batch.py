"""Several plans at once: progress, stopping, keeping on, Ctrl-C and typing it again."""

from __future__ import annotations

from lambda_autotuner import rollout

LATEST = "image-resize"  # traffic to $LATEST


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


def batch(world, ids, **options):
    return rollout.apply_batch(
        world.account, world.journal, world.settings, ids, actor="ann", **options
    )


def test_ctrl_c_undoes_the_plan_at_hand_and_typing_it_again_goes_on(world):
    names = (LATEST, "otp-sender", "cart-service")
    plans = [world.plan(name, memory_mb=512) for name in names]
    before = [world.standing(name) for name in names]
    for plan in plans:
        world.approve(plan)
    ids = [plan.id for plan in plans]
    seen: list[str] = []

    def stop_in_the_second(line: str) -> None:
        seen.append(line)
        if line.startswith("configuration") and len([s for s in seen if s.startswith("[")]) == 2:
            raise KeyboardInterrupt

    result = batch(world, ids, progress=stop_in_the_second)
    assert (result.interrupted, result.skipped) == (True, [ids[2]])
    assert seen[0] == f"[1/3] {ids[0]}"
    assert [world.state(plan) for plan in plans] == ["verifying", "undone", "approved"]
    assert world.standing(names[1]) == before[1]
    again = batch(world, ids, stop_on_failure=False)
    assert [outcome.plan.id for outcome in again.outcomes] == [ids[0], ids[2]]
    assert "already" in again.outcomes[0].message
    assert [name for name, _ in again.failures] == [ids[1]]
    assert len(world.journal.actions(ids[0])) == 1, "nothing was sent twice"


def test_a_guardrail_stops_one_plan_and_nothing_of_it_happens(make_world):
    world = make_world(**{"guardrails.max_changes_per_hour": 1})
    plans = [world.plan(name, memory_mb=512) for name in (LATEST, "otp-sender")]
    for plan in plans:
        world.approve(plan)
    result = batch(world, [plan.id for plan in plans], stop_on_failure=False)
    assert [outcome.plan.id for outcome in result.outcomes] == [plans[0].id]
    assert "in the last hour" in result.failures[0][1]
    assert world.state(plans[1]) == "approved"
    assert world.journal.actions(plans[1].id) == []
