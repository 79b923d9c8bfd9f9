"""Tracking by decorator: the question is found in the arguments, the answer in the result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Execution(Protocol):
    """What a decorator needs of an execution."""

    answer: str | None

    def set_answer(self, text: str) -> None:
        """Set the answer."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def _question_in(function: Callable[..., Any], args: Any, kwargs: Any) -> str | None:
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return None
    if isinstance(bound.get("question"), str):
        return str(bound["question"])
    return next((v for v in bound.values() if isinstance(v, str)), None)


def decorate(function: F, make: Callable[[str | None], Execution]) -> F:
    """Run every call of `function`, sync or async, inside an execution that `make` gives."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def async_tracked(*args: Any, **kwargs: Any) -> Any:
            with make(_question_in(function, args, kwargs)) as execution:
                result = await function(*args, **kwargs)
                _note_result(execution, result)
                return result

        return async_tracked  # type: ignore[return-value]

    @functools.wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        with make(_question_in(function, args, kwargs)) as execution:
            result = function(*args, **kwargs)
            _note_result(execution, result)
            return result

    return tracked  # type: ignore[return-value]


def _note_result(execution: Execution, result: Any) -> None:
    if execution.answer is None and result is not None:
        execution.set_answer(str(getattr(result, "text", result)))
