"""Splits a Logs Insights query into tokens, command by command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


class QueryError(Exception):
    """The query cannot be read: why, and the characters that it is about."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the query: kind is name, number, duration, string, regex or symbol."""

    kind: str
    text: str
    start: int
    end: int


_PIECE: Final = re.compile(
    r"(?P<space>\s+|\#[^\n]*)"
    r"|(?P<duration>\d+(?:ms|s|m|h|d|w|mo|q|y)\b)"
    r"|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|`(?P<backtick>[^`]*)`"
    r"|(?P<name>[@$A-Za-z_][\w@$]*(?:\.(?:[\w@$]+|`[^`]*`)|\[\d+\])*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<symbol>=~|!=|<=|>=|==|[-+*/%^=<>(),|\[\]])",
    re.DOTALL,
)
_REGEX: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)


def split(text: str) -> list[list[Token]]:
    """Commands of a query, each a list of tokens.

    Raises:
        QueryError: a character that belongs to no token.
    """
    commands: list[list[Token]] = [[]]
    position = 0
    while position < len(text):
        current = commands[-1]
        if text[position] == "/" and _regex_expected(current):
            found = _REGEX.match(text, position)
            if found is None:
                raise QueryError("unterminated regular expression", position, len(text))
            current.append(Token("regex", found[1].replace("\\/", "/"), position, found.end()))
            position = found.end()
            continue
        match = _PIECE.match(text, position)
        if match is None:
            raise QueryError(f"unexpected symbol found {text[position]}", position, position + 1)
        token = _token(match)
        position = match.end()
        if token is None:
            continue
        if token.kind == "symbol" and token.text == "|":
            commands.append([])
        else:
            current.append(token)
    if len(commands) > 1 and not commands[-1]:
        commands.pop()  # a query may end with a bar
    return commands


def _token(match: re.Match[str]) -> Token | None:
    kind = match.lastgroup or ""
    if kind == "space":
        return None
    text = match[kind]
    if kind == "backtick":
        kind = "name"
    elif kind == "string":
        text = re.sub(r"\\([\"'\\])", r"\1", text[1:-1])
    elif kind == "name":
        text = text.replace("`", "")
    return Token(kind, text, match.start(), match.end())


def _regex_expected(current: list[Token]) -> bool:
    """A slash divides, but for after `like`, `=~` and `parse <field>`."""
    if not current:
        return False
    last = current[-1]
    if last.text == "=~" or (last.kind == "name" and last.text.lower() == "like"):
        return True
    return current[0].text.lower() == "parse" and len(current) <= 2  # noqa: PLR2004 - parse, field
