"""What a function answers while `tune` measures it: failures, exhausted memory, events, several at once."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambda_autotuner import measurement
from lambda_autotuner.aws.errors import AwsError
from lambda_autotuner.aws.session import Account
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement import (
    Choices,
    Options,
    Payload,
    PayloadMix,
    Processor,
    Processors,
)
from lambda_autotuner.settings import Settings
from lambda_autotuner.tuning import Infeasible, Outcome, Settled

AGREED = Options(agreed=True)
CHOICES = Choices.from_settings(Settings())
FEW = replace(CHOICES, max_invocations=8)
State = Callable[[Account, str], dict[str, Any]]


def answer_with(
    account: Account, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any]
) -> None:
    """Answer Invoke in the function's place; everything else goes to the account."""
    original = account.call

    def call(service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation != "Invoke":
            return original(service, operation, **parameters)
        version = original(
            "lambda",
            "GetAlias",
            FunctionName=parameters["FunctionName"],
            Name=parameters["Qualifier"],
        )["FunctionVersion"]
        memory = original(
            "lambda",
            "GetFunctionConfiguration",
            FunctionName=parameters["FunctionName"],
            Qualifier=version,
        )["MemorySize"]
        made: dict[str, Any] = make(memory, parameters)
        return {"StatusCode": 200, "ExecutedVersion": version, **made}

    monkeypatch.setattr(account, "call", call)


def report(memory_mb: int, duration_ms: float, used_mb: int = 60, extra: str = "") -> str:
    line = (
        f"REPORT RequestId: 8f5\tDuration: {duration_ms:.2f} ms\t"
        f"Billed Duration: {round(duration_ms) + 1} ms\tMemory Size: {memory_mb} MB\t"
        f"Max Memory Used: {used_mb} MB\t{extra}\n"
    )
    return base64.b64encode(line.encode()).decode()


def good(memory_mb: int, duration_ms: float, used_mb: int = 60) -> dict[str, Any]:
    return {"Payload": io.BytesIO(b"{}"), "LogResult": report(memory_mb, duration_ms, used_mb)}


def failed(memory_mb: int, kind: str, message: str, **tail: Any) -> dict[str, Any]:
    body = json.dumps({"errorType": kind, "errorMessage": message}).encode()
    return {
        "Payload": io.BytesIO(body),
        "FunctionError": "Unhandled",
        "LogResult": report(memory_mb, tail.pop("duration_ms", 12.0), **tail),
    }


def test_a_payload_that_fails_is_told_apart_from_a_bad_size(
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = state_of(account, released)
    answer_with(account, monkeypatch, lambda m, _p: failed(m, "KeyError", "'orderId'"))
    result = measurement.tune(account, journal, released, options=AGREED)
    assert isinstance(result.answer, Infeasible)
    assert "KeyError: 'orderId'" in result.verdict
    assert "--payload" in result.verdict
    assert len(result.evidence) == 3
    assert state_of(account, released) == before


def test_a_dependency_that_is_down_a_third_of_the_time_rules_no_size_out(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = itertools.count()

    def flaky(memory_mb: int, _parameters: Any) -> dict[str, Any]:
        if next(turns) % 3 == 1:
            return failed(memory_mb, "ConnectionError", "stock.internal did not answer")
        return good(memory_mb, 300 + 8_000 / memory_mb)

    answer_with(account, monkeypatch, flaky)
    result = measurement.tune(account, journal, released, options=AGREED)
    assert isinstance(result.answer, Settled)
    assert result.answer.proposed.memory_mb == 128
    errors = sum(s.outcome is Outcome.ERROR for s in result.evidence)
    ours = sum(s.source == "invocation" for s in result.evidence)
    told = " ".join(result.answer.notes)
    assert f"{errors} of {ours} invocations failed" in told
    assert "stock.internal did not answer" in told


def test_an_allowed_error_counts_as_success(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(account, monkeypatch, lambda m, _p: failed(m, "NotModified", "304"))
    options = Options(agreed=True, allowed_errors=("NotModified",))
    result = measurement.tune(account, journal, released, choices=FEW, options=options)
    assert {s.outcome for s in result.evidence} == {Outcome.OK}


def test_sizes_that_run_out_of_memory_are_censored_not_fatal(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def heavy(memory_mb: int, _parameters: Any) -> dict[str, Any]:
        if memory_mb < 900:
            extra = "Status: error\tError Type: Runtime.ExitError"
            return failed(
                memory_mb, "Runtime.ExitError", "signal: killed", used_mb=memory_mb, extra=extra
            )
        return good(memory_mb, 200_000 / memory_mb, used_mb=880)

    answer_with(account, monkeypatch, heavy)
    result = measurement.tune(account, journal, released, options=AGREED)
    assert isinstance(result.answer, Settled)
    assert result.answer.proposed.memory_mb >= 900
    assert Outcome.OUT_OF_MEMORY in {s.outcome for s in result.evidence}
    assert "Out of memory at" in result.verdict


def test_a_function_that_always_times_out(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(memory_mb: int, _parameters: Any) -> dict[str, Any]:
        text = "2026 Task timed out after 20.00 seconds"
        return failed(
            memory_mb, "Sandbox.Timedout", text, duration_ms=20_000.0, extra="Status: timeout"
        )

    answer_with(account, monkeypatch, slow)
    result = measurement.tune(account, journal, released, options=AGREED)
    assert result.answer.kind in {"infeasible", "need_more_data"}
    assert {s.outcome for s in result.evidence} == {Outcome.TIMEOUT}
    assert "timed out" in result.verdict
    assert "raise the timeout" in result.verdict


def test_events_and_processors_reach_the_function(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    seen: list[bytes] = []

    def record(memory_mb: int, parameters: Any) -> dict[str, Any]:
        seen.append(parameters["Payload"])
        return good(memory_mb, 80_000 / memory_mb)

    answer_with(account, monkeypatch, record)
    code = "import sys; sys.stdout.write(sys.stdin.read().replace('x', 'made'))"
    options = Options(
        agreed=True, processors=Processors(before=Processor(command=(sys.executable, "-c", code)))
    )
    mix = PayloadMix([Payload("a", b'{"k":"x"}', 3), Payload("b", b'{"k":"y"}', 1)])
    result = measurement.tune(
        account, journal, released, choices=CHOICES, options=options, payloads=mix
    )
    assert set(seen) == {b'{"k":"made"}', b'{"k":"y"}'}
    assert {s.payload for s in result.evidence} == {"a", "b"}


def test_several_at_once_give_the_same_evidence(
    account: Account, journal: Journal, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambda_autotuner.measurement.invoker import Invoker
    from lambda_autotuner.measurement.stage import Place
    from lambda_autotuner.tuning import Configuration

    answer_with(account, monkeypatch, lambda m, _p: good(m, 100.0))
    invoker = Invoker(account, PayloadMix([Payload("p", b"{}")]), Options(concurrency=4))
    samples = invoker.measure(Configuration(512), Place(released, "live", "1"), 10)
    assert len(samples) == 10
    answer_with(account, monkeypatch, lambda m, _p: failed(m, "X", "y") | {"LogResult": ""})
    with pytest.raises(AwsError, match="REPORT line"):
        invoker.measure(Configuration(512), Place(released, "live", "1"), 10)
