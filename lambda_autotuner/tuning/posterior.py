"""What the evidence says about the mean duration at every configuration, with uncertainty.

The logarithm of the mean duration is a shape of the law + a constant + a smooth residual (a
Gaussian process over log memory) + an independent residual per size. Shapes, the size of both
residuals and the noise are marginalised over a fixed set of nodes, so the belief about a
configuration depends on the evidence alone and never on which other sizes are candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lambda_autotuner.tuning.belief import Belief, Marginal
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.kernel import NEGLIGIBLE, Kernel
from lambda_autotuner.tuning.law import Ensemble, ensemble
from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.units import Floats

_PARTICLES = 256
_MINIMUM_WEIGHT = 0.02
_FEW_SIZES = 512
_PRUNE_FROM = 4
_KEPT_SHAPES = 128
_JUDGES = 4
_COLD_OFFSET = 0.05
_COLD_OFFSET_SD = 0.25
_LONE = 1
_SUSPICIOUS = 3.5
_GROSS = 0.3
_ENOUGH_TO_DOUBT = 4
# An invocation that takes this much longer than expected, in logarithm, is an event of its own.
_EVENT = 0.56
_AGREEING = 2.5
# Invocations without an event that the share of events starts from.
_EVENTLESS = 100.0
_EXACT = 1e-10
"""The least variance: below it, differences of large numbers mean nothing."""


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest invocation of each row that has several, and what the row says without it.

    Attributes:
        log_ms: Log of its duration in ms, shape (k,); -inf where none may be left out.
        rest_log_mean: Log of the mean of the others, shape (k,).
        rest_scatter: Their sum of squared relative deviations from that mean, shape (k,).
    """

    log_ms: Floats
    rest_log_mean: Floats
    rest_scatter: Floats


