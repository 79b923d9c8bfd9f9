"""Durations, money and feasibility of any configuration, from one body of evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from scipy.special import ndtri

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.belief import Belief, Marginal
from lambda_autotuner.tuning.cold import ColdStarts
from lambda_autotuner.tuning.evidence import Configuration, Evidence
from lambda_autotuner.tuning.failures import excluded
from lambda_autotuner.tuning.observation import (
    memory_floor,
    warm_observations,
)
from lambda_autotuner.tuning.payload_mix import learn
from lambda_autotuner.tuning.posterior import Observations, Posterior
from lambda_autotuner.tuning.pricing import FULL_PERCENT, Rates, storage_usd_per_second
from lambda_autotuner.tuning.priors import Priors, default_priors
from lambda_autotuner.tuning.sharing import Durations
from lambda_autotuner.tuning.units import MB_PER_GB, MS_PER_SECOND, Architecture, Floats
from lambda_autotuner.tuning.workload import Workload

T = TypeVar("T")

_TAIL_PSEUDO_SAMPLES = 10.0
_NODES = 200
_MANY = 100
_USUAL_NOISE = 0.05
_ROUNDING_MS = 0.5
_SLOW_PROBABILITY = 0.5
_MINIMUM_COLD_RATE = 1e-6
_RARE_EVENT_COUNT = 4.0
_OTHER_SIZES_COUNT = 4.0
# What is remembered of configurations and does not depend on the share of cold starts.
_OF_DURATIONS = ("duration", "belief", "ratio", "beside")


class Model:
    """What the evidence says about the cost and the latency of configurations.

    Args:
        evidence: Samples; may be empty.
        workload: How the function is used.
        rates: Prices of each architecture that is asked about.
        priors: Numbers learned once from data.
        posterior: Makes the belief about durations from what was observed.
    """

    def __init__(
        self,
        evidence: Evidence,
        workload: Workload,
        rates: Mapping[Architecture, Rates],
        priors: Priors | None = None,
        posterior: Callable[[Observations, Priors], Durations] = Posterior,
    ) -> None:
        self.evidence = evidence
        self.workload = workload
        self.rates_given = dict(rates)
        self.rates = {
            name: value.discounted(workload.savings_plan_discount_pct)
            for name, value in rates.items()
        }
        self.priors = priors or default_priors()
        self.floor = memory_floor(evidence, workload.memory_headroom)
        shares = dict(workload.payload_shares)
        self.mix = learn(evidence, shares) if len(shares) > 1 else None
        # Means are compared as if every size had seen the same events.
        self.standard = self.mix.standardised(evidence) if self.mix else evidence
        warm = warm_observations(self.standard)
        self.warm = None if warm is None else posterior(warm, self.priors)
        self._remembered: dict[tuple[str, int], tuple[Sequence[Configuration], Any]] = {}

    def at_cold_rate(self, rate: float) -> Model:
        """The same knowledge if that share of invocations started cold: durations stay as believed."""
        other = copy(self)
        kept = {key: value for key, value in self._remembered.items() if key[0] in _OF_DURATIONS}
        for name in ("cold_rate", "cold"):
            vars(other).pop(name, None)
        vars(other).update(workload=replace(self.workload, cold_rate=rate), _remembered=kept)
        return other

    @cached_property
    def cold_rate(self) -> float:
        """Share of cold starts that costs are blended with; 0 where it is unknown."""
        known = self.workload.cold_rate
        return (self.evidence.cold_rate() or 0.0) if known is None else known

    @cached_property
    def cold(self) -> ColdStarts | None:
        """Belief about cold starts; None where they do not count or none was seen."""
        if self.cold_rate < _MINIMUM_COLD_RATE or self.warm is None:
            return None
        if not any(summary.cold_ms for summary in self.evidence.summaries()):
            return None
        return ColdStarts(self.standard, self.durations)

    def usd_per_ms(self, configurations: Sequence[Configuration]) -> Floats:
        """Price of one billed ms at each configuration, shape (M,)."""
        return self._once(
            "price", configurations, lambda many: np.asarray([self._usd_per_ms(w) for w in many])
        )

    def _usd_per_ms(self, where: Configuration) -> float:
        rates = self.rates.get(where.architecture)
        if rates is None:
            raise UsageError(f"No prices were given for {where.architecture}.")
        storage = storage_usd_per_second(self.workload.ephemeral_mb, rates)
        before = self.workload.account_gb_seconds_per_month
        duration = where.memory_mb / MB_PER_GB * rates.marginal_gb_second_usd(before)
        return (duration + storage) / MS_PER_SECOND

    def storage_share(self, where: Configuration) -> float:
        """Share of the price of a billed ms that ephemeral storage above 512 MB makes up."""
        rates = self.rates[where.architecture]
        storage = storage_usd_per_second(self.workload.ephemeral_mb, rates) / MS_PER_SECOND
        return storage / self._usd_per_ms(where)

    def fees(self, configurations: Sequence[Configuration]) -> Floats:
        """Price of a request at each configuration, shape (M,); 0 where it is left out."""
        if not self.workload.request_fee:
            return np.zeros(len(configurations))
        return np.asarray([self.rates[where.architecture].request_usd for where in configurations])

    def rounding_ms(self, configurations: Sequence[Configuration], mean_ms: Floats) -> Floats:
        """What rounding up to 1 ms adds to the mean duration, shape (M,)."""
        expected = np.maximum(_ROUNDING_MS, 1.0 - mean_ms)
        known = {s.configuration: s for s in self.evidence.summaries() if s.warm_ms}
        for position, where in enumerate(configurations):
            summary = known.get(where)
            if summary is not None:
                added = np.subtract(summary.warm_billed_ms, summary.warm_ms).sum()
                expected[position] = (expected[position] + added) / (1 + len(summary.warm_ms))
        return np.asarray(np.maximum(expected, 0.0))

    def durations(self, configurations: Sequence[Configuration]) -> Marginal:
        """Belief about the log mean warm duration of each configuration.

        Raises:
            UsageError: Nothing was measured yet.
        """
        if self.warm is None:
            raise UsageError("Nothing was measured yet: there is no duration to learn from.")
        return self._once("duration", configurations, self.warm.marginal)

    def calibrated(
        self, marginal: Marginal, configurations: Sequence[Configuration], *, upward: bool
    ) -> Marginal:
        """Belief as it is told to people: wide enough to hold what it says.

        A mixture of normals from few samples is too narrow in two ways: the model is not quite
        right (`interval_stretch`), and an event that happens once in n invocations is mostly not
        among n / 2 of them, however alike those are (`rare_events`). Invocations at other sizes
        count a quarter. What is rare mostly takes longer, the more so the noisier a function is,
        and a pick is a size that looked cheap: the upper side needs more room than the lower one.

        Args:
            marginal: Belief about durations or costs.
            configurations: What it is about.
            upward: Whether the side above the expected value is asked for, or the one below it.
        """
        rare = self.priors.rare_events
        if upward and self.warm is not None:
            heavy = self.priors.rare_slow_events * self.warm.noise_level
            rare += min(heavy, self.priors.rare_slow_events_most)
        return marginal.widened(self._stretch, self._unseen(configurations, rare))

    @cached_property
    def _stretch(self) -> float:
        """Factor on spreads as they are told, where a search chose what to measure.

        It stops at what looks good, which telemetry alone cannot.
        """
        searched = any(sample.source == "invocation" for sample in self.evidence)
        return self.priors.interval_stretch if searched else 1.0

    def _unseen(self, configurations: Sequence[Configuration], rare: float) -> Floats:
        """What events too rare to have been seen may move each mean by, relative sd, (M,)."""
        total = self.evidence.invocations()
        unknown_mix = math.sqrt(self.mix.variance) if self.mix else 0.0
        extra = []
        for where in configurations:
            here = self.evidence.at(where.memory_mb, where.architecture).succeeded
            count = here + (total - here) / _OTHER_SIZES_COUNT
            extra.append(math.hypot(rare / (count + _RARE_EVENT_COUNT), unknown_mix))
        return np.asarray(extra)

    def calibrated_ratio(
        self, configurations: Sequence[Configuration], to: Configuration
    ) -> Marginal:
        """Belief about the log of each mean duration divided by the one at `to`, as it is told.

        Events too rare to have been seen are in production's percentile already, if it holds them
        at all, so they do not widen it as they widen a mean.

        Raises:
            UsageError: Nothing was measured yet.
        """
        if self.warm is None:
            raise UsageError("Nothing was measured yet: there is no duration to learn from.")
        warm = self.warm
        ratio = self._once("ratio", configurations, lambda many: warm.relative(many, to))
        extra = self._unseen(configurations, 0.0)
        same = np.asarray([where == to for where in configurations])
        return ratio.widened(self._stretch, np.where(same, 0.0, extra))

    def belief_beside(
        self, configurations: Sequence[Configuration], other: Configuration
    ) -> Belief:
        """Joint belief about the configurations and, last, one more."""
        return self._once("beside", configurations, lambda many: self.belief((*many, other)))

    def reference_for(self, percentile: float) -> tuple[Configuration, float] | None:
        """Where production's own percentile is known, and its value in ms; None where it is not.

        A ratio that telemetry gives for this percentile goes before it.
        """
        if any(known == percentile for known, _ in self.workload.tail_ratios):
            return None
        at = self.workload.production_at
        value = dict(self.workload.production_ms).get(percentile)
        return None if at is None or value is None else (at, value)

    def tail_error(self, percentile: float) -> float:
        """Relative standard deviation of `tail_ratio` where few invocations tell it; else 0.

        It is that of the quantile of a sample as large as what was pooled and assumed, whose tail
        falls off exponentially: durations are skewed, and a normal one would be too sure of itself.
        """
        if any(known == percentile for known, _ in self.workload.tail_ratios):
            return 0.0
        if self.warm is None or self.reference_for(percentile) is not None:
            return 0.0
        share = percentile / FULL_PERCENT
        count = len(self._relative_durations) + _TAIL_PSEUDO_SAMPLES
        return self.warm.noise_level * math.sqrt(share / (1 - share) / count)

    def belief(self, configurations: Sequence[Configuration]) -> Belief:
        """Joint belief about the log mean warm duration of the configurations.

        Raises:
            UsageError: Nothing was measured yet.
        """
        if self.warm is None:
            raise UsageError("Nothing was measured yet: there is no duration to learn from.")
        return self._once("belief", configurations, self.warm.belief)

    def _once(
        self,
        name: str,
        configurations: Sequence[Configuration],
        compute: Callable[[Sequence[Configuration]], T],
    ) -> T:
        """Remember an answer for the very same tuple, which a decision asks about many times."""
        if not isinstance(configurations, tuple):
            return compute(configurations)
        key = (name, id(configurations))
        if key not in self._remembered:
            # Holding the tuple keeps its identity from being given to another one.
            self._remembered[key] = (configurations, compute(configurations))
        answer: T = self._remembered[key][1]
        return answer

    def costs(self, configurations: Sequence[Configuration]) -> Marginal:
        """Belief about the log mean cost of an invocation, cold starts blended in."""
        return self._once("cost", configurations, self._costs)

    def _costs(self, configurations: Sequence[Configuration]) -> Marginal:
        warm = self.durations(configurations)
        price = self.usd_per_ms(configurations)[:, None]
        milliseconds = np.exp(warm.means)
        rounding = self.rounding_ms(configurations, milliseconds.mean(axis=1))[:, None]
        fees = self.fees(configurations)[:, None]
        if self.cold is None:
            duration = price * milliseconds
            total = fees + duration + price * rounding
            return Marginal(np.log(total), warm.deviations * duration / total)
        init, init_variance = (part[:, None] for part in self.cold.init_ms(configurations))
        extra, extra_variance = (part[:, None] for part in self.cold.extra_ms(configurations))
        duration, starting = price * milliseconds, price * self.cold_rate
        total = fees + duration + starting * (init + extra) + price * rounding
        variance = (duration * warm.deviations) ** 2
        variance += starting**2 * (init**2 * init_variance + extra_variance)
        return Marginal(np.log(total), np.sqrt(variance) / total)

    def log_cost_change(
        self, before: Configuration, after: Configuration, confidence: float
    ) -> tuple[float, float]:
        """Credible interval of log(cost after / cost before), their correlation included.

        Raises:
            UsageError: Nothing was measured yet.
        """
        if self.warm is None:
            raise UsageError("Nothing was measured yet: there is no cost to compare.")
        if before == after:
            return 0.0, 0.0
        pair = [before, after]
        cost = self.costs(pair)
        belief = self.belief(pair)
        share = self.usd_per_ms(pair) * np.exp(belief.mean - cost.mean())
        spread = np.asarray([-share[0], share[1]])
        deviation = math.sqrt(max(float(spread @ belief.covariance @ spread), 0.0))
        deviation *= self._stretch
        change = float(cost.mean()[1] - cost.mean()[0])
        reach = float(ndtri((1 + confidence) / 2)) * deviation
        return change - reach, change + reach

    def tail_ratio(self, percentile: float) -> float:
        """Ratio of a percentile of production's duration to the mean that was measured.

        What telemetry over many invocations shows, where it is given for this percentile. Where
        production's own percentile is known at one configuration, the ratio to the mean that is
        believed there: it carries production's scale too, so that events of ours that are lighter
        or heavier than production's do not move the percentile. Otherwise the sorted relative durations of all sizes, pooled, and as many samples of a
        log-normal with the believed noise as ten invocations weigh.
        """
        for known, ratio in self.workload.tail_ratios:
            if known == percentile:
                return ratio
        for known, value in self.workload.production_ms:
            if known == percentile and self.workload.production_at and self.warm is not None:
                return value / self._production_scale_ms
        share = percentile / FULL_PERCENT
        noise = self.warm.noise_level if self.warm is not None else _USUAL_NOISE
        nodes = np.append((np.arange(_NODES) + 0.5) / _NODES, share)
        usual = np.exp(ndtri(nodes) * noise - noise**2 / 2)
        assumed = float(usual[-1]) if self.mix is None else self._quantile(usual[:-1], share)
        pooled = self._relative_durations
        if not len(pooled):
            return assumed
        seen = self._quantile(pooled, share)
        weight = len(pooled) / (len(pooled) + _TAIL_PSEUDO_SAMPLES)
        if seen > assumed and len(pooled) < _MANY:
            return seen
        return weight * seen + (1 - weight) * assumed

    @cached_property
    def _production_scale_ms(self) -> float:
        """Believed mean duration in ms of our events where production ran."""
        at = self.workload.production_at
        if at is None:
            raise UsageError("Where production ran is unknown.")
        return float(self.durations((at,)).expected()[0])

    def _quantile(self, pooled: Floats, share: float) -> float:
        """Quantile of relative durations, over the mix of events where there is one."""
        if self.mix is None:
            return float(np.quantile(pooled, share))
        values, weights = self.mix.spread(pooled)
        order = np.argsort(values)
        reached = np.cumsum(weights[order]) / weights.sum()
        return float(values[order][min(int(np.searchsorted(reached, share)), len(order) - 1)])

    @cached_property
    def _relative_durations(self) -> Floats:
        """Warm durations of every size with replicates, divided by that size's mean, sorted."""
        parts = [
            np.divide(s.warm_ms, s.mean_ms)
            for s in self.standard.summaries()
            if len(s.warm_ms) > 1 and s.mean_ms
        ]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0)

    def excluded(self, configurations: Sequence[Configuration]) -> np.ndarray:
        """Which configurations may not be proposed, as a boolean array of shape (M,)."""
        return self._once("excluded", configurations, self._excluded)

    def _excluded(self, configurations: Sequence[Configuration]) -> np.ndarray:
        return excluded(self.evidence, configurations, self.floor, self.too_slow)

    def too_slow(self, configurations: Sequence[Configuration]) -> np.ndarray:
        """Sizes whose tail is more likely than not beyond the timeout."""
        limit = self.workload.timeout_ms
        if limit is None or self.warm is None:
            return np.zeros(len(configurations), dtype=bool)
        ratio = self.tail_ratio(99)
        within = self.durations(configurations).below(math.log(limit / ratio))
        return np.asarray(within < _SLOW_PROBABILITY)
