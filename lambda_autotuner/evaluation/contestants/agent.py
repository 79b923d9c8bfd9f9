"""The agent as it is shipped, in a workspace that reaches a private sandbox and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lambda_autotuner.evaluation.contestants.base import Credentials, Place, Reply, ToolUse
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.schema import Question
from lambda_autotuner.settings import Settings
from lambda_autotuner.workspace import Workspace, private_workspace


class AgentContestant:
    """Builds one agent a question, so that no question sees another's state.

    Args:
        model: as `build_agent` takes it: a name, a chat model, or None for the settings' own.
        settings: for everything but the account and the state.
    """

    def __init__(self, model: Any, settings: Settings) -> None:
        self._model = model
        self._settings = settings

    @property
    def name(self) -> str:
        """The model's name."""
        if self._model is None:
            return self._settings.model
        return self._model if isinstance(self._model, str) else type(self._model).__name__

    @property
    def prompt_versions(self) -> Mapping[str, str]:
        """Hash by prompt file of the agent."""
        return prompt_hashes()

    def open(self, place: Place, question: Question, facts: tuple[Fact, ...]) -> _AgentConversation:
        """Begin a conversation; neither the question's key nor the facts reach the agent."""
        del facts
        # A session costs time and is only needed to remember what was said before.
        session_id = question.id if len(question.turns) > 1 else None
        return _AgentConversation(self._model, place, session_id)


def prompt_hashes() -> dict[str, str]:
    """SHA-256 (short) of each prompt file that is packaged."""
    import hashlib
    from importlib import resources

    folder = resources.files("lambda_autotuner.data") / "prompts"
    if not folder.is_dir():
        return {}
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()[:12]
        for entry in sorted(folder.iterdir(), key=lambda item: item.name)
        if entry.is_file()
    }


class _AgentConversation:
    def __init__(self, model: Any, place: Place, session_id: str | None) -> None:
        from lambda_autotuner.agent import build_agent

        self._session_id = session_id
        self._workspace = open_place(place)
        self._agent = build_agent(model, self._workspace.settings, workspace=self._workspace)

    def ask(self, text: str, *, approve: bool | None) -> Reply:
        """Send one turn to the agent."""
        decide = None if approve is None else (lambda _: approve)
        answer = self._agent.ask(text, session_id=self._session_id, approve=decide)
        return reply_of(answer)

    def close(self) -> None:
        """Close the agent and its workspace."""
        self._agent.close()
        self._workspace.close()


def open_place(place: Place) -> Workspace:
    """A private workspace in a place, as its administrator or as a limited user."""
    workspace = private_workspace(
        place.settings,
        account_id=place.account_id,
        sandbox=place.sandbox,
        state_dir=place.state_dir,
    )
    if place.credentials is not None:
        workspace.account.close()
        workspace.account = _account_as(workspace, place.credentials)
    return workspace


def _account_as(workspace: Workspace, credentials: Credentials) -> Any:
    from lambda_autotuner.aws import Account

    target = replace(
        workspace.account.target,
        access_key_id=credentials.access_key_id,
        secret_access_key=credentials.secret_access_key,
    )
    return Account.connect(target)


def reply_of(answer: Any) -> Reply:
    """The agent's answer in the scorers' terms."""
    from lambda_autotuner.agent.answer import MODEL_UNUSABLE

    tools = tuple(
        ToolUse(
            call.name,
            call.arguments,
            ok=call.outcome in {"ok", "known"},
            error=call.error,
            output=call.output,
        )
        for call in answer.tool_calls
    )
    decided = {decision.proposal_id for decision in answer.decisions}
    outputs = [tool.output for tool in tools if tool.output is not None]
    return Reply(
        text=answer.text,
        tools=tools,
        citations=len(answer.citations),
        proposals=sum(proposal.id not in decided for proposal in answer.proposals),
        executed=sum(decision.executed for decision in answer.decisions),
        gaps=tuple(str(gap) for gap in answer.gaps),
        provider_failure=next((g.reason for g in answer.gaps if g.what == MODEL_UNUSABLE), None),
        unverified=tuple(answer.unverified),
        total_tokens=answer.usage.total_tokens,
        model_calls=answer.usage.model_calls,
        cost_usd=answer.usage.cost_usd,
        trace_id=answer.trace_id,
        evidence="\n".join(outputs) if outputs else None,
    )
