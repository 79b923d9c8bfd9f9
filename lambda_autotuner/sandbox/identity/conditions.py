"""Condition operators of IAM policies.

Source: AWS IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Context: TypeAlias = Mapping[str, "str | Sequence[str]"]
Test: TypeAlias = Callable[[str, str], bool]

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


def wildcard(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Match `*` and `?` of a policy pattern against a whole text."""
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch(regex, text, flags) is not None


def arn_like(pattern: str, text: str) -> bool:
    """Match ARNs part by part: a wildcard does not cross one of the first five colons."""
    wanted, held = pattern.split(":", 5), text.split(":", 5)
    if len(wanted) != 6 or len(held) != 6:  # noqa: PLR2004 - the parts of an ARN
        return pattern == "*" or wildcard(pattern, text)
    return all(wildcard(a, b) for a, b in zip(wanted, held, strict=True))


def substitute(text: str, context: Context) -> str:
    """Fill in policy variables such as `${aws:username}`; unknown ones never match."""

    def fill(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(",")
        if name.strip() in ("*", "?", "$"):
            return name.strip()
        value = _lookup(context, name.strip())
        if value:
            return value[0]
        return default.strip().strip("'") if default else "\x00"

    return _VARIABLE.sub(fill, text)


def _lookup(context: Context, key: str) -> list[str] | None:
    """Values of a context key; keys do not care about case."""
    wanted = key.lower()
    for name, value in context.items():
        if name.lower() == wanted:
            return [value] if isinstance(value, str) else list(value)
    return None


def _number(compare: Callable[[float, float], bool]) -> Test:
    def test(held: str, wanted: str) -> bool:
        try:
            return compare(float(held), float(wanted))
        except ValueError:
            return False

    return test


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        parsed = dt.datetime.fromisoformat(text)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=dt.UTC)
        return parsed.timestamp()


def _date(compare: Callable[[float, float], bool]) -> Test:
    def test(held: str, wanted: str) -> bool:
        try:
            return compare(_moment(held), _moment(wanted))
        except ValueError:
            return False

    return test


def _ip(held: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(held) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _binary(held: str, wanted: str) -> bool:
    try:
        return base64.b64decode(held, validate=True) == base64.b64decode(wanted, validate=True)
    except ValueError:
        return False


_POSITIVE: Final[dict[str, Test]] = {
    "stringequals": lambda held, wanted: held == wanted,
    "stringequalsignorecase": lambda held, wanted: held.lower() == wanted.lower(),
    "stringlike": lambda held, wanted: wildcard(wanted, held),
    "numericequals": _number(lambda a, b: a == b),
    "numericlessthan": _number(lambda a, b: a < b),
    "numericlessthanequals": _number(lambda a, b: a <= b),
    "numericgreaterthan": _number(lambda a, b: a > b),
    "numericgreaterthanequals": _number(lambda a, b: a >= b),
    "dateequals": _date(lambda a, b: a == b),
    "datelessthan": _date(lambda a, b: a < b),
    "datelessthanequals": _date(lambda a, b: a <= b),
    "dategreaterthan": _date(lambda a, b: a > b),
    "dategreaterthanequals": _date(lambda a, b: a >= b),
    "bool": lambda held, wanted: held.lower() == wanted.lower(),
    "ipaddress": _ip,
    "arnequals": lambda held, wanted: arn_like(wanted, held),
    "arnlike": lambda held, wanted: arn_like(wanted, held),
    "binaryequals": _binary,
}
_NEGATIVE: Final[dict[str, str]] = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}


def known_operator(name: str) -> bool:
    """Whether a condition block's key is an operator of the policy language."""
    base = _split(name)[1]
    return base in _POSITIVE or base in _NEGATIVE or base == "null"


def _split(name: str) -> tuple[str, str, bool]:
    """Set quantifier, operator in lower case, and whether IfExists was said."""
    quantifier, _, rest = name.rpartition(":")
    base = rest.lower()
    exists = base.endswith("ifexists")
    return quantifier.lower(), base.removesuffix("ifexists"), exists


def holds(block: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether every test of a Condition block is met."""
    return all(
        _test(name, key, wanted, context)
        for name, tests in block.items()
        for key, wanted in tests.items()
    )


def _test(name: str, key: str, wanted: Any, context: Context) -> bool:
    quantifier, base, if_exists = _split(name)
    listed = wanted if isinstance(wanted, list) else [wanted]
    texts = [substitute(_text(item), context) for item in listed]
    held = _lookup(context, key)
    if base == "null":
        return (held is None) == (texts[0].lower() == "true")
    negative = base in _NEGATIVE
    test = _POSITIVE.get(_NEGATIVE.get(base, base))
    if test is None:
        return False
    if held is None:
        return if_exists or negative or quantifier == "forallvalues"

    def matches(value: str) -> bool:
        return any(test(value, text) for text in texts) != negative

    if quantifier == "forallvalues":
        return all(matches(value) for value in held)
    return any(matches(value) for value in held)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
