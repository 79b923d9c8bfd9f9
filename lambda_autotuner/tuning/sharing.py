"""One posterior for all functions whose evidence differs in nothing but the scale of durations.

Where one memory size is known, the law works on ratios and the scale is unknown beforehand, so
evidence that is slower by a factor moves every believed duration by that factor and changes nothing
else. A whole account's functions are mostly known from one memory size each: there is one posterior
a size, not one a function. With more sizes the scale tells what periods of processor time change,
and each function has a posterior of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np

from lambda_autotuner.tuning.belief import Belief, Marginal
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.posterior import Observations, Posterior
from lambda_autotuner.tuning.priors import Priors


class Durations(Protocol):
    """What is believed of the log mean duration at configurations."""

    def marginal(self, configurations: Sequence[Configuration]) -> Marginal:
        """Belief about each configuration for itself."""
        ...

    def belief(self, configurations: Sequence[Configuration]) -> Belief:
        """Joint belief."""
        ...

    def relative(self, configurations: Sequence[Configuration], to: Configuration) -> Marginal:
        """Belief about the log of each mean duration divided by the one at `to`."""
        ...

    @property
    def noise_level(self) -> float:
        """Expected relative standard deviation of one invocation."""
        ...


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A posterior whose durations are all longer by a factor, given as its logarithm."""

    reference: _Reference
    log_scale: float

    def marginal(self, configurations: Sequence[Configuration]) -> Marginal:
        found = self.reference.marginal(tuple(configurations))
        return Marginal(found.means + self.log_scale, found.deviations)

    def belief(self, configurations: Sequence[Configuration]) -> Belief:
        found = self.reference.belief(tuple(configurations))
        return replace(found, mean=found.mean + self.log_scale)

    def relative(self, configurations: Sequence[Configuration], to: Configuration) -> Marginal:
        return self.reference.relative(tuple(configurations), to)

    @property
    def noise_level(self) -> float:
        return self.reference.noise_level


class _Reference:
    """A posterior that remembers what it was asked, by value."""

    def __init__(self, posterior: Posterior) -> None:
        self._posterior = posterior
        self._marginals: dict[tuple[Configuration, ...], Marginal] = {}
        self._beliefs: dict[tuple[Configuration, ...], Belief] = {}
        self._ratios: dict[tuple[Configuration, ...], Marginal] = {}
        self.noise_level = posterior.noise_level

    def marginal(self, configurations: tuple[Configuration, ...]) -> Marginal:
        if configurations not in self._marginals:
            self._marginals[configurations] = self._posterior.marginal(configurations)
        return self._marginals[configurations]

    def belief(self, configurations: tuple[Configuration, ...]) -> Belief:
        if configurations not in self._beliefs:
            self._beliefs[configurations] = self._posterior.belief(configurations)
        return self._beliefs[configurations]

    def relative(self, configurations: tuple[Configuration, ...], to: Configuration) -> Marginal:
        key = (*configurations, to)
        if key not in self._ratios:
            self._ratios[key] = self._posterior.relative(configurations, to)
        return self._ratios[key]


@dataclass
class SharedPosteriors:
    """Makes posteriors as `Posterior` does, and makes those that are alike once."""

    _known: dict[tuple[object, ...], _Reference] = field(default_factory=dict)

    def __call__(self, seen: Observations, priors: Priors) -> Durations:
        """The posterior of observations; the same priors are expected every time."""
        if len({where.memory_mb for where in seen.configurations}) > 1:
            return Posterior(seen, priors)
        scale = float(seen.log_mean[0])
        # With one size there is nothing to tell an event by, so the longest ones do not matter.
        reference = replace(seen, log_mean=seen.log_mean - scale, longest=None)
        key = tuple(_value(getattr(reference, item.name)) for item in fields(reference))
        if key not in self._known:
            self._known[key] = _Reference(Posterior(reference, priors))
        return _Scaled(self._known[key], scale)


def _value(part: object) -> object:
    """Arrays by their numbers, so that equal observations have equal keys."""
    return part.tobytes() if isinstance(part, np.ndarray) else part
