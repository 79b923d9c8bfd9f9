"""Labels of results: what tells the series of one request apart, and the dynamic `${...}` forms.

Source: Amazon CloudWatch User Guide, "Using dynamic labels".
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lambda_autotuner.sandbox.cloudwatch.recorded import Key, dimensions_of
from lambda_autotuner.sandbox.cloudwatch.series import Points

_DYNAMIC: Final = re.compile(r"\$\{([^}]*)\}")


def generated(queries: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Query id -> label of every MetricStat: the metric's name and whatever differs."""
    stats = [(query["Id"], query["MetricStat"]) for query in queries if "MetricStat" in query]
    names = {stat["Metric"].get("MetricName", "") for _, stat in stats}
    several = len(names) < len(stats)
    statistics = {stat["Stat"] for _, stat in stats}
    periods = {stat["Period"] for _, stat in stats}
    dimensions = {dimensions_of(stat["Metric"].get("Dimensions")) for _, stat in stats}
    labels: dict[str, str] = {}
    for query_id, stat in stats:
        name = stat["Metric"].get("MetricName", "")
        parts = [name]
        if several and len(dimensions) > 1:
            own = dimensions_of(stat["Metric"].get("Dimensions"))
            values = [value for _, value in own]
            parts = [*values, name] if len(names) > 1 or not values else values
        if several and len(statistics) > 1:
            parts.append(stat["Stat"])
        if several and len(periods) > 1:
            parts.append(str(stat["Period"]))
        labels[query_id] = " ".join(parts)
    return labels


def of_keys(keys: Sequence[Key]) -> list[str]:
    """Labels of the metrics that a search found."""
    names = {key[1] for key in keys}
    labels = []
    for _, name, dimensions in keys:
        values = [value for _, value in dimensions]
        labels.append(" ".join([*values, name] if len(names) > 1 or not values else values))
    return labels


def dynamic(template: str, own: str, query: dict[str, Any], points: Points) -> str:
    """A label with its `${LABEL}`, `${PROP('Dim.FunctionName')}`, `${AVG}`, ... filled in."""
    stat = query.get("MetricStat", {})
    metric = stat.get("Metric", {})
    held = dict(dimensions_of(metric.get("Dimensions")))

    def fill(match: re.Match[str]) -> str:
        what = match[1].strip()
        if what == "LABEL":
            return own
        prop = re.fullmatch(r"PROP\(\s*['\"](.+?)['\"]\s*\)", what)
        if prop is not None:
            name = prop[1]
            if name.startswith("Dim."):
                return held.get(name[4:], "")
            known = {
                "MetricName": metric.get("MetricName"),
                "Namespace": metric.get("Namespace"),
                "Period": stat.get("Period"),
                "Stat": stat.get("Stat"),
            }
            return str(known.get(name) or "")
        return _figure(what, points) or match[0]

    return _DYNAMIC.sub(fill, template)


def _figure(what: str, points: Points) -> str | None:
    """AVG, MAX, MAX_TIME, ... of the values shown; None when it is none of these."""
    values = points.values
    name, _, suffix = what.partition("_TIME")
    if name not in ("AVG", "MAX", "MIN", "SUM", "FIRST", "LAST"):
        return None
    if not len(values):
        return "--"
    if what.endswith("_TIME") and not suffix:
        places = {
            "MAX": int(np.argmax(values)),
            "MIN": int(np.argmin(values)),
            "FIRST": 0,
            "LAST": -1,
        }
        if name not in places:
            return None
        seconds = int(points.timestamp_ms[places[name]]) / 1000
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%H:%M")
    figures = {
        "AVG": values.mean(),
        "MAX": values.max(),
        "MIN": values.min(),
        "SUM": values.sum(),
        "FIRST": values[0],
        "LAST": values[-1],
    }
    return f"{float(figures[name]):g}"
