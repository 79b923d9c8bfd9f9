"""What an account can answer instead of a result, as a small closed set of codes.

Every failed call becomes an `AwsError` (or a `MissingError` for what does not exist) whose
`code` says what happened, whose `retryable` says whether the same call may work later, and
whose `ambiguous` says whether a write may have happened all the same.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from lambda_autotuner.errors import AccountError, NotFoundError


class ErrorCode(StrEnum):
    """Why a call failed. The first five may pass with time; the others are final."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    IN_PROGRESS = "update_in_progress"
    NOT_FOUND = "not_found"
    ACCESS_DENIED = "access_denied"
    NO_CREDENTIALS = "no_credentials"
    EXPIRED_CREDENTIALS = "expired_credentials"
    NO_REGION = "no_region"
    INVALID = "invalid"
    STALE = "stale_revision"
    CONFLICT = "conflict"
    LIMIT = "limit_exceeded"
    READ_ONLY = "read_only"
    OTHER = "other"


RETRYABLE = frozenset(
    {
        ErrorCode.THROTTLED,
        ErrorCode.UNAVAILABLE,
        ErrorCode.TIMEOUT,
        ErrorCode.UNREACHABLE,
        ErrorCode.IN_PROGRESS,
    }
)
# The request may have arrived and been carried out although no good answer came back.
AMBIGUOUS = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.UNREACHABLE})


class AwsError(AccountError):
    """A call that failed; `code` is one of a closed set.

    Attributes:
        code: what happened.
        operation: `service:Operation`, or empty when no call was made.
        actions: the IAM actions that the operation needs.
        service_code: the service's own error code, for the curious.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode,
        operation: str = "",
        actions: tuple[str, ...] = (),
        service_code: str = "",
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.operation = operation
        self.actions = actions
        self.service_code = service_code

    @property
    def retryable(self) -> bool:
        """Whether the same call may work later."""
        return self.code in RETRYABLE

    @property
    def ambiguous(self) -> bool:
        """Whether the call may have taken effect although it failed."""
        return self.code in AMBIGUOUS


class MissingError(NotFoundError):
    """What was named does not exist; `nearest` holds names that do, `searched` says where."""

    code = ErrorCode.NOT_FOUND
    retryable = False
    ambiguous = False

    def __init__(
        self,
        message: str,
        *,
        nearest: tuple[str, ...] = (),
        searched: str = "",
        operation: str = "",
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, nearest=nearest, remedy=remedy)
        self.searched = searched
        self.operation = operation


AnyAwsError = (AwsError, MissingError)

_BY_SERVICE_CODE = {
    "TooManyRequestsException": ErrorCode.THROTTLED,
    "Throttling": ErrorCode.THROTTLED,
    "ThrottlingException": ErrorCode.THROTTLED,
    "ThrottledException": ErrorCode.THROTTLED,
    "RequestLimitExceeded": ErrorCode.THROTTLED,
    "LimitExceededFault": ErrorCode.THROTTLED,
    "ServiceException": ErrorCode.UNAVAILABLE,
    "InternalFailure": ErrorCode.UNAVAILABLE,
    "InternalServiceError": ErrorCode.UNAVAILABLE,
    "InternalServiceFault": ErrorCode.UNAVAILABLE,
    "ServiceUnavailable": ErrorCode.UNAVAILABLE,
    "ServiceUnavailableException": ErrorCode.UNAVAILABLE,
    "ResourceNotFoundException": ErrorCode.NOT_FOUND,
    "ResourceNotFound": ErrorCode.NOT_FOUND,
    "ProvisionedConcurrencyConfigNotFoundException": ErrorCode.NOT_FOUND,
    "DashboardNotFoundError": ErrorCode.NOT_FOUND,
    "NoSuchEntity": ErrorCode.NOT_FOUND,
    "NoSuchKey": ErrorCode.NOT_FOUND,
    "NoSuchBucket": ErrorCode.NOT_FOUND,
    "AccessDenied": ErrorCode.ACCESS_DENIED,
    "AccessDeniedException": ErrorCode.ACCESS_DENIED,
    "UnauthorizedOperation": ErrorCode.ACCESS_DENIED,
    "OptInRequired": ErrorCode.ACCESS_DENIED,
    "OptInRequiredException": ErrorCode.ACCESS_DENIED,
    "SubscriptionRequiredException": ErrorCode.ACCESS_DENIED,
    "ExpiredToken": ErrorCode.EXPIRED_CREDENTIALS,
    "ExpiredTokenException": ErrorCode.EXPIRED_CREDENTIALS,
    "RequestExpired": ErrorCode.EXPIRED_CREDENTIALS,
    "UnrecognizedClientException": ErrorCode.NO_CREDENTIALS,
    "InvalidClientTokenId": ErrorCode.NO_CREDENTIALS,
    "SignatureDoesNotMatch": ErrorCode.NO_CREDENTIALS,
    "InvalidSignatureException": ErrorCode.NO_CREDENTIALS,
    "MissingAuthenticationToken": ErrorCode.NO_CREDENTIALS,
    "MissingAuthenticationTokenException": ErrorCode.NO_CREDENTIALS,
    "PreconditionFailedException": ErrorCode.STALE,
    "PreconditionFailed": ErrorCode.STALE,
    "LimitExceededException": ErrorCode.LIMIT,
    "CodeStorageExceededException": ErrorCode.LIMIT,
    "InvalidParameterValueException": ErrorCode.INVALID,
    "InvalidParameterException": ErrorCode.INVALID,
    "InvalidParameterValue": ErrorCode.INVALID,
    "ValidationError": ErrorCode.INVALID,
    "ValidationException": ErrorCode.INVALID,
    "MalformedQueryException": ErrorCode.INVALID,
    "InvalidRequestContentException": ErrorCode.INVALID,
    "RequestTooLargeException": ErrorCode.INVALID,
}
_IN_PROGRESS = re.compile(
    r"update is in progress|in the following state: Pending|is currently in", re.IGNORECASE
)
_ACTION_IN_MESSAGE = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")
_SERVER_ERROR = 500
_MESSAGE_CHARS = 400


def classify(service_code: str, message: str, status: int) -> ErrorCode:
    """The closed code of a service's answer, from its code, its words and its HTTP status."""
    if service_code == "ResourceConflictException":
        return ErrorCode.IN_PROGRESS if _IN_PROGRESS.search(message) else ErrorCode.CONFLICT
    if service_code == "ConflictException":
        return ErrorCode.CONFLICT
    known = _BY_SERVICE_CODE.get(service_code)
    if known is not None:
        return known
    if status == 429:  # noqa: PLR2004 - HTTP's own number for "too many requests"
        return ErrorCode.THROTTLED
    if status >= _SERVER_ERROR:
        return ErrorCode.UNAVAILABLE
    return ErrorCode.OTHER


