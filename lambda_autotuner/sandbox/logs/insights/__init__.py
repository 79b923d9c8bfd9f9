"""Logs Insights: the query language and what runs it."""

from lambda_autotuner.sandbox.logs.insights.pipeline import Outcome, Table, run
from lambda_autotuner.sandbox.logs.insights.syntax import parse
from lambda_autotuner.sandbox.logs.insights.tokens import QueryError

__all__ = ["Outcome", "QueryError", "Table", "parse", "run"]
