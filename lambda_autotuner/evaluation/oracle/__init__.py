"""The oracle: what is true of the account, found out without any code of the agent."""

from lambda_autotuner.evaluation.oracle import (
    configuration,
    costs,
    limits,
    logs,
    metrics,
    sizing,
)
from lambda_autotuner.evaluation.oracle.registry import ORACLES, check_spec, compute
from lambda_autotuner.evaluation.oracle.witness import Witness, operations_of

__all__ = [
    "ORACLES",
    "Witness",
    "check_spec",
    "compute",
    "configuration",
    "costs",
    "limits",
    "logs",
    "metrics",
    "operations_of",
    "sizing",
]
