"""What the runner needs of whoever is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.oracle import Witness
from lambda_autotuner.evaluation.schema import Question
from lambda_autotuner.settings import Settings


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that the sandbox has issued to a user of limited permissions."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is asked: one account of a private sandbox."""

    endpoint_url: str
    account_id: str
    state_dir: Path
    settings: Settings
    credentials: Credentials | None
    witness: Witness
    sandbox: Any = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One tool call, as the scorers see it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = True
    error: str | None = None
    output: str | None = None
    """What came back; None when the contestant does not tell."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one turn."""

    text: str
    tools: tuple[ToolUse, ...] = ()
    citations: int = 0
    proposals: int = 0
    """Proposed changes that still wait for a person."""
    executed: int = 0
    gaps: tuple[str, ...] = ()
    provider_failure: str | None = None
    """Why the model could not be asked; what came back then is not its answer."""
    unverified: tuple[str, ...] = ()
    total_tokens: int = 0
    model_calls: int = 0
    cost_usd: float | None = None
    trace_id: str | None = None
    evidence: str | None = None
    """Everything that tools returned, as text; None when the contestant does not tell."""


@runtime_checkable
class Conversation(Protocol):
    """One conversation about one question."""

    def ask(self, text: str, *, approve: bool | None) -> Reply:
        """Send one turn; `approve` decides on what is proposed (None: nobody decides)."""
        ...

    def close(self) -> None:
        """Let go of what the conversation holds."""
        ...


class Contestant(Protocol):
    """Somebody who answers questions."""

    @property
    def name(self) -> str:
        """How results call it."""
        ...

    @property
    def prompt_versions(self) -> Mapping[str, str]:
        """Hash by prompt, for the record."""
        ...

    def open(self, place: Place, question: Question, facts: tuple[Fact, ...]) -> Conversation:
        """Begin a conversation. Only agents that test the questions look at the last two."""
        ...
