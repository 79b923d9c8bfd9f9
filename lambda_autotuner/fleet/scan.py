"""`scan`: what every function of an account costs, and where measuring pays most.

Two passes over the metrics in full batches: one series a function to find who has traffic, then
what the active ones need. Logs are read only for the lines at the top, because memory in use and
cold starts stand nowhere else, and no size is proposed below what is known to be used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lambda_autotuner.aws.configuration import FunctionConfiguration
from lambda_autotuner.aws.errors import AwsError, MissingError
from lambda_autotuner.aws.functions import list_functions
from lambda_autotuner.aws.metrics import (
    QUERIES_PER_CALL,
    MetricQuery,
    Series,
    Window,
    get_metrics,
    latest_activity,
)
from lambda_autotuner.aws.session import Account
from lambda_autotuner.aws.telemetry import period_of
from lambda_autotuner.fleet.judging import measured_row, silent_row, with_leaning
from lambda_autotuner.fleet.leaning import Leanings
from lambda_autotuner.fleet.rows import Row, Status, ranked, total
from lambda_autotuner.settings import Settings
from lambda_autotuner.sizing.applicability import judge
from lambda_autotuner.sizing.background import look_deeper
from lambda_autotuner.sizing.choices import Choices
from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.passive import recommend_passive
from lambda_autotuner.tuning.recommendation import NeedMoreData, Settled

_LIST_PAGE = 50
_DETAILS = (
    ("sum", "Duration", "Sum"),
    ("count", "Duration", "SampleCount"),
    ("p95", "Duration", "p95"),
    ("errors", "Errors", "Sum"),
)
_DEFAULT_DEEP = 10
_THREADS = 8
_ANCHORS = 24
_DAY_SECONDS = 86_400
_FINE_SECONDS = 300
# The newest function of an account may be years old; points are daily, and only the last 455 days
# of them exist.
_AHEAD_DAYS = 4_000

OnProgress = Callable[[str, int, int], None]
"""(what is being done, done so far, of how many)."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A scanned account.

    Attributes:
        rows: One a function, ranked.
        window: The metrics' window; None for an account in which nothing ever ran.
        calls: API calls that were made, by operation.
        floor_calls: The fewest calls that could bring the same answers.
        deep: How many functions' logs were read.
    """

    account_id: str
    region: str
    rows: tuple[Row, ...]
    window: Window | None
    calls: Mapping[str, int]
    floor_calls: int
    deep: int

    @property
    def total_calls(self) -> int:
        """API calls altogether."""
        return sum(self.calls.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "account_id": self.account_id,
            "region": self.region,
            "window": self.window.to_dict() if self.window else None,
            "functions": len(self.rows),
            "by_status": dict(Counter(str(row.status) for row in self.rows)),
            "month_usd": total(self.rows, "month_usd"),
            "score_usd": total([r for r in self.rows if (r.score_usd or 0) > 0], "score_usd"),
            "api_calls": dict(self.calls),
            "api_calls_total": self.total_calls,
            "api_calls_floor": self.floor_calls,
            "logs_read": self.deep,
            "rows": [row.to_dict() for row in self.rows],
        }


def scan(
    account: Account,
    *,
    settings: Settings | None = None,
    choices: Choices | None = None,
    deep: int = _DEFAULT_DEEP,
    on_progress: OnProgress | None = None,
) -> Scan:
    """Rank an account's functions by dollars a month times confidence.

    Args:
        account: which account and region.
        settings: what to look for, unless `choices` says so.
        choices: what to look for.
        deep: for how many of the first lines the logs are read too.
        on_progress: told what is being done.

    Raises:
        AwsError: functions or metrics may not be read, or the account could not be asked.
    """
    choices = choices or Choices.from_settings(settings or Settings())
    run = _Scan(account, choices, on_progress or (lambda _what, _done, _of: None))
    return run.go(deep)


@dataclass
class _Scan:
    account: Account
    choices: Choices
    tell: OnProgress
    before: Counter[str] = field(default_factory=Counter)

    def go(self, deep: int) -> Scan:
        self.before = Counter(self.account.calls)
        functions = self._list()
        window = self._window(functions)
        rows: list[Row] = []
        active: list[FunctionConfiguration] = []
        if window is not None:
            counts = self._count(functions, window)
            active = [f for f in functions if counts[f.name] and judge(f).applies]
            rows = self._size(active, counts, window)
        names = {row.function for row in rows}
        rows += [silent_row(f, window) for f in functions if f.name not in names]
        floor = _floor(len(functions), len(active), window)
        ordered = ranked(rows)
        top = [row for row in ordered if row.status is Status.MEASURE][:deep]
        if window is not None and top:
            by_name = {f.name: f for f in active}
            deeper = self._deepen(top, by_name, window)
            ordered = ranked([deeper.get(row.function, row) for row in ordered])
            floor += len(top)
        return Scan(
            account_id=self.account.account_id,
            region=self.account.region,
            rows=tuple(ordered),
            window=window,
            calls=dict(self.account.calls - self.before),
            floor_calls=floor,
            deep=len(top),
        )

    def _list(self) -> list[FunctionConfiguration]:
        functions = []
        for function in list_functions(self.account):
            functions.append(function)
            if len(functions) % (20 * _LIST_PAGE) == 0:
                self.tell("functions listed", len(functions), 0)
        self.tell("functions listed", len(functions), len(functions))
        return functions

    def _window(self, functions: Sequence[FunctionConfiguration]) -> Window | None:
        """A window that ends at the account's own last activity; None where nothing ever ran."""
        stamps = [f.last_modified for f in functions if f.last_modified]
        if not stamps:
            return None
        near: datetime = max(stamps)
        active = self._last_activity(functions, near) or latest_activity(self.account, near)
        if active is None:
            return None
        return Window(active - timedelta(days=self.choices.window_days), active, "last invocation")

    def _last_activity(
        self, functions: Sequence[FunctionConfiguration], near: datetime
    ) -> datetime | None:
        """The last minutes in which any of a few functions ran; None where all of them are quiet.

        A whole account's sum over a year is far more work for CloudWatch than a few series, and
        of two dozen functions one or the other ran lately.
        """
        some = functions[:: max(1, len(functions) // _ANCHORS)][:_ANCHORS]
        day = near.replace(hour=0, minute=0, second=0, microsecond=0)
        span = Window(day, day + timedelta(days=_AHEAD_DAYS))
        last_day = self._latest(some, span, _DAY_SECONDS)
        if last_day is None:
            return None
        fine = Window(last_day, last_day + timedelta(days=1))
        moment = self._latest(some, fine, _FINE_SECONDS)
        return None if moment is None else moment + timedelta(seconds=_FINE_SECONDS)

    def _latest(
        self, functions: Sequence[FunctionConfiguration], window: Window, period: int
    ) -> datetime | None:
        queries = [MetricQuery("Invocations", "Sum", period, f.name) for f in functions]
        found = get_metrics(self.account, queries, window)
        return max(
            (
                moment
                for series in found.values()
                for moment, value in zip(series.times, series.values, strict=True)
                if value > 0
            ),
            default=None,
        )

    def _count(
        self, functions: Sequence[FunctionConfiguration], window: Window
    ) -> dict[str, float]:
        """Invocations of every function: one series each, 500 a call."""
        period = period_of(window)
        queries = [MetricQuery("Invocations", "Sum", period, f.name) for f in functions]
        found = self._fetch(queries, window, "functions counted")
        return {query.function or "": found[query].total() or 0.0 for query in queries}

    def _fetch(
        self, queries: Sequence[MetricQuery], window: Window, what: str
    ) -> dict[MetricQuery, Series]:
        found: dict[MetricQuery, Series] = {}
        for start in range(0, len(queries), QUERIES_PER_CALL):
            found |= get_metrics(self.account, queries[start : start + QUERIES_PER_CALL], window)
            self.tell(what, min(start + QUERIES_PER_CALL, len(queries)), len(queries))
        return found

    def _size(
        self,
        active: Sequence[FunctionConfiguration],
        counts: Mapping[str, float],
        window: Window,
    ) -> list[Row]:
        period = period_of(window)
        queries = [
            MetricQuery(metric, statistic, period, f.name)
            for f in active
            for _, metric, statistic in _DETAILS
        ]
        found = self._fetch(queries, window, "series read")
        rates = self.choices.rates(self.account.region)
        leanings = Leanings(self.choices, rates)
        rows = []
        for index, function in enumerate(active, start=1):
            series = {
                name: found[MetricQuery(metric, statistic, period, function.name)]
                for name, metric, statistic in _DETAILS
            }
            rows.append(
                measured_row(function, counts[function.name], series, window, leanings, rates)
            )
            if index % 500 == 0:
                self.tell("functions sized", index, len(active))
        return rows

    def _deepen(
        self,
        top: Sequence[Row],
        functions: Mapping[str, FunctionConfiguration],
        window: Window,
    ) -> dict[str, Row]:
        """Read the logs behind the first lines, a few at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            rows = pool.map(lambda row: self._deeper(row, functions[row.function], window), top)
            found = {}
            for done, row in enumerate(rows, start=1):
                found[row.function] = row
                self.tell("logs read", done, len(top))
        return found

    def _deeper(self, row: Row, function: FunctionConfiguration, window: Window) -> Row:
        try:
            background = look_deeper(self.account, function, window, self.choices)
        except (AwsError, MissingError) as error:
            return replace(row, reason=f"{row.reason} Its logs could not be read: {error.message}")
        if not background.evidence.samples:
            return row
        workload = replace(background.workload, invocations_per_month=row.invocations_per_month)
        answer = recommend_passive(
            background.evidence,
            self.choices.space_for(background.current),
            self.choices.objective,
            self.choices.rates(self.account.region),
            current=background.current,
            workload=workload,
            policy=Policy(self.choices.tolerance_pct, self.choices.confidence),
            picture=False,
        )
        if isinstance(answer, Settled):
            month = answer.saving_month_usd.value if answer.saving_month_usd else None
            return replace(
                row,
                status=Status(answer.kind),
                proposed_mb=answer.proposed.memory_mb,
                saving_month_usd=month,
                confidence=answer.probability_best,
                score_usd=None if month is None else month * answer.probability_best,
                reason=" ".join(answer.reasons[:1]),
            )
        if isinstance(answer, NeedMoreData):
            return with_leaning(row, answer)
        return replace(row, status=Status.INFEASIBLE, score_usd=None, reason=answer.violated[0])


def _floor(functions: int, active: int, window: Window | None) -> int:
    """The fewest calls that bring the same answers.

    Pages of 50 functions; one series for each function and the details of the active ones, 500 a
    call; two calls to find the account's last activity.
    """
    pages = max(1, math.ceil(functions / _LIST_PAGE))
    if window is None:
        return pages + 2
    counted = math.ceil(functions / QUERIES_PER_CALL)
    detailed = math.ceil(active * len(_DETAILS) / QUERIES_PER_CALL)
    return pages + 2 + counted + detailed
