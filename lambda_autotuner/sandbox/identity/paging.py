"""IAM's lists: Marker, MaxItems and IsTruncated, and documents as IAM encodes them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity import policy
from lambda_autotuner.sandbox.registry import Params

_PAGE: Final = 100
Item = TypeVar("Item")


def page(
    params: Params, member: str, items: Sequence[Item], show: Callable[[Item], Any]
) -> dict[str, Any]:
    """One page of a list."""
    offset = 0
    marker = params.get("Marker")
    if marker:
        try:
            offset = int(base64.urlsafe_b64decode(marker.encode()))
        except ValueError as error:
            raise ServiceError("ValidationError", "Invalid Marker.") from error
    limit = int(params.get("MaxItems") or _PAGE)
    shown = items[offset : offset + limit]
    reply: dict[str, Any] = {member: [show(item) for item in shown], "IsTruncated": False}
    if offset + limit < len(items):
        token = str(offset + limit).encode()
        reply |= {"IsTruncated": True, "Marker": base64.urlsafe_b64encode(token).decode()}
    return reply


def encoded(document: str) -> str:
    """A policy document as IAM hands it out: URL-encoded."""
    return quote(document, safe="")


def tags_shown(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as IAM lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tags_given(params: Params) -> dict[str, str]:
    """Tags of a request."""
    return {tag["Key"]: tag["Value"] for tag in params.get("Tags") or ()}


def checked(document: str, *, trust: bool = False) -> str:
    """A policy document that can be read.

    Raises:
        ServiceError: MalformedPolicyDocument, with the reason.
    """
    try:
        policy.read(document, "", "", trust=trust)
    except policy.PolicyError as error:
        raise ServiceError("MalformedPolicyDocumentException", str(error)) from error
    return document
