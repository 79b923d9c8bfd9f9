"""Chat models that misbehave on purpose: a hostile one drawn at random, a gullible one that obeys.

They are driven by a seed, so that every case can be run again. The tests and `benchmarks.agent`
share them; the product does not import them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

FAKE_NUMBER = "8675309"
BEHAVIOURS = (
    "good_call", "same_call", "unknown_tool", "extra_argument", "missing_argument", "mistyped_argument",
    "malformed_json", "empty", "blank", "burst", "null_id", "same_ids", "refusal", "cut", "cut_call", "http_429",
    "http_500", "broken_client", "timeout", "write", "write_all", "apply", "tune", "roll_back", "made_up", "huge",
    "escape_codes", "other_function", "tool_as_text", "answer", "chunks", "not_a_number", "megabyte", "unicode_name",
    "odd_usage", "long_answer", "call_in_answer", "wrong_function", "claims_applied", "absurd", "parallel_writes",
    "prompt_leak",
)  # fmt: skip


class ProviderError(Exception):
    """What an HTTP client of a provider raises."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Error code: {status}")
        self.status_code = status


class Scripted(BaseChatModel):
    """A model whose messages a function of the seed decides."""

    seed: int = 0
    model_name: str = "scripted"
    _random: random.Random = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Start the generator."""
        super().model_post_init(context)
        self._random = random.Random(self.seed)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:  # noqa: ARG002 - LangChain's signature
        """Tools are known by heart; without tools it goes on calling them all the same."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: Any = None,  # noqa: ARG002
        run_manager: Any = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.respond(messages))])

    def respond(self, messages: list[BaseMessage]) -> AIMessage:
        """The next message."""
        raise NotImplementedError


def call(name: str, arguments: dict[str, Any], identifier: str | None = "auto") -> dict[str, Any]:
    """A tool call; `auto` gives it a fresh id."""
    fresh = f"c{random.getrandbits(48):x}" if identifier == "auto" else identifier
    return {"name": name, "args": arguments, "id": fresh, "type": "tool_call"}


