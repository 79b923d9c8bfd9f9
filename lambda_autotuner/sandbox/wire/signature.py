"""Signature version 4, checked for keys that the sandbox itself issued.

Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.wire.http import Request
from lambda_autotuner.sandbox.wire.models import Scope

_PARTS = re.compile(r"SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)")


def verify(request: Request, scope: Scope, secret_access_key: str) -> None:
    """Compare a request's signature with the one that the secret gives.

    Raises:
        ServiceError: InvalidSignatureException when they differ.
    """
    match = _PARTS.search(request.headers.get("authorization", ""))
    if match is None:
        raise ServiceError("IncompleteSignatureException", "The signature is incomplete.", 403)
    signed, given = match[1].split(";"), match[2]
    canonical = _canonical(request, scope, signed)
    stamp = request.headers.get("x-amz-date", "")
    place = f"{scope.date}/{scope.region}/{scope.signing_name}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{place}\n{digest}"
    key = f"AWS4{secret_access_key}".encode()
    for part in (scope.date, scope.region, scope.signing_name, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, given):
        raise ServiceError(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details.",
            403,
        )


def _canonical(request: Request, scope: Scope, signed: list[str]) -> str:
    # All services but S3 sign the path encoded once more.
    path = request.raw_path or "/"
    if scope.signing_name != "s3":
        path = quote(path, safe="/~-_.")
    query = "&".join(
        f"{quote(name, safe='~-_.')}={quote(value, safe='~-_.')}"
        for name, value in sorted(parse_qsl(request.raw_query, keep_blank_values=True))
    )
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed
    )
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        payload = hashlib.sha256(request.body).hexdigest()
    return f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(signed)}\n{payload}"
