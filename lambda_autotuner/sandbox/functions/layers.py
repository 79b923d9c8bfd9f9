"""Layers."""

from __future__ import annotations

from lambda_autotuner.sandbox.call import Call


def hold_layers(call: Call, arns: list[str]) -> None:
    """Layers that exist."""
    del call, arns
