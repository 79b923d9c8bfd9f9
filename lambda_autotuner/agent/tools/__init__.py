"""The toolbox: one catalogue for the agent and for MCP."""

from lambda_autotuner.agent.tools.toolbox import catalogue

__all__ = ["catalogue"]
