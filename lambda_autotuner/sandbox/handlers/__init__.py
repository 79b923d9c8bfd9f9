"""Handlers run for real: AWS's own runtime client, a Runtime API, and a share of the processor."""

from lambda_autotuner.sandbox.handlers.environment import (
    HandlerEnvironment,
    Order,
    Run,
    available,
)
from lambda_autotuner.sandbox.handlers.pool import HandlerPool

__all__ = ["HandlerEnvironment", "HandlerPool", "Order", "Run", "available"]
