"""Scoring an answer without asking a model."""

from lambda_autotuner.evaluation.scoring.score import Scored, score
from lambda_autotuner.evaluation.scoring.state import Snapshot, take_snapshot

__all__ = ["Scored", "Snapshot", "score", "take_snapshot"]
