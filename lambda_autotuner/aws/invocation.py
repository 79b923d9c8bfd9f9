"""Invoking a function once and reading everything that the answer tells."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.functions import resolve
from lambda_autotuner.aws.reports import Outcome, Report, parse_report
from lambda_autotuner.aws.session import Account

_ERROR_TEXT_CHARS = 500


@dataclass(frozen=True, slots=True)
class Invocation:
    """One synchronous invocation.

    Attributes:
        outcome: how it ended; None when it was throttled and did not run at all.
        function_error: "Handled" or "Unhandled" as Lambda says it; None when the function returned.
        error_text: the function's own error message (data that others wrote), at most 500
            characters.
        report: what the REPORT line says; None when the answer carried no log tail.
        round_trip_ms: time from here to there and back, network included.
        throttled_reason: Lambda's `Reason` when the request was throttled.
    """

    outcome: Outcome | None
    status_code: int
    executed_version: str | None
    function_error: str | None
    error_text: str | None
    payload: bytes
    report: Report | None
    log_tail: str
    round_trip_ms: float
    throttled_reason: str | None = None


def invoke(
    account: Account, function: str, payload: bytes = b"{}", *, qualifier: str | None = None
) -> Invocation:
    """Invoke synchronously, once: a call that may have run is never sent again.

    Args:
        account: where the function is.
        function: name, `name:qualifier` or ARN.
        payload: the event, at most 6 MB.
        qualifier: alias or version.

    Raises:
        MissingError: no such function or qualifier.
        AwsError: not allowed, the request is not valid, or no answer came (then it may have run).
    """
    reference = resolve(account, function)
    asked: dict[str, Any] = {
        "FunctionName": reference.name,
        "InvocationType": "RequestResponse",
        "LogType": "Tail",
        "Payload": payload,
    }
    qualifier = qualifier or reference.qualifier
    if qualifier:
        asked["Qualifier"] = qualifier
    start = time.monotonic()
    try:
        answer = account.call("lambda", "Invoke", **asked)
        body: bytes = answer["Payload"].read()
    except AwsError as error:
        if error.code is not ErrorCode.THROTTLED:
            raise
        spent = (time.monotonic() - start) * 1_000
        return Invocation(
            None, 429, None, None, None, b"", None, "", spent, throttled_reason=_reason(error)
        )
    spent = (time.monotonic() - start) * 1_000
    tail = base64.b64decode(answer.get("LogResult") or b"").decode("utf-8", "replace")
    report = parse_report(tail)
    error_kind = answer.get("FunctionError")
    return Invocation(
        outcome=_outcome(report, error_kind, body),
        status_code=int(answer.get("StatusCode", 0)),
        executed_version=answer.get("ExecutedVersion"),
        function_error=error_kind,
        error_text=_error_text(body) if error_kind else None,
        payload=body,
        report=report,
        log_tail=tail,
        round_trip_ms=spent,
    )


def _reason(error: AwsError) -> str:
    cause = error.__cause__
    response = getattr(cause, "response", None)
    reason = response.get("Reason") if isinstance(response, dict) else None
    return str(reason or error.service_code)


def _error_text(body: bytes) -> str:
    try:
        document = json.loads(body)
        text = str(document.get("errorMessage") or document)
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
    return text[:_ERROR_TEXT_CHARS]


def _outcome(report: Report | None, error_kind: str | None, body: bytes) -> Outcome:
    if report is not None and report.outcome is not Outcome.OK:
        return report.outcome
    if error_kind is None:
        return Outcome.OK
    if b"Task timed out" in body or b"Sandbox.Timedout" in body:
        return Outcome.TIMEOUT
    if b"OutOfMemory" in body or b"signal: killed" in body:
        return Outcome.OUT_OF_MEMORY
    return Outcome.ERROR
