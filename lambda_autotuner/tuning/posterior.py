"""What the evidence says about the mean duration at every configuration, with uncertainty.

The logarithm of the mean duration is a shape of the law + a constant + a smooth residual (a
Gaussian process over log memory) + an independent residual per size. Shapes, the size of both
residuals and the noise are marginalised over a fixed set of nodes, so the belief about a
configuration depends on the evidence alone and never on which other sizes are candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.law import Ensemble, ensemble
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.units import Floats

_SCALE_SD = 4.0
_PARTICLES = 256
_MINIMUM_WEIGHT = 0.02


@dataclass(frozen=True, slots=True)
class Observations:
    """Per configuration: log of the mean duration, replicates and their relative scatter.

    Attributes:
        configurations: The k measured configurations.
        log_mean: Log of the arithmetic mean duration in ms, shape (k,).
        count: Number of replicates, shape (k,).
        scatter: Sum of squared relative deviations from the mean, shape (k,).
        extra_variance: Variance of `log_mean` that replicates do not show, shape (k,).
    """

    configurations: tuple[Configuration, ...]
    log_mean: Floats
    count: Floats
    scatter: Floats
    extra_variance: Floats


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

    def mean(self) -> Floats:
        """Expected log mean duration, shape (M,)."""
        return np.asarray(self.means.mean(axis=1))

    def expected(self) -> Floats:
        """Expected mean duration in ms, shape (M,)."""
        return np.asarray(np.exp(self.means + self.deviations**2 / 2).mean(axis=1))

    def below(self, log_value: Floats | float) -> Floats:
        """Probability that the log mean duration is below a value (scalar or (M,)), shape (M,)."""
        value = np.broadcast_to(np.asarray(log_value, dtype=float), (len(self.means),))
        return np.asarray(ndtr((value[:, None] - self.means) / self.deviations).mean(axis=1))

    def quantile(self, probability: float) -> Floats:
        """Quantile of the log mean duration, shape (M,), by bisection."""
        low = (self.means - 9 * self.deviations).min(axis=1)
        high = (self.means + 9 * self.deviations).max(axis=1)
        for _ in range(50):
            middle = (low + high) / 2
            under = self.below(middle) < probability
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray((low + high) / 2)


class Posterior:
    """The posterior of the law and its residuals given observations.

    Args:
        observations: At least one measured configuration.
        priors: Numbers learned once from data.
        shapes: The ensemble; the usual one by default.
    """

    def __init__(
        self, observations: Observations, priors: Priors, shapes: Ensemble | None = None
    ) -> None:
        self._priors = priors
        self._shapes = shapes or ensemble()
        self._seen = observations
        self._memory = _log_memory(observations.configurations)
        self._arch = _architectures(observations.configurations)
        self._fit()

    def _noise_nodes(self) -> tuple[Floats, Floats]:
        """Noise levels with their log weight from the scatter of replicates alone."""
        seen, nu = self._seen, self._priors.noise_freedom
        levels = np.asarray(self._priors.noise_levels)
        variance = levels[:, None] ** 2
        freedom = seen.count - 1
        logw = np.log(np.asarray(self._priors.noise_weights)) + (
            nu * np.log(levels)[:, None]
            - 0.5 * (nu + freedom) * np.log(nu * variance + seen.scatter)
            + 0.5 * freedom * np.log(nu)
        ).sum(axis=1, where=freedom > 0)
        weight = np.exp(logw - logw.max())
        keep = weight / weight.sum() > _MINIMUM_WEIGHT
        return levels[keep], logw[keep]

    def _fit(self) -> None:
        seen, priors = self._seen, self._priors
        levels, noise_logw = self._noise_nodes()
        nodes = priors.residual_nodes
        self._node = np.repeat(np.arange(len(nodes)), len(levels))
        self._level = np.tile(levels, len(nodes))
        local = (priors.noise_freedom * self._level[:, None] ** 2 + seen.scatter) / (
            priors.noise_freedom + np.maximum(seen.count - 1, 0)
        )
        noise = local / seen.count + seen.extra_variance
        kernels = np.stack([self._kernel(n, self._memory, self._arch) for n in range(len(nodes))])
        same = _same(self._memory, self._arch, self._memory, self._arch)
        kernels += same * np.asarray([node.independent**2 for node in nodes])[:, None, None]
        matrix = kernels[self._node] + noise[:, :, None] * np.eye(len(self._memory))
        self._inverse = np.linalg.inv(matrix)
        _, logdet = np.linalg.slogdet(matrix)
        self._residual = seen.log_mean[:, None] - self._shapes.log_duration(np.exp(self._memory))
        centre = self._residual.mean(axis=0)
        residual = self._residual - centre
        solved = self._inverse @ residual
        fit = (solved * residual).sum(axis=1)
        prior = np.log([node.weight for node in nodes])
        logw = (
            -0.5 * fit
            - 0.5 * logdet[:, None]
            + (prior[self._node] + np.tile(noise_logw, len(nodes)))[:, None]
        )
        weight = np.exp(logw - logw.max())
        weight /= weight.sum()
        self._centre = centre
        self._solved = solved
        self._node_weight = weight.sum(axis=1)
        self._resample(weight)

    def _resample(self, weight: Floats) -> None:
        """Systematic resampling to K equally likely pairs of (nodes, shape)."""
        edges = np.cumsum(weight.ravel())
        at = (np.arange(_PARTICLES) + 0.5) / _PARTICLES
        chosen = np.minimum(np.searchsorted(edges, at), weight.size - 1)
        self._pick_node, self._pick_shape = np.unravel_index(chosen, weight.shape)

    def _kernel(
        self,
        node: int,
        memory: Floats,
        arch: Floats,
        other_memory: Floats | None = None,
        other_arch: Floats | None = None,
    ) -> Floats:
        right = memory if other_memory is None else other_memory
        right_arch = arch if other_arch is None else other_arch
        values = self._priors.residual_nodes[node]
        distance = (memory[:, None] - right[None, :]) / values.length
        same = arch[:, None] == right_arch[None, :]
        smooth = values.smooth**2 * np.exp(-0.5 * distance**2)
        smooth = smooth * np.where(same, 1.0, self._priors.architecture_correlation)
        return np.asarray(_SCALE_SD**2 + smooth + same * self._priors.architecture_sd**2)

    def _spread(self, memory: Floats, arch: Floats) -> tuple[Floats, Floats]:
        """Gain per node-pair (H, M, k) and cross kernels (J, M, k)."""
        nodes = self._priors.residual_nodes
        cross = np.stack(
            [self._kernel(n, memory, arch, self._memory, self._arch) for n in range(len(nodes))]
        )
        same = _same(memory, arch, self._memory, self._arch)
        cross += same * np.asarray([node.independent**2 for node in nodes])[:, None, None]
        return cross[self._node] @ self._inverse, cross

    def _means(self, memory: Floats, cross: Floats) -> Floats:
        """Component means, shape (M, K)."""
        shapes = self._shapes.log_duration(np.exp(memory))[:, self._pick_shape]
        solved = self._solved[self._pick_node, :, self._pick_shape]
        pulled = np.empty_like(shapes)
        for node in np.unique(self._node[self._pick_node]):
            chosen = self._node[self._pick_node] == node
            pulled[:, chosen] = cross[node] @ solved[chosen].T
        return shapes + self._centre[self._pick_shape] + pulled

    def _prior_variance(self, node: int, memory: Floats, arch: Floats) -> Floats:
        values = self._priors.residual_nodes[node]
        return np.full(
            len(memory),
            _SCALE_SD**2
            + values.smooth**2
            + self._priors.architecture_sd**2
            + values.independent**2,
        )

    def marginal(self, configurations: Sequence[Configuration]) -> Marginal:
        """Belief about each configuration for itself; cheap for thousands of them."""
        memory, arch = _log_memory(configurations), _architectures(configurations)
        gain, cross = self._spread(memory, arch)
        prior = np.stack(
            [self._prior_variance(n, memory, arch) for n in range(len(self._priors.residual_nodes))]
        )
        variance = prior[self._node] - (gain * cross[self._node]).sum(axis=2)
        deviations = np.sqrt(np.maximum(variance, 1e-10))[self._pick_node].T
        return Marginal(self._means(memory, cross), deviations)

    def belief(self, configurations: Sequence[Configuration]) -> Belief:
        """Joint belief, all nodes collapsed to one normal by their first two moments."""
        memory, arch = _log_memory(configurations), _architectures(configurations)
        gain, cross = self._spread(memory, arch)
        means = self._means(memory, cross)
        mean = means.mean(axis=1)
        centred = means - mean[:, None]
        covariance = centred @ centred.T / means.shape[1]
        weight = self._node_weight
        same = _same(memory, arch, memory, arch)
        for number, node in enumerate(self._priors.residual_nodes):
            of_node = np.flatnonzero(self._node == number)
            share = weight[of_node].sum()
            if share < 1e-4:
                continue
            prior = self._kernel(number, memory, arch) + same * node.independent**2
            pulled = np.tensordot(weight[of_node], gain[of_node], axes=1)
            covariance += share * prior - pulled @ cross[number].T
        covariance = (covariance + covariance.T) / 2
        return Belief(mean, covariance, self._noise(configurations))

    def _noise(self, configurations: Sequence[Configuration]) -> Floats:
        """Variance of the log of one more sample at each configuration."""
        level = float(self._node_weight @ self._level**2)
        nu = self._priors.noise_freedom
        seen = dict(
            zip(
                self._seen.configurations,
                zip(self._seen.count, self._seen.scatter, strict=True),
                strict=True,
            )
        )
        values = []
        for where in configurations:
            count, scatter = seen.get(where, (1.0, 0.0))
            values.append((nu * level + scatter) / (nu + max(count - 1, 0.0)))
        return np.asarray(values)

    @property
    def noise_level(self) -> float:
        """Expected relative standard deviation of one invocation."""
        return float(np.sqrt(self._node_weight @ self._level**2))


def _log_memory(configurations: Sequence[Configuration]) -> Floats:
    return np.log(np.asarray([where.memory_mb for where in configurations], dtype=float))


def _architectures(configurations: Sequence[Configuration]) -> Floats:
    return np.asarray([float(where.architecture == "arm64") for where in configurations])


def _same(memory: Floats, arch: Floats, right: Floats, right_arch: Floats) -> Floats:
    alike = (memory[:, None] == right[None, :]) & (arch[:, None] == right_arch[None, :])
    return np.asarray(alike, dtype=float)
