"""InvokeWithResponseStream: the same invocation, told as a stream of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.deferred import Deferred
from lambda_autotuner.sandbox.functions.invoking import invoke
from lambda_autotuner.sandbox.registry import Params, Result, operation

_CHUNK: Final = 16_384


@operation("lambda", "InvokeWithResponseStream")
def invoke_with_response_stream(call: Call, params: Params) -> Result:
    """Invoke, and answer in chunks; the function's error comes with the last event."""
    result = invoke(call, params)
    if isinstance(result, Deferred):
        work = result
        return Deferred(work.run, lambda outcome: _streamed(work.complete(outcome)))
    return _streamed(result or {})


def _streamed(result: Mapping[str, Any]) -> dict[str, Any]:
    if "Payload" not in result:  # a dry run
        return {"StatusCode": result.get("StatusCode", 204), "EventStream": ()}
    payload: bytes = result["Payload"]
    complete: dict[str, Any] = {}
    chunks = [payload[at : at + _CHUNK] for at in range(0, len(payload), _CHUNK)]
    if "FunctionError" in result:
        complete = {"ErrorCode": result["FunctionError"], "ErrorDetails": payload.decode()}
        chunks = []
    if "LogResult" in result:
        complete["LogResult"] = result["LogResult"]
    events = [("PayloadChunk", {"Payload": chunk}) for chunk in chunks]
    answer: dict[str, Any] = {
        name: result[name] for name in ("StatusCode", "ExecutedVersion") if name in result
    }
    return {**answer, "EventStream": [*events, ("InvokeComplete", complete)]}
