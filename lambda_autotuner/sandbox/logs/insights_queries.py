"""StartQuery, GetQueryResults and what is around them."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.logs import groups, insights_tables
from lambda_autotuner.sandbox.logs.insights import Outcome, QueryError, parse, run
from lambda_autotuner.sandbox.logs.insights.columns import as_texts
from lambda_autotuner.sandbox.logs.insights.nodes import (
    Command,
    Dedup,
    Field,
    Limit,
    Sort,
    Stats,
)
from lambda_autotuner.sandbox.logs.insights.pipeline import DEFAULT_LIMIT
from lambda_autotuner.sandbox.logs.reader import Event, events
from lambda_autotuner.sandbox.logs.state import GroupSettings, StoredQuery
from lambda_autotuner.sandbox.logs.streams import page_offset, page_token
from lambda_autotuner.sandbox.registry import Params, Result, operation

_MOST_GROUPS: Final = 50
_KEPT_QUERIES: Final = 200
_PAGE: Final = 10_000
# Events written out for one query before it is given up as Timeout; statistics over REPORT lines
# do not count, because they run over columns.
MOST_EVENTS: Final = 1_500_000
_BATCH: Final = 20_000
_MILLISECONDS_FROM: Final = 100_000_000_000  # a later number of seconds is in the year 5138


@operation("logs", "StartQuery")
def start_query(call: Call, params: Params) -> Result:
    """Run a query over one or more groups and keep its answer."""
    if params.get("queryLanguage") not in (None, "CWLI"):
        raise ServiceError(
            "InvalidParameterException",
            f"Query language {params['queryLanguage']} is not supported here; use CWLI.",
        )
    found = [_group(call, name) for name in _names(params)]
    start_ms, end_ms = _milliseconds(params["startTime"]), _milliseconds(params["endTime"])
    if end_ms < start_ms:
        raise ServiceError(
            "InvalidParameterException", "Query end time must not be before its start time."
        )
    end_ms += 999 if params["endTime"] < _MILLISECONDS_FROM else 0
    if all(end_ms < max(groups.kept_from(call, item), item.created_ms) for item in found):
        raise _malformed(
            "Query's end date and time is either before the log groups creation time or exceeds "
            "the log groups log retention settings"
        )
    query = StoredQuery(
        id=call.uuid(),
        groups=[group.name for group in found],
        text=params["queryString"],
        start_ms=start_ms,
        end_ms=end_ms,
        created_ms=call.now_ms,
        limit=params.get("limit"),
    )
    try:
        _answer(call, query, parse(query.text), found)
    except QueryError as error:
        raise _malformed(str(error), error.start, error.end) from error
    queries = groups.state_of(call).queries
    queries[query.id] = query
    while len(queries) > _KEPT_QUERIES:
        queries.pop(next(iter(queries)))
    call.account.touch()
    return {"queryId": query.id}


def _names(params: Params) -> list[str]:
    given = [
        name
        for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers")
        if params.get(name)
    ]
    if len(given) != 1:
        raise ServiceError(
            "InvalidParameterException",
            "Exactly one of logGroupName, logGroupNames and logGroupIdentifiers is required.",
        )
    value = params[given[0]]
    names = [value] if isinstance(value, str) else list(value)
    if len(names) > _MOST_GROUPS:
        raise ServiceError(
            "InvalidParameterException", f"At most {_MOST_GROUPS} log groups can be queried."
        )
    return [groups.from_identifier(name) for name in dict.fromkeys(names)]


def _group(call: Call, name: str) -> GroupSettings:
    found = groups.find(call, name)
    if found is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Log group '{name}' does not exist for account ID '{call.account_id}' (Service: "
            "AWSLogs; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: "
            f"{call.request_id}; Proxy: null)",
        )
    return found


def _milliseconds(time: int) -> int:
    """StartQuery takes seconds; what can only be milliseconds is taken as such."""
    return time if time >= _MILLISECONDS_FROM else time * 1000


def _malformed(reason: str, start: int = 0, end: int = 0) -> ServiceError:
    detail = {
        "location": {"startCharOffset": start, "endCharOffset": end},
        "message": reason,
    }
    return ServiceError(
        "MalformedQueryException", reason, 400, fields={"queryCompileError": detail}
    )


def _answer(
    call: Call, query: StoredQuery, commands: tuple[Command, ...], found: Sequence[GroupSettings]
) -> None:
    """Run the query over what suits it."""
    end_ms = min(query.end_ms + 1, call.now_ms + 1)
    stored = any(stream.events for group in found for stream in group.streams.values())
    order = _stream_order(commands)
    table = None
    if not stored and order is None:
        counted = insights_tables.countable(commands)
        if insights_tables.about_reports(commands):
            table, scanned = insights_tables.reports(
                call, found, query.start_ms, end_ms, exact=not counted
            )
        elif counted:
            table, scanned = insights_tables.alike(call, found, query.start_ms, end_ms)
    if table is not None:
        outcome = run(commands, table, now_ms=call.now_ms, limit=query.limit)
        _keep(query, [outcome], scanned, outcome.matched)
        return
    if order is not None:
        _streamed(call, query, commands, _merged(call, query, found, end_ms, newest=order))
        return
    read = list(itertools.islice(_merged(call, query, found, end_ms, newest=True), MOST_EVENTS + 1))
    if len(read) > MOST_EVENTS:
        query.status = "Timeout"
        read = read[:MOST_EVENTS]
    outcome = run(
        commands, insights_tables.of_events(call, read), now_ms=call.now_ms, limit=query.limit
    )
    _keep(query, [outcome], len(read), outcome.matched)


def _merged(
    call: Call, query: StoredQuery, found: Sequence[GroupSettings], end_ms: int, *, newest: bool
) -> Iterator[tuple[str, Event]]:
    """Events of all groups in one order of time."""
    parts = [
        zip(
            itertools.repeat(group.name),
            events(call, group, query.start_ms, end_ms, newest_first=newest),
            strict=False,
        )
        for group in found
    ]
    if len(parts) == 1:
        return iter(parts[0])
    return heapq.merge(*parts, key=lambda item: item[1].timestamp_ms, reverse=newest)


def _stream_order(commands: Sequence[Command]) -> bool | None:
    """Newest first or oldest first when a query can stop at its limit; None when it cannot."""
    newest = True
    for position, command in enumerate(commands):
        if isinstance(command, (Stats, Dedup)):
            return None
        if isinstance(command, Sort):
            if len(command.keys) != 1 or command.keys[0][0] != Field("@timestamp"):
                return None
            if any(isinstance(item, (Sort, Limit)) for item in commands[:position]):
                return None
            newest = command.keys[0][1]
    return newest


def _streamed(
    call: Call,
    query: StoredQuery,
    commands: Sequence[Command],
    stream: Iterator[tuple[str, Event]],
) -> None:
    """Run row by row commands over batches, and stop at the limit."""
    wanted = query.limit or DEFAULT_LIMIT
    wanted = min([wanted, *(item.count for item in commands if isinstance(item, Limit))])
    outcomes: list[Outcome] = []
    held = scanned = 0
    matched = 0.0
    batch = max(min(_BATCH, wanted * 8), 256)
    while held < wanted:
        rows = list(itertools.islice(stream, batch))
        if not rows:
            break
        scanned += len(rows)
        if scanned > MOST_EVENTS:
            query.status = "Timeout"
            break
        table = insights_tables.of_events(call, rows)
        outcome = run(commands, table, now_ms=call.now_ms, limit=wanted - held)
        outcomes.append(outcome)
        held += outcome.table.rows
        matched += outcome.matched
        batch = _BATCH
    _keep(query, outcomes, scanned, matched)


def _keep(query: StoredQuery, outcomes: Sequence[Outcome], scanned: float, matched: float) -> None:
    query.results = [row for outcome in outcomes for row in _rows(outcome)]
    query.statistics = {
        "recordsMatched": float(matched),
        "recordsScanned": float(scanned),
        "bytesScanned": float(scanned) * 120.0,
    }


def _rows(outcome: Outcome) -> list[list[dict[str, str]]]:
    """Results as the API has them: fields that a row does not have are left out."""
    names = list(outcome.names)
    columns = [as_texts(column) for column in outcome.columns]
    if not outcome.aggregated:
        names.append("@ptr")
        columns.append(as_texts(outcome.table.column("@ptr")))
    return [
        [
            {"field": name, "value": value}
            for name, value in zip(names, row, strict=True)
            if value is not None
        ]
        for row in zip(*columns, strict=True)
    ]


@operation("logs", "GetQueryResults")
def get_query_results(call: Call, params: Params) -> Result:
    """A query's answer."""
    query = _query(call, params["queryId"])
    offset = page_offset(params.get("nextToken"), query.id)
    limit = int(params.get("maxItems") or _PAGE)
    reply: dict[str, Any] = {
        "queryLanguage": "CWLI",
        "results": query.results[offset : offset + limit],
        "statistics": query.statistics,
        "status": query.status,
    }
    if offset + limit < len(query.results):
        reply["nextToken"] = page_token(query.id, offset + limit)
    return reply


