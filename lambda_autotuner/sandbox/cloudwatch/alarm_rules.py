"""Composite alarms' rules: ALARM(a) AND NOT (OK(b) OR FALSE)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<call>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"(?P<quoted>[^\"]+)\"|(?P<name>[^)\"]+?))\s*\)"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<symbol>[()]))"
)
_DEEPEST: Final = 60


class RuleError(Exception):
    """The text is no alarm rule."""


def names(rule: str) -> list[str]:
    """Alarms that a rule mentions, by name, in order.

    Raises:
        RuleError: the rule cannot be read.
    """
    found: list[str] = []

    def collect(name: str) -> str:
        found.append(name)
        return "OK"

    _Rule(rule, collect).whole()
    return list(dict.fromkeys(found))


def holds(rule: str, state_of: Callable[[str], str]) -> bool:
    """Whether a rule is true, given each alarm's state.

    Raises:
        RuleError: the rule cannot be read.
    """
    return _Rule(rule, state_of).whole()


class _Rule:
    """Evaluates while it reads; both sides of every operator are always read."""

    def __init__(self, text: str, state_of: Callable[[str], str]) -> None:
        self.text = text.strip()
        self.position = 0
        self.state_of = state_of
        self.depth = 0

    def whole(self) -> bool:
        value = self.either()
        if self.position < len(self.text):
            raise RuleError(f"unexpected text at {self.position}")
        return value

    def token(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.position)

    def word(self, word: str) -> bool:
        match = self.token()
        if match is not None and match["word"] == word:
            self.position = match.end()
            return True
        return False

    def either(self) -> bool:
        value = self.both()
        while self.word("OR"):
            right = self.both()
            value = value or right
        return value

    def both(self) -> bool:
        value = self.one()
        while self.word("AND"):
            right = self.one()
            value = value and right
        return value

    def one(self) -> bool:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise RuleError("nested too deeply")
        match = self.token()
        if match is None:
            raise RuleError(f"unexpected text at {self.position}")
        self.position = match.end()
        value = False
        if match["call"]:
            name = (match["quoted"] or match["name"]).strip()
            name = name.split(":alarm:", 1)[-1]
            value = self.state_of(name) == match["call"]
        elif match["word"] == "NOT":
            value = not self.one()
        elif match["word"] in ("TRUE", "FALSE"):
            value = match["word"] == "TRUE"
        elif match["symbol"] == "(":
            value = self.either()
            closing = self.token()
            if closing is None or closing["symbol"] != ")":
                raise RuleError("a parenthesis is not closed")
            self.position = closing.end()
        else:
            raise RuleError(f"unexpected text at {match.start()}")
        self.depth -= 1
        return value
