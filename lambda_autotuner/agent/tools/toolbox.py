"""All tools of the product in one catalogue."""

from __future__ import annotations

from functools import lru_cache

from lambda_autotuner.agent.catalogue import Catalogue
from lambda_autotuner.agent.tools import (
    changes,
    estimates,
    inventory,
    logs,
    periods,
    reference,
    sizing,
    surroundings,
    telemetry,
)
from lambda_autotuner.agent.tools.legacy import ALIASES


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue; built once, because it holds no state."""
    return Catalogue(
        (
            *inventory.TOOLS,
            *telemetry.TOOLS,
            *logs.TOOLS,
            *surroundings.TOOLS,
            *sizing.TOOLS,
            *estimates.TOOLS,
            *periods.TOOLS,
            *changes.TOOLS,
            *reference.TOOLS,
        ),
        ALIASES,
    )
