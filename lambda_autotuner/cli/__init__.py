"""The command line."""

from lambda_autotuner.cli.main import main

__all__ = ["main"]
