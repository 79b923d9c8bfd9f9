"""Numbers learned once from measured functions, with their source.

What is learned from a family of curves is kept apart from the others: how likely each possibility
for the residuals and for the noise is given that family alone. The prior pools a broad base with
every family, each weighing the same however many curves it has; a family can be left out, which is
what a benchmark on that family has to do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from lambda_autotuner.errors import UsageError

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ResidualNode:
    """One possibility for what the law misses, as relative standard deviations.

    Attributes:
        smooth: Of the smooth residual.
        length: Its correlation length in log memory.
        independent: Of the residual that each size has for itself.
        weight: Prior probability.
    """

    smooth: float
    length: float
    independent: float
    weight: float


@dataclass(frozen=True, slots=True)
class Priors:
    """Priors of the posterior.

    Attributes:
        residual_nodes: Possibilities for the residuals; weights sum to 1.
        noise_levels: Possibilities for the relative noise of one invocation.
        noise_weights: Their prior probabilities.
        noise_freedom: Degrees of freedom with which a size's own noise follows the level.
        architecture_sd: Standard deviation of an architecture's offset in log duration.
        architecture_correlation: Correlation of the smooth residual between architectures.
        interval_stretch: Factor on reported standard deviations, calibrated on made-up functions.
        rare_events: What events too rare to have been seen may move a mean by: relative standard
            deviation after n invocations times n + 4.
        rare_slow_events: What is added to that upwards, per unit of the noise of one invocation.
        rare_slow_events_most: The most that is added.
        families: What the numbers were learned from.
    """

    residual_nodes: tuple[ResidualNode, ...]
    noise_levels: tuple[float, ...]
    noise_weights: tuple[float, ...]
    noise_freedom: float
    architecture_sd: float
    architecture_correlation: float
    interval_stretch: float = 1.0
    rare_events: float = 0.0
    rare_slow_events: float = 0.0
    rare_slow_events_most: float = 0.0
    families: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, without: Collection[str] = ()) -> Priors:
        """Pool priors as `priors.json` holds them.

        Args:
            content: The file's content.
            without: Families to leave out; one that was never learned from changes nothing.

        Raises:
            UsageError: Another schema.
        """
        if content.get("schema") != _SCHEMA:
            raise UsageError(f"The priors have schema {content.get('schema')!r}, not {_SCHEMA}.")
        families = {k: v for k, v in content["families"].items() if k not in without}
        base = content["base"]
        residual = _pool(base["residual_weights"], families.values(), "residual_weights", base)
        noise = _pool(base["noise_weights"], families.values(), "noise_weights", base)
        return cls(
            residual_nodes=tuple(
                ResidualNode(**node, weight=float(weight))
                for node, weight in zip(content["residual_nodes"], residual, strict=True)
            ),
            noise_levels=tuple(content["noise_levels"]),
            noise_weights=tuple(noise.tolist()),
            noise_freedom=base["noise_freedom"],
            architecture_sd=base["architecture_sd"],
            architecture_correlation=base["architecture_correlation"],
            interval_stretch=base["interval_stretch"],
            rare_events=base["rare_events"],
            rare_slow_events=base["rare_slow_events"],
            rare_slow_events_most=base["rare_slow_events_most"],
            families=tuple(sorted(families)),
        )


def _pool(
    weights: list[float], families: Collection[Mapping[str, Any]], key: str, base: Mapping[str, Any]
) -> np.ndarray:
    total = np.asarray(weights) * float(base["families_worth"])
    for family in families:
        total = total + np.asarray(family[key])
    return np.asarray(total / total.sum())


def read_priors() -> dict[str, Any]:
    """The content of the priors file that comes with the package."""
    path = resources.files("lambda_autotuner").joinpath("data", "priors.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@lru_cache(maxsize=8)
def default_priors(without: tuple[str, ...] = ()) -> Priors:
    """The priors that come with the package, if wanted without some families."""
    return Priors.from_dict(read_priors(), without=without)
