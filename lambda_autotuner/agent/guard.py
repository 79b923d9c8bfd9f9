"""The guard around the loop: no model, however it behaves, gets past these two functions.

All promises about a question (an answer in every case, the budgets, no write unasked, no dangling
call) are kept here and hold for any chat model, because nothing here trusts what a model says.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest

from lambda_autotuner.agent.answer import MODEL_UNUSABLE, CallOutcome, Gap
from lambda_autotuner.agent.catalogue import Catalogue, Tool
from lambda_autotuner.agent.provenance import check_call
from lambda_autotuner.agent.providers import ModelError, classify_failure
from lambda_autotuner.agent.repair import check
from lambda_autotuner.agent.tool_errors import ErrorCode, ToolError
from lambda_autotuner.agent.turn import Progress, ToolResult, Turn, call_key
from lambda_autotuner.errors import AutotunerError

_LOG = logging.getLogger(__name__)

RETRIES = 2
BACKOFF_SECONDS = 0.1
BARREN_ROUNDS = 2
"""Rounds in which every call was known or refused, after which the model is asked to write."""

_FINISH = (
    "The budget for tools is used up. Write the final answer now, from the tool results above and "
    "nothing else; say what is missing. Do not call a tool."
)

Compose = Callable[[Turn], str]
Finish = Callable[[Turn, str], str]


class Guard(AgentMiddleware[Any, Turn, Any]):
    """Budgets, repair, identical calls, provenance, bounded results, and an answer in the end."""

    def __init__(
        self,
        catalogue: Catalogue,
        execute: Callable[[Tool, Any, Turn], Awaitable[ToolResult]],
        compose: Compose,
        finish: Finish,
        mask: Callable[[Any], Any],
        *,
        fallback: Any = None,
        finish_required: bool = False,
    ) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._execute = execute
        self._compose = compose
        self._finish = finish
        self._mask = mask
        self._fallback = fallback
        self._finish_required = finish_required

    # -- the model's side -----------------------------------------------------------------

    async def awrap_model_call(
        self,
        request: ModelRequest[Turn],
        handler: Callable[[ModelRequest[Turn]], Awaitable[ModelResponse[Any]]],
    ) -> AIMessage:
        """Ask the model within the budgets; repair its message, or write the answer without it."""
        turn = request.runtime.context
        nudges: list[AnyMessage] = []
        failures = 0
        turn.begin_round()
        while True:
            reason = turn.spent()
            exhausted = turn.model_calls >= turn.limits.max_model_calls or turn.model_seconds <= 0
            if exhausted or (reason and turn.composed):
                turn.stop(reason or "time")
                return self._write(turn)
            last = self._is_last(turn, reason)
            if reason:
                turn.stop(reason)
            try:
                message = await self._ask(request, handler, nudges, last=last)
            except ModelError as failure:
                failures += 1
                if not failure.retryable or failures > RETRIES:
                    turn.add_gap(
                        Gap(
                            MODEL_UNUSABLE,
                            failure.public,
                            remedy=failure.remedy,
                        )
                    )
                    return self._write(turn)
                await asyncio.sleep(
                    min(
                        failure.delay_seconds or BACKOFF_SECONDS * 2**failures,
                        turn.remaining_seconds / 4,
                    )
                )
                if self._fallback is not None:
                    request = request.override(model=self._fallback)
                continue
            checked = check(message, finish_required=self._finish_required)
            if checked.problem is None and not (last and checked.message.tool_calls):
                return self._checked(turn, checked.message)
            failures += 1
            if failures > RETRIES or last:
                if last and checked.message.tool_calls:
                    turn.composed = True
                else:
                    turn.add_gap(
                        Gap(
                            "The language model gave no usable answer",
                            "its messages were empty, cut or malformed",
                        )
                    )
                return self._write(turn)
            nudges = [HumanMessage(f"(system) {checked.problem}")]

    def _is_last(self, turn: Turn, reason: str | None) -> bool:
        return bool(
            reason
            or turn.model_calls >= turn.limits.max_model_calls - 1
            or turn.barren_rounds >= BARREN_ROUNDS
        )

    async def _ask(
        self,
        request: ModelRequest[Turn],
        handler: Callable[[ModelRequest[Turn]], Awaitable[ModelResponse[Any]]],
        nudges: list[AnyMessage],
        *,
        last: bool,
    ) -> AIMessage:
        turn = request.runtime.context
        turn.model_calls += 1
        turn.must_write = last
        messages: list[AnyMessage] = [*request.messages, *nudges]
        tools = request.tools
        if last:
            messages, tools = [*messages, HumanMessage(f"(system) {_FINISH}")], []
        try:
            response = await asyncio.wait_for(
                handler(request.override(messages=messages, tools=tools)),
                timeout=max(0.05, turn.model_seconds),
            )
        except TimeoutError as error:
            turn.stop(f"{turn.limits.deadline_seconds:g} s")
            raise ModelError("it did not answer in time", retryable=False) from error
        except AutotunerError:
            raise
        except Exception as error:
            _LOG.info("model call failed: %s", type(error).__name__)
            failure = classify_failure(error)
            if failure.fatal:
                raise failure.to_error() from error
            raise failure from error
        message = next(
            (m for m in reversed(response.result) if isinstance(m, AIMessage)), AIMessage("")
        )
        usage = message.usage_metadata
        if usage:
            turn.input_tokens += max(0, usage.get("input_tokens", 0) or 0)
            turn.output_tokens += max(0, usage.get("output_tokens", 0) or 0)
        return message

    def _checked(self, turn: Turn, message: AIMessage) -> AIMessage:
        """A message with calls as it is; a final one as a person may read it."""
        if message.tool_calls:
            return message
        return message.model_copy(update={"content": self._finish(turn, str(message.text))})

    def _write(self, turn: Turn) -> AIMessage:
        """The answer from the evidence there is, written without the model."""
        turn.composed = True
        return AIMessage(
            self._finish(turn, self._compose(turn)),
            response_metadata={"finish_reason": "stop", "written_by": "evidence"},
        )

    # -- the tools' side ------------------------------------------------------------------

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[Any]],  # noqa: ARG002 - we execute ourselves
    ) -> ToolMessage:
        """Answer one tool call: from memory, by an error of the closed set, or by running it."""
        turn: Turn = cast("Turn", request.runtime.context)
        call = request.tool_call
        name, arguments = str(call["name"]), dict(call["args"])
        started = turn.clock()
        try:
            tool, arguments = self._catalogue.resolve(name, arguments)
            name = tool.name
            parsed = tool.parse(arguments)
            content, outcome = await self._answer(tool, parsed, turn)
            error_code = None
        except ToolError as error:
            content, outcome, error_code = self._refuse(turn, name, arguments, error)
        seconds = turn.clock() - started
        turn.record(
            name, self._mask(arguments), outcome, seconds=seconds, error=error_code, output=content
        )
        status = "error" if error_code else "success"
        return ToolMessage(content, name=name, tool_call_id=call["id"] or "call", status=status)

    def _refuse(
        self, turn: Turn, name: str, arguments: Mapping[str, Any], error: ToolError
    ) -> tuple[str, CallOutcome, str]:
        refusals = {
            ErrorCode.NOT_ASKED_FOR,
            ErrorCode.OUT_OF_SCOPE,
            ErrorCode.REFUSED,
            ErrorCode.BUDGET_SPENT,
        }
        shown = self._mask(error.to_dict())
        turn.errors.append((name, dict(arguments), shown["error"]))
        outcome: CallOutcome = "refused" if error.code in refusals else "error"
        return json.dumps(shown, ensure_ascii=False), outcome, error.code.value

    async def _answer(self, tool: Tool, parsed: Any, turn: Turn) -> tuple[str, CallOutcome]:
        arguments = parsed.model_dump(exclude_none=True)
        check_call(tool, arguments, turn)
        key = call_key(tool.name, arguments)
        waiting = turn.in_flight.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting), "known"
        spent = turn.spent()
        if spent is not None:
            turn.stop(spent)
            raise ToolError(
                ErrorCode.BUDGET_SPENT,
                f"The budget of {spent} for this question ended.",
                remedy="Write the answer.",
            )
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        turn.in_flight[key] = future
        turn.executions += 1
        turn.tell(Progress("tool_start", tool.name, arguments=self._mask(arguments)))
        try:
            content = await self._run(tool, parsed, arguments, turn)
        except ToolError as error:
            turn.in_flight.pop(key, None)
            future.set_result(json.dumps(self._mask(error.to_dict())))
            raise
        future.set_result(content)
        return content, "ok"

    async def _run(self, tool: Tool, parsed: Any, arguments: dict[str, Any], turn: Turn) -> str:
        try:
            result = await asyncio.wait_for(self._execute(tool, parsed, turn), turn.tool_seconds)
        except TimeoutError as error:
            raise ToolError(
                ErrorCode.TIMED_OUT, f"{tool.name} did not answer before the deadline."
            ) from error
        except ToolError:
            raise
        except Exception as error:
            # A door: a defect in one tool must not cost the person the whole answer.
            _LOG.exception("the tool %s failed", tool.name)
            raise ToolError(
                ErrorCode.INTERNAL,
                f"{tool.name} failed ({type(error).__name__}); its log has the details.",
            ) from error
        masked = ToolResult(
            self._mask(dict(result.data)),
            result.function,
            result.window,
            result.source,
            result.gaps,
            result.proposal,
        )
        found = turn.remember(tool.name, arguments, masked)
        return self._bounded(found.citation.number, masked.data, turn.limits.tool_output_chars)

    @staticmethod
    def _bounded(citation: int, data: Mapping[str, Any], limit: int) -> str:
        """The result as JSON of at most `limit` characters, which says how to narrow it."""
        text = json.dumps({"cite_as": f"[{citation}]", **data}, ensure_ascii=False, default=str)
        if len(text) <= limit:
            return text
        cut = text[: limit - 160]
        return json.dumps(
            {
                "cut_after_characters": len(cut),
                "of_characters": len(text),
                "to_narrow": "ask for one function, a shorter window, a search term or a smaller limit",
                "cite_as": f"[{citation}]",
                "beginning": cut[: max(200, limit - 600)],
            },
            ensure_ascii=False,
        )[: limit + 200]
