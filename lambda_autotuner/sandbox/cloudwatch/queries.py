"""GetMetricData: many metrics and expressions in one request, paged by data points."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import labels, search, source
from lambda_autotuner.sandbox.cloudwatch.aggregates import Window, datapoints
from lambda_autotuner.sandbox.cloudwatch.expression_parser import (
    ExpressionError,
    Node,
    names_in,
    parse,
)
from lambda_autotuner.sandbox.cloudwatch.expressions import evaluate
from lambda_autotuner.sandbox.cloudwatch.query_checks import check, period_of
from lambda_autotuner.sandbox.cloudwatch.recorded import Key, dimensions_of
from lambda_autotuner.sandbox.cloudwatch.series import (
    NO_POINTS,
    Points,
    retained_from,
    rounded_time,
)
from lambda_autotuner.sandbox.cloudwatch.statistics import parse_statistic
from lambda_autotuner.sandbox.cloudwatch.values import Scope, Series, Value
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

MAX_POINTS: Final = 100_800
_DEFAULT_PERIOD_S: Final = 300


@dataclass(slots=True)
class Answer:
    """One entry of MetricDataResults before paging, oldest point first."""

    id: str
    label: str
    points: Points
    messages: list[dict[str, str]] = field(default_factory=list)


@operation("cloudwatch", "GetMetricData")
def get_metric_data(call: Call, params: Params) -> Result:
    """Values of metrics and expressions over a window."""
    queries: list[dict[str, Any]] = params["MetricDataQueries"]
    check(params, queries)
    answers = Evaluation(call, params, queries).answers()
    return _page(params, answers)


class Evaluation:
    """Evaluates a request's queries in the order of their dependencies."""

    def __init__(self, call: Call, params: Params, queries: list[dict[str, Any]]) -> None:
        self.call = call
        self.queries = queries
        self.start_ms = int(params["StartTime"])
        self.end_ms = int(params["EndTime"])
        self.source = source.of(call)
        self.results: dict[str, Value] = {}
        self.messages: dict[str, list[dict[str, str]]] = {}
        self.labels = labels.generated(queries)
        self.trees: dict[str, Node] = {}
        self.active: list[str] = []
        self.by_id = {query["Id"]: query for query in queries}

    def answers(self) -> list[Answer]:
        """The results of all queries that return data, in request order."""
        for query in self.queries:
            if "MetricStat" in query:
                self.results[query["Id"]] = self.metric(query)
        found: list[Answer] = []
        for query in self.queries:
            self.resolve(query["Id"])
            if query.get("ReturnData", True):
                found.extend(self.present(query))
        return found

    def metric(self, query: dict[str, Any]) -> Series:
        """A MetricStat's series."""
        stat = query["MetricStat"]
        metric = stat["Metric"]
        key = (
            metric.get("Namespace", ""),
            metric.get("MetricName", ""),
            dimensions_of(metric.get("Dimensions")),
        )
        points = self.points(key, stat["Stat"], int(stat["Period"]), stat.get("Unit"), query["Id"])
        label = self.labels.get(query["Id"], metric.get("MetricName", ""))
        return Series(
            points.timestamp_ms, points.values, int(stat["Period"]) * 1000, label, query["Id"]
        )

    def points(
        self, key: Key, statistic: str, period_s: int, unit: str | None, query_id: str
    ) -> Points:
        """One metric's values; several units without a wanted one leave a message."""
        parsed = parse_statistic(statistic)
        assert parsed is not None  # noqa: S101 - checked before anything is evaluated
        period_ms = period_s * 1000
        now_ms = self.call.now_ms
        anchor_ms = rounded_time(self.start_ms, period_ms, now_ms)
        first_ms = max(anchor_ms, retained_from(period_ms, now_ms))
        end_ms = rounded_time(self.end_ms, period_ms, now_ms)
        if first_ms >= end_ms:
            return NO_POINTS
        window = Window(anchor_ms, period_ms, first_ms, end_ms)
        points, units = datapoints(self.source, key, parsed, unit, window)
        if len(units) > 1:
            self.messages.setdefault(query_id, []).append(
                {
                    "Code": "MultipleUnits",
                    "Value": f"Multiple units returned: '[{', '.join(units)}]'",
                }
            )
        return points

    def resolve(self, query_id: str) -> Value:
        """The value of a query, its dependencies first."""
        if query_id in self.results:
            return self.results[query_id]
        if query_id in self.active:
            raise _invalid(query_id, "Circular dependency between expressions")
        self.active.append(query_id)
        query = self.by_id[query_id]
        try:
            tree = parse(query["Expression"])
            for name in sorted(names_in(tree)):
                if name in self.by_id:
                    self.resolve(name)
            value = evaluate(tree, self.scope(query))
        except ExpressionError as error:
            raise _invalid(query_id, str(error)) from error
        finally:
            self.active.pop()
        self.results[query_id] = value
        return value

    def scope(self, query: dict[str, Any]) -> Scope:
        """What this query's expression can see."""
        metrics = [item["Id"] for item in self.queries if "MetricStat" in item]
        periods = [period for item in self.queries if (period := period_of(item)) is not None]
        period_s = query.get("Period") or min(periods, default=_DEFAULT_PERIOD_S)
        anchor_ms = rounded_time(self.start_ms, period_s * 1000, self.call.now_ms)
        end_ms = rounded_time(self.end_ms, period_s * 1000, self.call.now_ms)
        return Scope(self.results, metrics, anchor_ms, end_ms, period_s * 1000, search=self.search)

    def search(self, text: str, statistic: str, period_s: int) -> list[Series]:
        """SEARCH: the series of every metric that the text finds."""
        if parse_statistic(statistic) is None:
            raise ExpressionError(f"Invalid statistic '{statistic}'")
        keys = search.find(self.source, text)
        found = []
        for key, label in zip(keys, labels.of_keys(keys), strict=True):
            points = self.points(key, statistic, period_s, None, "")
            if len(points.values):
                series = Series(points.timestamp_ms, points.values, period_s * 1000, label)
                found.append(series)
        return sorted(found, key=lambda item: item.label)

    def present(self, query: dict[str, Any]) -> list[Answer]:
        """A query's value as results: a list of series becomes several with the same id."""
        value = self.results[query["Id"]]
        messages = self.messages.get(query["Id"], [])
        if isinstance(value, (str, float)):
            raise _invalid(
                query["Id"], "The expression must return a time series, not a scalar or a string"
            )
        wanted = query.get("Label")
        members = value if isinstance(value, list) else [value]
        answers = []
        for item in members:
            own = item.label if isinstance(value, list) or "MetricStat" in query else query["Id"]
            points = Points(item.timestamp_ms, item.values)
            label = labels.dynamic(wanted, own, query, points) if wanted else own
            answers.append(Answer(query["Id"], label, points, messages))
        return answers


