"""What is believed about log mean durations: jointly as one normal, each for itself as a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from lambda_autotuner.tuning.units import Floats

_QUANTILE_GRID = 41
_QUANTILE_REACH = 4.5
_QUANTILE_STRIDE = 4


@dataclass(frozen=True, slots=True)
class Belief:
    """Joint belief about the log mean duration at M configurations.

    Attributes:
        mean: Shape (M,).
        covariance: Shape (M, M).
        noise_variance: Variance of the log of one more sample at each configuration, shape (M,).
    """

    mean: Floats
    covariance: Floats
    noise_variance: Floats


@dataclass(frozen=True, slots=True)
class Marginal:
    """Belief about each configuration for itself: a mixture of normals in log mean duration.

    Attributes:
        means: Component means, shape (M, K).
        deviations: Component standard deviations, shape (M, K).
    """

    means: Floats
    deviations: Floats

    def widened(self, factor: float, extra: Floats) -> Marginal:
        """The same belief, further spread out.

        Args:
            factor: How much further every value is from the mean.
            extra: Standard deviation to be added in quadrature, shape (M,).
        """
        centre = self.means.mean(axis=1, keepdims=True)
        deviations = np.hypot(factor * self.deviations, extra[:, None])
        return Marginal(centre + factor * (self.means - centre), deviations)

    def shifted(self, by: float) -> Marginal:
        """The same belief about values that are larger by a constant."""
        return Marginal(self.means + by, self.deviations)

    def mean(self) -> Floats:
        """Expected log mean duration, shape (M,)."""
        return np.asarray(self.means.mean(axis=1))

    def variance(self) -> Floats:
        """Variance of the log mean duration, shape (M,)."""
        return np.asarray((self.deviations**2).mean(axis=1) + self.means.var(axis=1))

    def expected(self) -> Floats:
        """Expected mean duration in ms, shape (M,)."""
        return np.asarray(np.exp(self.means + self.deviations**2 / 2).mean(axis=1))

    def below(self, log_value: Floats | float) -> Floats:
        """Probability that the log mean duration is below a value (scalar or (M,)), shape (M,)."""
        value = np.broadcast_to(np.asarray(log_value, dtype=float), (len(self.means),))
        return np.asarray(ndtr((value[:, None] - self.means) / self.deviations).mean(axis=1))

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Quantiles of the log value by interpolation of the mixture's distribution function.

        Every fourth component is enough, for they are sorted by nodes and equally likely.

        Args:
            probabilities: The Q probabilities, each between 0 and 1.

        Returns:
            Array of shape (Q, M).
        """
        means = self.means[:, ::_QUANTILE_STRIDE]
        deviations = self.deviations[:, ::_QUANTILE_STRIDE]
        centre = means.mean(axis=1)
        spread = np.sqrt((deviations**2).mean(axis=1) + means.var(axis=1))
        steps = np.linspace(-_QUANTILE_REACH, _QUANTILE_REACH, _QUANTILE_GRID)
        grid = centre[:, None] + spread[:, None] * steps
        share = ndtr((grid[:, :, None] - means[:, None, :]) / deviations[:, None, :]).mean(axis=2)
        return np.stack(
            [np.interp(probabilities, share[m], grid[m]) for m in range(len(grid))], axis=1
        )
