"""`tune` against the embedded account: what it measures, refuses, restores and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambda_autotuner import measurement
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement import (
    Choices,
    Options,
    Progress,
)
from lambda_autotuner.sandbox.process import SandboxProcess
from lambda_autotuner.settings import Settings
from lambda_autotuner.tuning import Settled, Weighted

AGREED = Options(agreed=True)
CHOICES = Choices.from_settings(Settings())
FEW = replace(CHOICES, max_invocations=8)
State = Callable[[Account, str], dict[str, Any]]


@pytest.mark.parametrize("where", ["versions", "copy"])
def test_a_function_is_measured_and_left_as_it_was(
    where: Any, account: Account, journal: Journal, released: str, state_of: State
) -> None:
    before = state_of(account, released)
    told: list[Progress] = []
    result = measurement.tune(
        account,
        journal,
        released,
        choices=FEW,
        options=Options(where=where, agreed=True),
        on_progress=told.append,
    )
    assert state_of(account, released) == before
    assert result.answer.measurement.invocations <= 8
    assert result.active
    measured = [p for p in told if p.where is not None]
    assert measured[-1].invocations == result.answer.measurement.invocations
    assert measured[-1].leader is not None
    assert measured[-1].spent_usd == pytest.approx(result.answer.measurement.cost_usd)
    # Every invocation stands in the evidence, the cold ones with their INIT.
    assert sum(s.source == "invocation" for s in result.evidence) == measured[-1].invocations
    assert any(s.cold for s in result.evidence)
    kinds = [entry.kind for entry in journal.entries()]
    assert kinds[:2] == ["measurement.finished", "measurement.started"]
    assert journal.open_intents(account.account_id, account.region) == []
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_preview_invokes_and_changes_nothing(
    account: Account, released: str, state_of: State
) -> None:
    before = state_of(account, released)
    account.calls.clear()
    found = measurement.preview(account, released, choices=FEW)
    writes = {"Invoke", "UpdateFunctionConfiguration", "PublishVersion", "CreateAlias"}
    assert not {name.split(":")[1] for name in account.calls} & writes
    assert state_of(account, released) == before
    assert found.refusal == ""
    # 8 invocations that each run into the timeout of 20 s at 3,008 MB after 10 s of INIT.
    assert found.at_most_usd == pytest.approx(8 * (30 * 3008 / 1024 * 1.66667e-5 + 2e-7), rel=1e-3)


def test_the_dollars_of_a_budget_hold_even_in_the_worst_case(
    account: Account, journal: Journal, released: str
) -> None:
    choices = replace(CHOICES, max_cost_usd=0.0003)
    result = measurement.tune(account, journal, released, choices=choices, options=AGREED)
    # One invocation at 128 MB may cost 0.0000627 dollars before it is known to be cheap.
    assert result.answer.measurement.cost_usd <= 0.0003
    assert result.answer.measurement.invocations >= 1
    nothing = replace(CHOICES, max_cost_usd=0.00001)
    result = measurement.tune(account, journal, released, choices=nothing, options=AGREED)
    assert result.answer.kind == "need_more_data"
    assert result.answer.measurement.invocations == 0
    assert any("could cost more" in note for note in result.answer.notes)


def test_traffic_on_latest_is_never_touched(account: Account, journal: Journal) -> None:
    before = account.call("lambda", "GetFunctionConfiguration", FunctionName="image-resize")
    with pytest.raises(RefusedError, match=r"\$LATEST was invoked .* times") as caught:
        measurement.tune(account, journal, "image-resize", choices=FEW, options=AGREED)
    assert "--copy" in str(caught.value)
    after = account.call("lambda", "GetFunctionConfiguration", FunctionName="image-resize")
    assert after["RevisionId"] == before["RevisionId"]


def test_unreleased_code_is_never_published(
    account: Account, journal: Journal, released: str, state_of: State
) -> None:
    account.call(
        "lambda",
        "UpdateFunctionConfiguration",
        FunctionName=released,
        Environment={"Variables": {"MODE": "new"}},
    )
    measurement.cleanup.wait_settled(account, released)
    before = state_of(account, released)
    with pytest.raises(RefusedError, match="differs from version 1 in Environment"):
        measurement.tune(account, journal, released, choices=FEW, options=AGREED)
    assert state_of(account, released) == before


def test_a_function_without_versions_is_only_measured_as_a_copy(
    account: Account, journal: Journal, make_function: Callable[..., None]
) -> None:
    make_function(account, "young", release=False)
    with pytest.raises(RefusedError, match="no version of it was ever published"):
        measurement.tune(account, journal, "young", choices=FEW, options=AGREED)
    copied = Options(where="copy", agreed=True)
    assert isinstance(
        measurement.tune(account, journal, "young", choices=FEW, options=copied).answer, Settled
    )


def test_both_architectures_need_a_copy(
    account: Account, journal: Journal, released: str, state_of: State
) -> None:
    both = replace(CHOICES, architectures=("x86_64", "arm64"), sizes_mb=(256, 512))
    with pytest.raises(RefusedError, match="another architecture"):
        measurement.tune(account, journal, released, choices=both, options=AGREED)
    before = state_of(account, released)
    copied = Options(where="copy", agreed=True)
    result = measurement.tune(account, journal, released, choices=both, options=copied)
    assert {s.architecture for s in result.evidence} == {"x86_64", "arm64"}
    assert state_of(account, released) == before


def test_side_effects_are_asked_about(account: Account, journal: Journal) -> None:
    copied = Options(where="copy")
    with pytest.raises(RefusedError, match="may change something outside it"):
        measurement.tune(account, journal, "image-resize", choices=FEW, options=copied)
    asked = []
    with pytest.raises(RefusedError, match="Nobody agreed"):
        measurement.tune(
            account,
            journal,
            "image-resize",
            choices=FEW,
            options=copied,
            confirm=lambda preview: bool(asked.append(preview)),
        )
    assert asked[0].side_effects
    assert account.calls["lambda:CreateFunction"] == 0
    assert account.calls["lambda:Invoke"] == 0


def test_an_unknown_function_names_the_nearest(account: Account, journal: Journal) -> None:
    with pytest.raises(MissingError) as caught:
        measurement.tune(account, journal, "image-rezise", options=AGREED)
    assert "image-resize" in caught.value.nearest


def test_an_account_that_caps_the_memory_size(
    account: Account, journal: Journal, released: str, sandbox: SandboxProcess
) -> None:
    sandbox.add_fault(
        kind="error",
        service="lambda",
        operation="UpdateFunctionConfiguration",
        account=account.account_id,
        code="InvalidParameterValueException",
        message=(
            "1 validation error detected: Value '4096' at 'memorySize' failed to satisfy "
            "constraint: Member must have value less than or equal to 3008"
        ),
        status=400,
    )
    try:
        fast = Weighted(0.0)
        wide = replace(CHOICES, objective=fast, maximum_mb=10_240, sizes_mb=(512, 4096, 8192))
        result = measurement.tune(account, journal, released, choices=wide, options=AGREED)
    finally:
        sandbox.clear_faults()
    assert any("no more than 3008 MB" in note for note in result.answer.notes)
    assert {s.memory_mb for s in result.evidence} == {512}


def test_throttled_requests_are_sent_again_and_counted(
    account: Account, journal: Journal, released: str, sandbox: SandboxProcess
) -> None:
    throttle = {"kind": "throttle", "operation": "Invoke", "account": account.account_id}
    sandbox.add_fault(**throttle, count=3)
    waits: list[float] = []
    result = measurement.tune(
        account, journal, released, choices=FEW, options=AGREED, sleep=waits.append
    )
    assert any("3 requests were throttled" in note for note in result.answer.notes)
    sandbox.add_fault(**throttle)
    try:
        with pytest.raises(RefusedError, match="throttled 8 times in a row"):
            measurement.tune(
                account, journal, released, choices=FEW, options=AGREED, sleep=waits.append
            )
    finally:
        sandbox.clear_faults()
    assert journal.open_intents(account.account_id, account.region) == []


def test_reserved_concurrency_of_zero_is_refused_at_once(
    account: Account, journal: Journal, released: str
) -> None:
    account.call(
        "lambda",
        "PutFunctionConcurrency",
        FunctionName=released,
        ReservedConcurrentExecutions=0,
    )
    with pytest.raises(RefusedError, match="reserved concurrency is 0"):
        measurement.tune(account, journal, released, choices=FEW, options=AGREED)


def test_a_failure_in_the_middle_restores_everything(
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
    sandbox: SandboxProcess,
) -> None:
    before = state_of(account, released)
    sandbox.add_fault(
        kind="access-denied", operation="CreateAlias", account=account.account_id, count=1
    )
    with pytest.raises(AwsError, match="CreateAlias"):
        measurement.tune(account, journal, released, choices=FEW, options=AGREED)
    sandbox.clear_faults()
    assert state_of(account, released) == before
    assert journal.open_intents(account.account_id, account.region) == []


def test_what_cannot_be_undone_now_is_undone_by_the_next_command(
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
    sandbox: SandboxProcess,
) -> None:
    before = state_of(account, released)
    sandbox.add_fault(kind="access-denied", operation="DeleteAlias", account=account.account_id)
    with pytest.raises(AwsError, match="DeleteAlias"):
        measurement.tune(account, journal, released, choices=FEW, options=AGREED)
    assert state_of(account, released) != before
    failed_repair = measurement.repair(account, journal)
    assert "DeleteAlias" in failed_repair[0].failed
    sandbox.clear_faults()
    assert measurement.repair(account, journal)[0].failed == ""
    assert state_of(account, released) == before


def test_somebody_elses_change_is_never_overwritten(
    account: Account, journal: Journal, released: str
) -> None:
    from lambda_autotuner.measurement.cleanup import Kind, restore_latest, wait_settled
    from lambda_autotuner.measurement.journalling import Steps

    steps = Steps(account, journal, "r-1", released)
    steps.begin(Kind.LATEST_MEMORY, original_mb=512, probe_mb=1024)
    account.call("lambda", "UpdateFunctionConfiguration", FunctionName=released, MemorySize=2048)
    wait_settled(account, released)
    undone = restore_latest(account, released, probe_mb=1024, original_mb=512)
    assert "somebody else changed it" in undone.done[0]
    assert measurement.repair(account, journal)[0].failed == ""
    latest = account.call("lambda", "GetFunctionConfiguration", FunctionName=released)
    assert latest["MemorySize"] == 2048


def test_versions_and_aliases_of_others_are_kept(
    account: Account, journal: Journal, released: str
) -> None:
    from lambda_autotuner.measurement.cleanup import remove_versions

    undone = remove_versions(account, released, "lambda-autotuner measurement r-none")
    assert undone.done == ()
    assert len(list(account.pages("lambda", "ListAliases", FunctionName=released))) == 1


def test_ctrl_c_restores_and_passes_on(
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
) -> None:
    before = state_of(account, released)

    def interrupt(progress: Progress) -> None:
        if progress.where is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measurement.tune(
            account, journal, released, choices=FEW, options=AGREED, on_progress=interrupt
        )
    assert state_of(account, released) == before


@pytest.mark.parametrize("where", ["versions", "copy"])
def test_every_call_stands_in_the_verbs_policy(
    where: Any, account: Account, journal: Journal, released: str
) -> None:
    from lambda_autotuner.aws.policies import VERBS

    account.calls.clear()
    options = Options(where=where, agreed=True)
    measurement.tune(account, journal, released, choices=FEW, options=options)
    declared = {f"{service}:{operation}" for service, operation in VERBS["tune"][0]}
    assert set(account.calls) - declared == set()
    account.calls.clear()
    measurement.recommend(account, "cart-service", choices=CHOICES)
    declared = {f"{service}:{operation}" for service, operation in VERBS["recommend"][0]}
    assert set(account.calls) - declared == set()
