"""Invocations of handlers that really run (`sandbox serve --handlers`)."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.functions.concurrency import acquire
from lambda_autotuner.sandbox.functions.naming import Target
from lambda_autotuner.sandbox.functions.records import Configuration, Environment, function_arn
from lambda_autotuner.sandbox.functions.report import Facts, error_payload, report_line, utc
from lambda_autotuner.sandbox.handlers.environment import Order, Run
from lambda_autotuner.sandbox.world.columns import request_id
from lambda_autotuner.sandbox.world.invocations import Invocation, Outcome

_ENDINGS: Final = {
    "ok": Outcome.OK,
    "error": Outcome.ERROR,
    "exit": Outcome.ERROR,
    "timeout": Outcome.TIMEOUT,
    "out-of-memory": Outcome.OUT_OF_MEMORY,
}


def runs_for_real(call: Call, target: Target) -> bool:
    """Whether this server runs handlers, and this function has one that it can run."""
    return call.world.handlers is not None and _code(target) is not None


def _code(target: Target) -> bytes | None:
    record = target.record
    python = (target.configuration.runtime or "").startswith("python")
    if not python or record.archetype != "user":
        return None
    if target.version is not None:
        return record.version_code.get(target.version.number)
    return record.code


def invoke_for_real(call: Call, target: Target, payload: bytes, *, tail: bool) -> Deferred:
    """Run the handler in a thread; then keep the same books as for any other invocation."""
    record, configuration = target.record, target.configuration
    key = call.account.ids.next()
    rid = request_id(key)
    environment, _, busy = acquire(call, target, configuration, float(call.now_ms))
    # Busy until it answers, however long that takes.
    environment.start_ms, environment.end_ms = float(call.now_ms), math.inf
    order = Order(
        name=record.name,
        version=target.version_number,
        handler=configuration.handler or "",
        memory_mb=configuration.memory_mb,
        timeout_s=configuration.timeout_s,
        region=call.region_name,
        function_arn=function_arn(call.region_name, call.account_id, record.name, target.qualifier),
        environment=tuple(sorted((configuration.environment or {}).items())),
        code=_code(target) or b"",
    )
    pool = call.world.handlers
    if pool is None:
        raise RuntimeError("this server does not run handlers")

    def complete(run: Run) -> dict[str, Any]:
        environment.end_ms = float(call.world.clock.now_ms())
        return _booked(call, target, run, key, environment, busy, tail=tail)

    return Deferred(lambda: pool.run(order, rid, payload), complete)


def _booked(
    call: Call,
    target: Target,
    run: Run,
    key: int,
    environment: Environment,
    busy: int,
    *,
    tail: bool,
) -> dict[str, Any]:
    configuration: Configuration = target.configuration
    outcome = _ENDINGS[run.ending]
    billed_ms = math.ceil(run.duration_ms + (run.init_ms or 0.0))
    facts = Facts(
        request_id=request_id(key),
        version=target.version_number,
        timestamp_ms=call.now_ms,
        duration_ms=round(run.duration_ms, 2),
        billed_ms=float(billed_ms),
        init_ms=None if run.init_ms is None else round(run.init_ms, 2),
        memory_mb=configuration.memory_mb,
        max_memory_mb=run.max_memory_mb,
        outcome=outcome,
        timeout_s=configuration.timeout_s,
        configuration=configuration,
        region=call.region_name,
    )
    target.record.log.add(
        Invocation(
            call.now_ms, outcome, facts.version, target.qualifier or "", key, facts.duration_ms,
            facts.billed_ms, facts.init_ms, facts.memory_mb, facts.max_memory_mb,
            configuration.architecture, environment.number, busy,
        )
    )  # fmt: skip
    call.account.touch()
    call.response_headers["x-amzn-requestid"] = facts.request_id
    result: dict[str, Any] = {
        "StatusCode": 200,
        "ExecutedVersion": facts.version,
        "Payload": _payload(run, facts),
    }
    if outcome is not Outcome.OK:
        result["FunctionError"] = "Unhandled"
    if tail:
        result["$log"] = _lines(run, facts)
    return result


def _payload(run: Run, facts: Facts) -> bytes:
    if run.answer:
        return run.answer
    if run.ending == "exit":
        message = f"RequestId: {facts.request_id} Error: Runtime exited without providing a reason"
        return json.dumps({"errorType": "Runtime.ExitError", "errorMessage": message}).encode()
    return error_payload(facts, "user")


def _lines(run: Run, facts: Facts) -> str:
    parts = [f"START RequestId: {facts.request_id} Version: {facts.version}\n", run.output]
    if facts.outcome is Outcome.TIMEOUT:
        end = utc(facts.timestamp_ms + facts.duration_ms)
        parts.append(
            f"{end} {facts.request_id} Task timed out after {facts.timeout_s:.2f} seconds\n\n"
        )
    parts += [f"END RequestId: {facts.request_id}\n", report_line(facts)]
    return "".join(parts)
