"""Tables that Insights runs over: REPORT lines as columns, or events as they are.

Statistics over REPORT lines are what people ask for most, over the most events. The account's
telemetry has them as columns in which one row stands for many equal invocations, so they are not
written out as text first. Anything else runs over the events themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lambda_autotuner.sandbox.call import Call as Request
from lambda_autotuner.sandbox.functions.records import FunctionRecord
from lambda_autotuner.sandbox.functions.report import restores
from lambda_autotuner.sandbox.logs import groups
from lambda_autotuner.sandbox.logs.insights.columns import Column, constant, number, objects
from lambda_autotuner.sandbox.logs.insights.nodes import (
    Call,
    Command,
    Constant,
    Field,
    Fields,
    Filter,
    Node,
    Parse,
    Pattern,
    Stats,
)
from lambda_autotuner.sandbox.logs.insights.pipeline import Table
from lambda_autotuner.sandbox.logs.insights.syntax import fields_of
from lambda_autotuner.sandbox.logs.invocations import MINUTE_MS, invocations
from lambda_autotuner.sandbox.logs.reader import Event
from lambda_autotuner.sandbox.logs.state import GroupSettings
from lambda_autotuner.sandbox.world import logbook, telemetry
from lambda_autotuner.sandbox.world.columns import Columns, request_ids

MB: Final = 1_000_000  # Insights tells memory in bytes, 10^6 to the MB
_COLUMNS: Final = frozenset(
    ("@timestamp", "@message", "@type", "@duration", "@billedDuration", "@initDuration",
     "@memorySize", "@maxMemoryUsed", "@log")
)  # fmt: skip
_TRACE: Final = re.compile(r"XRAY TraceId: (\S+)\tSegmentId: (\S+)")
_TRACE_NAMES: Final = ("@xrayTraceId", "@xraySegmentId")
_WRITTEN: Final = frozenset(("@message", "@requestId", "@logStream", "@ptr", *_TRACE_NAMES))
# Lines that one query may tell apart one by one; beyond it equal ones stand for each other.
MOST_EXACT: Final = 1_200_000
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FIGURES: Final = re.compile(
    r"\t(Billed Duration|Init Duration|Duration|Memory Size|Max Memory Used): ([\d.]+) (?:ms|MB)"
)
_FIGURE_NAMES: Final = {
    "Duration": ("@duration", 1.0),
    "Billed Duration": ("@billedDuration", 1.0),
    "Init Duration": ("@initDuration", 1.0),
    "Memory Size": ("@memorySize", float(MB)),
    "Max Memory Used": ("@maxMemoryUsed", float(MB)),
}


def countable(commands: Sequence[Command]) -> bool:
    """Whether a query is statistics for which equal invocations need no telling apart."""
    stats = next((i for i, item in enumerate(commands) if isinstance(item, Stats)), None)
    return stats is not None and all(_countable(item) for item in commands[: stats + 1])


def about_reports(commands: Sequence[Command]) -> bool:
    """Whether a query's filters, before anything else, let nothing but REPORT lines pass."""
    for item in commands:
        if isinstance(item, Filter) and _only_reports(item.node):
            return True
        if not isinstance(item, (Filter, Fields, Parse)):
            return False
    return False


def _only_reports(node: Node) -> bool:
    """Whether a condition lets nothing but REPORT lines pass."""
    if not isinstance(node, Call):
        return False
    if node.name in ("and", "or"):
        quantifier = any if node.name == "and" else all
        return quantifier(_only_reports(item) for item in node.arguments)
    if node.name == "=":
        return set(node.arguments) == {Field("@type"), Constant("REPORT")}
    if node.name == "like" and node.arguments[0] in (Field("@message"), Field("@type")):
        wanted = node.arguments[1]
        text = wanted.regex.pattern if isinstance(wanted, Pattern) else getattr(wanted, "value", "")
        return str(text).removeprefix("^").startswith("REPORT")
    return False


def _countable(command: Command) -> bool:
    """Whether a command reads nothing but what equal invocations have in common."""
    nodes: list[Node] = []
    if isinstance(command, Filter):
        nodes = [command.node]
    elif isinstance(command, Parse):
        nodes = [command.source]
        if any("request" in name.lower() or name.lower() == "id" for name in command.names):
            return False
    elif isinstance(command, Fields):
        nodes = [item.node for item in command.items if not isinstance(item.node, Field)]
    elif isinstance(command, Stats):
        nodes = [item.node for item in (*command.items, *command.by)]
    else:
        return False
    return all(_reads_alike(node) for node in nodes)


def _reads_alike(node: Node) -> bool:
    if isinstance(node, Field):
        return not node.name.startswith("@") or node.name in _COLUMNS - {"@timestamp"}
    if isinstance(node, Call):
        if node.name == "bin":
            period = node.arguments[0] if node.arguments else None
            return (
                isinstance(period, Constant)
                and isinstance(period.value, float)
                and period.value % MINUTE_MS == 0
            )
        if node.name == "count_distinct" and "@message" in fields_of(node):
            return False
        return all(_reads_alike(item) for item in node.arguments)
    return True


