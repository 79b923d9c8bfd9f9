"""The models' own constraints, checked and worded as AWS answers them.

`1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member
must have value less than or equal to 10240`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from botocore.model import OperationModel, Shape

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params

Rule: TypeAlias = tuple[Callable[[Any], bool], str]

_CODES: Final = {
    "logs": "InvalidParameterException",
    "cloudwatch": "ValidationError",
    "sts": "ValidationError",
    "iam": "ValidationError",
}
# Members whose values AWS checks in the operation itself, in other words.
_BY_HAND: Final = {
    ("lambda", "CreateFunction", "Runtime"),
    ("lambda", "UpdateFunctionConfiguration", "Runtime"),
    ("logs", "CreateLogGroup", "logGroupName"),
}
# Enumerations that AWS tells in another order than its model has.
_ORDER: Final = {"StateValue": ("INSUFFICIENT_DATA", "ALARM", "OK")}
_NULL: Final = "Member must not be null"


def check(service: str, operation: OperationModel, params: Params) -> None:
    """Hold parameters against the model.

    Raises:
        ServiceError: with every constraint that fails, in one message.
    """
    shape = operation.input_shape
    if shape is None:
        return
    skip = {
        member for owner, name, member in _BY_HAND if (owner, name) == (service, operation.name)
    }
    found = list(_structure(shape, params, "", skip))
    if not found:
        return
    count = len(found)
    plural = "s" if count > 1 else ""
    message = f"{count} validation error{plural} detected: {'; '.join(found)}"
    raise ServiceError(_CODES.get(service, "ValidationException"), message, 400)


def _structure(
    shape: Any, value: Params, path: str, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    required = set(shape.required_members)
    for name, member in shape.members.items():
        if name in skip:
            continue
        where = f"{path}.{_camel(name)}" if path else _camel(name)
        item = value.get(name)
        if item is None:
            if name in required:
                yield f"Value null at '{where}' failed to satisfy constraint: {_NULL}"
            continue
        yield from _value(member, item, where)


def _value(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        if isinstance(value, dict):
            yield from _structure(shape, value, path)
        return
    for holds, words in rules(shape):
        if not holds(value):
            yield _failure(value, path, words)
    if kind == "list":
        yield from _members(shape, value, path)
    elif kind == "map":
        yield from _entries(shape, value, path)


def _members(shape: Any, values: list[Any], path: str) -> Iterator[str]:
    member = shape.member
    if member.type_name in {"structure", "list", "map"}:
        for index, item in enumerate(values, start=1):
            if item is not None:
                yield from _value(member, item, f"{path}.{index}.member")
        return
    own = rules(member)
    if any(item is None or not all(holds(item) for holds, _ in own) for item in values):
        words = ", ".join([*(words for _, words in own), _NULL])
        yield _failure(values, path, f"Member must satisfy constraint: [{words}]")


def _entries(shape: Any, values: dict[str, Any], path: str) -> Iterator[str]:
    keys = rules(shape.key)
    if any(not all(holds(key) for holds, _ in keys) for key in values):
        words = ", ".join(words for _, words in keys)
        yield _failure(values, path, f"Map keys must satisfy constraint: [{words}]")
    if shape.value.type_name in {"structure", "list", "map"}:
        for key, item in values.items():
            if item is not None:
                yield from _value(shape.value, item, f"{path}.{key}.member")
        return
    own = rules(shape.value)
    if any(item is None or not all(holds(item) for holds, _ in own) for item in values.values()):
        words = ", ".join([*(words for _, words in own), _NULL])
        yield _failure(values, path, f"Map value must satisfy constraint: [{words}]")


def _failure(value: Any, path: str, words: str) -> str:
    return f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {words}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "java.nio.HeapByteBuffer"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    return str(value)


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


_rules: dict[int, tuple[Shape, tuple[Rule, ...]]] = {}


def rules(shape: Any) -> tuple[Rule, ...]:
    """A scalar's or a collection's own constraints, in the order in which AWS lists them."""
    found = _rules.get(id(shape))
    if found is None:
        found = _rules[id(shape)] = (shape, tuple(_compile(shape)))
    return found[1]


def _compile(shape: Any) -> Iterator[Rule]:
    metadata = shape.metadata
    kind = shape.type_name
    low, high = metadata.get("min"), metadata.get("max")
    if kind in {"string", "blob", "list", "map"}:
        if high is not None:
            yield (
                (lambda value: len(value) <= high),
                f"Member must have length less than or equal to {high}",
            )
        if low is not None:
            yield (
                (lambda value: len(value) >= low),
                f"Member must have length greater than or equal to {low}",
            )
    elif kind in {"integer", "long", "float", "double"}:
        if high is not None:
            yield (
                (lambda value: value <= high),
                (f"Member must have value less than or equal to {_bound(kind, high)}"),
            )
        if low is not None:
            yield (
                (lambda value: value >= low),
                (f"Member must have value greater than or equal to {_bound(kind, low)}"),
            )
    pattern = metadata.get("pattern")
    compiled = _pattern(pattern) if pattern else None
    if compiled is not None:
        yield (
            (lambda value: compiled.fullmatch(value) is not None),
            f"Member must satisfy regular expression pattern: {pattern}",
        )
    choices = metadata.get("enum")
    if choices:
        allowed = frozenset(choices)
        yield (
            (lambda value: value in allowed),
            f"Member must satisfy enum value set: [{', '.join(_ORDER.get(shape.name, choices))}]",
        )


def _bound(kind: str, value: float) -> str:
    return str(float(value)) if kind in {"float", "double"} else str(value)


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    """Java's expression for Python's engine; None where it cannot be said (then not checked).

    Unicode classes stand inside brackets in the models, so a class takes their place.
    """
    translated = (
        pattern.replace(r"\p{L}", r"\w")
        .replace(r"\p{Z}", r"\s")
        .replace(r"\p{N}", r"\d")
        .replace(r"\p{ASCII}", r"[\x00-\x7f]")
        .replace(r"\p{Alnum}", "A-Za-z0-9")
    )
    try:
        return re.compile(translated, re.DOTALL if "\\s\\S" in pattern else 0)
    except re.error:
        return None
