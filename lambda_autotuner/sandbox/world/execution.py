"""What comes of invocations under given settings: one arithmetic for real and generated ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.functions.records import Configuration
from lambda_autotuner.sandbox.world.invocations import Outcome
from lambda_autotuner.sandbox.world.law import Behaviour
from lambda_autotuner.sandbox.world.randomness import uniforms
from lambda_autotuner.sandbox.world.traffic import Traffic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Unsigned = NDArray[np.uint64]

ERROR: Final = 401
_ERROR_SHARE, _DEATH = 402, 403
EPISODE: Final = 405
HOUR_MS: Final = 3_600_000
_RUNTIME_MB: Final = 30
# Restoring the snapshot itself is free; loading the runtime and its hooks are not. REPORT lines
# that people published have 118 to 182 ms billed of 400 to 790 ms.
RESTORE_BILLED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Executions:
    """Aligned arrays: what REPORT lines tell."""

    duration_ms: Floats
    billed_ms: Floats
    init_ms: Floats  # nan when warm
    max_memory_mb: Integers
    outcome: NDArray[np.uint8]


def execute(
    behaviour: Behaviour,
    traffic: Traffic,
    configuration: Configuration,
    keys: Unsigned,
    times_ms: Floats,
    payload_scale: Floats,
    cold: NDArray[np.bool_],
    *,
    failed: NDArray[np.bool_] | None = None,
    provisioned: bool = False,
    restored: bool = False,
) -> Executions:
    """Run invocations: law, errors, memory, timeout, init and billing, in that order.

    Args:
        behaviour: the hidden law or the measured curves.
        traffic: for the error rate.
        configuration: memory size, timeout and architecture in force.
        keys: identity of each invocation, shape (n,).
        times_ms: when each starts, on the traffic's own line of time, shape (n,).
        payload_scale: size of each payload relative to an ordinary one, shape (n,).
        cold: which ones start a new environment, shape (n,).
        failed: which ones end in an application error, shape (n,); drawn here without it.
        provisioned: whether the environment was initialised ahead, so that init is not billed here.
        restored: whether cold environments come from a snapshot (SnapStart), of which a part is
            billed.
    """
    memory_mb, architecture = configuration.memory_mb, configuration.architecture
    duration = behaviour.durations_ms(memory_mb, architecture, keys, times_ms, payload_scale)
    if cold.any():
        duration[cold] += behaviour.firsts_ms(memory_mb, architecture, keys[cold])
    used = behaviour.memory_used_mb(memory_mb, keys, payload_scale)
    outcome = np.zeros(len(keys), dtype=np.uint8)

    if failed is None:
        failed = uniforms(keys, ERROR) < error_rates(traffic, times_ms)
    outcome[failed] = Outcome.ERROR
    share = 0.15 + 0.85 * uniforms(keys, _ERROR_SHARE)
    duration = np.where(failed, duration * share, duration)

    killed = used > memory_mb
    outcome[killed] = Outcome.OUT_OF_MEMORY
    share = 0.3 + 0.6 * uniforms(keys, _DEATH)
    duration = np.where(killed, duration * share, duration)

    limit_ms = configuration.timeout_s * 1000.0
    late = duration >= limit_ms
    outcome[late] = Outcome.TIMEOUT
    duration = np.where(late, limit_ms, duration).round(2)
    duration = np.maximum(duration, 0.01)

    init = np.full(len(keys), np.nan)
    if cold.any():
        init[cold] = np.round(behaviour.inits_ms(memory_mb, architecture, keys[cold]), 2)
    paid = np.ceil(init * RESTORE_BILLED) if restored else init
    billed = billed_ms(duration, paid, cold & (not provisioned))
    peak = np.where(killed, memory_mb, np.ceil(np.maximum(used, _RUNTIME_MB)))
    return Executions(duration, billed, init, np.minimum(peak, memory_mb).astype(np.int64), outcome)


def billed_ms(duration_ms: Floats, init_ms: Floats, with_init: NDArray[np.bool_]) -> Floats:
    """Whole milliseconds, rounded up; cold starts pay for their init phase, too."""
    result = np.ceil(duration_ms)
    result[with_init] = np.ceil(duration_ms[with_init] + init_ms[with_init])
    return result


def error_rates(traffic: Traffic, times_ms: Floats) -> Floats:
    """The chance of an application error at each time: steady, and higher in episodes."""
    steady = np.full(len(times_ms), traffic.error_rate)
    if not traffic.episode_rate:
        return steady
    hours = (times_ms // HOUR_MS).astype(np.int64).astype(np.uint64)
    in_episode = uniforms(hours, EPISODE) < traffic.episode_rate
    return np.where(in_episode, traffic.episode_error_rate, steady)
