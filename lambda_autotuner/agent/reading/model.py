"""What a question is read into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from lambda_autotuner.agent.reading.conditions import Said
from lambda_autotuner.agent.reading.names import Match, Named
from lambda_autotuner.agent.reading.suppositions import Periods, Supposition
from lambda_autotuner.agent.reading.wishes import Wish

Topic = Literal[
    "empty", "unreadable", "function", "list", "fleet", "compare", "guidance", "account", "permissions", "history",
    "alarms", "dashboards", "log_groups", "concurrency", "help", "off_topic", "unclear", "unknown_function",
    "ambiguous_function", "secret", "pending", "courtesy",
]  # fmt: skip


_ONE_OF_NOTHING = re.compile(
    r"\b(?:why|how|what'?s|when|where|is|does|did|has|was)\b[^.?!]{0,20}\bit\b", re.IGNORECASE
)


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
    timeout_seconds: tuple[str, int] | None = None
    runtimes: tuple[str, ...] = ()
    retired: bool = False
    matching: str | None = None

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
                self.timeout_seconds,
                self.retired or None,
                self.matching,
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
    counted: bool = False
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
    account_id: str | None = None
    unsupported: str | None = None
    supposition: Supposition | None = None
    periods: Periods | None = None
    ordinals: tuple[int, ...] = ()
    span: str | None = None
    conditions: tuple[Said, ...] = ()
    by_day: bool = False
    followed_up: bool = False
    guessed: bool = False

    @property
    def judges_timeout(self) -> bool:
        """Whether it is asked if the timeout fits, not only what it is."""
        return (
            self.about("timeout", "timed_out")
            and self.about("recommend", "health", "undersized", "fits")
            and not self.about("errors", "count")
        )

    @property
    def lacks_function(self) -> bool:
        """Whether one function is asked about and none is named: its settings, or an `it` of nothing."""
        return (
            self.topic == "unclear"
            and not self.functions
            and (set(self.aspects) == {"configuration"} or bool(_ONE_OF_NOTHING.search(self.text)))
        )

    @property
    def yesterday(self) -> bool:
        """Whether the calendar day before is meant."""
        return self.span == "yesterday"

    @property
    def windowed(self) -> bool:
        """Whether a span of time was named."""
        return self.window_hours is not None or self.span is not None

    def about(self, *concepts: str) -> bool:
        """Whether one of the concepts was named."""
        return any(concept in self.concepts for concept in concepts)


def read_match(question: Question, name: str) -> Match | None:
    """How a function of the question was said."""
    return next((match for match in question.named.matches if match.name == name), None)
