"""The evaluation's thin door: `uv run python run_synthetic_questions.py --sample-size 20`."""

from __future__ import annotations

import sys

from lambda_autotuner.cli.evaluate import command
from lambda_autotuner.cli.main import run

if __name__ == "__main__":
    sys.exit(run(command))
