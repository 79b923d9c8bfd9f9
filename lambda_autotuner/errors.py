"""The one root of every error that the product raises on purpose.

A message says what happened, the value, the limit and the remedy. The exit code is the
one that a command ends with when nothing handles the error on the way up.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_NEGATIVE = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_ACCOUNT = 4
EXIT_INTERRUPTED = 130


class AutotunerError(Exception):
    """Root of the hierarchy; `remedy` is the next thing for a person to do."""

    exit_code = EXIT_NEGATIVE

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class UsageError(AutotunerError):
    """A value that a person typed or configured cannot be used."""

    exit_code = EXIT_USAGE


class SettingsError(UsageError):
    """config.yaml, .env or an environment variable cannot be used."""


class RefusedError(AutotunerError):
    """A guardrail, an approval or a stale plan stands in the way."""

    exit_code = EXIT_REFUSED


class AccountError(AutotunerError):
    """The account or a server is unreachable, or answers that this is forbidden."""

    exit_code = EXIT_ACCOUNT


class NotFoundError(AccountError):
    """What was named is not in the account; `nearest` holds names that are."""

    exit_code = EXIT_USAGE

    def __init__(
        self, message: str, *, nearest: tuple[str, ...] = (), remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.nearest = nearest
