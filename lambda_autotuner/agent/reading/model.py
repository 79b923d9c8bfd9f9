"""What a question is read into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lambda_autotuner.agent.reading.names import Match, Named
from lambda_autotuner.agent.reading.wishes import Wish

Topic = Literal[
    "empty", "unreadable", "function", "list", "fleet", "compare", "guidance", "account", "permissions", "history",
    "alarms", "dashboards", "log_groups", "concurrency", "help", "off_topic", "unclear", "unknown_function",
    "ambiguous_function", "secret", "pending",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a whole account is to be ordered by."""

    metric: str = "savings"
    ascending: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a listing is narrowed to; the comparison is one of `<`, `<=`, `=`, `>=`, `>`."""

    runtime: str | None = None
    architecture: str | None = None
    memory_mb: tuple[str, int] | None = None
    name_contains: str | None = None
    name_prefix: str | None = None
    package_type: str | None = None
    tag: str | None = None

    @property
    def any(self) -> bool:
        """Whether anything narrows the listing."""
        return any(
            value is not None
            for value in (
                self.runtime,
                self.architecture,
                self.memory_mb,
                self.name_contains,
                self.name_prefix,
                self.package_type,
                self.tag,
            )
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A person's question, read."""

    text: str
    topic: Topic
    named: Named = field(default_factory=Named)
    functions: tuple[str, ...] = ()
    carried: bool = False
    concepts: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    window_hours: float | None = None
    percentiles: tuple[float, ...] = ()
    sizes_mb: tuple[int, ...] = ()
    wish: Wish | None = None
    ranking: Ranking = field(default_factory=Ranking)
    filters: Filters = field(default_factory=Filters)
    search: str | None = None
    objective: str | None = None
    region: str | None = None
    unsupported: str | None = None
    followed_up: bool = False
    guessed: bool = False

    def about(self, *concepts: str) -> bool:
        """Whether one of the concepts was named."""
        return any(concept in self.concepts for concept in concepts)


def read_match(question: Question, name: str) -> Match | None:
    """How a function of the question was said."""
    return next((match for match in question.named.matches if match.name == name), None)
