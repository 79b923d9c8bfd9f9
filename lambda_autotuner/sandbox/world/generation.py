"""Traffic made on read: the same function, hour and seed always give the same invocations.

An hour is the unit. Up to 240 invocations each stand for themselves; a busier hour has four
distinct invocations a minute, each with a weight, and the weights add up to the hour's count. All
randomness hangs on (function, hour, index), never on settings, so that a change of memory changes
durations and nothing else about what was asked of the function.

What befalls an invocation by chance (its version, a throttle, a cold start, an error) befalls each
of a row's invocations for itself: `Arrivals.part` takes so many of them out as a row of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.world.binomial import binomial
from lambda_autotuner.sandbox.world.randomness import mix, mixed, normals, uniforms
from lambda_autotuner.sandbox.world.traffic import Traffic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Unsigned = NDArray[np.uint64]

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
PER_MINUTE: Final = 4
FULL: Final = 60 * PER_MINUTE
_SMALL: Final = 50.0
_COUNT, _COUNT_NORMAL, _TIME, _MINUTE, _PAYLOAD, _FAN = 501, 503, 505, 506, 507, 511


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What was asked of a function, before anybody serves it; times on the traffic's own line."""

    time_ms: Integers
    weight: Integers
    key: Unsigned
    hour_rate: Floats  # expected invocations of the hour that each row is in
    since_ms: float = -math.inf  # settings hold from here on: what is taken apart stays within them
    until_ms: float = math.inf

    def __len__(self) -> int:
        return len(self.time_ms)

    def where(self, mask: NDArray[np.bool_] | Integers) -> Arrivals:
        """Some of the rows."""
        return replace(
            self,
            time_ms=self.time_ms[mask],
            weight=self.weight[mask],
            key=self.key[mask],
            hour_rate=self.hour_rate[mask],
        )

    def payload_scale(self, spread: float) -> Floats:
        """Size of each payload relative to an ordinary one."""
        if not spread:
            return np.ones(len(self))
        result: Floats = np.exp(spread * normals(self.key, _PAYLOAD) - spread**2 / 2)
        return result

    def cold_chance(self, idle_minutes: float, concurrency: float) -> Floats:
        """The chance of each to start an environment: after a pause, and a steady few.

        With Poisson arrivals at a rate r a pause of `idle_minutes` has the chance
        exp(-r * idle_minutes); environments are also recycled, and peaks need new ones.
        """
        per_minute = self.hour_rate / 60.0
        pause = np.exp(-np.minimum(per_minute * idle_minutes, 50.0))
        steady = 0.0012 + 0.004 * concurrency / (concurrency + 40.0)
        result: Floats = np.minimum(pause + steady, 1.0)
        return result

    def drawn(self, of: Integers, chance: Floats, stream: int) -> Integers:
        """How many of `of` invocations of each row something befalls that has this chance."""
        return binomial(of, chance, uniforms(self.key, stream))

    def part(self, number: Integers, salt: int) -> Arrivals:
        """So many of each row's invocations, as rows with keys and times of their own.

        A row that is one invocation keeps its key, and so does a row that is taken as a whole.
        """
        some = number > 0
        chosen = self.where(some)
        taken = number[some]
        split = taken < chosen.weight
        key = np.where(split, mixed(chosen.key ^ np.uint64(mix(salt))), chosen.key)
        time_ms = np.where(split, chosen.moved(key, taken), chosen.time_ms)
        return replace(chosen, time_ms=time_ms, weight=taken, key=key)

    def fanned(self, parts: int) -> Arrivals:
        """The same invocations as up to `parts` distinct rows for each row."""
        per_row = np.minimum(self.weight, parts)
        row = np.repeat(np.arange(len(self)), per_row)
        many, times = self.where(row), per_row[row]
        index = np.arange(len(row), dtype=np.int64) - (np.cumsum(per_row) - per_row)[row]
        weight = many.weight // times + (index < many.weight % times)
        salted = mixed(many.key ^ np.uint64(mix(_FAN)) ^ index.astype(np.uint64))
        key = np.where(index == 0, many.key, salted)
        time_ms = np.where(times == 1, many.time_ms, many.moved(key, weight))
        return replace(many, time_ms=time_ms, weight=weight, key=key)

    def moved(self, keys: Unsigned, weight: Integers) -> Integers:
        """Other moments of the same minutes, from which `weight` copies still end within them."""
        step = MINUTE_MS / np.maximum(weight, 1)
        moment = np.floor(uniforms(keys, _TIME) * step).astype(np.int64)
        time_ms = self.time_ms // MINUTE_MS * MINUTE_MS + moment
        inside = (time_ms >= self.since_ms) & (time_ms < self.until_ms)
        result: Integers = np.where(inside, time_ms, self.time_ms)
        return result


