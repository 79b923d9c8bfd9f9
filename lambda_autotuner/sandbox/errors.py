"""What an operation raises: an error that goes out in its service's own shape and words."""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """A modelled answer with an error code; `fields` are further members of the error's shape.

    `status` is taken from the service's model when it is None; `sender` says whose fault it is
    for the protocols that tell (query's `Type`).
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        status: int | None = None,
        *,
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        sender: bool = True,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        self.sender = sender
