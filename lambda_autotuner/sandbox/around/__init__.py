"""What stands around functions: prices, quotas, scaling, tags, Compute Optimizer and objects."""

from lambda_autotuner.sandbox.around import objects, optimizer, pricing, quotas, scaling, tagging

__all__ = ["objects", "optimizer", "pricing", "quotas", "scaling", "tagging"]
