"""The prior covariance of log mean durations between configurations.

A free scale, an offset of each architecture, a smooth residual over log memory, a residual of each
size for itself, and how what tight memory costs differs from the usual.
"""

from __future__ import annotations

import numpy as np

from lambda_autotuner.tuning.priors import Priors
from lambda_autotuner.tuning.units import Floats

_SCALE_SD = 4.0
NEGLIGIBLE = 1e-4
"""Residual nodes with a smaller share are left out of covariances."""
_PRESSURE, _PRESSURE_ROOM = 0.6, 0.15
"""Mean of the logarithm of what no room at all costs, and the relative room over which it fades."""
_PRESSURE_MISFIT = 0.2
"""Standard deviation, as a share of that mean, of how a function differs from such fading."""


class Kernel:
    """Prior covariances under every residual node.

    Memory is the natural logarithm of MB, shape (M,); architectures are 1 for arm64, else 0.

    Args:
        priors: Numbers learned once from data.
        used_mb: Memory that an invocation uses, in MB, where it is known.
    """

    def __init__(self, priors: Priors, used_mb: float | None = None) -> None:
        self._priors = priors
        self._used = used_mb

    def under_each(
        self, memory: Floats, arch: Floats, right_memory: Floats, right_arch: Floats
    ) -> Floats:
        """Prior covariance of the log mean duration under every residual node, (J, M, N)."""
        priors = self._priors
        squared = -0.5 * (memory[:, None] - right_memory[None, :]) ** 2
        same_arch = (arch[:, None] == right_arch[None, :]).astype(float)
        same = same_arch * (squared == 0)
        related = np.where(same_arch > 0, 1.0, priors.architecture_correlation)
        lengths = sorted({node.length for node in priors.residual_nodes})
        decay = {length: related * np.exp(squared / length**2) for length in lengths}
        base = _SCALE_SD**2 + same_arch * priors.architecture_sd**2
        base = base + self._misfit(memory)[:, None] * self._misfit(right_memory)
        return np.stack(
            [
                base + node.smooth**2 * decay[node.length] + node.independent**2 * same
                for node in priors.residual_nodes
            ]
        )

    def averaged(self, memory: Floats, arch: Floats, shares: Floats) -> Floats:
        """Prior covariance of configurations, averaged over residual nodes, (M, M)."""
        priors = self._priors
        squared = -0.5 * (memory[:, None] - memory[None, :]) ** 2
        same_arch = (arch[:, None] == arch[None, :]).astype(float)
        related = np.where(same_arch > 0, 1.0, priors.architecture_correlation)
        # What is negligible is left out of both sides of the difference that belief() takes.
        kept = np.where(shares > NEGLIGIBLE, shares, 0.0)
        tight = self._misfit(memory)
        fixed = _SCALE_SD**2 + same_arch * priors.architecture_sd**2 + np.outer(tight, tight)
        total = kept.sum() * fixed
        for length in {node.length for node in priors.residual_nodes}:
            pairs = zip(priors.residual_nodes, kept, strict=True)
            smooth = sum(s * node.smooth**2 for node, s in pairs if node.length == length)
            total += smooth * related * np.exp(squared / length**2)
        own = sum(
            s * node.independent**2 for node, s in zip(priors.residual_nodes, kept, strict=True)
        )
        return np.asarray(total + own * same_arch * (squared == 0))

    def variance(self, memory: Floats) -> Floats:
        """Prior variance at configurations under every residual node, shape (J, M)."""
        fixed = _SCALE_SD**2 + self._priors.architecture_sd**2 + self._misfit(memory) ** 2
        nodes = self._priors.residual_nodes
        return np.stack([fixed + node.smooth**2 + node.independent**2 for node in nodes])

    def pressure(self, memory: Floats) -> Floats:
        """What a heap close to its limit costs on average, as a logarithm, shape (M,).

        Garbage collection and a squeezed page cache make sizes with little room above the memory
        that is used slow, all together and by an unknown amount, never fast: each shape of the
        ensemble has an amount of its own. What is measured at such sizes says the less about
        roomier ones.
        """
        if self._used is None:
            return np.zeros(len(memory))
        room = np.maximum(np.exp(memory) / self._used - 1.0, 0.0)
        return np.asarray(_PRESSURE * np.exp(-room / _PRESSURE_ROOM))

    def _misfit(self, memory: Floats) -> Floats:
        return _PRESSURE_MISFIT * self.pressure(memory)
