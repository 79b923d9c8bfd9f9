"""Faults to plant below the toolbox, for `test_mutations.py`.

A fault changes what a call to the account asks or brings back, as a wrong unit, a wrong window
or a lost page in the toolbox would. The oracle looks at the account with boto3 of its own and
is not touched. A fault is caught when a question that passes without it fails with it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lambda_autotuner.agent.tools import ranking
from lambda_autotuner.tuning.pricing import PriceBook

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and the questions that should notice.

    Attributes:
        operations: Calls that `asked` and `answered` change.
        asked: Changes the parameters of a call.
        answered: Changes what comes back.
        figures: Changes the figures of a function's telemetry, as they are put together.
        patch: Owner, attribute and a wrapper of the toolbox's own function there.
    """

    """What goes wrong, in which operation, and which questions look there."""

    name: str
    operations: tuple[str, ...]
    questions: tuple[str, ...]
    asked: Change | None = None
    answered: Change | None = None
    figures: Change | None = None
    patch: tuple[Any, str, Callable[[Any], Any]] | None = None


def each_function(change: Callable[[dict[str, Any]], None]) -> Change:
    """Apply a change to a configuration, alone or in a list."""

    def apply(answer: dict[str, Any]) -> None:
        for item in answer.get("Functions") or [answer.get("Configuration") or answer]:
            if "FunctionName" in item:
                change(item)

    return apply


def scaled(key: str, factor: float) -> Change:
    return each_function(lambda c: c.__setitem__(key, round(c[key] * factor)))


def put(key: str, value: Any) -> Change:
    return each_function(lambda c: c.__setitem__(key, value))


def queries(change: Callable[[dict[str, Any]], None]) -> Change:
    """Change each MetricStat of a GetMetricData request."""

    def apply(parameters: dict[str, Any]) -> None:
        for query in parameters["MetricDataQueries"]:
            if "MetricStat" in query:
                change(query["MetricStat"])

    return apply


def statistic(old: str, new: str, metric: str | None = None) -> Change:
    def change(stat: dict[str, Any]) -> None:
        if stat["Stat"] == old and metric in {None, stat["Metric"]["MetricName"]}:
            stat["Stat"] = new

    return queries(change)


def swapped_statistics(a: str, b: str) -> Change:
    return queries(lambda s: s.__setitem__("Stat", {a: b, b: a}.get(s["Stat"], s["Stat"])))


def metric_name(a: str, b: str) -> Change:
    def change(stat: dict[str, Any]) -> None:
        name = stat["Metric"]["MetricName"]
        stat["Metric"]["MetricName"] = {a: b, b: a}.get(name, name)

    return queries(change)


def window(change: Callable[[Any, Any], tuple[Any, Any]]) -> Change:
    def apply(parameters: dict[str, Any]) -> None:
        start, end = parameters["StartTime"], parameters["EndTime"]
        parameters["StartTime"], parameters["EndTime"] = change(start, end)

    return apply


def values(factor: float) -> Change:
    def apply(answer: dict[str, Any]) -> None:
        for result in answer["MetricDataResults"]:
            result["Values"] = [value * factor for value in result["Values"]]

    return apply


def without(key: str, place: int) -> Change:
    def apply(answer: dict[str, Any]) -> None:
        if answer.get(key):
            answer[key] = list(answer[key])
            del answer[key][place]

    return apply


def messages(change: Callable[[str], str]) -> Change:
    def apply(answer: dict[str, Any]) -> None:
        for event in answer.get("events", ()):
            event["message"] = change(event["message"])

    return apply


def rewritten(pattern: str, replacement: str) -> Callable[[str], str]:
    import re

    return lambda text: re.sub(pattern, replacement, text)


CONFIGURATION = ("ListFunctions", "GetFunction", "GetFunctionConfiguration")
METRICS = ("GetMetricData",)
LOGS = ("FilterLogEvents",)
_MEMORY = ("config-memory-1", "config-all-1", "compare-memory-1")
_COUNTS = ("metrics-invocations-1", "metrics-week-1", "compare-thumbs-1")
_TIMES = ("metrics-average-1", "metrics-p95-1", "metrics-p99-1", "compare-p95-1")
_REPORTS = ("memory-used-1", "memory-close-1", "memory-scan-1")
_INITS = ("cold-init-1", "cold-close-1", "cold-share-1")
_ALARMS = ("alarms-list-1", "alarms-function-1")


def _swap_memory(text: str) -> str:
    return rewritten(
        r"Memory Size: (\d+) MB(\s+)Max Memory Used: (\d+) MB",
        r"Memory Size: \3 MB\2Max Memory Used: \1 MB",
    )(text)


def _first_variable_lost(configuration: dict[str, Any]) -> None:
    variables = configuration.get("Environment", {}).get("Variables")
    if variables:
        variables.pop(next(iter(variables)))


