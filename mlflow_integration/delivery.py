"""Delivers the spool: what is ready goes to its back end, once, and is noted as done.

Runs in the delivery worker. A record is acknowledged after the back end has taken it, so a
crash in between repeats it; every step is therefore safe to repeat: trace and span ids are
ours, a run is found again by the tag that carries our id, an assessment by its metadata.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mlflow_integration.assembly import AssembledTrace, assemble
from mlflow_integration.backend import FAULT, classify, require, resolve_experiment, store_of
from mlflow_integration.backlog import Backlog, Operation, TraceItem
from mlflow_integration.environment import Destination
from mlflow_integration.errors import AuthenticationError, RejectedError, TracingError
from mlflow_integration.operations import (
    RUN_STEPS,
    RunDesk,
    apply_assessment,
    apply_trace_tags,
)
from mlflow_integration.otlp import send_to_collector

_logger = logging.getLogger(__name__)
_BATCH = 20
_TRUST_SECONDS = 5.0
_MAX_ATTEMPTS = 3
_MAX_FAULTS = 5
_FAULTS_IN_A_ROW = 3
_MAX_BACKOFF_SECONDS = 8.0
_SLOW_BACKOFF_SECONDS = 30.0
_LONGEST_WISH_SECONDS = 600.0
_THREADS = 4
_TERMINAL = frozenset({"OK", "ERROR"})
_SOURCE_RUN = "mlflow.sourceRun"


@dataclass
class Trouble:
    """Why a destination is not served now."""

    code: str
    reason: str
    remedy: str | None
    at: float
    retry_at: float
    backoff: float


@dataclass
class Post:
    """One destination's open connection and its state."""

    destination: Destination
    store: Any = None
    experiment_id: str = ""
    runs: RunDesk | None = None
    trouble: Trouble | None = None
    answered_at: float = float("-inf")
    attempts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    faults_in_a_row: int = 0
    fault: Exception | None = None
    served: int = 0
    served_before: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    assessed: dict[str, set[str]] = field(default_factory=dict)


