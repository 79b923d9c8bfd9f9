"""Results for people: in the terminal and as one page."""

from lambda_autotuner.evaluation.reports.page import comparison_page, run_page
from lambda_autotuner.evaluation.reports.terminal import LiveProgress, comparison_text, run_text

__all__ = ["LiveProgress", "comparison_page", "comparison_text", "run_page", "run_text"]