def _other_architecture(configuration: dict[str, Any]) -> None:
    other = {"x86_64": "arm64", "arm64": "x86_64"}
    configuration["Architectures"] = [other[configuration.get("Architectures", ["x86_64"])[0]]]


def _shifted(key: str) -> Change:
    """Each function has its neighbour's value: an off-by-one between two lists."""

    def apply(answer: dict[str, Any]) -> None:
        items = answer.get("Functions")
        if items:
            found = [item.get(key) for item in items]
            for item, value in zip(items, found[1:] + found[:1], strict=True):
                item[key] = value
        else:
            item = answer.get("Configuration") or answer
            item[key] = {"Runtime": "nodejs18.x", "Timeout": 29, "MemorySize": 640}[key]

    return apply


def _plus(key: str, amount: int) -> Change:
    def apply(answer: dict[str, Any]) -> None:
        if answer.get(key) is not None:
            answer[key] += amount

    return apply


def _alias_off_by_one(answer: dict[str, Any]) -> None:
    for alias in answer.get("Aliases", [answer] if "FunctionVersion" in answer else []):
        if alias["FunctionVersion"].isdigit():
            alias["FunctionVersion"] = str(int(alias["FunctionVersion"]) + 1)


def _limits_swapped(answer: dict[str, Any]) -> None:
    limit = answer["AccountLimit"]
    limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"] = (
        limit["UnreservedConcurrentExecutions"], limit["ConcurrentExecutions"],
    )  # fmt: skip


def _provisioned_doubled(answer: dict[str, Any]) -> None:
    for item in answer.get("ProvisionedConcurrencyConfigs", [answer]):
        for key in ("RequestedProvisionedConcurrentExecutions", "AllocatedProvisionedConcurrentExecutions",
                    "AvailableProvisionedConcurrentExecutions"):  # fmt: skip
            if key in item:
                item[key] *= 2


def _retention_halved(answer: dict[str, Any]) -> None:
    for group in answer.get("logGroups", ()):
        if "retentionInDays" in group:
            group["retentionInDays"] //= 2


def _another_function(stat: dict[str, Any]) -> None:
    if stat["Metric"].get("Dimensions"):
        stat["Metric"]["Dimensions"] = [{"Name": "FunctionName", "Value": "otp-sender"}]


def _newest_lost(answer: dict[str, Any]) -> None:
    for result in answer["MetricDataResults"]:
        for key in ("Values", "Timestamps"):
            result[key] = result[key][1:]


def _tags_lost(answer: dict[str, Any]) -> None:
    answer.pop("Tags", None)
    for resource in answer.get("ResourceTagMappingList", ()):
        resource["Tags"] = []


def _other_log(parameters: dict[str, Any]) -> None:
    parameters["logGroupName"] = "/aws/lambda/cart-service"


def _more_than_agreed(parameters: dict[str, Any]) -> None:
    if "MemorySize" in parameters:
        parameters["MemorySize"] += 64


def figure(name: str, value: Callable[[dict[str, Any]], Any]) -> Change:
    """One figure of a function's telemetry is another one, where it is known at all."""

    def apply(figures: dict[str, Any]) -> None:
        if figures.get(name) is not None:
            figures[name] = value(figures)

    return apply


def _other_prices(rates: Any) -> Any:
    other = {"x86_64": "arm64", "arm64": "x86_64"}
    return lambda book, region, name: rates(book, region, other[name])


def _sixtyfold(rates: Any) -> Any:
    def changed(book: Any, region: str, name: str) -> Any:
        found = rates(book, region, name)
        tiers = tuple(
            dataclasses.replace(tier, gb_second_usd=tier.gb_second_usd * 60) for tier in found.tiers
        )
        return dataclasses.replace(found, tiers=tiers)

    return changed


def _upside_down(ranked: Any) -> Any:
    return lambda rows, by, *, ascending: ranked(rows, by, ascending=not ascending)


def _first_lost(ranked: Any) -> Any:
    return lambda rows, by, *, ascending: ranked(rows, by, ascending=ascending)[1:]


def _listed_twice(answer: dict[str, Any]) -> None:
    twin = copy.deepcopy(answer["Functions"][0])
    twin["FunctionName"] += "-copy"
    answer["Functions"].append(twin)


def _coarse_memory(text: str) -> str:
    import re

    def rounded(match: re.Match[str]) -> str:
        return f"Max Memory Used: {-(-int(match[1]) // 64) * 64} MB"

    return re.sub(r"Max Memory Used: (\d+) MB", rounded, text)


def _on_the_neighbour(parameters: dict[str, Any]) -> None:
    parameters["FunctionName"] = "cart-service"
    parameters.pop("RevisionId", None)


