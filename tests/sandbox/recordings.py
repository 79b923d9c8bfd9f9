"""Recorded answers of AWS against the sandbox's: what is compared, and how placeholders are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PLACEHOLDER = re.compile(r"<[^<>]*>")
_LENGTHS = re.compile(r"<a:len\((\d+)\)>")
_ENUM = re.compile(r"enum value set: \[([^\]]*)\]")
_DATES = {"date", "datetime", "lambda-url", "code-sha256"}
_RECORDED_ACCOUNT = "111111111111"


def pattern_of(text: str, account_id: str) -> re.Pattern[str]:
    """A recorded text as an expression: placeholders stand for anything."""
    text = _LENGTHS.sub(lambda match: "a" * int(match[1]), text)
    text = text.replace(_RECORDED_ACCOUNT, account_id)
    parts = _PLACEHOLDER.split(text)
    return re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)


def _sorted_enum(text: str) -> str:
    # AWS lists an enumeration in no particular order. Its members, and the expressions for ARNs,
    # belong to the model of the week: the sandbox answers those of the botocore in use.
    text = _ENUM.sub("enum value set: [...]", text)
    return text.partition("regular expression pattern: ")[0]


def differences(recorded: Any, actual: Any, account_id: str, path: str = "") -> Iterator[str]:
    """Where an answer is not what was recorded: members, types and every value that is fixed."""
    if isinstance(recorded, dict):
        if not isinstance(actual, dict):
            yield f"{path}: {actual!r} is not an object"
            return
        kept = set(actual)
        if "ResponseMetadata" not in recorded:
            kept.discard("ResponseMetadata")  # pages that were put together have none
        for name in sorted(set(recorded) | kept):
            where = f"{path}.{name}" if path else name
            if name not in actual:
                yield f"{where} is missing"
            elif name not in recorded:
                yield f"{where} is too much"
            else:
                yield from differences(recorded[name], actual[name], account_id, where)
    elif isinstance(recorded, list):
        if not isinstance(actual, list) or len(recorded) != len(actual):
            yield f"{path}: {actual!r} instead of {recorded!r}"
            return
        for index, (one, other) in enumerate(zip(recorded, actual, strict=True)):
            yield from differences(one, other, account_id, f"{path}[{index}]")
    elif isinstance(recorded, str):
        if recorded in _DATES or _PLACEHOLDER.fullmatch(recorded):
            return
        expected = pattern_of(_sorted_enum(recorded), account_id)
        if not expected.fullmatch(_sorted_enum(str(actual))):
            yield f"{path}: {actual!r} instead of {recorded!r}"
    elif recorded != actual:
        yield f"{path}: {actual!r} instead of {recorded!r}"


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as the recordings keep them: of the metadata only the status."""
    metadata = answer.get("ResponseMetadata", {})
    kept = {"HTTPHeaders": {}, "HTTPStatusCode": metadata.get("HTTPStatusCode")}
    return {**answer, "ResponseMetadata": kept}
