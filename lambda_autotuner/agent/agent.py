"""The agent: a question in, an answer that can be trusted out."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import mlflow_integration as tracing
from lambda_autotuner.agent.answer import Answer, Decision, Proposal
from lambda_autotuner.agent.decisions import carry_out
from lambda_autotuner.agent.graph import compile_graph
from lambda_autotuner.agent.planner.chat_model import CURRENT_TURN
from lambda_autotuner.agent.prompts import prompt_version, prompt_versions
from lambda_autotuner.agent.proposals import pending_proposals, refused
from lambda_autotuner.agent.providers import (
    Choice,
    price_per_token,
    wants_advanced,
)
from lambda_autotuner.agent.reading.language import storable
from lambda_autotuner.agent.reading.question import read_question
from lambda_autotuner.agent.runtime import Runtime
from lambda_autotuner.agent.sessions import SessionStore, check_name
from lambda_autotuner.agent.shown import shown_lists, shown_proposals
from lambda_autotuner.agent.survey import Survey, survey
from lambda_autotuner.agent.tools.context import ToolContext
from lambda_autotuner.agent.turn import Progress, Turn
from lambda_autotuner.errors import AutotunerError
from lambda_autotuner.settings import Settings
from lambda_autotuner.workspace import Workspace

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_LOG = logging.getLogger(__name__)

Approve = Callable[[Proposal], "bool | Awaitable[bool]"]
Listener = Callable[[Progress], None]
MAX_QUESTION_CHARACTERS = 200_000
HISTORY_MESSAGES = 60
WIDE_TOOL_SHARE = 0.5
"""Of a question's time: after it a tool that reads many logs answers with what it has."""


