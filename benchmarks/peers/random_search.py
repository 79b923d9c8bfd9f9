"""One invocation each at randomly chosen sizes: what no method should lose against."""

from __future__ import annotations

from benchmarks.sampler import Sampler, billed


def estimate(sampler: Sampler, budget: int) -> dict[int, float]:
    """Estimated cost (MB x ms) by measured size."""
    count = min(budget, len(sampler.sizes_mb))
    chosen = sampler.rng.choice(sampler.sizes_mb, size=count, replace=False)
    return {
        int(size): int(size) * float(billed(sampler.draw(int(size), 1))[0])
        for size in sorted(chosen)
    }