def _memory_and_timeout(configuration: dict[str, Any]) -> None:
    memory, timeout = configuration["MemorySize"], configuration["Timeout"]
    configuration["MemorySize"], configuration["Timeout"] = max(128, timeout), memory


def _one_line(answer: dict[str, Any]) -> None:
    for event in answer.get("events", ()):
        event["message"] = answer["events"][0]["message"]


FAULTS = (
    Fault("memory in the wrong unit", CONFIGURATION, _MEMORY, answered=scaled("MemorySize", 1.048576)),
    Fault("memory halved", CONFIGURATION, _MEMORY, answered=scaled("MemorySize", 0.5)),
    Fault("timeout in milliseconds", CONFIGURATION, ("config-timeout-1", "config-timeout-2"), answered=scaled("Timeout", 1000)),
    Fault("timeout of the neighbour", CONFIGURATION, ("config-timeout-1", "config-timeout-2"), answered=_shifted("Timeout")),
    Fault("runtime of the neighbour", CONFIGURATION, ("config-runtime-1", "turns-other-1"), answered=_shifted("Runtime")),
    Fault("memory of the neighbour", CONFIGURATION, _MEMORY, answered=_shifted("MemorySize")),
    Fault("architectures swapped", CONFIGURATION, ("config-arch-1", "listing-arm-1"), answered=each_function(_other_architecture)),
    Fault("storage always the default", CONFIGURATION, ("config-storage-1",), answered=put("EphemeralStorage", {"Size": 512})),
    Fault("first environment variable lost", CONFIGURATION, ("config-env-1",), answered=each_function(_first_variable_lost)),
    Fault("last modified is another day", CONFIGURATION, ("config-modified-1",), answered=put("LastModified", "2025-01-01T00:00:00.000+0000")),
    Fault("handler lost", CONFIGURATION, ("config-handler-1",), answered=put("Handler", "index.handler")),
    Fault("the last function of the list lost", ("ListFunctions",), ("listing-count-1", "listing-count-2"), answered=without("Functions", -1)),
    Fault("the first function of the list lost", ("ListFunctions",), ("listing-count-1", "listing-count-2"), answered=without("Functions", 0)),
    Fault("durations in seconds", METRICS, _TIMES, answered=values(0.001)),
    Fault("counts in thousands", METRICS, _COUNTS, answered=values(0.001)),
    Fault("values off by a tenth", METRICS, (*_COUNTS, *_TIMES), answered=values(1.1)),
    Fault("p50 and p99 swapped", METRICS, ("metrics-p99-1",), asked=swapped_statistics("p50", "p99")),
    Fault("p95 read as p99", METRICS, ("metrics-p95-1", "compare-p95-1"), asked=statistic("p95", "p99")),
    Fault("p95 read as p50", METRICS, ("metrics-p95-1", "compare-p95-1"), asked=statistic("p95", "p50")),
    Fault("average read as maximum", (), ("metrics-average-1",), figures=figure("mean_duration_ms", lambda f: f["max_duration_ms"])),
    Fault("maximum read as average", METRICS, ("metrics-max-1",), asked=statistic("Maximum", "Average", "Duration")),
    Fault("errors and throttles swapped", METRICS, ("errors-count-1", "concurrency-throttled-1"), asked=metric_name("Errors", "Throttles")),
    Fault("errors and invocations swapped", METRICS, ("metrics-invocations-1", "errors-count-1"), asked=metric_name("Errors", "Invocations")),
    Fault("window twice as long", METRICS, _COUNTS, asked=window(lambda start, end: (start - (end - start), end))),
    Fault("window half as long", METRICS, _COUNTS, asked=window(lambda start, end: (start + (end - start) / 2, end))),
    Fault("window of another time", METRICS, (*_COUNTS, "metrics-minutes-1", "metrics-max-1", "errors-count-1"), asked=window(lambda start, end: (start - 3 * (end - start) / 4, end - 3 * (end - start) / 4))),
    Fault("reserved concurrency off by one", ("GetFunctionConcurrency",), ("concurrency-reserved-1", "concurrency-why-1"), answered=_plus("ReservedConcurrentExecutions", 1)),
    Fault("provisioned concurrency doubled", ("ListProvisionedConcurrencyConfigs", "GetProvisionedConcurrencyConfig"), ("concurrency-provisioned-1",), answered=_provisioned_doubled),
    Fault("account limits swapped", ("GetAccountSettings",), ("concurrency-limit-1", "concurrency-limit-2"), answered=_limits_swapped),
    Fault("alias version off by one", ("ListAliases", "GetAlias"), ("config-alias-1",), answered=_alias_off_by_one),
    Fault("an alias lost", ("ListAliases",), ("config-alias-1",), answered=without("Aliases", 0)),
    Fault("memory size read as memory used", LOGS, _REPORTS, answered=messages(_swap_memory)),
    Fault("init durations lost", LOGS, _INITS, answered=messages(rewritten(r"Init Duration: [\d.]+ ms", ""))),
    Fault("init durations in seconds", LOGS, _INITS, answered=messages(rewritten(r"Init Duration: (\d)[\d.]+ ms", r"Init Duration: \1 ms"))),
    Fault("an alarm lost", ("DescribeAlarms",), _ALARMS, answered=without("MetricAlarms", -1)),
    Fault("a dashboard lost", ("ListDashboards",), ("dashboards-1",), answered=without("DashboardEntries", 0)),
    Fault("sums read as averages", METRICS, _COUNTS, asked=statistic("Sum", "Average")),
    Fault("metrics of another function", METRICS, (*_COUNTS, "metrics-average-1"), asked=queries(_another_function)),
    Fault("window shifted by a time zone", METRICS, ("metrics-minutes-1", "metrics-max-1"), asked=window(lambda start, end: (start - timedelta(hours=5), end - timedelta(hours=5)))),
    Fault("newest values lost", METRICS, (*_COUNTS, "metrics-minutes-1"), answered=_newest_lost),
    Fault("tags lost", ("GetFunction", "ListTags", "GetResources"), ("config-tag-1", "listing-owner-1"), answered=_tags_lost),
    Fault("network forgotten", CONFIGURATION, ("config-vpc-1",), answered=put("VpcConfig", {})),
    Fault("every package a zip", CONFIGURATION, ("listing-image-1",), answered=put("PackageType", "Zip")),
    Fault("a reservation where none is", ("GetFunctionConcurrency",), ("concurrency-none-1",), answered=lambda answer: answer.setdefault("ReservedConcurrentExecutions", 100)),
    Fault("log of another function", LOGS, ("errors-chat-1", "logs-search-1", "memory-used-1"), asked=_other_log),
    Fault("more changed than agreed", ("UpdateFunctionConfiguration",), ("change-approve-1", "change-digest-1"), asked=_more_than_agreed),
    Fault("log retention halved", ("DescribeLogGroups",), ("logs-retention-1",), answered=_retention_halved),
    # Kinds that the first list does not hold.
    Fault("mean read as median", (), ("metrics-average-1", "metrics-max-1"), figures=figure("mean_duration_ms", lambda f: f["p50_duration_ms"])),
    Fault("maximum read as p99", (), ("metrics-max-1",), figures=figure("max_duration_ms", lambda f: f["p99_duration_ms"])),
    Fault("errors counted twice", (), ("errors-count-1", "metrics-errors-1"), figures=figure("errors", lambda f: f["errors"] * 2)),
    Fault("throttles never seen", (), ("concurrency-throttled-1", "concurrency-why-1"), figures=figure("throttles", lambda f: 0)),
    Fault("peak concurrency off by a factor", (), ("concurrency-peak-1",), figures=figure("max_concurrent", lambda f: f["max_concurrent"] // 2)),
    Fault("prices of the other architecture", (), ("cost-month-1", "cost-arm-1"), patch=(PriceBook, "rates", _other_prices)),
    Fault("prices per GB-minute", (), ("cost-month-1", "cost-ml-1"), patch=(PriceBook, "rates", _sixtyfold)),
    Fault("a ranking upside down", (), ("cost-top-1", "fleet-busy-1", "fleet-slow-1"), patch=(ranking, "_ranked", _upside_down)),
    Fault("the first of a ranking lost", (), ("cost-top-1", "fleet-busy-1", "errors-worst-1"), patch=(ranking, "_ranked", _first_lost)),
    Fault("a function listed twice", ("ListFunctions",), ("listing-count-1",), answered=_listed_twice),
    Fault("every invocation starts cold", LOGS, ("cold-share-1",), answered=messages(rewritten(r"(Max Memory Used: \d+ MB)(?!.*Init Duration)", r"\1\tInit Duration: 100.00 ms"))),
    Fault("memory used in steps of 64 MB", LOGS, _REPORTS, answered=messages(_coarse_memory)),
    Fault("a change lands on the neighbour", ("UpdateFunctionConfiguration",), ("change-approve-1", "change-digest-1"), asked=_on_the_neighbour),
    Fault("a timeout changed along with the memory", ("UpdateFunctionConfiguration",), ("change-approve-1", "change-digest-1"), asked=lambda p: p.setdefault("Timeout", 77)),
    Fault("memory and timeout swapped", CONFIGURATION, (*_MEMORY, "config-timeout-1"), answered=each_function(_memory_and_timeout)),
    Fault("the same log line again and again", LOGS, ("errors-chat-1", "logs-search-1", "memory-used-1", "cold-init-1", "cold-share-1"), answered=_one_line),
)  # fmt: skip