class Agent:
    """Answers questions about one account; thread-safe; close it, or use it in `with`."""

    def __init__(
        self,
        choice: Choice,
        settings: Settings,
        workspace: Workspace,
        *,
        advanced: Choice | None = None,
        fallback: Choice | None = None,
        owns_workspace: bool = True,
    ) -> None:
        self.settings = settings
        self.workspace = workspace
        self._choice = choice
        self._advanced = advanced
        self._fallback = fallback
        self._owns_workspace = owns_workspace
        self._runtime = Runtime(settings.agent.pool_size)
        self._sessions = SessionStore(settings.sessions_database_url)
        self._stack = AsyncExitStack()
        self._checkpointer: Any = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._open_lock = threading.Lock()
        self._survey: Survey | None = None

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self._choice.name

    @property
    def prompt_versions(self) -> dict[str, str]:
        """Name and hash of each prompt file."""
        return prompt_versions()

    @property
    def sessions(self) -> SessionStore:
        """The conversations."""
        return self._sessions

    def ask(
        self,
        question: str,
        session_id: str | None = None,
        approve: Approve | None = None,
        *,
        listener: Listener | None = None,
        read_only: bool = False,
    ) -> Answer:
        """Answer one question.

        Args:
            question: a person's words.
            session_id: name of a conversation to go on with; without it nothing is remembered.
            approve: asked once for each proposal, after the dry run; True carries it out. Without
                it proposals stay pending.
            listener: told about progress, from the agent's own thread.
            read_only: leave no proposal and decide about none, whatever is asked.

        Raises:
            AutotunerError: the account cannot be reached, or the model's provider refused the
                credentials.
        """
        with self._execution(question, session_id) as execution:
            answer = self._runtime.run(
                self._answer(question, session_id, listener, execution, read_only=read_only)
            )
            if approve is not None and answer.proposals:
                answer = self._decide_now(answer, approve, execution)
            return self._conclude(answer, execution)

    async def aask(
        self,
        question: str,
        session_id: str | None = None,
        approve: Approve | None = None,
        *,
        listener: Listener | None = None,
        read_only: bool = False,
    ) -> Answer:
        """The same as `ask`, awaited from any event loop."""
        with self._execution(question, session_id) as execution:
            work = self._runtime.submit(
                self._answer(question, session_id, listener, execution, read_only=read_only)
            )
            answer = await asyncio.wrap_future(work)
            if approve is not None and answer.proposals:
                answer = await self._adecide_now(answer, approve, execution)
            return self._conclude(answer, execution)

    def decide(
        self,
        proposal_id: str,
        approved: bool,  # noqa: FBT001 - the documented signature
        *,
        actor: str = "person",
        reason: str = "",
    ) -> Decision:
        """Decide about a proposal, once; an approved one is carried out through the rollout.

        Raises:
            RefusedError: it was decided already, or a guardrail stands in the way.
            UsageError: there is no such proposal.
        """
        return carry_out(self.workspace, proposal_id, approved=approved, actor=actor, reason=reason)

    def pending(self, session_id: str | None = None) -> tuple[Proposal, ...]:
        """Proposals that wait for a decision."""
        return pending_proposals(self.workspace, session_id)

    def history(self, session_id: str) -> list[BaseMessage]:
        """The messages of a conversation, oldest first."""

        async def read() -> list[BaseMessage]:
            return await self._history(await self._open_sessions(), check_name(session_id))

        return self._runtime.run(read())

    def close(self) -> None:
        """Let go of threads, connections and, when the agent opened it, the workspace."""
        if self._checkpointer is not None:
            self._runtime.run(self._stack.aclose())
            self._checkpointer = None
        self._runtime.close()
        if self._owns_workspace:
            self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- one question -------------------------------------------------------------------------

    def _execution(self, question: str, session_id: str | None) -> Any:
        return tracing.track_agent_execution(
            storable(question, MAX_QUESTION_CHARACTERS),
            session_id=session_id,
            model=self.model_name,
            prompt_version=prompt_version(),
            account=self.workspace.account.account_id,
            region=self.workspace.account.region,
        )

    async def _answer(
        self,
        question: str,
        session_id: str | None,
        listener: Listener | None,
        execution: Any,
        *,
        read_only: bool,
    ) -> Answer:
        question = storable(question, MAX_QUESTION_CHARACTERS)
        if session_id is None:
            return await self._turn(question, None, listener, execution, read_only=read_only)
        name = check_name(session_id)
        async with self._locks.setdefault(name, asyncio.Lock()):
            return await self._turn(question, name, listener, execution, read_only=read_only)

    async def _turn(
        self,
        question: str,
        session: str | None,
        listener: Listener | None,
        execution: Any,
        *,
        read_only: bool,
    ) -> Answer:
        from langchain_core.messages import HumanMessage

        looking = asyncio.ensure_future(self._look_around(question))
        checkpointer = await self._open_sessions() if session else None
        config: dict[str, Any] = {"configurable": {"thread_id": session}} if session else {}
        history = await self._history(checkpointer, session)
        seen = await looking
        waiting = await self._runtime.blocking(lambda: self.pending(session)) if session else ()
        said = (*_human_turns(history), question)
        choice = self._choose(said)
        turn = Turn(
            question=read_question(
                said, seen.inventory, pending=bool(waiting), shown=shown_lists(history)
            ),
            human_turns=said,
            inventory=seen.inventory,
            limits=self.settings.agent,
            model_name=choice.name,
            session_id=session,
            listener=listener,
            price_per_token=price_per_token(choice.name),
            known_proposals=waiting,
            read_only=read_only,
            trace_id=getattr(execution, "trace_id", None),
            runtime=self._runtime,
            toolbox=ToolContext(
                self.workspace,
                seen.inventory,
                seen.missing,
                session,
                uuid.uuid4().hex,
                stop_at=time.monotonic() + self.settings.agent.deadline_seconds * WIDE_TOOL_SHARE,
            ),
        )
        for gap in seen.gaps:
            turn.add_gap(gap)
        if waiting and not read_only:
            await self._runtime.blocking(lambda: self._withdraw(turn, shown_proposals(history)))
        token = CURRENT_TURN.set(turn)
        try:
            graph = compile_graph(choice, self._fallback, checkpointer)
            state = await asyncio.wait_for(
                graph.ainvoke(
                    {"messages": [HumanMessage(question or " ")]},
                    config=config,
                    context=turn,
                    **({"durability": "exit"} if session else {}),
                ),
                timeout=self.settings.agent.deadline_seconds * 1.5 + 5,
            )
        finally:
            CURRENT_TURN.reset(token)
        if session:
            await self._runtime.blocking(lambda: self._sessions.touch(session, question))
        return _to_answer(turn, str(state["messages"][-1].text))

    async def _look_around(self, question: str) -> Survey:
        """Inventory and permissions, at the start; kept while the account stays the same."""
        return await self._runtime.blocking(lambda: survey(self.workspace.account, question))

    async def _history(self, checkpointer: Any, session: str | None) -> list[BaseMessage]:
        if checkpointer is None or session is None:
            return []
        found = await checkpointer.aget({"configurable": {"thread_id": session}})
        return list(found["channel_values"].get("messages", [])) if found else []

    async def _open_sessions(self) -> Any:
        if self._checkpointer is None:
            self._checkpointer = await self._stack.enter_async_context(
                self._sessions.checkpointer()
            )
        return self._checkpointer

    def _choose(self, said: Sequence[str]) -> Choice:
        if self._advanced is not None and wants_advanced(self.settings, said):
            return self._advanced
        return self._choice

    # -- decisions ----------------------------------------------------------------------------

    def _withdraw(self, turn: Turn, shown: Sequence[str]) -> None:
        """Reject what the person has just said no to; a no is never left waiting."""
        for proposal in refused(turn.question.wish, turn.known_proposals, shown):
            try:
                self.decide(proposal.id, approved=False, reason=turn.question.text[:200])
            except AutotunerError as error:
                _LOG.info("proposal %s could not be rejected: %s", proposal.id, error)
                continue
            turn.withdrawn.append(proposal)
        gone = {proposal.id for proposal in turn.withdrawn}
        turn.known_proposals = tuple(p for p in turn.known_proposals if p.id not in gone)

    def _decide_now(self, answer: Answer, approve: Approve, execution: Any) -> Answer:
        decisions = []
        for proposal in answer.proposals:
            execution.record_approval(proposal.kind, "requested", arguments=proposal.changes)
            verdict = approve(proposal)
            if inspect.isawaitable(verdict):
                raise TypeError("approve is a coroutine function: use aask")
            decisions.append(self._carry_out(proposal, bool(verdict), execution))
        return _with_decisions(answer, decisions)

    async def _adecide_now(self, answer: Answer, approve: Approve, execution: Any) -> Answer:
        decisions = []
        for proposal in answer.proposals:
            execution.record_approval(proposal.kind, "requested", arguments=proposal.changes)
            verdict = approve(proposal)
            if inspect.isawaitable(verdict):
                verdict = await verdict
            decisions.append(
                await asyncio.to_thread(self._carry_out, proposal, bool(verdict), execution)
            )
        return _with_decisions(answer, decisions)

    def _carry_out(self, proposal: Proposal, approved: bool, execution: Any) -> Decision:  # noqa: FBT001 - a decision is a yes or a no
        execution.record_approval(
            proposal.kind,
            "approved" if approved else "rejected",
            arguments=proposal.changes,
            by="person",
        )
        try:
            return self.decide(proposal.id, approved)
        except AutotunerError as error:
            _LOG.info("proposal %s was not carried out: %s", proposal.id, error)
            return Decision(proposal.id, approved, executed=False, text=f"Not carried out: {error}")

    def _conclude(self, answer: Answer, execution: Any) -> Answer:
        for record in answer.tool_calls:
            if record.error == "unknown_tool":
                execution.classify("unknown_tool", record.name)
        if answer.stopped_by:
            execution.classify("budget_reached", answer.stopped_by)
        execution.set_answer(answer.text)
        return replace(answer, trace_id=execution.trace_id)


def _human_turns(history: Sequence[BaseMessage]) -> tuple[str, ...]:
    return tuple(str(message.text) for message in history if message.type == "human")


def _to_answer(turn: Turn, text: str) -> Answer:
    return Answer(
        text=text,
        citations=tuple(item.citation for item in turn.evidence),
        tool_calls=tuple(turn.records),
        proposals=tuple(turn.proposals),
        usage=turn.usage(),
        gaps=tuple(turn.gaps),
        session_id=turn.session_id,
        unverified=turn.unverified,
        prompt_version=prompt_version(),
        stopped_by=turn.stopped_by,
    )


def _with_decisions(answer: Answer, decisions: Sequence[Decision]) -> Answer:
    by_id = {decision.proposal_id: decision for decision in decisions}
    proposals = tuple(
        replace(p, status=_status(by_id[p.id])) if p.id in by_id else p for p in answer.proposals
    )
    text = "\n".join([answer.text, *(decision.text for decision in decisions)])
    return replace(answer, text=text, proposals=proposals, decisions=tuple(decisions))


def _status(decision: Decision) -> Any:
    if not decision.approved:
        return "rejected"
    return "executed" if decision.executed else "failed"