def translate(
    error: Exception, *, operation: str = "", actions: tuple[str, ...] = ()
) -> AwsError | MissingError:
    """Turn whatever botocore raised into this layer's error.

    Args:
        error: a `ClientError` or any `BotoCoreError`.
        operation: `service:Operation`.
        actions: the IAM actions that the operation needs.
    """
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _from_answer(error.response, operation, actions)
    return _from_transport(error, operation)


def _from_answer(
    response: Any, operation: str, actions: tuple[str, ...]
) -> AwsError | MissingError:
    body = response.get("Error", {})
    service_code = str(body.get("Code", ""))
    message = " ".join(str(body.get("Message") or response.get("message") or "").split())
    message = message[:_MESSAGE_CHARS]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    code = classify(service_code, message, status)
    text = (
        f"{operation or 'The call'} failed: {message or service_code} ({service_code or status})."
    )
    if code is ErrorCode.NOT_FOUND:
        return MissingError(text, operation=operation)
    if code is ErrorCode.ACCESS_DENIED:
        found = _ACTION_IN_MESSAGE.search(message)
        needed = (found.group(1),) if found else actions
        return AwsError(
            f"Not allowed: {operation} needs {', '.join(needed) or 'a permission'}.",
            code=code,
            operation=operation,
            actions=needed,
            service_code=service_code,
            remedy="Add the action to the role in use; docs/permissions.md has the policy per verb.",
        )
    return AwsError(
        text,
        code=code,
        operation=operation,
        actions=actions,
        service_code=service_code,
        remedy=_REMEDIES.get(code),
    )


_REMEDIES = {
    ErrorCode.EXPIRED_CREDENTIALS: "Sign in again (for example `aws sso login`).",
    ErrorCode.NO_CREDENTIALS: "Check the profile or the AWS_* variables in use.",
    ErrorCode.NO_REGION: "Set one with --region or AWS_REGION.",
    ErrorCode.UNREACHABLE: "Check the network, the region and the endpoint.",
    ErrorCode.TIMEOUT: "Try again; the account did not answer in time.",
    ErrorCode.THROTTLED: "Try again in a while; the account limits the rate of calls.",
    ErrorCode.STALE: "Somebody changed it meanwhile; read it again and make a new plan.",
}


def _from_transport(error: Exception, operation: str) -> AwsError:
    """Failures before or instead of an answer."""
    from botocore import exceptions as boto

    what = " ".join(str(error).split())[:_MESSAGE_CHARS]
    rules: tuple[tuple[tuple[type[Exception], ...], ErrorCode, str], ...] = (
        ((boto.ReadTimeoutError, boto.ConnectTimeoutError), ErrorCode.TIMEOUT, "no answer in time"),
        (
            (boto.EndpointConnectionError, boto.ProxyConnectionError),
            ErrorCode.UNREACHABLE,
            "the endpoint cannot be reached",
        ),
        ((boto.ConnectionClosedError,), ErrorCode.UNREACHABLE, "the connection was cut"),
        (
            (boto.TokenRetrievalError, boto.SSOTokenLoadError, boto.UnauthorizedSSOTokenError),
            ErrorCode.EXPIRED_CREDENTIALS,
            "the sign-in has expired",
        ),
        (
            (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
            ErrorCode.NO_CREDENTIALS,
            "there are no usable credentials",
        ),
        ((boto.ProfileNotFound,), ErrorCode.NO_CREDENTIALS, "there is no such profile"),
        ((boto.NoRegionError, boto.InvalidRegionError), ErrorCode.NO_REGION, "no region is set"),
        ((boto.ParamValidationError,), ErrorCode.INVALID, "the request is not valid"),
        ((boto.HTTPClientError,), ErrorCode.UNREACHABLE, "the connection failed"),
        # A cut or garbled body surfaces as a parser error, not as an HTTP error.
        ((boto.BotoCoreError,), ErrorCode.UNAVAILABLE, "the answer could not be used"),
    )
    for kinds, code, words in rules:
        if isinstance(error, kinds):
            return AwsError(
                f"{operation or 'The account'}: {words} ({what}).",
                code=code,
                operation=operation,
                service_code=type(error).__name__,
                remedy=_REMEDIES.get(code),
            )
    return AwsError(
        f"{operation or 'The account'}: the answer could not be read ({type(error).__name__}: {what}).",
        code=ErrorCode.UNAVAILABLE,
        operation=operation,
        service_code=type(error).__name__,
    )
