"""Invoke: who serves, what it takes, what it says."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.flow import Flow
from lambda_autotuner.sandbox.functions.concurrency import acquire
from lambda_autotuner.sandbox.functions.naming import Target, not_found, of_alias, refer, resolve
from lambda_autotuner.sandbox.functions.real import invoke_for_real, runs_for_real
from lambda_autotuner.sandbox.functions.records import LATEST, Configuration
from lambda_autotuner.sandbox.functions.rendering import settled
from lambda_autotuner.sandbox.functions.report import Facts, error_payload, restores
from lambda_autotuner.sandbox.functions.report_json import written
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.world.columns import request_id
from lambda_autotuner.sandbox.world.execution import execute
from lambda_autotuner.sandbox.world.invocations import Invocation, Outcome

MAX_SYNCHRONOUS: Final = 6_291_456
MAX_EVENT: Final = 1_048_576
MAX_TAIL: Final = 4096
ORDINARY_PAYLOAD: Final = 10_000.0
_EVENT_RETRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Served:
    """One invocation that was carried out."""

    facts: Facts
    version: str
    payload: bytes
    lines: list[str]


@operation("lambda", "Invoke")
def invoke(call: Call, params: Params) -> Result:
    """RequestResponse, Event or DryRun."""
    target = routed(call, _resolved(call, params["FunctionName"], params.get("Qualifier")))
    kind = params.get("InvocationType", "RequestResponse")
    payload = params.get("Payload") or b""
    _hold_ready(call, target)
    _hold_payload(payload, kind)
    if kind == "DryRun":
        return {"StatusCode": 204}
    if runs_for_real(call, target):
        return _real(call, target, payload, params)
    if kind == "Event":
        _serve_event(call, target, payload)
        return {"StatusCode": 202, "Payload": b""}
    served = serve(call, target, payload)
    result: dict[str, Any] = {
        "StatusCode": 200,
        "ExecutedVersion": served.version,
        "Payload": served.payload,
    }
    if served.facts.outcome is not Outcome.OK:
        result["FunctionError"] = "Unhandled"
    if params.get("LogType") == "Tail":
        result["LogResult"] = _tail("".join(served.lines))
    call.response_headers.update(paced(call, served.facts))
    return result


def paced(call: Call, facts: Facts) -> dict[str, str]:
    """The header that tells the server how long to wait before it answers (`--pace`)."""
    pace = call.world.settings.pace
    seconds = (facts.duration_ms + (facts.init_ms or 0)) / 1000
    return {"x-sandbox-delay": str(seconds * pace)} if pace else {}


def _real(call: Call, target: Target, payload: bytes, params: Params) -> Deferred:
    work = invoke_for_real(call, target, payload, tail=params.get("LogType") == "Tail")
    event = params.get("InvocationType") == "Event"

    def complete(outcome: Any) -> dict[str, Any]:
        result = dict(work.complete(outcome))
        log = result.pop("$log", None)
        if event:
            return {"StatusCode": 202, "Payload": b""}
        if log is not None:
            result["LogResult"] = _tail(log)
        return result

    return Deferred(work.run, complete)


def _tail(text: str) -> str:
    return base64.b64encode(text.encode()[-MAX_TAIL:]).decode()


@operation("lambda", "InvokeAsync")
def invoke_async(call: Call, params: Params) -> Result:
    """The old way to send an event."""
    target = routed(call, resolve(call, params["FunctionName"], None))
    payload = params.get("InvokeArgs") or b""
    _hold_ready(call, target)
    _hold_payload(payload, "Event")
    _serve_event(call, target, payload)
    return {"Status": 202}


def _resolved(call: Call, name: str, qualifier: str | None) -> Target:
    # Invoke names $LATEST when it does not find an unqualified function.
    reference = refer(call, name, qualifier)
    if reference.name not in call.region.functions and reference.qualifier is None:
        raise not_found(call, refer(call, reference.name, LATEST))
    return resolve(call, name, qualifier)


def routed(call: Call, target: Target) -> Target:
    """The version that serves: an alias with a weight sends its share to the other version."""
    alias = target.alias
    if alias is None or not alias.weights:
        return target
    draw = call.uniform()
    for version, weight in alias.weights.items():
        if draw < weight:
            return of_alias(target.record, alias, version)
        draw -= weight
    return target


def _hold_ready(call: Call, target: Target) -> None:
    record = target.record
    version_pending = target.version is not None and call.now_ms < target.version.ready_ms
    if version_pending or (record.creating and not settled(record, call.now_ms)):
        raise ServiceError(
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the "
            "following state: Pending",
            409,
        )


def _hold_payload(payload: bytes, kind: str) -> None:
    limit = MAX_EVENT if kind == "Event" else MAX_SYNCHRONOUS
    if len(payload) > limit:
        raise ServiceError(
            "RequestTooLargeException",
            f"{len(payload)} byte payload is too large for the {kind} invocation type "
            f"(limit {limit} bytes)",
            413,
        )
    if not payload:
        return
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: {_jackson(payload)}",
            400,
        ) from error


def _jackson(payload: bytes) -> str:
    text = payload.decode("utf-8", "replace")
    token = text.split()[0][:32] if text.split() else ""
    return f"Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def _serve_event(call: Call, target: Target, payload: bytes) -> None:
    # An event is accepted whatever comes of it; one that fails is tried twice more, after one and
    # two minutes, or as often as the function's event invoke configuration says.
    record = target.record
    config = record.event_configs.get(target.qualifier or LATEST, {})
    retries = int(config.get("MaximumRetryAttempts", _EVENT_RETRIES))
    flow = Flow(call.now_ms)
    for attempt in range(retries + 1):
        try:
            served = serve(call, target, payload, flow=flow)
        except ServiceError as error:
            if error.code != "TooManyRequestsException":
                raise
        else:
            if served.facts.outcome is Outcome.OK:
                return
        flow.ends_ms += 60_000 * (attempt + 1)


def in_force(call: Call, target: Target) -> Configuration:
    """The settings that serve: while an update is in progress the old ones do."""
    record = target.record
    if target.version is None and not settled(record, call.now_ms) and len(record.history) > 1:
        start_ms, configuration = record.history[-1]
        if call.now_ms < start_ms + call.world.settings.settle_ms:
            configuration = record.history[-2][1]
        return configuration
    return target.configuration


def serve(call: Call, target: Target, payload: bytes, *, flow: Flow | None = None) -> Served:
    """Carry out one invocation in the account's books.

    Raises:
        ServiceError: 429 when no environment may take it.
    """
    record = target.record
    configuration = in_force(call, target)
    own = flow or (call.flow if isinstance(call.flow, Flow) else Flow())
    start_ms = max(float(call.now_ms), own.ends_ms)
    key = call.account.ids.next()
    qualifier = target.qualifier or ""
    try:
        environment, cold, busy = acquire(call, target, configuration, start_ms)
    except ServiceError:
        version = target.version_number
        record.log.add(Invocation(call.now_ms, Outcome.THROTTLED, version, qualifier, key))
        raise
    size = 1.0 + len(payload) / ORDINARY_PAYLOAD
    facts = _carried_out(
        call, target, configuration, key, size, cold=cold, provisioned=environment.provisioned
    )
    environment.start_ms = start_ms
    environment.end_ms = own.ends_ms = start_ms + facts.duration_ms + (facts.init_ms or 0.0)
    if facts.outcome in {Outcome.TIMEOUT, Outcome.OUT_OF_MEMORY}:
        # The environment is lost: it is busy to the end, and the next invocation starts a new one.
        environment.revision = ""
    record.log.add(
        Invocation(
            call.now_ms, facts.outcome, facts.version, qualifier, key, facts.duration_ms,
            facts.billed_ms, facts.init_ms, facts.memory_mb, facts.max_memory_mb,
            configuration.architecture, environment.number, busy,
        )
    )  # fmt: skip
    call.account.touched = True
    call.response_headers["x-amzn-requestid"] = facts.request_id
    if facts.outcome is Outcome.OK:
        answer = json.dumps({"statusCode": 200, "body": f"{record.name} done"}).encode()
    else:
        answer = error_payload(facts, record.archetype)
    return Served(facts, facts.version, answer, written(facts, record.archetype))


def _carried_out(
    call: Call,
    target: Target,
    configuration: Configuration,
    key: int,
    payload_scale: float,
    *,
    cold: bool,
    provisioned: bool,
) -> Facts:
    """What the law makes of one invocation."""
    record, version = target.record, target.version_number
    run = execute(
        record.behaviour,
        record.traffic,
        configuration,
        np.array([key], dtype=np.uint64),
        np.array([call.now_ms + call.account.aged_ms], dtype=np.float64),
        np.array([payload_scale]),
        np.array([cold]),
        provisioned=provisioned,
        restored=restores(configuration, version),
    )
    return Facts(
        request_id=request_id(key),
        version=version,
        timestamp_ms=call.now_ms,
        duration_ms=float(run.duration_ms[0]),
        billed_ms=float(run.billed_ms[0]),
        init_ms=float(run.init_ms[0]) if cold else None,
        memory_mb=configuration.memory_mb,
        max_memory_mb=int(run.max_memory_mb[0]),
        outcome=Outcome(int(run.outcome[0])),
        timeout_s=configuration.timeout_s,
        configuration=configuration,
        region=call.region_name,
    )
