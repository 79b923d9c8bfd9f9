"""Lambda: the operations on functions."""

from lambda_autotuner.sandbox.functions import invoking, lifecycle, settings, versions

__all__ = ["invoking", "lifecycle", "settings", "versions"]
