"""Fetching a function's own code package, for changes that must send it again."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.functions import resolve
from lambda_autotuner.aws.sdk import require_loopback
from lambda_autotuner.aws.session import READ_TIMEOUT_SECONDS, Account

# What UpdateFunctionCode and CreateFunction take directly; larger packages go through S3.
MAX_DIRECT_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Code:
    """A function's code: a ZIP package, or the name of a container image.

    Attributes:
        source_kms_key_arn: the customer's key that the package is kept under, which has to be named
            again whenever the package is sent.
    """

    package: bytes | None
    image_uri: str | None
    source_kms_key_arn: str | None = None


def fetch_code(account: Account, function: str, qualifier: str | None = None) -> Code:
    """Download a ZIP package, or name the image.

    Raises:
        MissingError: no such function or qualifier.
        AwsError: not allowed, the package is too large to be sent directly, or it cannot be
            downloaded.
    """
    asked = {"FunctionName": resolve(account, function).name}
    if qualifier:
        asked["Qualifier"] = qualifier
    answer = account.call("lambda", "GetFunction", **asked)
    code = answer.get("Code") or {}
    if code.get("ImageUri"):
        return Code(None, str(code["ImageUri"]))
    size = int((answer.get("Configuration") or {}).get("CodeSize", 0))
    if size > MAX_DIRECT_BYTES:
        raise AwsError(
            f"The package of {asked['FunctionName']} has {size} bytes; only "
            f"{MAX_DIRECT_BYTES} can be sent directly.",
            code=ErrorCode.LIMIT,
            operation="lambda:GetFunction",
        )
    package = _download(account, str(code.get("Location", "")))
    return Code(package, None, code.get("SourceKMSKeyArn"))


def _download(account: Account, url: str) -> bytes:
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import HTTPClientError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    proxies = None
    if account.kind == "sandbox":
        require_loopback(url)
    else:
        proxies = get_environ_proxies(url)
    try:
        session = URLLib3Session(proxies=proxies, timeout=READ_TIMEOUT_SECONDS)
        try:
            response = session.send(AWSRequest("GET", url).prepare())
            body: bytes = response.content
        finally:
            session.close()
    except HTTPClientError as error:
        raise AwsError(
            f"The code package cannot be downloaded: {error}.",
            code=ErrorCode.UNREACHABLE,
            operation="lambda:GetFunction",
        ) from error
    if response.status_code != 200:  # noqa: PLR2004 - HTTP's own number for success
        raise AwsError(
            f"The code package cannot be downloaded (HTTP {response.status_code}).",
            code=ErrorCode.UNAVAILABLE,
            operation="lambda:GetFunction",
        )
    return body