@dataclass(frozen=True, slots=True)
class Observations:
    """Per configuration: log of the mean duration, replicates and their relative scatter.

    Attributes:
        configurations: The k measured configurations.
        log_mean: Log of the arithmetic mean duration in ms, shape (k,).
        count: Number of invocations behind each mean, shape (k,).
        scatter: Sum of squared relative deviations from the mean, shape (k,).
        freedom: Degrees of freedom of the scatter, shape (k,): one less than the invocations that
            were seen one by one.
        extra_variance: Variance of `log_mean` that replicates do not show, shape (k,).
        cold: 1 for rows that stand for cold invocations (without init), else 0, shape (k,). They
            share an unknown offset from warm ones; a configuration may have a row of each.
        used_mb: Memory that an invocation uses, in MB, where it is known.
        longest: What may be left out as an event of its own; nothing where it is None.
    """

    configurations: tuple[Configuration, ...]
    log_mean: Floats
    count: Floats
    scatter: Floats
    freedom: Floats
    extra_variance: Floats
    cold: Floats
    used_mb: float | None = None
    longest: Longest | None = None

    def without(self, longest: Longest, where: np.ndarray, excess: float) -> Observations:
        """The same without the longest invocation of some rows, which every row then shares.

        Args:
            longest: The longest invocations.
            where: Rows, as a boolean array of shape (k,).
            excess: What those invocations took longer, as a share of all durations.
        """
        gone = where.astype(float)
        return replace(
            self,
            log_mean=np.where(where, longest.rest_log_mean, self.log_mean) + np.log1p(excess),
            count=self.count - gone,
            scatter=np.where(where, longest.rest_scatter, self.scatter),
            freedom=self.freedom - gone,
            longest=None,
        )


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
        self._kernel = Kernel(priors, observations.used_mb)
        self._shapes = shapes or ensemble()
        self._seen = observations
        self._asked: tuple[Sequence[Configuration], Floats, Floats] | None = None
        self._size = _memory(observations.configurations)
        self._memory = np.log(self._size)
        self._arch = _architectures(observations.configurations)
        weight = self._fit()
        longest = observations.longest
        if longest is not None and len(np.unique(self._size)) > 1:
            events, excess = self._events(longest, weight)
            if events.any():
                self._seen = observations.without(longest, events, excess)
                self._fit()

    def _noise_nodes(self, seen: Observations) -> tuple[Floats, Floats]:
        """Noise levels with their log weight from the scatter of replicates alone."""
        nu = self._priors.noise_freedom
        levels = np.asarray(self._priors.noise_levels)
        variance = levels[:, None] ** 2
        freedom = seen.freedom
        logw = np.log(np.asarray(self._priors.noise_weights)) + (
            nu * np.log(levels)[:, None]
            - 0.5 * (nu + freedom) * np.log(nu * variance + seen.scatter)
            + 0.5 * freedom * np.log(nu)
        ).sum(axis=1, where=freedom > 0)
        weight = np.exp(logw - logw.max())
        keep = weight / weight.sum() > _MINIMUM_WEIGHT
        return levels[keep], logw[keep]

    def _fit(self) -> Floats:
        """Fit all there is to what was seen; returns the weight of every component, (H, P')."""
        seen = self._seen
        levels, noise_logw = self._noise_nodes(seen)
        nodes = self._priors.residual_nodes
        self._node = np.repeat(np.arange(len(nodes)), len(levels))
        self._level = np.tile(levels, len(nodes))
        kernels = self._kernel.under_each(self._memory, self._arch, self._memory, self._arch)
        kernels += _COLD_OFFSET_SD**2 * np.outer(seen.cold, seen.cold)
        residual = (seen.log_mean - _COLD_OFFSET * seen.cold)[:, None]
        residual = residual - self._shapes.rows(self._size)
        residual -= self._kernel.pressure(self._memory)[:, None] * self._shapes.squeezed
        # Periods change durations by a few percent, so the scale may be taken without them.
        self._scale = residual.mean(axis=0)
        residual -= self._metering(self._shapes, self._size, self._scale)
        self._centre = residual.mean(axis=0)
        residual -= self._centre
        prior = np.log([node.weight for node in nodes])[self._node]
        prior = prior + np.tile(noise_logw, len(nodes))
        shot = self._local(self._level[:, None]) / seen.count
        # The logarithm of a mean of few lies below that of the true mean: by half its variance.
        low = np.log1p(shot) / 2
        noise = shot * self._unsure() + seen.extra_variance
        weight = self._weigh(kernels, residual, low, noise, prior)
        doubt = self._doubt(weight)
        if doubt.any():
            weight = self._weigh(kernels, residual, low, noise + doubt, prior)
        self._noise_of_means = noise + doubt
        self._node_weight = weight.sum(axis=1)
        self._resample(weight)
        return weight

    def _weigh(
        self, kernels: Floats, residual: Floats, low: Floats, noise: Floats, log_prior: Floats
    ) -> Floats:
        """Posterior weight of every pair of nodes and plausible shape, (H, P').

        Args:
            kernels: Prior covariance under every residual node, shape (J, k, k).
            residual: What each shape leaves unexplained, shape (k, P).
            low: How far means are expected to lie below the truth under every node, shape (H, k).
            noise: Variance of each mean under every node, shape (H, k).
            log_prior: Of every node, shape (H,).
        """
        matrix = kernels[self._node] + noise[:, :, None] * np.eye(len(residual))
        self._inverse = np.linalg.inv(matrix)
        _, logdet = np.linalg.slogdet(matrix)
        self._plausible = self._prune(residual)
        plausible = residual[:, self._plausible]
        self._solved = self._inverse @ plausible
        self._solved += self._inverse @ low[:, :, None]
        logw = -0.5 * (self._solved * plausible).sum(axis=1)
        logw -= 0.5 * (low[:, None, :] @ self._solved)[:, 0]
        logw += (log_prior - 0.5 * logdet)[:, None]
        weight = np.exp(logw - logw.max())
        return np.asarray(weight / weight.sum())

    def _doubt(self, weight: Floats) -> Floats:
        """Variance to add to lone observations that nothing else agrees with, shape (k,).

        Each is compared with what all others predict for it (leave one out, under the likeliest
        component). One invocation that is off by more than 3.5 standard deviations, and by a third
        at least, is more likely an event of its own than the curve; it stays in, with the width
        that makes it two deviations off. Replicates that agree are believed, and so are small
        surprises: the likeliest component is often too sure.
        """
        node, column = np.unravel_index(int(weight.argmax()), weight.shape)
        precision = np.diag(self._inverse[node])
        off = self._solved[node, :, column] / precision
        lone = (self._seen.count <= _LONE) & (np.abs(off) > _GROSS)
        lone &= off**2 * precision > _SUSPICIOUS**2
        if len(off) < _ENOUGH_TO_DOUBT:
            return np.zeros(len(off))
        return np.where(lone, off**2 / 4 - 1 / precision, 0.0)

    def _events(self, longest: Longest, weight: Floats) -> tuple[np.ndarray, float]:
        """Invocations that are no news of their size, (k,), and their share of all durations.

        Of several invocations at a size, one that takes at least 1.75 times what all other sizes
        predict, and far more than the noise of one explains, while the rest of that size agree with the
        prediction, is taken for an event that could have happened anywhere: a slow host, a
        dependency that hung. Means then are compared without it, and it makes all of them longer.
        A size with two such invocations is believed.
        """
        seen = self._seen
        none = np.zeros(len(seen.log_mean), dtype=bool)
        if len(seen.log_mean) < _ENOUGH_TO_DOUBT:
            return none, 0.0
        node, column = np.unravel_index(int(weight.argmax()), weight.shape)
        precision = np.diag(self._inverse[node])
        predicted = seen.log_mean - self._solved[node, :, column] / precision
        late = longest.log_ms - predicted
        suspect = late > _EVENT
        if not suspect.any():
            return none, 0.0
        unsure = np.maximum(1 / precision - self._noise_of_means[node], 0.0)
        levels, logw = self._noise_nodes(seen.without(longest, suspect, 0.0))
        level = float(np.exp(np.average(np.log(levels), weights=np.exp(logw - logw.max()))))
        off = late / np.sqrt(unsure + level**2)
        others = np.maximum(seen.count - 1, 1)
        beside = (longest.rest_log_mean - predicted) / np.sqrt(unsure + level**2 / others)
        events = suspect & (off > _SUSPICIOUS) & (np.abs(beside) < _AGREEING)
        return events, float(np.expm1(late[events]).sum() / (seen.count.sum() + _EVENTLESS))

    def _prune(self, residual: Floats) -> np.ndarray:
        """Indices of the shapes that are among the likeliest under tight or forgiving nodes.

        With few observations everything is plausible and cheap; with many, most shapes are
        excluded and the matrices that they would go through are large.
        """
        if len(residual) < _PRUNE_FROM:
            return np.arange(residual.shape[1])
        kept: set[int] = set()
        nodes = self._priors.residual_nodes
        ranked = sorted(range(len(nodes)), key=lambda n: nodes[n].smooth + nodes[n].independent)
        for node in ranked[:: max(1, len(ranked) // _JUDGES)]:
            judges = np.flatnonzero(self._node == node)
            judge = self._inverse[judges[len(judges) // 2]]
            fit = ((judge @ residual) * residual).sum(axis=0)
            kept.update(np.argpartition(fit, _KEPT_SHAPES)[:_KEPT_SHAPES].tolist())
        return np.asarray(sorted(kept))

    def _local(self, level: Floats) -> Floats:
        """Variance of one invocation at each measured size, given the noise level."""
        nu = self._priors.noise_freedom
        return np.asarray((nu * level**2 + self._seen.scatter) / (nu + self._seen.freedom))

    def _unsure(self) -> Floats:
        """What not knowing a size's own variance adds to the variance of its mean, shape (k,).

        With the variance integrated out the mean follows Student's t; the normal that tells as
        much about the mean (equal Fisher information) is wider by (f + 3) / (f + 1).
        """
        freedom = self._priors.noise_freedom + self._seen.freedom
        return np.asarray((freedom + 3) / (freedom + 1))

    def _resample(self, weight: Floats) -> None:
        """Systematic resampling to K equally likely pairs of (nodes, shape)."""
        edges = np.cumsum(weight.ravel())
        at = (np.arange(_PARTICLES) + 0.5) / _PARTICLES
        chosen = np.minimum(np.searchsorted(edges, at), weight.size - 1)
        self._pick_node, self._pick_column = np.unravel_index(chosen, weight.shape)
        self._pick_shape = self._plausible[self._pick_column]
        self._picked = self._shapes.subset(self._pick_shape)

    def _metering(self, shapes: Ensemble, memory_mb: Floats, log_scale: Floats) -> Floats | float:
        """What periods change; nothing where one size alone is known.

        That tells nothing of the shape, and leaving periods out makes functions that are known
        from one size differ by their scale alone, which is what a scan of thousands rests on.
        """
        if len(np.unique(self._size)) == 1:
            return 0.0
        return shapes.metering(memory_mb, log_scale)

    def _means(self, configurations: Sequence[Configuration]) -> tuple[Floats, Floats]:
        """Component means, shape (M, K), and cross covariances under every residual node, (J, M, k).

        Remembered for the very same configurations: a decision asks for their marginals and then
        for their joint belief.
        """
        if self._asked is not None and self._asked[0] is configurations:
            return self._asked[1], self._asked[2]
        size, arch = _memory(configurations), _architectures(configurations)
        cross = self._kernel.under_each(np.log(size), arch, self._memory, self._arch)
        picked = self._picked
        few = len(size) < _FEW_SIZES
        shapes = self._shapes.rows(size)[:, self._pick_shape] if few else picked.log_duration(size)
        shapes = shapes + self._metering(picked, size, self._scale[self._pick_shape])
        solved = self._solved[self._pick_node, :, self._pick_column]
        pulled = np.empty_like(shapes)
        of_component = self._node[self._pick_node]
        for node in np.unique(of_component):
            chosen = of_component == node
            pulled[:, chosen] = cross[node] @ solved[chosen].T
        tight = self._kernel.pressure(np.log(size))[:, None] * picked.squeezed
        means = np.asarray(shapes + self._centre[self._pick_shape] + pulled + tight)
        self._asked = (configurations, means, cross)
        return means, cross

    def marginal(self, configurations: Sequence[Configuration]) -> Marginal:
        """Belief about each configuration for itself; in parts where there are thousands."""
        parts = [
            self._marginal(configurations[start : start + _FEW_SIZES])
            for start in range(0, len(configurations), _FEW_SIZES)
        ]
        if len(parts) == 1:
            return parts[0]
        means = np.concatenate([part.means for part in parts])
        return Marginal(means, np.concatenate([part.deviations for part in parts]))

    def _marginal(self, configurations: Sequence[Configuration]) -> Marginal:
        means, cross = self._means(configurations)
        # Only pairs of nodes that some component has are needed for the variances.
        used, component = np.unique(self._pick_node, return_inverse=True)
        prior = self._kernel.variance(np.log(_memory(configurations)))[self._node[used]]
        pulled = ((cross[self._node[used]] @ self._inverse[used]) * cross[self._node[used]]).sum(
            axis=2
        )
        deviations = np.sqrt(np.maximum(prior - pulled, _EXACT))[component].T
        return Marginal(means, deviations)

    def relative(self, configurations: Sequence[Configuration], to: Configuration) -> Marginal:
        """Belief about the log of each mean duration divided by the one at `to`: exactly 0 there."""
        asked = (*configurations, to)
        means, cross = self._means(asked)
        memory, arch = np.log(_memory(asked)), _architectures(asked)
        used, component = np.unique(self._pick_node, return_inverse=True)
        variance = self._kernel.variance(memory)
        shared = self._kernel.under_each(memory[:-1], arch[:-1], memory[-1:], arch[-1:])[:, :, 0]
        prior = (variance[:, :-1] + variance[:, -1:] - 2 * shared)[self._node[used]]
        differing = (cross[:, :-1] - cross[:, -1:])[self._node[used]]
        pulled = ((differing @ self._inverse[used]) * differing).sum(axis=2)
        deviations = np.sqrt(np.maximum(prior - pulled, _EXACT))[component].T
        return Marginal(means[:-1] - means[-1], deviations)

    def belief(self, configurations: Sequence[Configuration]) -> Belief:
        """Joint belief, all nodes collapsed to one normal by their first two moments."""
        means, cross = self._means(configurations)
        memory, arch = np.log(_memory(configurations)), _architectures(configurations)
        mean = means.mean(axis=1)
        centred = means - mean[:, None]
        covariance = centred @ centred.T / means.shape[1]
        # Given a residual node, covariances are linear in the inverse, so those of its noise levels
        # are averaged before anything is multiplied.
        weights = self._node_weight.reshape(len(cross), -1)
        inverses = self._inverse.reshape(*weights.shape, *self._inverse.shape[1:])
        shares = weights.sum(axis=1)
        covariance += self._kernel.averaged(memory, arch, shares)
        for number in np.flatnonzero(shares > NEGLIGIBLE):
            average = np.tensordot(weights[number], inverses[number], axes=1)
            covariance -= cross[number] @ average @ cross[number].T
        covariance = (covariance + covariance.T) / 2
        return Belief(mean, covariance, self._noise(configurations))

    def _noise(self, configurations: Sequence[Configuration]) -> Floats:
        """Variance of the log of one more sample at each configuration."""
        # The likely level, not the mean of the variances, which a small chance of much noise rules.
        level = float(np.exp(self._node_weight @ np.log(self._level)))
        variances = self._local(np.asarray(level)) * self._unsure()
        rows = zip(self._seen.configurations, variances, self._seen.cold, strict=True)
        local = {where: float(variance) for where, variance, cold in rows if not cold}
        freedom = self._priors.noise_freedom
        untried = level**2 * (freedom + 3) / (freedom + 1)
        return np.asarray([local.get(where, untried) for where in configurations])

    def residual_weights(self) -> Floats:
        """Posterior probability of each residual node, shape (J,)."""
        nodes = len(self._priors.residual_nodes)
        totals = np.zeros(nodes)
        np.add.at(totals, self._node, self._node_weight)
        return totals

    @property
    def noise_level(self) -> float:
        """Expected relative standard deviation of one invocation."""
        return float(np.sqrt(self._node_weight @ self._level**2))


def _memory(configurations: Sequence[Configuration]) -> Floats:
    return np.asarray([where.memory_mb for where in configurations], dtype=float)


def _architectures(configurations: Sequence[Configuration]) -> Floats:
    return np.asarray([float(where.architecture == "arm64") for where in configurations])
