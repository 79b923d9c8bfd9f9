"""Numbers learned once from measured functions, with their source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

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
        sources: Where the numbers come from.
    """

    residual_nodes: tuple[ResidualNode, ...]
    noise_levels: tuple[float, ...]
    noise_weights: tuple[float, ...]
    noise_freedom: float
    architecture_sd: float
    architecture_correlation: float
    sources: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Priors:
        """Read priors as `priors.json` holds them.

        Raises:
            UsageError: Another schema.
        """
        if content.get("schema") != _SCHEMA:
            raise UsageError(f"The priors have schema {content.get('schema')!r}, not {_SCHEMA}.")
        return cls(
            residual_nodes=tuple(ResidualNode(**node) for node in content["residual_nodes"]),
            noise_levels=tuple(content["noise_levels"]),
            noise_weights=tuple(content["noise_weights"]),
            noise_freedom=content["noise_freedom"],
            architecture_sd=content["architecture_sd"],
            architecture_correlation=content["architecture_correlation"],
            sources=tuple(content["sources"]),
        )


@lru_cache(maxsize=1)
def default_priors() -> Priors:
    """The priors that come with the package."""
    path = resources.files("lambda_autotuner").joinpath("data", "priors.json")
    return Priors.from_dict(json.loads(path.read_text(encoding="utf-8")))