def together(parts: list[Arrivals]) -> tuple[Arrivals, Integers]:
    """Rows of several parts by time, and which part each row is from."""
    source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    time_ms = np.concatenate([part.time_ms for part in parts])
    order = np.argsort(time_ms, kind="stable")
    whole = replace(
        parts[0],
        time_ms=time_ms,
        weight=np.concatenate([part.weight for part in parts]),
        key=np.concatenate([part.key for part in parts]),
        hour_rate=np.concatenate([part.hour_rate for part in parts]),
    )
    return whole.where(order), source[order]


def counts(rate: Floats, keys: Unsigned) -> Integers:
    """A Poisson number for each rate, by inversion below 50 and by the normal law above."""
    result = np.zeros(len(rate), dtype=np.int64)
    large = rate >= _SMALL
    if large.any():
        wave = normals(keys[large], _COUNT_NORMAL)
        result[large] = np.rint(rate[large] + np.sqrt(rate[large]) * wave).astype(np.int64)
    small = ~large & (rate > 0)
    if small.any():
        result[small] = _inverted(rate[small], uniforms(keys[small], _COUNT))
    return np.maximum(result, 0)


def _inverted(rate: Floats, draw: Floats) -> Integers:
    term = np.exp(-rate)
    total = term.copy()
    found = np.zeros(len(rate), dtype=np.int64)
    step = 0
    open_ = draw > total
    while open_.any() and step < 4 * _SMALL:
        step += 1
        term = term * rate / step
        found[open_] = step
        total = total + term
        open_ = draw > total
    return found


def arrivals(traffic: Traffic, key: int, first_hour: int, last_hour: int) -> Arrivals:
    """Everything that is asked in the hours [first_hour, last_hour), sorted by time."""
    hours = np.arange(first_hour, last_hour, dtype=np.int64)
    rate = traffic.hourly_rate(hours, key)
    hour_keys = mixed(hours.astype(np.uint64) ^ np.uint64(key))
    number = counts(rate, hour_keys)
    rows = np.minimum(number, FULL)
    which = np.repeat(np.arange(len(hours)), rows)
    ends = np.cumsum(rows)
    index = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    index -= np.repeat(ends - rows, rows)
    keys = mixed(hour_keys[which] + index.astype(np.uint64))
    busy = number[which] > FULL
    weight = np.ones(len(which), dtype=np.int64)
    if busy.any():
        weight[busy] = _weights(number, hour_keys)[which[busy], index[busy]]
    time_ms = hours[which] * HOUR_MS + _offsets(keys, index, weight, busy)
    # A quiet minute of a busy hour may have fewer invocations than distinct values.
    order = np.argsort(time_ms, kind="stable")
    order = order[weight[order] > 0]
    return Arrivals(time_ms[order], weight[order], keys[order], rate[which][order])


def _weights(number: Integers, hour_keys: Unsigned) -> Integers:
    """How many invocations each of an hour's rows stands for."""
    minutes = np.arange(60, dtype=np.uint64)
    share = 0.85 + 0.3 * uniforms(mixed(hour_keys[:, None] + minutes[None, :]), _MINUTE)
    reached = np.cumsum(share, axis=1)
    edges = np.rint(reached / reached[:, -1:] * number[:, None]).astype(np.int64)
    per_minute = np.diff(edges, axis=1, prepend=0)
    slot = np.arange(PER_MINUTE, dtype=np.int64)
    whole = per_minute // PER_MINUTE
    rest = per_minute % PER_MINUTE
    weights: Integers = whole[:, :, None] + (slot[None, None, :] < rest[:, :, None])
    return weights.reshape(len(number), FULL)


def _offsets(
    keys: Unsigned, index: Integers, weight: Integers, busy: NDArray[np.bool_]
) -> Integers:
    draw = uniforms(keys, _TIME)
    alone = np.floor(draw * HOUR_MS)
    # The copies of a weighted row spread evenly over its minute (see Columns.expand).
    shared = (index // PER_MINUTE) * MINUTE_MS + np.floor(draw * MINUTE_MS / np.maximum(weight, 1))
    return np.where(busy, shared, alone).astype(np.int64)
