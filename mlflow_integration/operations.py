"""Runs, tags and assessments at the back end; every step may be repeated without harm."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow_integration import fitting
from mlflow_integration.assembly import CRASH_REASON
from mlflow_integration.environment import Destination
from mlflow_integration.errors import RejectedError
from mlflow_integration.evaluation_entities import DATASET_TAG, MODEL_TAG, PARENT_TAG, log_subject

_logger = logging.getLogger(__name__)
SPOOL_TAG = "spool_id"
RUN_STEPS = frozenset({"run_start", "run_log", "run_artifact", "run_end"})
_METRICS_AT_ONCE = 800
_OTHERS_AT_ONCE = 90
_LINK_LIMIT = 100
_KNOWN_TRACES = 100


class RunDesk:
    """Turns run records into runs of the back end, which names them itself."""

    def __init__(
        self,
        store: Any,
        destination: Destination,
        experiment_id: str,
        known: Callable[[str], str | None],
    ) -> None:
        self._store = store
        self._destination = destination
        self._experiment_id = experiment_id
        self._known = known
        self._found: dict[str, str] = {}
        self._locations: dict[str, str] = {}

    def server_id(self, run: str) -> str | None:
        """Return the back end's id of our run, or None when it does not exist there."""
        if not run.startswith("run-"):
            return run
        known = self._known(run) or self._found.get(run)
        if known is None:
            found = self._store.search_runs(
                [self._experiment_id], f"tags.{SPOOL_TAG} = '{run}'", 1, 1
            )
            known = found[0].info.run_id if found else None
            if known:
                self._found[run] = known
        return known

    def apply(self, run: str, records: list[dict[str, Any]], *, repeated: bool) -> str:
        """Apply the steps of one run and return the back end's id of it.

        Args:
            run: Our id.
            records: Its steps in the order of recording.
            repeated: Whether a former attempt may have begun the run already.

        Raises:
            RejectedError: The run does not exist and cannot be made from these steps.
        """
        start = next((each for each in records if each.get("do") == "start"), None)
        server = self._known(run) or self._found.get(run)
        if server is None and (start is None or repeated):
            server = self.server_id(run)
        if server is None:
            if start is None:
                raise RejectedError(f"the run {run} was never begun at {self._destination.uri}")
            server = self._create(start)
        merged: dict[str, Any] = {"tags": {}, "params": {}, "metrics": {}}
        for record in records:
            for kind in ("tags", "params", "metrics"):
                merged[kind].update(record.get(kind) or {})
            merged["at"] = record.get("at") or merged.get("at")
        self._log(server, merged)
        for record in records:
            if record.get("do") == "artifact":
                self._attach(server, record["path"], record["text"])
        for record in records:
            if record.get("do") == "end":
                self._end(server, record["status"], int(record["at"]))
        return server

    def link(self, record: dict[str, Any]) -> None:
        """Link traces to a run.

        Raises:
            RejectedError: The run does not exist.
        """
        server = self.server_id(record["r"])
        if server is None:
            raise RejectedError(f"the run {record['r']} was never begun")
        for start in range(0, len(record["traces"]), _LINK_LIMIT):
            self._store.link_traces_to_run(record["traces"][start : start + _LINK_LIMIT], server)

    def close_crashed(self, run: str) -> None:
        """End a run whose process is gone, with the reason."""
        server = self.server_id(run)
        if server is None or self._store.get_run(server).info.status != "RUNNING":
            return
        tags = {"success": "False", "error_type": "ProcessEnded", "closed_reason": CRASH_REASON}
        self._log(server, {"tags": tags, "metrics": {"success": 0.0}})
        self._end(server, "KILLED", time.time_ns() // 1_000_000)

    def _create(self, record: dict[str, Any]) -> str:
        from mlflow.entities import RunTag

        name = fitting.cut(record["name"], fitting.KEY_LENGTH).strip() or "unnamed"
        made = self._store.create_run(
            self._experiment_id,
            "",
            int(record["at"]),
            [RunTag(SPOOL_TAG, record["r"]), RunTag("mlflow.runName", name)],
            name,
        )
        self._found[record["r"]] = made.info.run_id
        self._locations[made.info.run_id] = made.info.artifact_uri
        return str(made.info.run_id)

    def _log(self, server: str, record: dict[str, Any]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        at = int(record.get("at") or time.time_ns() // 1_000_000)
        metrics = [Metric(k, float(v), at, 0) for k, v in _named(record, "metrics")]
        params = [
            Param(k, fitting.cut(v, fitting.PARAM_LENGTH)) for k, v in _named(record, "params")
        ]
        labels = dict(record.get("tags") or {})
        if PARENT_TAG in labels:
            # Our id of the parent until the back end has given its own.
            labels[PARENT_TAG] = self.server_id(labels[PARENT_TAG]) or labels[PARENT_TAG]
        tags = [
            RunTag(k, fitting.cut(v, fitting.RUN_TAG_LENGTH))
            for k, v in fitting.named(labels).items()
        ]
        while metrics or params or tags:
            self._store.log_batch(
                server,
                metrics[:_METRICS_AT_ONCE],
                params[:_OTHERS_AT_ONCE],
                tags[:_OTHERS_AT_ONCE],
            )
            metrics, params = metrics[_METRICS_AT_ONCE:], params[_OTHERS_AT_ONCE:]
            tags = tags[_OTHERS_AT_ONCE:]
        if DATASET_TAG in labels or MODEL_TAG in labels:
            log_subject(self._store, self._experiment_id, server, labels)

    def _attach(self, server: str, path: str, text: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        location = self._locations.get(server) or self._store.get_run(server).info.artifact_uri
        repository = get_artifact_repository(location, tracking_uri=self._destination.uri)
        name = Path(fitting.artifact_path(path))
        with TemporaryDirectory() as folder:
            file = Path(folder) / name.name
            file.write_text(text, "utf-8")
            parent = str(name.parent) if name.parent != Path() else None
            repository.log_artifact(str(file), parent)

    def _end(self, server: str, status: str, at: int) -> None:
        from mlflow.entities import RunStatus

        self._store.update_run_info(server, RunStatus.from_string(status), at, None)


def _named(record: dict[str, Any], kind: str) -> list[tuple[str, Any]]:
    return list(fitting.named(record.get(kind) or {}).items())


def apply_trace_tags(store: Any, record: dict[str, Any]) -> None:
    """Set tags of a trace."""
    for key, value in fitting.trace_tags(record["tags"]).items():
        store.set_trace_tag(record["t"], key, value)


def apply_assessment(store: Any, record: dict[str, Any], known: dict[str, set[str]]) -> None:
    """Create an assessment unless a former attempt has done so already.

    Args:
        store: The back end.
        record: What was recorded.
        known: By trace, what is at the back end: asked once for all assessments of a trace.
    """
    from mlflow.entities import Assessment

    data, trace = dict(record["a"]), record["t"]
    data["assessment_name"] = fitting.cut(
        data.get("assessment_name") or "unnamed", fitting.KEY_LENGTH
    )
    marker = (data.get("metadata") or {}).get("spool_id")
    if trace not in known:
        existing = store.get_trace_info(trace).assessments if marker else []
        known[trace] = {str((each.metadata or {}).get("spool_id")) for each in existing}
        while len(known) > _KNOWN_TRACES:
            known.pop(next(iter(known)))
    if marker in known[trace]:
        return
    try:
        store.create_assessment(Assessment.from_dictionary(data))
    except Exception:
        # Whether it arrived is open: look again before the next attempt.
        known.pop(trace, None)
        raise
    known[trace].add(str(marker))