def reports(
    call: Request,
    found: Sequence[GroupSettings],
    start_ms: int,
    end_ms: int,
    *,
    exact: bool = False,
) -> tuple[Table, float]:
    """REPORT lines of [start_ms, end_ms) as rows, and how many events were scanned.

    Args:
        call: the request.
        found: the groups.
        start_ms: first moment, epoch ms.
        end_ms: the moment after the last one.
        exact: one row per line; otherwise (and beyond `MOST_EXACT` lines) one row per kind of
            invocation and minute, with its weight.
    """
    parts: list[Part] = []
    for group in found:
        first_ms = max(start_ms, groups.kept_from(call, group))
        for function in logbook.functions_of_group(call.region, group.name):
            columns = invocations(call.region, function, first_ms, end_ms)
            record = telemetry.records(call.region, function)[-1]
            parts.append(Part(group.name, columns, record, call.region_name))
    lines = sum(int(part.columns.weight.sum()) for part in parts)
    if exact and lines <= MOST_EXACT:
        parts = [replace(part, columns=part.columns.expand()) for part in parts]
    sizes = [len(part.columns) for part in parts]
    weights = _joined([part.columns.weight for part in parts]).astype(np.float64)
    loaded: dict[str, Column] = {}

    def load(name: str, index: NDArray[np.int64]) -> Column:
        if name in _WRITTEN:
            return _written(name, parts, sizes, index)
        if name not in loaded:
            loaded[name] = _report_column(call, name, parts)
        return loaded[name].take(index)

    table = Table(load, np.arange(int(sum(sizes))), weights)
    return table, float(weights.sum()) * 3.0  # START, END and REPORT


@dataclass(frozen=True, slots=True)
class Part:
    """A function's invocations and the group that tells of them."""

    group: str
    columns: Columns
    record: FunctionRecord
    region_name: str


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.empty(0)


def _report_column(call: Request, name: str, parts: Sequence[Part]) -> Column:
    rows = sum(len(part.columns) for part in parts)
    if name == "@type":
        return constant("REPORT", rows)
    if name == "@log":
        names: list[Any] = []
        for part in parts:
            names += [f"{call.account_id}:{part.group}"] * len(part.columns)
        return objects(names)
    if name == "@initDuration":
        return Column(_joined([_init_ms(part) for part in parts]).astype(np.float64), "raw")
    readers: dict[str, tuple[Callable[[Columns], NDArray[Any]], str]] = {
        "@timestamp": (lambda item: item.timestamp_ms, "time"),
        "@duration": (lambda item: item.duration_ms, "raw"),
        "@billedDuration": (lambda item: item.billed_ms, "raw"),
        "@memorySize": (lambda item: item.memory_mb * float(MB), "raw"),
        "@maxMemoryUsed": (lambda item: item.max_memory_mb * float(MB), "raw"),
    }
    if name not in readers:
        return Column(np.full(rows, np.nan))
    read, style = readers[name]
    return Column(_joined([read(part.columns) for part in parts]).astype(np.float64), style)


def _init_ms(part: Part) -> NDArray[Any]:
    """Init durations; a cold start that restores a snapshot has none."""
    columns = part.columns
    restored = [
        index
        for index, version in enumerate(columns.versions)
        if restores(part.record.configuration_at(version, part.record.modified_ms), version)
    ]
    if not restored:
        return columns.init_ms
    return np.where(np.isin(columns.version, restored), np.nan, columns.init_ms)


def _written(
    name: str, parts: Sequence[Part], sizes: list[int], index: NDArray[np.int64]
) -> Column:
    """What has to be written out as text, for some rows only."""
    texts = np.empty(len(index), np.object_)
    begin = 0
    for part, size in zip(parts, sizes, strict=True):
        mine = np.flatnonzero((index >= begin) & (index < begin + size))
        if len(mine):
            texts[mine] = _texts_of(name, part, part.columns.where(index[mine] - begin))
        begin += size
    return Column(texts, "raw")


def _texts_of(name: str, part: Part, columns: Columns) -> list[str]:
    if name == "@message":
        return logbook.report_lines(columns, part.record, part.region_name)
    if name == "@requestId":
        return request_ids(columns)
    if name == "@logStream":
        return [logbook.stream_name(columns, row) for row in range(len(columns))]
    if name in _TRACE_NAMES:
        told = logbook.traces(columns, part.record, part.region_name)
        return [pair[_TRACE_NAMES.index(name)] if pair else "" for pair in told]
    found = []
    for row in range(len(columns)):
        line = logbook.of_row(columns, row, part.record, part.region_name)[-1]
        event = Event(line.timestamp_ms, "", line.stream, line.event_id, line.timestamp_ms)
        found.append(pointer(part.group, event))
    return found


