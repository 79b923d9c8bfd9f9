"""Code packages: what was sent, its hash, and where it can be fetched."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox import registry
from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import Target
from lambda_autotuner.sandbox.functions.records import Configuration

_SMALL_FILE: Final = 65_536
MAX_ZIP: Final = 50 * 1024 * 1024
# How a package says whose behaviour it has: a copy of a function's code behaves as the original.
_MARKER: Final = re.compile(rb"# behaves as ([a-zA-Z0-9-_]{1,64}), build")
MAX_UNPACKED: Final = 250 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """A code package."""

    sha256: str
    size: int
    kind: str
    raw: bytes | None = None
    image_uri: str | None = None

    def onto(self, configuration: Configuration) -> Configuration:
        """The settings with this code."""
        return dataclasses.replace(
            configuration,
            code_sha256=self.sha256,
            code_size=self.size,
            package_type=self.kind,
            image_uri=self.image_uri,
        )


def load_code(call: Call, code: dict[str, Any], kind: str) -> Package:
    """Take a package as CreateFunction and UpdateFunctionCode name it.

    Raises:
        ServiceError: no package, a broken one, one too large, or an object that does not exist.
    """
    if kind == "Image":
        uri = code.get("ImageUri")
        if not uri:
            raise _invalid(
                "Please provide ImageUri when updating a function with packageType Image."
            )
        digest = hashlib.sha256(uri.encode()).hexdigest()
        return Package(digest, 0, "Image", image_uri=uri)
    raw = code.get("ZipFile")
    if raw is None and code.get("S3Bucket"):
        raw = _from_s3(call, code)
    if raw is None:
        raise _invalid("Please provide a source for function code.")
    if len(raw) > MAX_ZIP:
        raise ServiceError(
            "RequestEntityTooLargeException",
            f"Zipped size must be smaller than {MAX_ZIP} bytes",
            413,
        )
    _hold_zip(raw)
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode()
    return Package(digest, len(raw), "Zip", raw=raw)


def _hold_zip(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _invalid(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
    if unpacked > MAX_UNPACKED:
        raise _invalid(f"Unzipped size must be smaller than {MAX_UNPACKED} bytes")


def origin(raw: bytes | None) -> str | None:
    """The seeded function whose code a package is a copy of."""
    if raw is None:
        return None
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for item in archive.infolist():
            if item.filename.endswith(".py") and item.file_size < _SMALL_FILE:
                match = _MARKER.search(archive.read(item))
                if match:
                    return match[1].decode()
    return None


def _from_s3(call: Call, code: dict[str, Any]) -> bytes:
    # The buckets are kept by the account's S3, where it has one.
    registry.load("s3")
    fetch = call.world.object_source
    found = fetch(call, code["S3Bucket"], code.get("S3Key", "")) if fetch else "NoSuchBucket"
    if isinstance(found, bytes):
        return found
    words = {
        "NoSuchBucket": "The specified bucket does not exist",
        "NoSuchKey": "The specified key does not exist.",
    }
    raise _invalid(
        f"Error occurred while GetObject. S3 Error Code: {found}. "
        f"S3 Error Message: {words.get(found, 'Access Denied')}"
    )


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def location(call: Call, target: Target) -> dict[str, Any]:
    """Where GetFunction says the code is."""
    configuration = target.configuration
    if configuration.package_type == "Image":
        uri = configuration.image_uri or ""
        digest = f"{uri.split(':')[0]}@sha256:{configuration.code_sha256}"
        return {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": digest}
    path = f"{call.account_id}/{call.region_name}/{target.record.name}/{target.version_number}"
    return {"RepositoryType": "S3", "Location": f"{call.base_url}/_sandbox/code/{path}"}
