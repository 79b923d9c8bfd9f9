"""Every size, n times each, and the plain mean."""

from __future__ import annotations

from benchmarks.sampler import Sampler, billed


def estimate(sampler: Sampler, count: int) -> dict[int, float]:
    """Estimated cost (MB x ms) by measured size."""
    return {
        size: size * float(billed(sampler.draw(size, count)).mean()) for size in sampler.sizes_mb
    }
