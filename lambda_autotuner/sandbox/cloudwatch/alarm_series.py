"""The recent datapoints of an alarm's metric or expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch import source
from lambda_autotuner.sandbox.cloudwatch.queries import Evaluation
from lambda_autotuner.sandbox.cloudwatch.recorded import dimensions_of
from lambda_autotuner.sandbox.cloudwatch.series import aggregate
from lambda_autotuner.sandbox.cloudwatch.statistics import parse_statistic
from lambda_autotuner.sandbox.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Recent:
    """Values and sample counts by the start of their period."""

    period_ms: int
    values: dict[int, float]
    counts: dict[int, float]

    def before(self, end_ms: int, periods: int) -> list[tuple[int, float | None]]:
        """The evaluation range that ends at `end_ms`: some more periods than are asked for.

        CloudWatch looks a few periods further back than it evaluates, so that late datapoints
        count; with no datapoint in the newest period, the range is taken as it is.
        """
        wanted = periods + 2
        starts = range(end_ms - wanted * self.period_ms, end_ms, self.period_ms)
        return [(start, self.values.get(start)) for start in starts]


def recent(
    call: Call,
    settings: dict[str, Any],
    period_ms: int,
    first_ms: int,
    last_ms: int,
    periods: int,
) -> Recent:
    """Datapoints for evaluations between two times."""
    start_ms = first_ms - (periods + 2) * period_ms
    if settings.get("Metrics"):
        return _expression(call, settings["Metrics"], period_ms, start_ms, last_ms)
    key = (
        settings.get("Namespace") or "",
        settings.get("MetricName") or "",
        dimensions_of(settings.get("Dimensions")),
    )
    found = source.of(call).read(key, start_ms, last_ms)
    unit = settings.get("Unit")
    found = [item for item in found if unit in (None, item.unit)]
    name = settings.get("Statistic") or settings.get("ExtendedStatistic") or "Average"
    statistic = parse_statistic(name)
    count = parse_statistic("SampleCount")
    if not found or statistic is None or count is None:
        return Recent(period_ms, {}, {})
    points = aggregate(found[0], statistic, start_ms, period_ms)
    counts = aggregate(found[0], count, start_ms, period_ms)
    return Recent(
        period_ms,
        dict(zip(points.timestamp_ms.tolist(), points.values.tolist(), strict=True)),
        dict(zip(counts.timestamp_ms.tolist(), counts.values.tolist(), strict=True)),
    )


def _expression(
    call: Call, queries: list[dict[str, Any]], period_ms: int, start_ms: int, end_ms: int
) -> Recent:
    params = {"MetricDataQueries": queries, "StartTime": start_ms, "EndTime": end_ms}
    try:
        answers = Evaluation(call, params, queries).answers()
    except ServiceError:
        return Recent(period_ms, {}, {})
    if not answers:
        return Recent(period_ms, {}, {})
    points = answers[0].points
    values = dict(zip(points.timestamp_ms.tolist(), points.values.tolist(), strict=True))
    return Recent(period_ms, values, {})
