"""One catalogue of tools for the agent and for MCP: strict arguments, a kind, a function."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.turn import ToolResult

ToolKind = Literal["read", "write"]
Reach = Literal["function", "account", "public"]
_SHOWN_PROBLEMS = 4


class Arguments(BaseModel):
    """Arguments of a tool; an unknown or mistyped one is refused, never dropped."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_max_length=512)


class NoArguments(Arguments):
    """For tools that take none."""


class Run(Protocol):
    """What a tool does: typed arguments in, a result out; blocking, called in the pool."""

    def __call__(self, context: Any, arguments: Any, /) -> ToolResult:
        """Run the tool.

        Raises:
            ToolError: it gave nothing, for one of the reasons of the closed set.
        """


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        reach: what the tool looks at: one named function, the account, or public text of ours.
        function_argument: the argument that names the function, for the scope check.
        iam_actions: the actions that the account must allow.
    """

    name: str
    description: str
    arguments: type[Arguments]
    run: Run
    kind: ToolKind = "read"
    reach: Reach = "function"
    function_argument: str | None = "function"
    iam_actions: tuple[str, ...] = ()

    def parse(self, arguments: Mapping[str, Any]) -> Arguments:
        """Typed arguments.

        Raises:
            ToolError: an argument is missing, unknown, or of the wrong type.
        """
        try:
            return self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            problems = [
                f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)[
                    :_SHOWN_PROBLEMS
                ]
            ]
            raise ToolError(
                ErrorCode.INVALID_ARGUMENTS,
                f"{self.name}: {'; '.join(problems)}.",
                remedy=f"It takes {', '.join(self.arguments.model_fields) or 'no arguments'}.",
            ) from error


class Catalogue:
    """Tools by name, with the names of earlier versions."""

    def __init__(
        self,
        tools: tuple[Tool, ...],
        aliases: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]]
        | None = None,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._aliases = dict(aliases or {})

    def __iter__(self) -> Any:
        return iter(self._tools.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names, in the catalogue's order."""
        return tuple(self._tools)

    @property
    def aliases(self) -> dict[str, str]:
        """Names of earlier versions and the tools that they stand for."""
        return {old: new for old, (new, _) in self._aliases.items()}

    def resolve(self, name: str, arguments: Mapping[str, Any]) -> tuple[Tool, dict[str, Any]]:
        """The tool of a name, old or new, and the arguments in its terms.

        Raises:
            ToolError: there is no such tool.
        """
        if name in self._aliases:
            target, translate = self._aliases[name]
            return self._tools[target], translate(arguments)
        tool = self._tools.get(name)
        if tool is None:
            near = difflib.get_close_matches(name, [*self._tools, *self._aliases], n=3, cutoff=0.4)
            raise ToolError(
                ErrorCode.UNKNOWN_TOOL,
                f"There is no tool {name[:80]!r}.",
                remedy=f"Nearest: {', '.join(near)}."
                if near
                else f"Tools: {', '.join(self._tools)}.",
            )
        return tool, dict(arguments)