def _invalid(query_id: str, reason: str) -> ServiceError:
    return ServiceError("ValidationException", f"Error in expression '{query_id}': {reason}")


def _page(params: Params, answers: list[Answer]) -> dict[str, Any]:
    """The requested page: results in order until the data points are used up."""
    limit = min(int(params.get("MaxDatapoints") or MAX_POINTS), MAX_POINTS)
    fingerprint = _fingerprint(params)
    skip = _offset(params.get("NextToken"), fingerprint)
    newest_first = params.get("ScanBy", "TimestampDescending") != "TimestampAscending"
    results: list[dict[str, Any]] = []
    position, room = 0, limit
    more = False
    for answer in answers:
        size = len(answer.points.values)
        begin = max(skip - position, 0)
        position += size
        if not size and not skip:  # what has no points is told once, on the first page
            results.append(_result(answer, 0, 0, newest_first=newest_first))
        if begin >= size:
            continue
        take = min(size - begin, room)
        more = more or begin + take < size
        if take > 0:
            results.append(_result(answer, begin, take, newest_first=newest_first))
            room -= take
    reply: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if more:
        state = json.dumps([skip + limit - room, fingerprint]).encode()
        reply["NextToken"] = base64.urlsafe_b64encode(state).decode()
    return reply


def _result(answer: Answer, begin: int, take: int, *, newest_first: bool) -> dict[str, Any]:
    times, values = answer.points.timestamp_ms, answer.points.values
    if newest_first:
        times, values = times[::-1], values[::-1]
    end = begin + take
    result: dict[str, Any] = {
        "Id": answer.id,
        "Label": answer.label,
        "Timestamps": times[begin:end].tolist(),
        "Values": values[begin:end].tolist(),
        "StatusCode": "Complete" if end >= len(values) else "PartialData",
    }
    if answer.messages:
        result["Messages"] = answer.messages
    return result


def _fingerprint(params: Params) -> str:
    asked = {name: value for name, value in params.items() if name != "NextToken"}
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _offset(token: str | None, fingerprint: str) -> int:
    if not token:
        return 0
    try:
        offset, owner = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        owner, offset = None, 0
    if owner != fingerprint or not isinstance(offset, int):
        raise ServiceError("InvalidNextToken", "The next token specified is invalid.")
    return offset
