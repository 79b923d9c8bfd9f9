"""AWS Lambda Power Tuning's input file, read and mapped to this engine's words.

What is mapped: `powerValues`, `num`, `payload` (one or weighted), `payloadS3`, `parallelInvocation`,
`sleepBetweenRunsMs`, `strategy`, `balancedWeight`, `onlyColdStarts`, `dryRun`, `preProcessorARN`,
`postProcessorARN`, `lambdaARN`, `autoOptimize` and `autoOptimizeAlias`. What has no counterpart is
named in `notes` with the reason, and never silently dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.objective import LowestCost, Objective, Weighted
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import (
    MAXIMUM_MEMORY_MB,
    MINIMUM_MEMORY_MB,
    finite,
    memory_size,
)

DEFAULT_POWER_VALUES_MB = (128, 256, 512, 1_024, 1_536, 3_008)
MINIMUM_INVOCATIONS = 5
_EVERY_STEP_MB = 64
_UNMAPPED = {
    "discardTopBottom": "nothing measured is dropped: an outlier widens the interval instead",
    "allowedExceptions": "an error keeps its outcome and never ends the analysis",
    "disablePayloadLogs": "payloads are never logged",
    "includeOutputResults": "every sample is kept in the evidence",
}
_KNOWN = {
    "lambdaARN",
    "powerValues",
    "num",
    "payload",
    "payloadS3",
    "parallelInvocation",
    "sleepBetweenRunsMs",
    "strategy",
    "balancedWeight",
    "onlyColdStarts",
    "dryRun",
    "preProcessorARN",
    "postProcessorARN",
    "autoOptimize",
    "autoOptimizeAlias",
    *_UNMAPPED,
}


@dataclass(frozen=True, slots=True)
class WeightedPayload:
    """One payload and how often it comes, as a share of all weights."""

    payload: Any
    share: float


@dataclass(frozen=True, slots=True)
class PowerTuningInput:
    """An input file in this product's words.

    Attributes:
        function_arn: `lambdaARN`.
        space: Allowed sizes from `powerValues`.
        objective: From `strategy` and `balancedWeight`.
        most_invocations: `num` times the number of sizes: what power tuning would have spent, so
            an upper bound for this engine.
        payloads: From `payload`; empty where there is none.
        payload_s3: `payloadS3`.
        parallel: `parallelInvocation`.
        pause_ms: `sleepBetweenRunsMs`.
        only_cold_starts: `onlyColdStarts`.
        dry_run: `dryRun`.
        pre_processor_arn: `preProcessorARN`.
        post_processor_arn: `postProcessorARN`.
        apply: `autoOptimize`: a change is proposed, and applied only when a person agrees.
        apply_alias: `autoOptimizeAlias`.
        notes: What is done differently, and why.
    """

    function_arn: str | None
    space: Space
    objective: Objective
    most_invocations: int
    payloads: tuple[WeightedPayload, ...]
    payload_s3: str | None
    parallel: bool
    pause_ms: float
    only_cold_starts: bool
    dry_run: bool
    pre_processor_arn: str | None
    post_processor_arn: str | None
    apply: bool
    apply_alias: str | None
    notes: tuple[str, ...]


def read_input(content: Mapping[str, Any]) -> PowerTuningInput:
    """Map an input file.

    Args:
        content: The parsed JSON.

    Raises:
        UsageError: A value is not what power tuning accepts; the message names the key.
    """
    if not isinstance(content, Mapping):
        raise UsageError("A power tuning input is a JSON object.")
    space = _space(content.get("powerValues"))
    number = content.get("num", 10)
    if isinstance(number, bool) or not isinstance(number, int) or number < MINIMUM_INVOCATIONS:
        raise UsageError(f"num must be a whole number of at least 5, not {number!r}.")
    pause = content.get("sleepBetweenRunsMs") or 0
    return PowerTuningInput(
        function_arn=_text(content, "lambdaARN"),
        space=space,
        objective=_objective(content),
        most_invocations=number * len(space.sizes_mb),
        payloads=_payloads(content.get("payload")),
        payload_s3=_text(content, "payloadS3"),
        parallel=_flag(content, "parallelInvocation"),
        pause_ms=finite("sleepBetweenRunsMs", pause, minimum=0),
        only_cold_starts=_flag(content, "onlyColdStarts"),
        dry_run=_flag(content, "dryRun"),
        pre_processor_arn=_text(content, "preProcessorARN"),
        post_processor_arn=_text(content, "postProcessorARN"),
        apply=_flag(content, "autoOptimize"),
        apply_alias=_text(content, "autoOptimizeAlias"),
        notes=_notes(content),
    )


def _space(values: Any) -> Space:
    if values is None:
        return Space(DEFAULT_POWER_VALUES_MB)
    if values == "ALL":
        return Space.range(MINIMUM_MEMORY_MB, MAXIMUM_MEMORY_MB, step=_EVERY_STEP_MB)
    if not isinstance(values, list | tuple) or not values:
        raise UsageError("powerValues must be a list of memory sizes in MB, or ALL.")
    return Space(tuple(memory_size(value) for value in values))


def _objective(content: Mapping[str, Any]) -> Objective:
    strategy = content.get("strategy", "cost")
    weight = content.get("balancedWeight", 0.5)
    if strategy == "cost":
        return LowestCost()
    if strategy == "speed":
        return Weighted(0.0)
    if strategy == "balanced":
        # Power tuning's 0 is speed and 1 is cost, as here.
        return Weighted(finite("balancedWeight", weight))
    raise UsageError(f"strategy must be cost, speed or balanced, not {strategy!r}.")


def _payloads(payload: Any) -> tuple[WeightedPayload, ...]:
    if payload is None:
        return ()
    weighted = isinstance(payload, list) and payload
    if not weighted or not all(
        isinstance(item, Mapping) and set(item) == {"payload", "weight"} for item in payload
    ):
        return (WeightedPayload(payload, 1.0),)
    weights = [finite("weight", item["weight"], minimum=0) for item in payload]
    total = sum(weights)
    if total == 0:
        raise UsageError("The weights of payload must not all be 0.")
    return tuple(
        WeightedPayload(item["payload"], weight / total)
        for item, weight in zip(payload, weights, strict=True)
    )


def _text(content: Mapping[str, Any], key: str) -> str | None:
    value = content.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UsageError(f"{key} must be text, not {value!r}.")
    return value


def _flag(content: Mapping[str, Any], key: str) -> bool:
    value = content.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key} must be true or false, not {value!r}.")
    return value


def _notes(content: Mapping[str, Any]) -> tuple[str, ...]:
    notes = [f"{key} is not used: {why}." for key, why in _UNMAPPED.items() if key in content]
    unknown = sorted(set(content) - _KNOWN)
    if unknown:
        notes.append(f"Unknown keys are ignored: {', '.join(unknown)}.")
    if content.get("strategy") == "balanced":
        notes.append(
            "balanced weighs the logarithms of cost and duration, so that the answer does not "
            "depend on which sizes are on the list."
        )
    return tuple(notes)
