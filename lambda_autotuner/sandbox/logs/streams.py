"""Log streams: of generated traffic and those that clients made."""

from __future__ import annotations

import base64
import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.logs.state import GroupSettings, StoredStream
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.world import logbook

_PAGE: Final = 50
_DAY: Final = re.compile(r"(\d{4})/(\d\d)/(\d\d)/\[")
# Streams of generated traffic are listed for so long; older ones are still read by name.
_LISTED_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it is listed; times are None while it is empty."""

    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None


def all_of(
    call: Call, group: GroupSettings, start_ms: int | None = None, end_ms: int | None = None
) -> dict[str, Stream]:
    """Streams of a group by name, of the last days or of the window given."""
    found: dict[str, Stream] = {}
    if start_ms is None:
        start_ms = call.now_ms - _LISTED_DAYS * groups.DAY_MS
    start_ms = max(groups.kept_from(call, group), start_ms)
    end_ms = call.now_ms + 1 if end_ms is None else end_ms
    for function in logbook.functions_of_group(call.region, group.name):
        for stream in logbook.log_streams(call.region, function, start_ms, end_ms):
            if stream.name not in group.deleted_streams:
                found[stream.name] = Stream(
                    stream.name, stream.created_ms, stream.first_ms, stream.last_ms, stream.last_ms
                )
    for stored in group.streams.values():
        found[stored.name] = _of_stored(stored)
    return found


def _of_stored(stored: StoredStream) -> Stream:
    times = [event.timestamp_ms for event in stored.events]
    return Stream(
        stored.name,
        stored.created_ms,
        min(times, default=None),
        max(times, default=None),
        stored.last_ingested_ms,
    )


def find(call: Call, group: GroupSettings, name: str) -> Stream | None:
    """A stream, or None."""
    if name in group.streams:
        return _of_stored(group.streams[name])
    day = _DAY.match(name)  # a function's stream is of one day, and says which
    if day is None:
        return None
    try:
        start = dt.datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=dt.UTC)
    except ValueError:
        return None
    start_ms = int(start.timestamp() * 1000)
    return all_of(call, group, start_ms, start_ms + groups.DAY_MS).get(name)


def span(call: Call, group: GroupSettings, name: str) -> tuple[int, int]:
    """First and last time of a stream's events, so that nothing else is generated to find them."""
    found = find(call, group, name)
    if found is None or found.first_ms is None or found.last_ms is None:
        return 0, 0
    return found.first_ms, found.last_ms


def need(call: Call, group: GroupSettings, name: str) -> StoredStream:
    """A stream that must be there, as something that events can be added to.

    Raises:
        ServiceError: ResourceNotFoundException.
    """
    stored = group.streams.get(name)
    if stored is not None:
        return stored
    found = find(call, group, name)
    if found is None:
        raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
    return StoredStream(name, found.created_ms)


@operation("logs", "CreateLogStream")
def create_log_stream(call: Call, params: Params) -> Result:
    """Make an empty stream."""
    group = groups.own(call, params["logGroupName"])
    name = params["logStreamName"]
    if find(call, group, name) is not None:
        raise ServiceError(
            "ResourceAlreadyExistsException", "The specified log stream already exists"
        )
    group.streams[name] = StoredStream(name, call.now_ms)
    return {}


@operation("logs", "DeleteLogStream")
def delete_log_stream(call: Call, params: Params) -> Result:
    """Delete a stream with its events."""
    group = groups.own(call, params["logGroupName"])
    need(call, group, params["logStreamName"])
    if group.streams.pop(params["logStreamName"], None) is None:
        group.deleted_streams.append(params["logStreamName"])
    return {}


@operation("logs", "DescribeLogStreams")
def describe_log_streams(call: Call, params: Params) -> Result:
    """Streams by name, or by their last event's time."""
    group = groups.need(call, groups.named(params))
    prefix = params.get("logStreamNamePrefix") or ""
    by_time = params.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise ServiceError(
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        )
    found = [stream for stream in all_of(call, group).values() if stream.name.startswith(prefix)]
    found.sort(key=lambda stream: stream.name)
    if by_time:
        found.sort(key=lambda stream: stream.last_ms or 0)
    if params.get("descending"):
        found.reverse()
    offset = page_offset(params.get("nextToken"), "streams")
    limit = int(params.get("limit") or _PAGE)
    reply: dict[str, Any] = {
        "logStreams": [_describe(call, group, item) for item in found[offset : offset + limit]]
    }
    if offset + limit < len(found):
        reply["nextToken"] = page_token("streams", offset + limit)
    return reply


def _describe(call: Call, group: GroupSettings, stream: Stream) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
        "uploadSequenceToken": None,
        "arn": groups.arn(call, group.name) + f":log-stream:{stream.name}",
        "storedBytes": 0,
    }


def page_token(kind: str, offset: int) -> str:
    """A token that says where the next page of a list begins."""
    return base64.urlsafe_b64encode(f"{kind}:{offset}".encode()).decode()


def page_offset(token: str | None, kind: str) -> int:
    """Where a page begins.

    Raises:
        ServiceError: the token is of another list, or none at all.
    """
    if not token:
        return 0
    try:
        owner, _, offset = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if owner == kind and offset.isascii() and offset.isdigit():
            return int(offset)
    except ValueError:
        pass
    raise ServiceError("InvalidParameterException", "The specified nextToken is invalid.")
