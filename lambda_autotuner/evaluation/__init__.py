"""The evaluation: how good the agent is, and which of two configurations is better."""

from __future__ import annotations