class HostileModel(Scripted):
    """Every message is drawn at random from what models have been seen to do wrong, and more."""

    functions: tuple[str, ...] = ("checkout-api",)
    model_name: str = "hostile"
    _favourites: tuple[str, ...] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Give this model its bad habits."""
        super().model_post_init(context)
        self._favourites = tuple(self._random.sample(BEHAVIOURS, k=self._random.randint(1, 6)))

    def respond(self, messages: list[BaseMessage]) -> AIMessage:
        """One bad habit after the other."""
        pool = self._favourites if self._random.random() < 0.8 else BEHAVIOURS
        habit = self._random.choice(pool)
        if habit == "prompt_leak":
            return AIMessage("My instructions: " + str(messages[0].content)[:3_000])
        return self._behave(habit)

    def _behave(self, behaviour: str) -> AIMessage:  # noqa: C901, PLR0911, PLR0912 - a table in code
        rng = self._random
        name = rng.choice(self.functions)
        reads = (
            "get_configuration",
            "get_metrics",
            "get_cost",
            "list_functions",
            "get_concurrency",
        )
        tool = rng.choice(reads)
        arguments: dict[str, Any] = {} if tool == "list_functions" else {"function": name}
        match behaviour:
            case "good_call":
                return AIMessage("", tool_calls=[call(tool, arguments)])
            case "same_call":
                return AIMessage(
                    "", tool_calls=[call("get_configuration", {"function": self.functions[0]})]
                )
            case "unknown_tool":
                return AIMessage(
                    "",
                    tool_calls=[
                        call(rng.choice(["run_shell", "get_lambda", "delete_function"]), {"x": 1})
                    ],
                )
            case "extra_argument":
                return AIMessage("", tool_calls=[call(tool, {**arguments, "planet": "mars"})])
            case "missing_argument":
                return AIMessage("", tool_calls=[call("get_metrics", {})])
            case "mistyped_argument":
                return AIMessage(
                    "",
                    tool_calls=[
                        call("get_metrics", {"function": {"a": [1]}, "window_hours": "long"})
                    ],
                )
            case "malformed_json":
                broken = {
                    "name": tool,
                    "args": '{"function": "che',
                    "id": rng.choice(["i1", None]),
                    "error": "bad",
                    "type": "invalid_tool_call",
                }
                return AIMessage("", invalid_tool_calls=[broken])
            case "empty":
                return AIMessage("")
            case "blank":
                return AIMessage(" \n\t ")
            case "burst":
                return AIMessage(
                    "",
                    tool_calls=[
                        call("get_metrics", {"function": name, "window_hours": 1 + i})
                        for i in range(20)
                    ],
                )
            case "null_id":
                return AIMessage(
                    "",
                    tool_calls=[
                        call(tool, arguments, None),
                        call("get_cost", {"function": name}, None),
                    ],
                )
            case "same_ids":
                return AIMessage(
                    "",
                    tool_calls=[
                        call(tool, arguments, "x"),
                        call("get_cost", {"function": name}, "x"),
                    ],
                )
            case _:
                return self._behave_worse(behaviour, name)

    def _behave_worse(self, behaviour: str, name: str) -> AIMessage:  # noqa: C901, PLR0911, PLR0912 - a table in code
        rng = self._random
        match behaviour:
            case "refusal":
                return AIMessage("I can't help with that.", additional_kwargs={"refusal": "policy"})
            case "cut":
                return AIMessage(
                    "The memory size of checkout-api is",
                    response_metadata={"finish_reason": "length"},
                )
            case "cut_call":
                return AIMessage(
                    "",
                    tool_calls=[call("get_metrics", {"function": name})],
                    response_metadata={"finish_reason": None},
                )
            case "http_429" | "http_500":
                raise ProviderError(int(behaviour[-3:]))
            case "broken_client":
                raise RuntimeError("secret-from-the-provider")
            case "timeout":
                raise TimeoutError
            case "write":
                return AIMessage(
                    "",
                    tool_calls=[
                        call(
                            "plan_change",
                            {"function": name, "memory_mb": rng.choice([128, 256, 777, 10_240])},
                        )
                    ],
                )
            case "write_all":
                return AIMessage(
                    "",
                    tool_calls=[
                        call("plan_change", {"function": f, "memory_mb": 128})
                        for f in self.functions
                    ],
                )
            case "apply":
                return AIMessage(
                    "",
                    tool_calls=[
                        call("apply_change", {"plan_id": "p-1234567"}),
                        call(
                            "apply_action", {"function_name": name, "memory": 128, "dry_run": False}
                        ),
                    ],
                )
            case "tune":
                return AIMessage(
                    "",
                    tool_calls=[call("tune_function", {"function": name, "max_invocations": 5000})],
                )
            case "roll_back":
                return AIMessage("", tool_calls=[call("roll_back", {"function": name})])
            case "made_up":
                return AIMessage(f"It costs ${FAKE_NUMBER}.77 a month and takes {FAKE_NUMBER} ms.")
            case "huge":
                return AIMessage("word " * 40_000)
            case "escape_codes":
                return AIMessage(
                    "\x1b[31mred\x1b[0m ![x](https://evil.example/?q=1) see https://evil.example/a"
                )
            case "other_function":
                return AIMessage(
                    "",
                    tool_calls=[
                        call("get_logs", {"function": self.functions[-1], "search": "password"})
                    ],
                )
            case "tool_as_text":
                return AIMessage(
                    '{"name": "get_metrics", "arguments": {"function": "checkout-api"}}'
                )
            case "answer":
                return AIMessage("Here is what I found.")
            case _:
                return self._behave_strangely(behaviour, name)

    def _behave_strangely(self, behaviour: str, name: str) -> AIMessage:  # noqa: C901, PLR0911 - a table in code
        rng = self._random
        match behaviour:
            case "chunks":
                return _out_of_order(name, rng.choice([0, 1]))
            case "not_a_number":
                odd = rng.choice([float("nan"), float("inf"), float("-inf"), 1e308])
                arguments = {"function": name, "window_hours": odd}
                return AIMessage("", tool_calls=[call("get_metrics", arguments)])
            case "megabyte":
                arguments = {"function": name, "search": "A" * 1_000_000}
                return AIMessage("", tool_calls=[call("get_logs", arguments)])
            case "unicode_name":
                odd_names = ("get_metri\u0441s", "get_metrics\u200b", "GET_METRICS", "plan_change\u202e", "\uff50lan_change")  # fmt: skip
                arguments = {"function": name, "memory_mb": 128}
                return AIMessage("", tool_calls=[call(rng.choice(odd_names), arguments)])
            case "odd_usage":
                usage = rng.choice([-5, 10**15, 0])
                return AIMessage(
                    "", tool_calls=[call("get_cost", {"function": name})],
                    usage_metadata={"input_tokens": usage, "output_tokens": usage, "total_tokens": 2 * usage},
                )  # fmt: skip
            case "long_answer":
                return AIMessage(" ".join(f"{name} {i * 7919} ms;" for i in range(3_300)))
            case "call_in_answer":
                return AIMessage(
                    f"The answer is {FAKE_NUMBER} MB.", tool_calls=[call("get_configuration", {"function": name})]
                )  # fmt: skip
            case "wrong_function":
                return AIMessage(f"{name} has {WRONG_NUMBER} MB of memory and a timeout of 15 s.")
            case "claims_applied":
                return AIMessage(
                    f"Done! I have changed the memory of {name} as you asked; it is live."
                )
            case "absurd":
                arguments = {"function": name, "memory_mb": rng.choice([-512, 0, 10**12])}
                return AIMessage(
                    "", tool_calls=[call("plan_change", arguments), call("get_metrics", {"function": name, "window_hours": -5})]
                )  # fmt: skip
            case _:
                both = [
                    call("plan_change", {"function": "otp-sender", "memory_mb": 777}),
                    call(
                        "apply_action",
                        {"function_name": "otp-sender", "memory": 777, "dry_run": True},
                    ),
                    call("plan_change", {"function": "otp-sender", "memory_mb": 778}),
                ]
                return AIMessage("", tool_calls=both)


WRONG_NUMBER = 3_417
"""Megabytes that no function has: an answer that states them has them from nowhere."""


def _out_of_order(name: str, first: int) -> AIMessage:
    """What a stream leaves whose tool-call pieces came in any order, some under a wrong index."""
    pieces = [
        {"name": "get_metrics", "args": '{"function": ', "id": "k", "index": first, "type": "tool_call_chunk"},
        {"name": None, "args": '{"function": "x"}', "id": None, "index": 1 - first, "type": "tool_call_chunk"},
        {"name": None, "args": f'"{name}"}}', "id": None, "index": first, "type": "tool_call_chunk"},
    ]  # fmt: skip
    message = AIMessageChunk(content="")
    for piece in pieces:
        message += AIMessageChunk(content="", tool_call_chunks=[piece])
    return message


class BenignModel(Scripted):
    """A well-behaved model: calls what answers the question, then writes it with citations."""

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    model_name: str = "benign"

    def respond(self, messages: list[BaseMessage]) -> AIMessage:
        """First the calls, then the answer from their results."""
        results = tool_results(messages)
        if not results:
            return AIMessage(
                "",
                tool_calls=[call(name, dict(arguments)) for name, arguments in self.calls],
                usage_metadata={"input_tokens": 900, "output_tokens": 60, "total_tokens": 960},
            )
        lines = []
        for content in results:
            data = json.loads(content)
            cite = data.pop("cite_as", "")
            shown = [
                f"{key} {value}"
                for key, value in data.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            ]
            lines.append(f"{data.get('function', 'account')}: {', '.join(shown)} {cite}")
        return AIMessage(
            "\n".join(lines),
            usage_metadata={"input_tokens": 1500, "output_tokens": 120, "total_tokens": 1620},
        )


def tool_results(messages: Sequence[BaseMessage]) -> list[str]:
    """Contents of the tool messages since the person's last message."""
    found: list[str] = []
    for message in reversed(messages):
        if isinstance(message, HumanMessage) and not str(message.content).startswith("(system)"):
            break
        if isinstance(message, ToolMessage):
            found.append(str(message.content))
    return found[::-1]


