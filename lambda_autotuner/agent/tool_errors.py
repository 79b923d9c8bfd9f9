"""The closed set of what can go wrong in a tool, as the model is told it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """Why a tool call gave nothing."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_ASKED_FOR = "not_asked_for"
    UNKNOWN_TOOL = "unknown_tool"
    BUDGET_SPENT = "budget_spent"
    INTERNAL = "internal"


TRY_AGAIN = frozenset(
    {ErrorCode.THROTTLED, ErrorCode.UNAVAILABLE, ErrorCode.TIMED_OUT, ErrorCode.INVALID_ARGUMENTS}
)
"""Worth another call: with the same arguments for the first three, with mended ones for the last."""


class ToolError(Exception):
    """A tool call that gave nothing, with what the model and the person may know of it."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        remedy: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.details = dict(details or {})

    def to_dict(self) -> dict[str, Any]:
        """The error as the model reads it."""
        shown: dict[str, Any] = {
            "code": self.code.value,
            "try_again": self.code in TRY_AGAIN,
            "message": self.message,
        }
        if self.remedy:
            shown["remedy"] = self.remedy
        return {"error": {**shown, **self.details}}
