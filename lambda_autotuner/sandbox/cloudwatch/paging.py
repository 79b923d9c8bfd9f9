"""Tokens of CloudWatch's lists."""

from __future__ import annotations

import base64

from lambda_autotuner.sandbox.errors import ServiceError


def token_for(kind: str, offset: int) -> str:
    """A token that says where the next page of a list begins."""
    return base64.urlsafe_b64encode(f"{kind}:{offset}".encode()).decode()


def offset_of(token: str | None, kind: str) -> int:
    """Where a page begins.

    Raises:
        ServiceError: InvalidNextToken.
    """
    if not token:
        return 0
    try:
        owner, _, offset = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if owner == kind and offset.isascii() and offset.isdigit():
            return int(offset)
    except ValueError:
        pass
    raise ServiceError("InvalidNextToken", "The next token specified is invalid.")
