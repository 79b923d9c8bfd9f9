"""The planner as a LangChain chat model, so that it runs in the same loop as any other."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from lambda_autotuner.agent.planner.plan import Call, first_calls, next_calls
from lambda_autotuner.agent.turn import Turn
from lambda_autotuner.agent.writing.compose import compose

CURRENT_TURN: ContextVar[Turn | None] = ContextVar("lambda_autotuner_current_turn", default=None)
"""The question being answered; the agent sets it, the planner reads what the person said there."""


class OfflinePlanner(BaseChatModel):
    """Plans by rule and nearest neighbour, writes by template; deterministic, no language model.

    It plans from the person's turns only. What a tool said decides what is written, never what
    is called.
    """

    model_name: str = "offline"

    @property
    def _llm_type(self) -> str:
        return "offline-planner"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> ChatResult:
        message = self._respond(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, **kwargs)

    def _respond(self, messages: list[BaseMessage]) -> AIMessage:
        turn = CURRENT_TURN.get()
        if turn is None:
            raise RuntimeError("the offline planner answers only inside Agent.ask")
        calls: tuple[Call, ...] = ()
        if not turn.must_write:
            started = _called_in_this_turn(messages)
            calls = (
                next_calls(turn.question, turn)
                if started
                else first_calls(turn.question, turn.known_proposals)
            )
        metadata = {
            "model_name": self.model_name,
            "finish_reason": "tool_calls" if calls else "stop",
        }
        if calls:
            wanted = [
                {
                    "name": call.tool,
                    "args": call.arguments,
                    "id": f"call_{uuid.uuid4().hex[:12]}",
                    "type": "tool_call",
                }
                for call in calls
            ]
            return AIMessage("", tool_calls=wanted, response_metadata=metadata)
        return AIMessage(compose(turn), response_metadata=metadata)


def _called_in_this_turn(messages: list[BaseMessage]) -> bool:
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            return True
        if isinstance(message, HumanMessage):
            return False
    return False
