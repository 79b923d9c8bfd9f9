"""Pages of lists, with markers that say where the next one starts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from lambda_autotuner.sandbox.errors import ServiceError


def start_of(params: dict[str, Any]) -> int:
    """Where the page that a marker names starts.

    Raises:
        ServiceError: InvalidParameterValueException for a marker that is not ours.
    """
    marker = params.get("Marker")
    if not marker:
        return 0
    try:
        return int(json.loads(base64.b64decode(marker, validate=True))["start"])
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise ServiceError(
            "InvalidParameterValueException",
            "The marker is invalid. The marker may have expired.",
            400,
        ) from error


def marker_at(start: int) -> str:
    """The marker for a page that starts there."""
    return base64.b64encode(json.dumps({"start": start}).encode()).decode()


def page(
    name: str, items: Sequence[Any], params: dict[str, Any], maximum: int = 50
) -> dict[str, Any]:
    """One page of `items` under `name`, with a NextMarker when there is more."""
    start = start_of(params)
    size = min(int(params.get("MaxItems") or maximum), maximum)
    result: dict[str, Any] = {name: list(items[start : start + size])}
    if start + size < len(items):
        result["NextMarker"] = marker_at(start + size)
    return result
