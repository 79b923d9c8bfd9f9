"""Invoking one size, as often as the search asks, and turning each answer into a sample."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.invocation import Invocation, invoke
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.measurement.options import Options
from lambda_autotuner.measurement.payloads import Payload, PayloadMix
from lambda_autotuner.measurement.stage import Place
from lambda_autotuner.tuning.evidence import Configuration, Outcome, Sample

_THROTTLED_ATTEMPTS = 8
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0
_ROUTED_ATTEMPTS = 5
_MILLISECONDS = 1_000.0


@dataclass
class Invoker:
    """Invokes places of one stage; thread-safe where the account is.

    Attributes:
        account: where to invoke.
        mix: what to invoke with.
        options: how.
        errors: error types and messages of failed invocations, as data that others wrote.
        throttled: how many requests were turned away and sent again.
    """

    account: Account
    mix: PayloadMix
    options: Options
    sleep: Callable[[float], None] = time.sleep
    errors: list[str] = field(default_factory=list)
    throttled: int = 0
    _rng: random.Random = field(default_factory=random.Random)

    def measure(self, where: Configuration, place: Place, invocations: int) -> list[Sample]:
        """Invoke so many times, at most `options.concurrency` at once.

        Raises:
            AwsError: the account failed or does not allow it.
            ProcessorError: a processor failed.
            RefusedError: the function stays throttled.
        """
        payloads = [self.mix.next(where) for _ in range(invocations)]
        if self.options.concurrency == 1 or len(payloads) == 1:
            return [self._one(where, place, payload) for payload in payloads]
        return self._several(where, place, payloads)

    def _several(self, where: Configuration, place: Place, payloads: list[Payload]) -> list[Sample]:
        """Daemon threads, so that Ctrl-C never waits for a function that runs for minutes."""
        waiting: queue.SimpleQueue[Payload] = queue.SimpleQueue()
        for payload in payloads:
            waiting.put(payload)
        answers: queue.SimpleQueue[Sample | BaseException] = queue.SimpleQueue()

        def work() -> None:
            while True:
                try:
                    payload = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    answers.put(self._one(where, place, payload))
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    answers.put(error)
                    return

        for _ in range(min(self.options.concurrency, len(payloads))):
            threading.Thread(target=work, daemon=True, name="measure").start()
        samples: list[Sample] = []
        for _ in payloads:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            samples.append(answer)
        return samples

    def _one(self, where: Configuration, place: Place, payload: Payload) -> Sample:
        processors = self.options.processors
        event = processors.prepare(payload, self.invoke_by_arn)
        for attempt in range(_ROUTED_ATTEMPTS):
            answer = self._admitted(place, event)
            # A new alias may take a moment to reach everywhere; the answer says what ran.
            if answer.executed_version in {None, place.version}:
                break
            if attempt == _ROUTED_ATTEMPTS - 1:
                raise AwsError(
                    f"{place.function}:{place.qualifier} runs version {answer.executed_version} "
                    f"instead of {place.version}.",
                    code=ErrorCode.CONFLICT,
                    operation="lambda:Invoke",
                )
            self.sleep(_FIRST_WAIT_SECONDS)
        processors.clean_up(answer.payload, self.invoke_by_arn)
        if self.options.sleep_between_ms:
            self.sleep(self.options.sleep_between_ms / _MILLISECONDS)
        return self._sample(where, payload, answer)

    def _admitted(self, place: Place, event: bytes) -> Invocation:
        """Invoke, again while Lambda turns the request away (which runs and costs nothing).

        Raises:
            RefusedError: it is still turned away after eight attempts.
        """
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(_THROTTLED_ATTEMPTS):
            answer = invoke(self.account, place.function, event, qualifier=place.qualifier)
            if answer.outcome is not None:
                return answer
            self.throttled += 1
            if attempt < _THROTTLED_ATTEMPTS - 1:
                self.sleep(wait * (0.5 + self._rng.random()))
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        raise RefusedError(
            f"{place.function} was throttled {_THROTTLED_ATTEMPTS} times in a row "
            f"({answer.throttled_reason or 'no reason given'}).",
            remedy="Lower --concurrency, free some of its reserved concurrency, or try at a quiet time.",
        )

    def invoke_by_arn(self, arn: str, event: bytes) -> tuple[bytes, str | None]:
        """Invoke a processor; returns its answer and its error, if any."""
        answer = invoke(self.account, arn, event)
        if answer.outcome is None:
            return b"", f"throttled ({answer.throttled_reason})"
        return answer.payload, answer.error_text if answer.function_error else None

    def _sample(self, where: Configuration, payload: Payload, answer: Invocation) -> Sample:
        report = answer.report
        if report is None or answer.outcome is None:
            raise AwsError(
                "The answer of an invocation came without its REPORT line, so its duration is unknown.",
                code=ErrorCode.OTHER,
                operation="lambda:Invoke",
                remedy="Check that the function's log format is Text or JSON with platform.report.",
            )
        outcome = Outcome(answer.outcome.value)
        if outcome is Outcome.ERROR:
            kind = _error_type(answer.payload) or report.error_type or "error"
            if kind in self.options.allowed_errors:
                outcome = Outcome.OK
            else:
                self.errors.append(f"{kind}: {answer.error_text or 'no message'}")
        init = report.init_ms
        if report.restore_ms is not None:
            init = (init or 0.0) + report.restore_ms
        return Sample(
            memory_mb=where.memory_mb,
            architecture=where.architecture,
            duration_ms=report.duration_ms,
            outcome=outcome,
            billed_ms=report.billed_ms,
            init_ms=init,
            max_memory_used_mb=report.max_memory_used_mb,
            payload=payload.name,
            source="invocation",
        )


def _error_type(payload: bytes) -> str | None:
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    kind = document.get("errorType") if isinstance(document, dict) else None
    return str(kind) if kind else None
