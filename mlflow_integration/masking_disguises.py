"""Secrets in disguise: escaped, encoded, or folded over several lines.

Each function undoes one disguise and returns None, or nothing, where there is none; whether
what comes out is a secret is for the rules to say.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Iterator

ENCODED_LENGTH = 24
_TOKEN = (string.ascii_letters + string.digits + "+/=_-.~").encode()
_BLANKED = bytes(code if code in _TOKEN else 32 for code in range(256))
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{22,}={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_PRINTABLE = frozenset(string.printable.encode())
# Only escapes of plain characters: no encoder has a reason to write those.
_UNICODE = re.compile(r"\\+u00([2-7][0-9a-fA-F])|\\+x([2-7][0-9a-fA-F])")
_PERCENT = re.compile(r"%([2-7][0-9a-fA-F])")
_ENTITY = re.compile(r"&#(?:x([2-7][0-9a-fA-F])|(\d{2,3}));")
_FOLDED = string.ascii_letters + string.digits + "+/=_.-"
_FOLDED_LENGTH = 200
_WORD = re.compile(r"[A-Za-z]?[a-z]*[.-]?|[.=_-]+|\d{1,4}")
_NEXT_LINE = re.compile(r"[ \t]*\\?\r?\n[ \t]*([A-Za-z0-9+/=_.~-]+)[ \t]*(?=\\?\r?\n|[\"',;]|\Z)")
_FOLD_WIDTH = 40
_SHORT_LENGTH = 6


def token_words(text: str) -> list[str]:
    """Return the runs of letters, digits and `+/=_-.~`: a table and a split, at memory speed."""
    blanked = text.encode("utf-8", "surrogatepass").translate(_BLANKED)
    return blanked.decode("ascii").split()


def decoded_words(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the words that are base64 of readable text, and that text."""
    for word in words:
        if len(word) < ENCODED_LENGTH:
            continue
        for core in _ENCODED.findall(word):
            raw = core.rstrip("=").translate(_URL_SAFE)
            try:
                inner = base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True)
            except (binascii.Error, ValueError):
                continue
            if inner and _PRINTABLE.issuperset(inner):
                yield core, inner.decode("ascii")


def unescaped(text: str) -> str | None:
    """Return `text` with escaped plain characters as themselves, None when there are none."""
    plain = text
    if "\\u00" in plain or "\\x" in plain:
        plain = _UNICODE.sub(lambda found: chr(int(found[1] or found[2], 16)), plain)
    if "%" in plain:
        plain = _PERCENT.sub(lambda found: chr(int(found[1], 16)), plain)
    if "&#" in plain:
        plain = _ENTITY.sub(_entity, plain)
    return None if plain == text else plain


def _entity(found: re.Match[str]) -> str:
    code = int(found[1], 16) if found[1] else int(found[2])
    return chr(code) if chr(code) in string.printable else found[0]


def unfolded(text: str) -> tuple[str, list[int]] | None:
    """Return `text` with broken tokens joined and where each character stood, None without any.

    Lines are joined where neither the end of the one nor the beginning of the next is a word.
    """
    pieces: list[str] = []
    places: list[int] = []
    done = 0
    for start, end in _folds(text):
        pieces.append(text[done:start])
        places.extend(range(done, start))
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    places.extend(range(done, len(text)))
    return "".join(pieces), places


def _folds(text: str) -> Iterator[tuple[int, int]]:
    """Yield where lines end within a token, perhaps: goes from line to line, not by character."""
    begin = 0
    newline = text.find("\n")
    while newline >= 0:
        following = text.find("\n", newline + 1)
        line = text[begin:newline].removesuffix("\r").removesuffix("\\").rstrip(" \t")
        after = text[newline + 1 : following if following >= 0 else len(text)]
        indented = after.lstrip(" \t")
        tail, head = line[-_FOLDED_LENGTH:], indented[:_FOLDED_LENGTH]
        tail = tail[len(tail.rstrip(_FOLDED)) :]
        head = head[: len(head) - len(head.lstrip(_FOLDED))]
        if tail and head and not _WORD.fullmatch(tail) and not _WORD.fullmatch(head):
            yield begin + len(line), newline + 1 + len(after) - len(indented)
        begin, newline = newline + 1, following


def continued(text: str, end: int) -> int:
    """Return where a token that reaches its line's end is over, 0 when it is over there.

    The next line belongs to it when it is one run of token characters like chance makes them.
    """
    reached = 0
    width = end - max(text.rfind("\n", 0, end), text.rfind(" ", 0, end)) - 1
    while (found := _NEXT_LINE.match(text, end)) is not None:
        word = found[1]
        mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
        # The last piece of many may be too short to look like anything.
        rest = width >= _FOLD_WIDTH and len(word) < _SHORT_LENGTH and not word.islower()
        if "=" in word.rstrip("=") or not (rest or (mixed and len(word) >= _SHORT_LENGTH)):
            break
        reached = end = found.end(1)
        width = len(word)
    return reached