def alike(
    call: Request, found: Sequence[GroupSettings], start_ms: int, end_ms: int
) -> tuple[Table, float]:
    """All lines of [start_ms, end_ms), those of equal invocations once with their weight."""
    events: list[tuple[str, Event]] = []
    weights: list[float] = []
    for group in found:
        first_ms = max(start_ms, groups.kept_from(call, group))
        for function in logbook.functions_of_group(call.region, group.name):
            columns = invocations(call.region, function, first_ms, end_ms)
            record = telemetry.records(call.region, function)[-1]
            for row, weight in enumerate(columns.weight.tolist()):
                for line in logbook.of_row(columns, row, record, call.region_name):
                    event = Event(
                        line.timestamp_ms,
                        line.message,
                        line.stream,
                        line.event_id,
                        line.timestamp_ms,
                    )
                    events.append((group.name, event))
                    weights.append(float(weight))
    table = of_events(call, events)
    table.weights = np.array(weights, np.float64)
    return table, float(table.weights.sum())


def of_events(call: Request, events: Sequence[tuple[str, Event]]) -> Table:
    """Events of (group, event) as rows, with the fields that Insights discovers in them."""
    loaded: dict[str, Column] = {}
    discovered: list[dict[str, Any]] = []

    def load(name: str, index: NDArray[np.int64]) -> Column:
        if name not in loaded:
            plain = _plain(call, name, events)
            if plain is None:
                if not discovered:
                    discovered.extend(discover(event.message) for _, event in events)
                plain = _typed([item.get(name) for item in discovered])
            loaded[name] = plain
        return loaded[name].take(index)

    rows = len(events)
    return Table(load, np.arange(rows), np.ones(rows))


def _plain(call: Request, name: str, events: Sequence[tuple[str, Event]]) -> Column | None:
    """The fields that every event has; None for any other field."""
    times: dict[str, Callable[[Event], int]] = {
        "@timestamp": lambda event: event.timestamp_ms,
        "@ingestionTime": lambda event: event.ingested_ms,
    }
    texts: dict[str, Callable[[str, Event], str]] = {
        "@message": lambda _, event: event.message,
        "@logStream": lambda _, event: event.stream,
        "@log": lambda group, _: f"{call.account_id}:{group}",
        "@ptr": pointer,
    }
    if name in times:
        read = times[name]
        return Column(np.array([float(read(event)) for _, event in events]), "time")
    if name in texts:
        show = texts[name]
        return objects([show(group, event) for group, event in events])
    return None


def pointer(group: str, event: Event) -> str:
    """What GetLogRecord takes to find an event again."""
    text = json.dumps([group, event.timestamp_ms, event.event_id])
    return text.encode().hex()


def _typed(values: list[Any]) -> Column:
    """Numbers where every value that is there is one."""
    held = [value for value in values if value is not None]
    if held and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in held
    ):
        # Whole numbers of a JSON text print as they stand there.
        style = "plain" if all(isinstance(value, int) for value in held) else "raw"
        return Column(np.array([number(value) for value in values]), style)
    return objects(values)


def discover(message: str) -> dict[str, Any]:
    """Fields of one message: Lambda's own @-fields, and members of a JSON text by their path."""
    fields: dict[str, Any] = {}
    head = message[:6]
    if head.startswith(("START ", "END Re", "REPORT")):
        fields["@type"] = message.split(" ", 1)[0]
        if head == "REPORT":
            for name, value in _FIGURES.findall(message):
                field, factor = _FIGURE_NAMES[name]
                fields[field] = float(value) * factor
            if trace := _TRACE.search(message):
                fields.update(zip(_TRACE_NAMES, trace.groups(), strict=True))
    elif "{" in message:
        _discover_json(message, fields)
    request = _UUID.search(message)
    if request is not None:
        fields["@requestId"] = request[0]
    return fields


def _discover_json(message: str, fields: dict[str, Any]) -> None:
    try:
        document = json.loads(message[message.index("{") :])
    except ValueError:
        return
    _flatten("", document, fields)
    if fields.get("type") == "platform.report":
        fields["@type"] = "REPORT"
        named = (
            ("@duration", "durationMs", 1), ("@billedDuration", "billedDurationMs", 1),
            ("@initDuration", "initDurationMs", 1), ("@memorySize", "memorySizeMB", MB),
            ("@maxMemoryUsed", "maxMemoryUsedMB", MB),
        )  # fmt: skip
        for field, name, factor in named:
            value = fields.get(f"record.metrics.{name}")
            if isinstance(value, (int, float)):
                fields[field] = float(value) * factor


def _flatten(prefix: str, item: Any, fields: dict[str, Any]) -> None:
    if isinstance(item, dict):
        for name, value in item.items():
            _flatten(f"{prefix}.{name}" if prefix else str(name), value, fields)
    elif isinstance(item, list):
        for index, value in enumerate(item):
            _flatten(f"{prefix}.{index}", value, fields)
    elif item is not None and prefix and len(fields) < 1000:  # noqa: PLR2004 - as AWS stops there
        fields[prefix] = item
