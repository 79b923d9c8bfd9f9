"""The book of one question: limits, what was called, what came back, what could not be seen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambda_autotuner.agent.answer import (
    CallOutcome,
    Citation,
    Gap,
    Proposal,
    ToolCallRecord,
    Usage,
)
from lambda_autotuner.agent.reading.model import Question
from lambda_autotuner.settings import AgentSettings

WRITING_SHARE = 0.96
"""The share of the time after which a model is no longer waited for."""
FINISHING_SHARE = 0.9
"""The share of the time after which no new tool starts, so that an answer is still written."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool found: data for the model, where it comes from, what it could not see."""

    data: Mapping[str, Any]
    function: str | None = None
    window: str | None = None
    source: str | None = None
    gaps: tuple[Gap, ...] = ()
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A tool result of this question together with its citation."""

    tool: str
    arguments: Mapping[str, Any]
    result: ToolResult
    citation: Citation


@dataclass(frozen=True, slots=True)
class Progress:
    """Something a waiting person may like to see; `kind` is tool_start, tool_end, text or note."""

    kind: str
    name: str = ""
    text: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    duration_seconds: float | None = None
    outcome: str | None = None


def call_key(tool: str, arguments: Mapping[str, Any]) -> str:
    """One key for calls that ask the same: default and absent arguments count alike."""
    said = {name: value for name, value in sorted(arguments.items()) if value is not None}
    return f"{tool} {json.dumps(said, sort_keys=True, default=str)}"


@dataclass(eq=False)
class Turn:
    """Everything that belongs to one question while it is being answered."""

    question: Question
    human_turns: tuple[str, ...]
    inventory: tuple[str, ...]
    limits: AgentSettings
    model_name: str = "offline"
    session_id: str | None = None
    clock: Callable[[], float] = time.monotonic
    listener: Callable[[Progress], None] | None = None
    price_per_token: tuple[float, float] | None = None
    known_proposals: tuple[Proposal, ...] = ()
    withdrawn: list[Proposal] = field(default_factory=list)
    read_only: bool = False
    trace_id: str | None = None
    started: float = field(init=False)
    model_calls: int = 0
    executions: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    evidence: list[Evidence] = field(default_factory=list)
    records: list[ToolCallRecord] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    errors: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    in_flight: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    stopped_by: str | None = None
    barren_rounds: int = 0
    composed: bool = False
    executed_before: int = 0
    toolbox: Any = None
    runtime: Any = None
    must_write: bool = False
    unverified: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def elapsed_seconds(self) -> float:
        """Time since the question came in."""
        return self.clock() - self.started

    @property
    def remaining_seconds(self) -> float:
        """Time until the deadline; never below zero."""
        return max(0.0, self.limits.deadline_seconds - self.elapsed_seconds)

    @property
    def tool_seconds(self) -> float:
        """Time that a tool may still take, so that an answer is written before the deadline."""
        return max(0.0, self.limits.deadline_seconds * FINISHING_SHARE - self.elapsed_seconds)

    @property
    def model_seconds(self) -> float:
        """Time that the model may still take; a last share is kept for writing without it."""
        return max(0.0, self.limits.deadline_seconds * WRITING_SHARE - self.elapsed_seconds)

    @property
    def cost_usd(self) -> float | None:
        """What the model's tokens cost so far; None when the price is not known."""
        if self.price_per_token is None:
            return 0.0 if not (self.input_tokens or self.output_tokens) else None
        price_in, price_out = self.price_per_token
        return self.input_tokens * price_in + self.output_tokens * price_out

    def spent(self) -> str | None:
        """Which budget has ended, in words; None while all last."""
        limits = self.limits
        if self.model_calls >= limits.max_model_calls:
            return f"{limits.max_model_calls} model calls"
        if self.executions >= limits.max_tool_calls:
            return f"{limits.max_tool_calls} tool executions"
        if self.elapsed_seconds >= limits.deadline_seconds * FINISHING_SHARE:
            return f"{limits.deadline_seconds:g} s"
        cost = self.cost_usd
        if cost is not None and cost >= limits.max_cost_usd:
            return f"${limits.max_cost_usd:.2f}"
        return None

    def stop(self, reason: str) -> None:
        """Note which budget ended the question; the first one counts."""
        if self.stopped_by is None:
            self.stopped_by = reason
            self.gaps.append(
                Gap(
                    "The answer may be incomplete",
                    f"the budget of {reason} for one question ended",
                    remedy="Ask about fewer things at once, or raise agent.* in config.yaml.",
                )
            )

    def remember(self, tool: str, arguments: Mapping[str, Any], result: ToolResult) -> Evidence:
        """Keep a result under the next citation number."""
        citation = Citation(
            len(self.evidence) + 1, tool, result.function, result.window, result.source
        )
        found = Evidence(tool, dict(arguments), result, citation)
        self.evidence.append(found)
        for gap in result.gaps:
            self.add_gap(gap)
        if result.proposal is not None and all(p.id != result.proposal.id for p in self.proposals):
            self.proposals.append(result.proposal)
        return found

    def add_gap(self, gap: Gap) -> None:
        """Keep a gap once."""
        if gap not in self.gaps:
            self.gaps.append(gap)

    def record(
        self,
        name: str,
        arguments: Mapping[str, Any],
        outcome: CallOutcome,
        *,
        seconds: float = 0.0,
        error: str | None = None,
        output: str = "",
    ) -> None:
        """Keep a tool call and tell whoever is watching."""
        self.records.append(ToolCallRecord(name, dict(arguments), outcome, seconds, error, output))
        self.tell(
            Progress(
                "tool_end",
                name,
                arguments=dict(arguments),
                duration_seconds=seconds,
                outcome=outcome,
            )
        )

    def tell(self, progress: Progress) -> None:
        """Tell whoever is watching."""
        if self.listener is not None:
            self.listener(progress)

    def begin_round(self) -> None:
        """Count the rounds since the last one that brought anything new."""
        if self.model_calls:
            self.barren_rounds = (
                0 if self.executions > self.executed_before else self.barren_rounds + 1
            )
        self.executed_before = self.executions

    def found(self, *tools: str) -> list[Evidence]:
        """Results of the named tools, in order."""
        return [item for item in self.evidence if item.tool in tools]

    def usage(self) -> Usage:
        """What the question used so far."""
        return Usage(
            model=self.model_name,
            model_calls=self.model_calls,
            tool_calls=self.executions,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_usd,
            duration_seconds=self.elapsed_seconds,
        )


def results_of(turn: Turn, tool: str) -> Sequence[Mapping[str, Any]]:
    """The data of a tool's results in this question."""
    return [item.result.data for item in turn.evidence if item.tool == tool]
