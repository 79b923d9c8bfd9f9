"""CloudWatch: metrics, metric math, alarms and dashboards."""

from lambda_autotuner.sandbox.cloudwatch import metrics, queries

__all__ = ["metrics", "queries"]
