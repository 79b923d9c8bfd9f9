"""Compares an answer of the sandbox with one that real AWS gave, placeholders aside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_ANY = {
    "timestamp", "date", "datetime", "create-time", "too-old-log-event-end-index",
    "too-new-log-event-start-index",
}  # fmt: skip


def recorded(directory: Path, name: str) -> dict[tuple[str, str], Any]:
    """(test, response name) -> recorded response of one snapshot file."""
    cases: dict[tuple[str, str], Any] = {}
    for key, value in json.loads((directory / "aws-recorded" / name).read_text()).items():
        test = key.split("::")[-1]
        for response, content in value["recorded-content"].items():
            cases[test, response] = content
    return cases


def differences(wanted: Any, held: Any, path: str = "") -> list[str]:  # noqa: PLR0911 - one per kind
    """Paths at which an answer is not what AWS answered."""
    if isinstance(wanted, str) and (wanted in _ANY or re.fullmatch(r"<[^<>]+>", wanted)):
        return [] if held is not None else [f"{path}: missing"]
    if isinstance(held, str) and isinstance(wanted, dict):
        held = json.loads(held)
    if isinstance(wanted, dict) and isinstance(held, dict):
        return _of_members(wanted, held, path)
    if isinstance(wanted, list) and isinstance(held, list):
        if len(wanted) != len(held):
            return [f"{path}: {len(held)} instead of {len(wanted)} items"]
        return [
            line
            for position, (a, b) in enumerate(zip(wanted, held, strict=True))
            for line in differences(a, b, f"{path}[{position}]")
        ]
    if isinstance(wanted, str) and isinstance(held, str):
        return (
            []
            if re.fullmatch(_pattern(wanted), held, re.DOTALL)
            else [f"{path}: {held!r} is not {wanted!r}"]
        )
    if isinstance(wanted, (int, float)) and isinstance(held, (int, float)):
        same = abs(wanted - held) <= 1e-9 * max(1.0, abs(wanted))
        return [] if same else [f"{path}: {held} is not {wanted}"]
    return [] if wanted == held else [f"{path}: {held!r} is not {wanted!r}"]


def _of_members(wanted: dict[str, Any], held: dict[str, Any], path: str) -> list[str]:
    lines = []
    for name in wanted.keys() | held.keys():
        if name == "ResponseMetadata":
            status = wanted.get(name, {}).get("HTTPStatusCode")
            mine = held.get(name, {}).get("HTTPStatusCode")
            lines += [] if status in (None, mine) else [f"{path}.status: {mine} is not {status}"]
        elif name not in held:
            lines.append(f"{path}.{name}: missing")
        elif name not in wanted:
            lines.append(f"{path}.{name}: AWS does not say it")
        else:
            lines += differences(wanted[name], held[name], f"{path}.{name}")
    return sorted(lines)


def _pattern(text: str) -> str:
    """A recorded text as a regular expression: placeholders match anything of their kind."""
    escaped = re.escape(text)
    escaped = re.sub(r"<[^<>]*>", "(?:.+)", escaped)
    escaped = escaped.replace("111111111111", r"\d{12}")
    escaped = escaped.replace(re.escape("MM/DD/YY HH:MM:SS"), r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d")
    return re.sub(r"[0-9a-f]{8}\\-(?:[0-9a-f]{4}\\-){3}[0-9a-f]{12}", r"[0-9a-f-]{36}", escaped)
