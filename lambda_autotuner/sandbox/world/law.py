"""The hidden law of a function: what an invocation takes at a memory size and an architecture.

Duration = waiting + network + compute, each with its own dependence on memory, times noise.
A function gets memory / 1,769 MB of a virtual CPU; a single thread cannot use more than one, the
parallel part of the work can use as many as are visible (2 above 1,769 MB, then one more at
3,009, 5,308, 7,077 and 8,846 MB). Source of the thresholds: the AWS Lambda Developer Guide's
"Configure Lambda function memory" and published measurements of visible cores.

The API never shows any of this; `sandbox.truth` reads it out of band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.world.randomness import normals, uniforms

Floats = NDArray[np.float64]
Unsigned = NDArray[np.uint64]

FULL_VCPU_MB: Final = 1769
CORE_STEPS_MB: Final = (1770, 3009, 5308, 7077, 8846)
DAY_MS: Final = 86_400_000
MINIMUM_MS: Final = 0.6
OUT_OF_MEMORY_HEADROOM: Final = 1.0

# Streams of randomness; each number of an invocation has its own.
_NOISE, _TAIL, _TAIL_SIZE, _MEMORY, _INIT, _LEAK, _FIRST = 101, 103, 104, 105, 107, 109, 113


def visible_cores(memory_mb: float) -> int:
    """How many virtual CPUs a function of this size sees."""
    return 1 + sum(memory_mb >= step for step in CORE_STEPS_MB)


class Behaviour(Protocol):
    """What the account asks of a function, whether lawful or replayed."""

    def durations_ms(
        self,
        memory_mb: int,
        architecture: str,
        keys: Unsigned,
        times_ms: Floats,
        payload_scale: Floats,
    ) -> Floats:
        """Duration of each invocation, before any timeout."""
        ...

    def memory_used_mb(self, memory_mb: int, keys: Unsigned, payload_scale: Floats) -> Floats:
        """What each invocation would use at its peak; more than `memory_mb` is out of memory."""
        ...

    def inits_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """How long the init phase takes, were each invocation a cold start."""
        ...

    def firsts_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """How much longer each invocation took, were it the first of its environment."""
        ...

    def mean_duration_ms(self, memory_mb: int, architecture: str) -> float:
        """The expected duration of a warm invocation that ends well."""
        ...


@dataclass(frozen=True, slots=True)
class Law:
    """The parameters of one function. Times are ms on x86_64, memory in MB."""

    io_ms: float  # waiting, whatever the size
    cpu_ms: float  # work of one thread on one whole virtual CPU
    network_ms: float = (
        0.0  # transfer at one whole virtual CPU; bandwidth grows with the root of memory
    )
    parallel: float = 0.0  # share of the work that several threads can share (Amdahl)
    threads: int = 1
    noise: float = 0.06  # sigma of the log of a duration
    tail_probability: float = 0.005
    tail_factor: float = 4.0  # mean of the extra time of a slow one, in durations
    drift: float = 0.03  # amplitude of the slow wave on waiting
    drift_days: float = 9.0
    arm_factor: float = 0.95  # compute time on arm64 / x86_64
    working_set_mb: float = 60.0
    working_set_noise: float = 0.03
    payload_memory_mb: float = 0.0  # further memory at payload scale 1
    payload_power: float = 0.0  # work grows with payload to this power
    pressure: float = 0.6  # slow-down just before memory runs out
    leak_mb: float = 0.0  # growth per warm invocation of one environment
    init_ms: float = 180.0
    init_noise: float = 0.12
    first_ms: float = 0.0  # what an environment's first invocation does besides, on one whole CPU
    phase: float = 0.0

    def compute_ms(self, memory_mb: int, architecture: str) -> float:
        """The compute part, without noise."""
        share = memory_mb / FULL_VCPU_MB
        factor = self.arm_factor if architecture == "arm64" else 1.0
        work = self.cpu_ms * factor
        if share <= 1:
            return work / share
        lanes = min(share, float(visible_cores(memory_mb)), float(max(self.threads, 1)))
        return work * ((1 - self.parallel) + self.parallel / max(lanes, 1.0))

    def squeeze(self, memory_mb: int) -> float:
        """The factor on compute when memory gets tight (garbage collection, page cache)."""
        need = self.working_set_mb + self.payload_memory_mb
        spare = memory_mb / need - 1.0
        return 1.0 + self.pressure * math.exp(-max(spare, 0.0) / 0.12)

    def transfer_ms(self, memory_mb: int) -> float:
        """The network part."""
        share = min(memory_mb / FULL_VCPU_MB, 1.0)
        return self.network_ms / math.sqrt(share)

    def base_ms(self, memory_mb: int, architecture: str, waiting: float = 1.0) -> float:
        """Duration without noise, at a factor on waiting."""
        compute = self.compute_ms(memory_mb, architecture) * self.squeeze(memory_mb)
        return self.io_ms * waiting + self.transfer_ms(memory_mb) + compute

    def mean_duration_ms(self, memory_mb: int, architecture: str) -> float:
        """The expected duration of a warm invocation that ends well (drift averages out)."""
        return self.base_ms(memory_mb, architecture) * self.noise_mean()

    def noise_mean(self) -> float:
        """The expectation of the factor of noise and tail."""
        return 1.0 + self.tail_probability * self.tail_factor

    def durations_ms(
        self,
        memory_mb: int,
        architecture: str,
        keys: Unsigned,
        times_ms: Floats,
        payload_scale: Floats,
    ) -> Floats:
        """Duration of each invocation, before any timeout."""
        wave = np.sin(2 * np.pi * (times_ms / (self.drift_days * DAY_MS) + self.phase))
        work = self.transfer_ms(memory_mb)
        work += self.compute_ms(memory_mb, architecture) * self.squeeze(memory_mb)
        grown = payload_scale**self.payload_power if self.payload_power else 1.0
        base = self.io_ms * (1.0 + self.drift * wave) + work * grown
        factor = np.exp(self.noise * normals(keys, _NOISE) - self.noise**2 / 2)
        slow = uniforms(keys, _TAIL) < self.tail_probability
        factor += np.where(slow, -np.log(uniforms(keys, _TAIL_SIZE)) * self.tail_factor, 0.0)
        result: Floats = np.maximum(base * factor, MINIMUM_MS)
        return result

    def memory_used_mb(self, memory_mb: int, keys: Unsigned, payload_scale: Floats) -> Floats:
        """Peak use; a leak adds what a random age of the environment has gathered."""
        del memory_mb  # garbage collectors that fill what there is are not modelled
        used = self.working_set_mb + self.payload_memory_mb * payload_scale
        spread = 1.0 + self.working_set_noise * normals(keys, _MEMORY)
        result: Floats = used * np.maximum(spread, 0.7)
        if self.leak_mb:
            age = -np.log(uniforms(keys, _LEAK)) * 40.0
            result += self.leak_mb * age
        return result

    def inits_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """Init runs at full speed whatever the size, but for very small ones."""
        del architecture  # init is dominated by loading code, which both do alike
        flat = self.init_ms * (1.0 + 0.08 * max(0.0, 1.0 - memory_mb / 1024))
        result: Floats = flat * np.exp(self.init_noise * normals(keys, _INIT))
        return result

    def firsts_ms(self, memory_mb: int, architecture: str, keys: Unsigned) -> Floats:
        """Classes that are loaded and code that is compiled: processor time at the size's share."""
        factor = self.arm_factor if architecture == "arm64" else 1.0
        work = self.first_ms * factor / min(memory_mb / FULL_VCPU_MB, 1.0)
        result: Floats = work * np.exp(self.init_noise * normals(keys, _FIRST))
        return result

    def out_of_memory_below_mb(self) -> int:
        """The size below which a typical invocation runs out of memory."""
        return math.ceil(self.working_set_mb + self.payload_memory_mb)
