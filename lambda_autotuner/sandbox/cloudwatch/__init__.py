"""CloudWatch: metrics, metric math, alarms and dashboards."""

from lambda_autotuner.sandbox.cloudwatch import alarms, dashboards, definitions, metrics, queries

__all__ = ["alarms", "dashboards", "definitions", "metrics", "queries"]
