"""What the agent hands back, and the small facts it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

ProposalKind = Literal["change", "measurement", "rollback"]
ProposalStatus = Literal["pending", "approved", "rejected", "executed", "failed"]
CallOutcome = Literal["ok", "error", "refused", "known", "skipped"]


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a fact comes from: the tool call, the function and the window of time it looked at."""

    number: int
    tool: str
    function: str | None = None
    window: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        parts = [self.tool, self.function, self.window, self.source]
        return f"[{self.number}] " + ", ".join(part for part in parts if part)


MODEL_UNUSABLE = "The language model could not be used"
"""What a gap is called when a provider failed and the answer is only the evidence so far."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the agent could not see or do, why, and what would mend it."""

    what: str
    reason: str
    iam_action: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        action = f" (missing permission: {self.iam_action})" if self.iam_action else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.what}: {self.reason}{action}.{remedy}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that a proposal would change."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Proposal:
    """A write that waits for a person's decision; it stands in the journal under `plan_id`.

    Attributes:
        price_usd: what carrying it out costs by itself (a measurement's invocations), in dollars.
        saving_usd_month: expected saving in dollars a month (negative: it costs more); None when
            nothing is known.
    """

    id: str
    kind: ProposalKind
    function: str
    summary: str
    differences: tuple[Difference, ...] = ()
    price_usd: float | None = None
    saving_usd_month: float | None = None
    saving_interval_usd_month: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    expires_at: str | None = None
    command: str = ""
    status: ProposalStatus = "pending"
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> dict[str, Any]:
        """The values it would set."""
        return {difference.name: difference.after for difference in self.differences}


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """One tool call of a question; `known` was answered from an identical call before it.

    Attributes:
        error: a code of the closed set of tool errors; None when it went well.
        output: what the model was told.
    """

    name: str
    arguments: Mapping[str, Any]
    outcome: CallOutcome
    duration_seconds: float
    error: str | None = None
    output: str = ""

    @property
    def duration_ms(self) -> float:
        """The duration in milliseconds."""
        return self.duration_seconds * 1_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a question used; `cost_usd` is None when the model's price is not known."""

    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    duration_seconds: float = 0.0

    @property
    def total_tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a person's decision about a proposal."""

    proposal_id: str
    approved: bool
    executed: bool
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        text: what to show a person; every number in it is traceable or marked.
        gaps: what could not be seen, and the budgets that ended.
        unverified: numbers of the model that no tool result supports, as they were marked.
        prompt_version: hash of the prompts in force.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    tool_calls: tuple[ToolCallRecord, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    usage: Usage = Usage()
    trace_id: str | None = None
    gaps: tuple[Gap, ...] = ()
    session_id: str | None = None
    decisions: tuple[Decision, ...] = ()
    unverified: tuple[str, ...] = ()
    prompt_version: str = ""
    stopped_by: str | None = None

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, for JSON."""
        return asdict(self)
