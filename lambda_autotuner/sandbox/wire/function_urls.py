"""How a function URL is recognised: by its path below the sandbox's address, or by its host."""

from __future__ import annotations

import re
from typing import Final

from lambda_autotuner.sandbox.wire.http import Request

PREFIX: Final = "/lambda-url/"
_PATH: Final = re.compile(r"/lambda-url/([a-z0-9]{32})(/.*)?")
_HOST: Final = re.compile(r"([a-z0-9]{32})\.lambda-url\.[a-z0-9-]+\.(?:on\.aws|localhost)(?::\d+)?")


def url_id_of(request: Request) -> str | None:
    """The id of the function URL that a request goes to; None when it goes to none."""
    path = _PATH.fullmatch(request.raw_path)
    host = _HOST.fullmatch(request.headers.get("host", ""))
    found = path or host
    return found[1] if found else None


def path_within(request: Request) -> str:
    """The path as the function sees it."""
    path = _PATH.fullmatch(request.raw_path)
    return (path[2] or "/") if path else request.raw_path
