"""What can go wrong on purpose. None of these leaves a traced run: they become a status."""

from __future__ import annotations


class TracingError(Exception):
    """Root of this package's errors; `remedy` is what to do next, `code` a short name."""

    # For how long the back end asked to be left alone.
    retry_after_seconds: float | None = None

    def __init__(self, message: str, *, remedy: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class ConfigurationError(TracingError):
    """A variable or an argument cannot be used as it is."""


class UnreachableError(TracingError):
    """The back end did not answer in time, or refused the connection."""


class AuthenticationError(TracingError):
    """The back end answered 401 or 403."""


class SpoolError(TracingError):
    """The spool folder cannot be written or read."""


class RejectedError(TracingError):
    """The back end refused a record for good; repeating it would not help."""
