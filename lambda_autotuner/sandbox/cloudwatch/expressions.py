"""Evaluates metric math: walks a parsed expression."""

from __future__ import annotations

from typing import Final

from lambda_autotuner.sandbox.cloudwatch.expression_parser import (
    Array,
    ExpressionError,
    Name,
    Negation,
    Node,
    Number,
    Operator,
    Text,
)
from lambda_autotuner.sandbox.cloudwatch.functions import FUNCTIONS
from lambda_autotuner.sandbox.cloudwatch.values import Scope, Series, Value, combine

_KEYWORDS: Final = frozenset(
    ("REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM", "LAST", "STDDEV")
)


def evaluate(node: Node, scope: Scope) -> Value:
    """Value of a parsed expression.

    Raises:
        ExpressionError: unknown name or function, or arguments that do not fit.
    """
    if isinstance(node, (Number, Text)):
        return node.value
    if isinstance(node, Name):
        return _named(node.value, scope)
    if isinstance(node, Negation):
        return combine("*", evaluate(node.operand, scope), -1.0)
    if isinstance(node, Operator):
        return combine(node.symbol, evaluate(node.left, scope), evaluate(node.right, scope))
    if isinstance(node, Array):
        return _array(node, scope)
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise ExpressionError(f"Unknown function '{node.name}'")
    return function([evaluate(item, scope) for item in node.arguments], scope)


def _named(name: str, scope: Scope) -> Value:
    if name in scope.results:
        return scope.results[name]
    if name.upper() in _KEYWORDS:
        return name.upper()
    raise ExpressionError(f"Unknown identifier '{name}'")


def _array(node: Array, scope: Scope) -> list[Series]:
    found: list[Series] = []
    for item in node.items:
        value = evaluate(item, scope)
        if isinstance(value, Series):
            found.append(value)
        elif isinstance(value, list):
            found.extend(value)
        else:
            raise ExpressionError("An array can only contain time series")
    return found
