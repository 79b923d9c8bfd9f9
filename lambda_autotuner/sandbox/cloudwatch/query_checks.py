"""What GetMetricData refuses before it evaluates anything, in CloudWatch's words."""

from __future__ import annotations

import re
from typing import Any, Final

from lambda_autotuner.sandbox.cloudwatch.statistics import parse_statistic
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params

MAX_QUERIES: Final = 500
MAX_POINTS: Final = 100_800
_ID: Final = r"^[a-z][a-zA-Z0-9_]*$"
_SHORT_PERIODS: Final = (1, 5, 10, 20, 30)


def check(params: Params, queries: list[dict[str, Any]]) -> None:
    """Refuse malformed requests.

    Raises:
        ServiceError: ValidationException, naming the parameter.
    """
    if len(queries) > MAX_QUERIES:
        raise _refusal(
            f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}."
        )
    if int(params["StartTime"]) >= int(params["EndTime"]):
        raise _refusal("The parameter StartTime must be less than the parameter EndTime.")
    limit = params.get("MaxDatapoints")
    if limit is not None and not 1 <= limit <= MAX_POINTS:
        raise _refusal(
            f"The value {limit} for parameter MaxDatapoints must be between 1 and {MAX_POINTS}."
        )
    ids = [query["Id"] for query in queries]
    for position, query in enumerate(queries, 1):
        _check_query(f"MetricDataQueries.member.{position}", query)
    if len(set(ids)) < len(ids):
        raise _refusal("The values for parameter id in MetricDataQueries are not unique.")
    if queries and not any(query.get("ReturnData", True) for query in queries):
        raise _refusal(
            "At least one of the elements in MetricDataQueries must have ReturnData set to true."
        )


def _check_query(where: str, query: dict[str, Any]) -> None:
    if not re.match(_ID, query["Id"]):
        raise _refusal(
            f"The value {query['Id']} for parameter {where}.Id is not matching the expected "
            f"pattern {_ID}."
        )
    if ("MetricStat" in query) == ("Expression" in query):
        both = "and you have specified both" if "MetricStat" in query else "and one is required"
        raise _refusal(
            f"The parameters {where}.Expression and {where}.MetricStat are mutually exclusive "
            f"{both}."
        )
    if "MetricStat" not in query:
        if query.get("Period") is not None:
            check_period(f"{where}.Period", int(query["Period"]))
        return
    stat = query["MetricStat"]
    check_period(f"{where}.MetricStat.Period", int(stat["Period"]))
    if parse_statistic(stat["Stat"]) is None:
        raise _refusal(
            f"The value {stat['Stat']} for parameter {where}.MetricStat.Stat is not supported."
        )
    for member in ("Namespace", "MetricName"):
        if not stat["Metric"].get(member):
            raise _refusal(f"The parameter {where}.MetricStat.Metric.{member} is required.")


def check_period(where: str, period_s: int) -> None:
    """Refuse a period that metrics do not have.

    Raises:
        ServiceError: ValidationException.
    """
    if period_s in _SHORT_PERIODS or (period_s > 0 and period_s % 60 == 0):
        return
    raise _refusal(
        f"The value {period_s} for parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60."
    )


def period_of(query: dict[str, Any]) -> int | None:
    """The period that a query asks for, in seconds."""
    if "MetricStat" in query:
        return int(query["MetricStat"]["Period"])
    period = query.get("Period")
    return int(period) if period is not None else None


def _refusal(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