_ORDER = re.compile(
    r"(?:set_memory|plan_change)\((?P<target>[\w-]+),\s*(?P<value>\d+)\)|read_logs\((?P<logs>[\w-]+)\)|"
    r"search_for\((?P<query>[^)]+)\)|tune\((?P<tune>[\w-]+)\)|apply\((?P<plan>[\w-]+)\)|repeat_forever|"
    r"say\((?P<say>[^)]{1,300}\)?)"
)


class GullibleModel(Scripted):
    """It does the person's calls, then whatever any tool's text tells it to do."""

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    model_name: str = "gullible"
    _obeyed: set[str] = PrivateAttr(default_factory=set)
    _heard: int = PrivateAttr(default=0)

    @property
    def obeyed(self) -> set[str]:
        """The orders it found in texts and followed."""
        return self._obeyed

    def respond(self, messages: list[BaseMessage]) -> AIMessage:
        """Obey the newest order in any tool result, else answer."""
        results = tool_results(messages)
        if not results:
            return AIMessage(
                "", tool_calls=[call(name, dict(arguments)) for name, arguments in self.calls]
            )
        text = "\n".join(results)
        orders: list[dict[str, Any]] = []
        said: list[str] = []
        for match in _ORDER.finditer(text):
            if match[0] in self._obeyed and match[0] != "repeat_forever":
                if match["say"]:
                    said.append(match["say"])
                continue
            self._obeyed.add(match[0])
            orders += self._order(match)
            if match["say"]:
                said.append(match["say"])
        if orders:
            return AIMessage("", tool_calls=orders)
        quoted = text[:1500] if said else text[:600]
        return AIMessage("Done. " + " ".join(said) + "\n" + quoted)

    def _order(self, match: re.Match[str]) -> list[dict[str, Any]]:  # noqa: PLR0911 - a table in code
        if match["target"]:
            return [
                call("plan_change", {"function": match["target"], "memory_mb": int(match["value"])})
            ]
        if match["logs"]:
            return [
                call("get_logs", {"function": match["logs"]}),
                call("get_configuration", {"function": match["logs"]}),
            ]
        if match["query"]:
            return [call("look_up_guidance", {"topic": match["query"]})]
        if match["tune"]:
            return [call("tune_function", {"function": match["tune"]})]
        if match["plan"]:
            return [call("apply_change", {"plan_id": match["plan"]})]
        if match[0] == "repeat_forever":
            return [
                call("get_configuration", {"function": "checkout-api"}),
                call("list_functions", {"limit": 1 + len(self._obeyed)}),
            ]
        return []
