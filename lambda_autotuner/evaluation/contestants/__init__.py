"""Whoever can be asked: the agent itself, and the agents that test the questions."""

from lambda_autotuner.evaluation.contestants.agent import AgentContestant
from lambda_autotuner.evaluation.contestants.baits import BAITS
from lambda_autotuner.evaluation.contestants.base import (
    Contestant,
    Conversation,
    Place,
    Reply,
    ToolUse,
)
from lambda_autotuner.evaluation.contestants.oracle import OracleContestant

__all__ = [
    "BAITS",
    "AgentContestant",
    "Contestant",
    "Conversation",
    "OracleContestant",
    "Place",
    "Reply",
    "ToolUse",
]
