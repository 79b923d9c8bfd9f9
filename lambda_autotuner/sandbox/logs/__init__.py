"""CloudWatch Logs: groups, streams, events, filter patterns and Insights."""

from lambda_autotuner.sandbox.logs import events, group_operations, insights_queries, streams

__all__ = ["events", "group_operations", "insights_queries", "streams"]
