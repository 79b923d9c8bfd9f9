"""The kinds of functions that operators meet, as one table."""

from lambda_autotuner.sandbox.world.archetypes.base import Archetype, Change
from lambda_autotuner.sandbox.world.archetypes.batch import BATCH
from lambda_autotuner.sandbox.world.archetypes.events import EVENTS
from lambda_autotuner.sandbox.world.archetypes.interactive import INTERACTIVE

ARCHETYPES: tuple[Archetype, ...] = INTERACTIVE + EVENTS + BATCH

__all__ = ["ARCHETYPES", "Archetype", "Change"]
