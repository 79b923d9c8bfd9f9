"""Everything that makes up a configuration, comparable without keeping a secret.

Values of environment variables and descriptions are kept as salted digests: enough to see that
one changed, not enough to learn what it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Names that differ between versions, or change by themselves, without any change of behaviour.
_VOLATILE = frozenset(
    {
        "ConfigSha256",
        "FunctionArn",
        "LastModified",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "MasterArn",
        "ResponseMetadata",
        "RevisionId",
        "RuntimeVersionConfig",
        "State",
        "StateReason",
        "StateReasonCode",
        "Version",
    }
)
_HIDDEN = frozenset({"Description", "Environment"})
_DIGEST_CHARS = 20
_DIGEST_MARK = "digest:"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same on both sides; hidden values are not shown."""

    field: str
    before: object
    after: object

    def __str__(self) -> str:
        if _hidden(self.before) or _hidden(self.after):
            return f"{self.field}: {_word(self.before)} -> {_word(self.after)}"
        return f"{self.field}: {self.before} -> {self.after}"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; hidden values as words."""
        hidden = _hidden(self.before) or _hidden(self.after)
        return {
            "field": self.field,
            "before": _word(self.before) if hidden else self.before,
            "after": _word(self.after) if hidden else self.after,
        }


def _hidden(value: object) -> bool:
    return isinstance(value, str) and value.startswith(_DIGEST_MARK)


def _word(value: object) -> str:
    return "absent" if value is None else "a value that is not shown"


def take_snapshot(raw: Mapping[str, Any], salt: str) -> dict[str, Any]:
    """Flatten an answer of GetFunctionConfiguration into comparable fields.

    Args:
        raw: the account's own answer.
        salt: makes the digests of hidden values worthless to anybody without the plan.

    Returns:
        Field names with plain values or digests; fields that a plan can set have our names.
    """
    snapshot: dict[str, Any] = {
        "memory_mb": int(raw.get("MemorySize", 128)),
        "timeout_seconds": int(raw.get("Timeout", 3)),
        "architecture": str((raw.get("Architectures") or ["x86_64"])[0]),
        "ephemeral_storage_mb": int((raw.get("EphemeralStorage") or {}).get("Size", 512)),
        "snapstart": str((raw.get("SnapStart") or {}).get("ApplyOn", "None")),
    }
    taken = {"MemorySize", "Timeout", "Architectures", "EphemeralStorage", "SnapStart"}
    for name, value in raw.items():
        if name in taken or name in _VOLATILE or value in (None, "", [], {}):
            continue
        if name == "Environment":
            variables = (value or {}).get("Variables") or {}
            for variable, content in variables.items():
                snapshot[f"Environment.{variable}"] = _digest(content, salt)
        elif name in _HIDDEN:
            snapshot[name] = _digest(value, salt)
        else:
            snapshot[name] = _plain(value)
    return snapshot


def _plain(value: object) -> object:
    if isinstance(value, (str, int, float, bool)):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _digest(value: object, salt: str) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    found = hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{_DIGEST_MARK}{found[:_DIGEST_CHARS]}"


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], *, ignore: Iterable[str] = ()
) -> list[Difference]:
    """Fields that are not the same on both sides, in alphabetical order."""
    skipped = set(ignore)
    names = sorted((before.keys() | after.keys()) - skipped)
    return [
        Difference(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]
