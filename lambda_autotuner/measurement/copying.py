"""A temporary copy of a function: the same code and settings, but no caller, trigger or log group."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lambda_autotuner.aws.errors import AwsError, ErrorCode
from lambda_autotuner.aws.functions import get_function, raw_configuration
from lambda_autotuner.aws.sdk import require_loopback
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.measurement.cleanup import Kind, Sleep, mark, wait_settled
from lambda_autotuner.measurement.journalling import Steps
from lambda_autotuner.measurement.stage import CopyStage, Stage, send

# A package that is uploaded in the request itself (AWS documentation, Lambda quotas).
_LARGEST_UPLOAD = 50 * 1024 * 1024
_LONGEST_NAME = 64
_DOWNLOAD_SECONDS = 120
_TAKEN_AS_IS = (
    "Runtime",
    "Role",
    "Handler",
    "Timeout",
    "MemorySize",
    "PackageType",
    "KMSKeyArn",
    "Architectures",
    "FileSystemConfigs",
    "EphemeralStorage",
)


def copy_name(function: str, run_id: str) -> str:
    """Name of the temporary copy of a function in a run."""
    ending = f"-autotuner-{run_id}"
    return function[: _LONGEST_NAME - len(ending)] + ending


@contextmanager
def copy_stage(
    account: Account,
    steps: Steps,
    qualifier: str | None,
    *,
    sleep: Sleep = time.sleep,
) -> Iterator[Stage]:
    """Measure on a temporary copy, which is removed at the end together with its logs.

    Raises:
        RefusedError: the code cannot be copied.
        AwsError: the account failed or does not allow it.
    """
    marked = mark(steps.run_id)
    name = copy_name(steps.function, steps.run_id)
    raw = raw_configuration(account, steps.function, qualifier)
    code = _Code(account, steps.function, qualifier)
    content = code()
    with steps.until_undone(Kind.COPY, copy=name, mark=marked, log_group=f"/aws/lambda/{name}"):
        _create(
            account, {**_settings(raw), "FunctionName": name, "Description": marked}, content, sleep
        )
        copy = wait_settled(account, name, sleep=sleep)
        yield CopyStage(account, copy, marked, code, steps.run_id, sleep)


def _create(
    account: Account, settings: Mapping[str, Any], content: Mapping[str, Any], sleep: Sleep
) -> None:
    try:
        send(account, "CreateFunction", sleep=sleep, Code=dict(content), **settings)
    except AwsError as error:
        if not error.ambiguous:
            raise
        found = get_function(account, str(settings["FunctionName"]))
        if found.description != settings["Description"]:
            raise


def _settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """CreateFunction's parameters from a configuration.

    The dead-letter queue stays behind, because an invocation that waits for its answer never uses
    it, and so does a shared log group, whose REPORT lines others read.
    """
    found = {name: raw[name] for name in _TAKEN_AS_IS if raw.get(name)}
    if raw.get("Environment"):
        found["Environment"] = {"Variables": raw["Environment"].get("Variables") or {}}
    if raw.get("Layers"):
        found["Layers"] = [layer["Arn"] for layer in raw["Layers"]]
    vpc = raw.get("VpcConfig") or {}
    if vpc.get("SubnetIds"):
        found["VpcConfig"] = {
            key: vpc[key]
            for key in ("SubnetIds", "SecurityGroupIds", "Ipv6AllowedForDualStack")
            if key in vpc
        }
    if raw.get("TracingConfig"):
        found["TracingConfig"] = {"Mode": raw["TracingConfig"].get("Mode", "PassThrough")}
    snapstart = (raw.get("SnapStart") or {}).get("ApplyOn", "None")
    if snapstart != "None":
        found["SnapStart"] = {"ApplyOn": snapstart}
    image = (raw.get("ImageConfigResponse") or {}).get("ImageConfig")
    if image:
        found["ImageConfig"] = image
    log_format = (raw.get("LoggingConfig") or {}).get("LogFormat")
    if log_format == "JSON":
        found["LoggingConfig"] = {"LogFormat": "JSON"}
    return found


class _Code:
    """The code of a function as CreateFunction and UpdateFunctionCode take it, fetched once."""

    def __init__(self, account: Account, function: str, qualifier: str | None) -> None:
        self._account = account
        self._function = function
        self._qualifier = qualifier
        self._content: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        """`{"ZipFile": bytes}` or `{"ImageUri": text}`."""
        if self._content is None:
            self._content = self._fetch()
        return self._content

    def _fetch(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"FunctionName": self._function}
        if self._qualifier:
            asked["Qualifier"] = self._qualifier
        answer = self._account.call("lambda", "GetFunction", **asked)
        code = answer.get("Code") or {}
        size = int((answer.get("Configuration") or {}).get("CodeSize", 0))
        if code.get("ImageUri"):
            return {"ImageUri": str(code["ImageUri"])}
        location = str(code.get("Location") or "")
        if not location or size > _LARGEST_UPLOAD:
            raise RefusedError(
                f"The code of {self._function} cannot be copied: "
                + (
                    f"{size:,} bytes are more than the {_LARGEST_UPLOAD:,} that an upload takes."
                    if location
                    else "the account does not say where it is."
                ),
                remedy="Publish a version and measure on versions instead.",
            )
        return {"ZipFile": _download(self._account, location)}


def _download(account: Account, location: str) -> bytes:
    """Fetch a package from the address that the account gave.

    Raises:
        AwsError: it cannot be fetched.
    """
    openers: list[Any] = []
    if account.kind == "sandbox":
        require_loopback(location)
        openers.append(urllib.request.ProxyHandler({}))
    if not location.startswith(("https://", "http://")):
        raise AwsError(
            f"The code is at {location[:40]!r}, which is no address.", code=ErrorCode.OTHER
        )
    try:
        with urllib.request.build_opener(*openers).open(
            location, timeout=_DOWNLOAD_SECONDS
        ) as answer:
            content: bytes = answer.read(_LARGEST_UPLOAD + 1)
    except (urllib.error.URLError, OSError) as error:
        raise AwsError(
            f"The code could not be downloaded: {error}.",
            code=ErrorCode.UNREACHABLE,
            operation="lambda:GetFunction",
        ) from error
    return content