def _query(call: Call, query_id: str) -> StoredQuery:
    found = groups.state_of(call).queries.get(query_id)
    if found is None:
        raise ServiceError("ResourceNotFoundException", f"Query {query_id} does not exist.")
    return found


@operation("logs", "StopQuery")
def stop_query(call: Call, params: Params) -> Result:
    """Queries end before their id is known, so there is never one to stop."""
    query = _query(call, params["queryId"])
    raise ServiceError(
        "InvalidParameterException", f"Query {query.id} has already ended and cannot be stopped."
    )


@operation("logs", "DescribeQueries")
def describe_queries(call: Call, params: Params) -> Result:
    """Recent queries, newest first."""
    wanted, status = params.get("logGroupName"), params.get("status")
    found = [
        query
        for query in reversed(groups.state_of(call).queries.values())
        if (not wanted or wanted in query.groups) and status in (None, query.status)
    ]
    offset = page_offset(params.get("nextToken"), "queries")
    limit = int(params.get("maxResults") or 1000)
    reply: dict[str, Any] = {
        "queries": [_described(query) for query in found[offset : offset + limit]]
    }
    if offset + limit < len(found):
        reply["nextToken"] = page_token("queries", offset + limit)
    return reply


def _described(query: StoredQuery) -> dict[str, Any]:
    sources = ", ".join(json.dumps(name) for name in query.groups)
    return {
        "queryLanguage": "CWLI",
        "queryId": query.id,
        "queryString": f"SOURCE {sources} START={query.start_ms} END={query.end_ms} | {query.text}",
        "status": query.status,
        "createTime": query.created_ms,
        "logGroupName": query.groups[0],
    }


