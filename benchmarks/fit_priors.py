"""Learn the engine's priors from measured curves, family by family.

    python -m benchmarks.fit_priors --curves FILE

For each curve the residual possibilities are weighed by how well they explain all its means, with
equal weights before; the noise possibilities by how many of its sizes are nearest to each. A
family's weights are the means over its curves. The broad base, the noise's degrees of freedom and
the factor on intervals are choices (docs/engine.md), not fits to these curves; they are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.curves import Curve, load_curves
from lambda_autotuner.tuning.evidence import Configuration
from lambda_autotuner.tuning.posterior import Observations, Posterior
from lambda_autotuner.tuning.priors import Priors, read_priors
from lambda_autotuner.tuning.units import Floats

_DIGITS = 5
_PRIORS = Path(__file__).parent.parent / "lambda_autotuner" / "data" / "priors.json"


def residual_weights(curve: Curve, priors: Priors) -> Floats:
    """Posterior probability of each residual node given all of a curve, shape (J,)."""
    means = curve.true_latency()
    relative = [v / m - 1 for v, m in zip(curve.durations_ms, means, strict=True)]
    seen = Observations(
        tuple(Configuration(size, curve.architecture) for size in curve.sizes_mb),
        np.log(means),
        np.asarray([float(len(v)) for v in curve.durations_ms]),
        np.asarray([float((r**2).sum()) for r in relative]),
        np.asarray([float(len(v) - 1) for v in curve.durations_ms]),
        np.zeros(len(means)),
        np.zeros(len(means)),
    )
    return Posterior(seen, priors).residual_weights()


def noise_weights(curve: Curve, levels: Floats) -> Floats:
    """Share of a curve's sizes whose noise is nearest to each level, shape (L,)."""
    noise = [v.std(ddof=1) / v.mean() for v in curve.durations_ms if len(v) > 1]
    distance = np.abs(np.log(np.maximum(noise, 1e-4))[:, None] - np.log(levels)[None, :])
    return np.bincount(distance.argmin(axis=1), minlength=len(levels)) / max(len(noise), 1)


def main() -> int:
    """Refit `priors.json` in place."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--curves", type=Path, required=True)
    curves = load_curves(parser.parse_args().curves)
    content = read_priors()
    priors = Priors.from_dict(content, without=content["families"])
    equal = 1 / len(priors.residual_nodes)
    flat = replace(
        priors, residual_nodes=tuple(replace(n, weight=equal) for n in priors.residual_nodes)
    )
    levels = np.asarray(priors.noise_levels)
    families: defaultdict[str, list[Curve]] = defaultdict(list)
    for curve in curves:
        families[curve.family].append(curve)
    for name, members in sorted(families.items()):
        residual = np.mean([residual_weights(curve, flat) for curve in members], axis=0)
        noise = np.mean([noise_weights(curve, levels) for curve in members], axis=0)
        content["families"][name] = {
            **{k: v for k, v in content["families"].get(name, {}).items() if k == "source"},
            "curves": len(members),
            "residual_weights": np.round(residual, _DIGITS).tolist(),
            "noise_weights": np.round(noise, _DIGITS).tolist(),
        }
    _PRIORS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
