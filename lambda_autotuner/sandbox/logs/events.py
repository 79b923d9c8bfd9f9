"""PutLogEvents, GetLogEvents and FilterLogEvents.

A read is bounded: a page ends at 10,000 events, at 1 MB of messages, or when enough events were
looked at, and its token says where to go on. Tokens are positions in time, so they stay good.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.logs import embedded_metrics, groups, streams
from lambda_autotuner.sandbox.logs.pattern_values import PatternError
from lambda_autotuner.sandbox.logs.patterns import Terms, matcher
from lambda_autotuner.sandbox.logs.reader import Event, StreamFilter, events
from lambda_autotuner.sandbox.logs.state import StoredEvent
from lambda_autotuner.sandbox.registry import Params, Result, operation

DAY_MS: Final = 86_400_000
PAGE_EVENTS: Final = 10_000
PAGE_BYTES: Final = 1_048_576
# Events looked at for one page: AWS returns part-filled and empty pages with a token, too.
SCANNED: Final = 120_000
_OVERHEAD: Final = 26  # bytes that every event counts on top of its message
_FAR: Final = 1 << 62


@operation("logs", "PutLogEvents")
def put_log_events(call: Call, params: Params) -> Result:
    """Keep events that are in order and neither too old nor too new."""
    group = groups.own(call, params["logGroupName"])
    stream = streams.need(call, group, params["logStreamName"])
    items = params["logEvents"]
    times = [int(item["timestamp"]) for item in items]
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise ServiceError(
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        )
    if times and times[-1] - times[0] > DAY_MS:
        raise ServiceError(
            "InvalidParameterException",
            "The batch of log events in a single PutLogEvents request cannot span more than 24 "
            "hours.",
        )
    oldest = call.now_ms - 14 * DAY_MS
    if group.retention_days is not None:
        oldest = max(oldest, call.now_ms - group.retention_days * DAY_MS)
    newest = call.now_ms + 2 * 3_600_000
    too_old = sum(time < oldest for time in times)
    too_new = next((index for index, time in enumerate(times) if time > newest), None)
    state = groups.state_of(call)
    for item, time in zip(items, times, strict=True):
        if oldest <= time <= newest:
            state.arrivals += 1
            stream.events.append(StoredEvent(time, state.arrivals, item["message"], call.now_ms))
            stream.last_ingested_ms = call.now_ms
            embedded_metrics.keep(call, item["message"], time)
    stream.events.sort()
    rejected: dict[str, int] = {}
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if too_new is not None:
        rejected["tooNewLogEventStartIndex"] = too_new
    digits = call.token(56, "0123456789")
    return {"nextSequenceToken": digits, "rejectedLogEventsInfo": rejected or None}


@operation("logs", "FilterLogEvents")
def filter_log_events(call: Call, params: Params) -> Result:
    """Events of a group that match a pattern, oldest first unless asked otherwise."""
    group = groups.need(call, groups.named(params))
    test = _matcher(params.get("filterPattern"))
    names = params.get("logStreamNames")
    if names and params.get("logStreamNamePrefix"):
        raise ServiceError(
            "InvalidParameterException",
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
        )
    wanted = None
    if names or params.get("logStreamNamePrefix"):
        for name in names or ():
            streams.need(call, group, name)
        wanted = StreamFilter(
            frozenset(names) if names else None, params.get("logStreamNamePrefix") or ""
        )
    newest_first = params.get("startFromHead") is False
    limit = int(params.get("limit") or PAGE_EVENTS)
    fingerprint = _fingerprint(params, ("filterPattern", "startTime", "endTime", "startFromHead"))
    start_ms = int(params.get("startTime") or 0)
    end_ms = int(params["endTime"]) + 1 if params.get("endTime") is not None else _FAR
    place = _Place.read(params.get("nextToken"), fingerprint)
    start_ms, end_ms = place.bounds(start_ms, end_ms, newest_first=newest_first)
    found: list[dict[str, Any]] = []
    size = scanned = 0
    more = False
    for event in events(
        call,
        group,
        start_ms,
        end_ms,
        newest_first=newest_first,
        streams=wanted,
        terms=test if isinstance(test, Terms) else None,
    ):
        if place.passed(event):
            continue
        if len(found) >= limit or size >= PAGE_BYTES or scanned >= SCANNED:
            more = True
            break
        scanned += 1
        if test is None or test(event.message):
            found.append(_shown(event, with_stream=True))
            size += len(event.message) + _OVERHEAD
        place.step(event)
    reply: dict[str, Any] = {"events": found, "searchedLogStreams": []}
    if more:
        reply["nextToken"] = place.token(fingerprint)
    return reply


@operation("logs", "GetLogEvents")
def get_log_events(call: Call, params: Params) -> Result:
    """Events of one stream; without a token the newest page, oldest event first."""
    group = groups.need(call, groups.named(params))
    name = params["logStreamName"]
    streams.need(call, group, name)
    limit = int(params.get("limit") or PAGE_EVENTS)
    start_ms = int(params.get("startTime") or 0)
    end_ms = int(params["endTime"]) if params.get("endTime") is not None else _FAR
    forward = bool(params.get("startFromHead"))
    token = params.get("nextToken")
    place = _Place(0, 0)
    if token:
        forward, place = _stream_token(token)
        if forward:
            start_ms = max(start_ms, place.time_ms)
        else:
            end_ms = min(end_ms, place.time_ms + 1)
    page: list[Event] = []
    size = 0
    low, high = streams.span(call, group, name)
    for event in events(
        call,
        group,
        max(start_ms, low),
        min(end_ms, high + 1),
        newest_first=not forward,
        streams=StreamFilter(frozenset((name,))),
    ):
        if token and place.passed(event):
            continue
        if len(page) >= limit or size >= PAGE_BYTES:
            break
        page.append(event)
        size += len(event.message) + _OVERHEAD
    if not forward:
        page.reverse()
    return {
        "events": [_shown(event, with_stream=False) for event in page],
        "nextForwardToken": _edge_token("f", page, place, token, start_ms),
        "nextBackwardToken": _edge_token("b", page, place, token, start_ms),
    }


def _shown(event: Event, *, with_stream: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    }
    if with_stream:
        shown["logStreamName"] = event.stream
        shown["eventId"] = event.event_id
    return shown


def _matcher(pattern: str | None) -> Any:
    try:
        return matcher(pattern)
    except PatternError as error:
        raise ServiceError("InvalidParameterException", str(error)) from error


def _fingerprint(params: Params, members: tuple[str, ...]) -> str:
    text = json.dumps([params.get(member) for member in members] + [groups.named(params)])
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


class _Place:
    """How far a reader has come: the time, and how many events of that very time."""

    def __init__(self, time_ms: int, count: int) -> None:
        self.time_ms = time_ms
        self.count = count
        self.skip = count

    @classmethod
    def read(cls, token: str | None, fingerprint: str) -> _Place:
        if not token:
            return cls(-1, 0)
        try:
            time_ms, count, owner = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError):
            owner, time_ms, count = None, 0, 0
        if owner != fingerprint:
            raise invalid_token()
        return cls(int(time_ms), int(count))

    def bounds(self, start_ms: int, end_ms: int, *, newest_first: bool) -> tuple[int, int]:
        if self.time_ms < 0:
            return start_ms, end_ms
        if newest_first:
            return start_ms, min(end_ms, self.time_ms + 1)
        return max(start_ms, self.time_ms), end_ms

    def passed(self, event: Event) -> bool:
        """Whether an earlier page had the event already."""
        if self.skip and event.timestamp_ms == self.time_ms:
            self.skip -= 1
            return True
        return False

    def step(self, event: Event) -> None:
        self.count = self.count + 1 if event.timestamp_ms == self.time_ms else 1
        self.time_ms = event.timestamp_ms

    def token(self, fingerprint: str) -> str:
        state = json.dumps([self.time_ms, self.count, fingerprint])
        return base64.urlsafe_b64encode(state.encode()).decode()


def invalid_token() -> ServiceError:
    """What Logs says about a token that it never gave."""
    return ServiceError("InvalidParameterException", "The specified nextToken is invalid.")


def _stream_token(token: str) -> tuple[bool, _Place]:
    """GetLogEvents tokens: `f/` or `b/`, a time and a count."""
    direction, _, rest = token.partition("/")
    time, _, count = rest.partition("-")
    plain = time.isascii() and time.isdigit() and count.isascii() and count.isdigit()
    if direction not in ("f", "b") or not plain or len(time) > 40:  # noqa: PLR2004 - a sane number
        raise invalid_token()
    return direction == "f", _Place(int(time), int(count))


def _edge_token(
    direction: str, page: list[Event], place: _Place, token: str | None, start_ms: int
) -> str:
    """Where to go on from a page's end; the same token again when there is nothing further."""
    if not page:
        if token:
            return token if token[0] == direction else f"{direction}/{token[2:]}"
        return f"{direction}/{start_ms:032d}-{0:08d}"
    edge = page[-1 if direction == "f" else 0]
    same = sum(event.timestamp_ms == edge.timestamp_ms for event in page)
    if token and place.time_ms == edge.timestamp_ms and token[0] == direction:
        same += place.count
    return f"{direction}/{edge.timestamp_ms:032d}-{same:08d}"