@operation("logs", "GetLogRecord")
def get_log_record(call: Call, params: Params) -> Result:
    """All fields of one event that a query pointed at."""
    try:
        name, time_ms, event_id = json.loads(bytes.fromhex(params["logRecordPointer"]))
    except (ValueError, TypeError) as error:
        raise ServiceError("InvalidParameterException", "Invalid log record pointer.") from error
    group = groups.need(call, name)
    for event in events(call, group, time_ms, time_ms + 1):
        if event.event_id == event_id:
            fields = {
                "@timestamp": str(event.timestamp_ms),
                "@message": event.message,
                "@logStream": event.stream,
                "@log": f"{call.account_id}:{name}",
                "@ingestionTime": str(event.ingested_ms),
                **{
                    key: str(value)
                    for key, value in insights_tables.discover(event.message).items()
                },
            }
            return {"logRecord": fields}
    raise ServiceError("ResourceNotFoundException", "The log record does not exist.")


@operation("logs", "GetLogGroupFields")
def get_log_group_fields(call: Call, params: Params) -> Result:
    """Fields of a group's newest events and in how many percent of them they stand."""
    group = groups.need(call, groups.named(params))
    read = list(itertools.islice(events(call, group, 0, call.now_ms + 1, newest_first=True), 500))
    counts: dict[str, int] = {}
    for event in read:
        for name in (
            "@timestamp",
            "@message",
            "@logStream",
            "@log",
            "@ingestionTime",
            *insights_tables.discover(event.message),
        ):
            counts[name] = counts.get(name, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "logGroupFields": [
            {"name": name, "percent": round(100 * count / len(read))} for name, count in ranked
        ]
    }
