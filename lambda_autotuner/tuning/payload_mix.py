"""Durations of different events made comparable: what each would be for the production mix.

Few invocations fall on each memory size, so that two sizes seldom see the same events. What an
event takes beside the others is a factor that all sizes share, near enough; learned from all
invocations together (a small random-effects model, Gelman and Hill, 2007, chapter 13) and divided
out, it leaves what differs by size. The mean over the mix is the average weighted by the shares
(post-stratification), whatever was invoked how often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lambda_autotuner.tuning.evidence import Evidence, Outcome, Sample
from lambda_autotuner.tuning.units import Floats

# Beliefs about natural logarithms of durations: intercept, slope and bend in log memory,
# architecture, cold start, and each size's own deviation from the bend.
_SCALE_SD, _SLOPE, _SLOPE_SD, _BEND_SD = 10.0, -0.5, 0.5, 0.15
_ARCHITECTURE_SD, _COLD_SD, _SIZE_SD = 0.3, 0.5, 0.1
# How much events differ, and how much one event differs from itself, are learned.
_EVENT_SDS = (0.03, 0.3, 1.0, 2.5)
_NOISES = (0.03, 0.1, 0.3)
_SMALLEST_MS = 0.01


@dataclass(frozen=True, slots=True)
class PayloadMix:
    """What each event takes beside the mean over the mix.

    Attributes:
        factors: Duration of each event divided by the mix's mean.
        shares: Share of each in production, adding up to 1.
        variance: Variance of the logarithm of the mix's mean that comes from not knowing the
            factors exactly; it is the same at every size.
    """

    factors: Mapping[str, float]
    shares: Mapping[str, float]
    variance: float

    def standardised(self, evidence: Evidence) -> Evidence:
        """The evidence as if every invocation of ours had brought the whole mix."""
        return Evidence(self._standard(sample) for sample in evidence)

    def _standard(self, sample: Sample) -> Sample:
        factor = self.factors.get(sample.payload)
        if factor is None or not _usable(sample):
            return sample
        duration_ms = sample.duration_ms / factor
        billed_ms = sample.billed_ms
        if billed_ms is not None:
            billed_ms = max(billed_ms + duration_ms - sample.duration_ms, duration_ms)
        return replace(sample, duration_ms=duration_ms, billed_ms=billed_ms)

    def spread(self, relative: Floats) -> tuple[Floats, Floats]:
        """Durations relative to the mix's mean, events' differences included, with weights.

        Args:
            relative: Standardised durations relative to their size's mean, shape (n,).

        Returns:
            Values and weights, each of shape (events * n,).
        """
        names = list(self.factors)
        factors = np.asarray([self.factors[name] for name in names])
        weights = np.asarray([self.shares[name] for name in names])
        values = np.outer(factors, relative).ravel()
        return values, np.repeat(weights / len(relative), len(relative))


def learn(evidence: Evidence, shares: Mapping[str, float]) -> PayloadMix | None:
    """Learn the factors of events from all invocations together.

    Args:
        evidence: Samples; only our own successful invocations tell which event they had.
        shares: Share of each event in production.

    Returns:
        None where fewer than two events were seen.
    """
    samples = [s for s in evidence if _usable(s) and s.payload in shares]
    names = sorted({s.payload for s in samples})
    if len(names) < 2:  # noqa: PLR2004 - one event has nothing to differ from
        return None
    mean, covariance = _events(samples, names)
    weights = np.asarray([shares[name] for name in names])
    seen = weights.sum()
    relative = np.exp(mean)
    total = float(weights @ relative / seen)
    pull = weights * relative / (total * seen)
    variance = float(pull @ covariance @ pull)
    # Events that were never invoked may be anything that the others are.
    missing = max(0.0, sum(shares.values()) - float(seen))
    variance += (missing * float(np.std(relative)) / total) ** 2
    factors = {name: float(value / total) for name, value in zip(names, relative, strict=True)}
    return PayloadMix(factors, {name: shares[name] / float(seen) for name in names}, variance)


def _usable(sample: Sample) -> bool:
    return sample.source == "invocation" and sample.outcome is Outcome.OK


def _events(samples: list[Sample], names: list[str]) -> tuple[Floats, Floats]:
    """Mean and covariance of each event's logarithm beside the weighted others, shape (E,)."""
    y = np.log(np.maximum([s.duration_ms for s in samples], _SMALLEST_MS))
    design, precision, believed = _design(samples)
    events = np.asarray([[float(s.payload == name) for name in names] for s in samples])
    everything = np.hstack([events, design])
    expected = np.concatenate([np.zeros(len(names)), believed])
    parts = [
        _condition(
            everything,
            y,
            np.concatenate([np.full(len(names), event_sd**-2), precision]),
            expected,
            noise,
        )
        for event_sd in _EVENT_SDS
        for noise in _NOISES
    ]
    weight = np.exp(np.asarray([p[0] for p in parts]) - max(p[0] for p in parts))
    weight /= weight.sum()
    means = np.stack([p[1][: len(names)] for p in parts])
    # The intercept takes up what all events share, so only differences between them count.
    means -= means.mean(axis=1, keepdims=True)
    centre = np.eye(len(names)) - 1 / len(names)
    inside = sum(
        w * (centre @ p[2][: len(names), : len(names)] @ centre)
        for w, p in zip(weight, parts, strict=True)
    )
    mean = weight @ means
    off = means - mean
    return mean, np.asarray(inside + (off.T * weight) @ off)


def _design(samples: list[Sample]) -> tuple[Floats, Floats, Floats]:
    """Columns of everything but the event, their prior precisions and means."""
    memory = np.log([s.memory_mb for s in samples])
    memory = memory - memory.mean()
    places = sorted({s.configuration for s in samples})
    columns = [
        np.ones(len(samples)),
        memory,
        memory**2,
        np.asarray([float(s.architecture == "arm64") for s in samples]),
        np.asarray([float(s.cold) for s in samples]),
        *(np.asarray([float(s.configuration == place) for s in samples]) for place in places),
    ]
    deviations = [_SCALE_SD, _SLOPE_SD, _BEND_SD, _ARCHITECTURE_SD, _COLD_SD]
    deviations += [_SIZE_SD] * len(places)
    believed = np.zeros(len(columns))
    believed[1] = _SLOPE
    return np.column_stack(columns), np.asarray(deviations) ** -2.0, believed


def _condition(
    design: Floats, y: Floats, precision: Floats, believed: Floats, noise: float
) -> tuple[float, Floats, Floats]:
    """Log marginal likelihood, posterior mean and covariance of a Gaussian linear model."""
    matrix = np.diag(precision) + design.T @ design / noise**2
    covariance = np.linalg.inv(matrix)
    off = y - design @ believed
    pulled = design.T @ off / noise**2
    mean = covariance @ pulled
    fit = float(off @ off) / noise**2 - float(pulled @ mean)
    _, logdet = np.linalg.slogdet(matrix)
    log_likelihood = -0.5 * (fit + logdet - np.log(precision).sum()) - len(y) * math.log(noise)
    return float(log_likelihood), np.asarray(believed + mean), np.asarray(covariance)
