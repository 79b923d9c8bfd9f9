"""What others wrote (names, tags, log lines) cannot steer the terminal that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

# Whole escape sequences first, then what is left of control characters, and the characters that
# reorder or hide text. Line feed and tab are text.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)|\x1b."
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def harmless(text: str) -> str:
    """`text` without terminal escapes, control characters and direction overrides."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def escaped(json_text: str) -> str:
    """JSON of the same value, in which such characters stand as escapes of JSON."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


class _Harmless:
    """A rendering whose text is harmless; colours and cursor moves of our own stay."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Any]:
        for segment in console.render(self._inner, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=harmless(segment.text))


class Hook:
    """Applied to all that a console prints."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        """Called by rich before it renders."""
        return [_Harmless(item) for item in renderables]


HARMLESS: Any = Hook()
