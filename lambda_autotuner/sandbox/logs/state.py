"""What CloudWatch Logs keeps: groups that clients made, and what they put into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

STATE_KEY: Final = "logs"


@dataclass(frozen=True, slots=True, order=True)
class StoredEvent:
    """One event that a client put."""

    timestamp_ms: int
    number: int  # position of arrival, which orders events of the same time
    message: str
    ingested_ms: int


@dataclass(slots=True)
class StoredStream:
    """A stream that a client made or wrote to."""

    name: str
    created_ms: int
    events: list[StoredEvent] = field(default_factory=list)
    last_ingested_ms: int | None = None


@dataclass(slots=True)
class GroupSettings:
    """A log group: made by a client, or a function's own once somebody changed its settings."""

    name: str
    created_ms: int
    retention_days: int | None = None
    kms_key: str | None = None
    log_class: str = "STANDARD"
    protected: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    streams: dict[str, StoredStream] = field(default_factory=dict)
    metric_filters: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Streams of generated traffic that were deleted, and the time before which all were.
    deleted_streams: list[str] = field(default_factory=list)
    deleted_before_ms: int = 0


@dataclass(slots=True)
class StoredQuery:
    """An Insights query: kept with its answer."""

    id: str
    groups: list[str]
    text: str
    start_ms: int
    end_ms: int
    created_ms: int
    status: str = "Complete"
    limit: int | None = None
    results: list[list[dict[str, str]]] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class LogsState:
    """Everything of CloudWatch Logs in one account and region."""

    groups: dict[str, GroupSettings] = field(default_factory=dict)
    # A function's group that was deleted: events from before that time are gone.
    deleted: dict[str, int] = field(default_factory=dict)
    queries: dict[str, StoredQuery] = field(default_factory=dict)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    arrivals: int = 0

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for group in self.groups.values():
            group.created_ms -= delta_ms
            group.deleted_before_ms -= delta_ms
            for stream in group.streams.values():
                stream.created_ms -= delta_ms
                if stream.last_ingested_ms is not None:
                    stream.last_ingested_ms -= delta_ms
                stream.events = [
                    StoredEvent(
                        event.timestamp_ms - delta_ms,
                        event.number,
                        event.message,
                        event.ingested_ms - delta_ms,
                    )
                    for event in stream.events
                ]
        self.deleted = {name: when - delta_ms for name, when in self.deleted.items()}
        for query in self.queries.values():
            query.created_ms -= delta_ms