class Delivery:
    """Serves all destinations of one spool; the caller holds the spool's delivery lock."""

    def __init__(self, backlog: Backlog, *, beat: Callable[[], None] = lambda: None) -> None:
        self.backlog = backlog
        self.posts: dict[str, Post] = {}
        self.delivered: Counter[str] = Counter()
        self._beat = beat

    def run_once(self, *, patient: bool = True) -> int:
        """Deliver what is ready; return how many items were done.

        Args:
            patient: Respect the waiting time of destinations that were in trouble.
        """
        self.backlog.refresh()
        done = 0
        for key, destination in list(self.backlog.destinations.items()):
            post = self.posts.setdefault(key, Post(destination))
            if patient and post.trouble and time.monotonic() < post.trouble.retry_at:
                continue
            traces, operations = self.backlog.ready(key), self.backlog.waiting(key)
            crashed = [
                (run, operation)
                for run, operation in self.backlog.open_runs().items()
                if operation.to == key
            ]
            if not traces and not operations and not crashed:
                continue
            try:
                done += self._serve(post, key, traces, operations, crashed)
            except Exception as error:  # noqa: BLE001 - the worker's door: one destination's trouble
                self._note_trouble(post, classify(error))
        return done

    def pending(self) -> int:
        """Return how many items wait, those of live processes included."""
        return len(self.backlog.traces) + len(self.backlog.operations)

    def _serve(
        self,
        post: Post,
        key: str,
        traces: list[TraceItem],
        operations: list[Operation],
        crashed: list[tuple[str, Operation]],
    ) -> int:
        self._open(post)
        done, post.fault, post.faults_in_a_row = 0, None, 0
        # What the back end stumbled over comes last, so that it holds nothing up.
        traces = sorted(traces, key=lambda item: post.faults[item.name])
        # Runs first: a trace names the run it belongs to. Links need both.
        for group in _by_run(operations):
            done += self._apply_run(post, group)
            self._beat()
        for start in range(0, len(traces), _BATCH):
            done += self._deliver_traces(post, traces[start : start + _BATCH])
            self._beat()
        for operation in self.backlog.waiting(key):
            if operation.kind not in RUN_STEPS:
                done += self._apply(post, operation)
        for run, _ in crashed:
            self._runs(post).close_crashed(run)
        if post.fault is not None and not done:
            raise post.fault
        post.trouble = None
        return done

    def _open(self, post: Post) -> None:
        if time.monotonic() - post.answered_at > _TRUST_SECONDS or post.store is None:
            require(post.destination, seconds=5.0)
            post.answered_at = time.monotonic()
        if post.store is None:
            post.store = store_of(post.destination)
        if not post.experiment_id:
            post.experiment_id = resolve_experiment(post.store, post.destination, create=True)
            post.runs = RunDesk(
                post.store, post.destination, post.experiment_id, self.backlog.server_run
            )

    def _runs(self, post: Post) -> RunDesk:
        if post.runs is None:
            raise RejectedError("the destination is not open")
        return post.runs

    # Traces

    def _deliver_traces(self, post: Post, items: list[TraceItem]) -> int:
        traces = [(item, self._assemble(post, item)) for item in items]
        try:
            self._send(post, [trace for _, trace in traces])
        except Exception as error:
            if not _may_be_about_one(classify(error)):
                raise
            # One of them is at fault: find out which.
            return sum(self._deliver_alone(post, item, trace) for item, trace in traces)
        for item, trace in traces:
            self._done(post, item, "trace", _outcome(trace))
        return len(traces)

    def _deliver_alone(self, post: Post, item: TraceItem, trace: AssembledTrace) -> int:
        try:
            self._send(post, [trace])
        except Exception as error:  # noqa: BLE001 - told apart by `classify`
            return self._failed(post, item, "trace", classify(error))
        self._done(post, item, "trace", _outcome(trace))
        return 1

    def _assemble(self, post: Post, item: TraceItem) -> AssembledTrace:
        load = self.backlog.load
        trace = assemble(
            item.trace_id,
            [load(place) for place in item.spans],
            load(item.opened) if item.opened else None,
            load(item.closed) if item.closed else None,
        )
        metadata = trace.info.setdefault("trace_metadata", {})
        run = metadata.get(_SOURCE_RUN)
        if run:
            server = self._runs(post).server_id(run)
            if server:
                metadata[_SOURCE_RUN] = server
            else:
                del metadata[_SOURCE_RUN]
        return trace

    def _send(self, post: Post, traces: list[AssembledTrace]) -> None:
        from mlflow.entities import Span

        from mlflow_integration.shipping import make_info, ship_header, ship_spans

        for trace in traces:
            trace.late = self._is_finished(post, trace)
        late = [trace for trace in traces if trace.late]
        ready = [
            (make_info(trace, post.experiment_id), [Span.from_dict(s) for s in trace.spans])
            for trace in traces
            if not trace.late
        ]
        # A forked child may end a span after the trace: it is added, the header stays.
        ship_spans(
            post.store,
            post.destination,
            [
                (make_info(trace, post.experiment_id), [Span.from_dict(s) for s in trace.recorded])
                for trace in late
            ],
        )
        stored = ship_spans(post.store, post.destination, ready)
        post.answered_at = time.monotonic()
        threads = 1 if post.destination.kind == "database" else _THREADS
        with ThreadPoolExecutor(threads) as pool:
            jobs = [
                pool.submit(ship_header, post.store, post.destination, info, spans, stored=stored)
                for info, spans in ready
            ]
            for job in jobs:
                job.result()
        if post.destination.otlp:
            send_to_collector(post.destination.otlp, [span for _, spans in ready for span in spans])

    def _is_finished(self, post: Post, trace: AssembledTrace) -> bool:
        """A trace that the back end knows as finished is not turned into a crashed one."""
        if not trace.crashed:
            return False
        try:
            known = post.store.get_trace_info(trace.trace_id)
        except Exception as error:
            if not isinstance(classify(error), RejectedError):
                raise
            return False
        return known is not None and known.state.value in _TERMINAL

    # Operations

    def _apply_run(self, post: Post, group: list[Operation]) -> int:
        """Apply the steps of one run together: few requests instead of one a step."""
        records = [self.backlog.load(operation.place) for operation in group]
        repeated = self.backlog.note_intent(group[0])
        try:
            server = self._runs(post).apply(group[0].run or "", records, repeated=repeated)
        except Exception as error:  # noqa: BLE001 - told apart by `classify`
            told = classify(error)
            if not isinstance(told, RejectedError):
                return self._failed(post, group[0], group[0].kind, told)
            return sum(self._failed(post, each, each.kind, told) for each in group)
        post.answered_at = time.monotonic()
        for operation in group:
            begun = operation.kind == "run_start"
            note = f"delivered {operation.run} {server}" if begun else "delivered"
            self._done(post, operation, operation.kind, note)
        return len(group)

    def _apply(self, post: Post, operation: Operation) -> int:
        try:
            record = self.backlog.load(operation.place)
            if operation.kind == "run_link":
                self._runs(post).link(record)
            elif operation.kind == "trace_tags":
                apply_trace_tags(post.store, record)
            elif operation.kind == "assessment":
                apply_assessment(post.store, record, post.assessed)
            else:
                unknown = RejectedError(f"unknown kind of record: {operation.kind}")
                return self._failed(post, operation, operation.kind, unknown)
        except Exception as error:  # noqa: BLE001 - told apart by `classify`
            return self._failed(post, operation, operation.kind, classify(error))
        post.answered_at = time.monotonic()
        self._done(post, operation, operation.kind)
        return 1

    # Outcomes

    def _done(
        self, post: Post, item: TraceItem | Operation, kind: str, note: str = "delivered"
    ) -> None:
        self.backlog.acknowledge(item, kind, note)
        self.delivered[kind] += 1
        post.served += 1
        post.faults_in_a_row = 0
        for counts in (post.attempts, post.faults, post.served_before):
            counts.pop(item.name, None)

    def _failed(self, post: Post, item: TraceItem | Operation, kind: str, error: Exception) -> int:
        if not isinstance(error, RejectedError):
            return self._faulted(post, item, kind, error)
        post.attempts[item.name] += 1
        _logger.warning("%s %s was refused: %s", kind, item.name, error)
        if post.attempts[item.name] < _MAX_ATTEMPTS:
            return 0
        return self._set_aside(post, item, kind, error)

    def _set_aside(
        self, post: Post, item: TraceItem | Operation, kind: str, error: Exception
    ) -> int:
        self.backlog.reject(item, kind, str(error))
        post.rejected[item.name] = str(error)
        return 1

    def _faulted(self, post: Post, item: TraceItem | Operation, kind: str, error: Exception) -> int:
        """Go on behind a record that the back end stumbles over, as long as others get through."""
        if getattr(error, "code", None) != FAULT:
            raise error
        post.fault = error
        post.faults[item.name] += 1
        post.faults_in_a_row += 1
        post.served_before.setdefault(item.name, post.served)
        _logger.warning("the back end stumbles over %s %s: %s", kind, item.name, error)
        works = post.served > post.served_before[item.name]
        if works and post.faults[item.name] >= _MAX_FAULTS:
            return self._set_aside(post, item, kind, error)
        if post.faults_in_a_row >= _FAULTS_IN_A_ROW:
            raise error
        return 0

    def _note_trouble(self, post: Post, error: Exception) -> None:
        before = post.trouble.backoff if post.trouble else 0.25
        slow = isinstance(error, AuthenticationError)
        backoff = min(before * 2, _SLOW_BACKOFF_SECONDS if slow else _MAX_BACKOFF_SECONDS)
        # MLflow keeps the header to itself; the probe that comes next has read it.
        asked = min(getattr(error, "retry_after_seconds", None) or 0.0, _LONGEST_WISH_SECONDS)
        message = error.message if isinstance(error, TracingError) else str(error)
        post.trouble = Trouble(
            code=_code_of(error) or ("unauthorized" if slow else "unreachable"),
            reason=message,
            remedy=getattr(error, "remedy", None),
            at=time.time(),
            retry_at=time.monotonic() + max(backoff, asked),
            backoff=backoff,
        )
        post.answered_at = float("-inf")
        _logger.info("%s: %s", post.destination.uri, message)


def _outcome(trace: AssembledTrace) -> str:
    """A trace counts as delivered once, whatever is added to it later."""
    return "added" if trace.late else "delivered"


def _may_be_about_one(error: Exception) -> bool:
    return isinstance(error, RejectedError) or getattr(error, "code", None) == FAULT


def _code_of(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    return "server_error" if code == FAULT else code


def _by_run(operations: list[Operation]) -> list[list[Operation]]:
    groups: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.kind in RUN_STEPS and operation.run:
            groups.setdefault(operation.run, []).append(operation)
    return list(groups.values())


def troubles(posts: Iterable[Post]) -> dict[str, dict[str, Any]]:
    """Return what is wrong, by destination key, for the state file."""
    return {
        post.destination.key: {
            "uri": post.destination.uri,
            "experiment": post.destination.experiment,
            "code": post.trouble.code if post.trouble else None,
            "reason": post.trouble.reason if post.trouble else None,
            "remedy": post.trouble.remedy if post.trouble else None,
            "at": post.trouble.at if post.trouble else time.time(),
        }
        for post in posts
    }
