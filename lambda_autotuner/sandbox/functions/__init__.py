"""Lambda: the operations on functions."""

from lambda_autotuner.sandbox.functions import (
    asynchronous,
    invoking,
    layers,
    lifecycle,
    mappings,
    policies,
    reservations,
    runtimes,
    settings,
    streaming,
    tagging,
    url_serving,
    urls,
    versions,
)

__all__ = [
    "asynchronous",
    "invoking",
    "layers",
    "lifecycle",
    "mappings",
    "policies",
    "reservations",
    "runtimes",
    "settings",
    "streaming",
    "tagging",
    "url_serving",
    "urls",
    "versions",
]
