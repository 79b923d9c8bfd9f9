"""Masks what a process has seen and appends it to the spool: the one place where both meet."""

from __future__ import annotations

import base64
import copy
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow_integration.environment import Destination
from mlflow_integration.masking import FAILED, Masker
from mlflow_integration.records import storable
from mlflow_integration.spool import SpoolWriter

_logger = logging.getLogger(__name__)
# Stands for "the configured experiment" until the delivery worker has resolved its name.
PLACEHOLDER_EXPERIMENT_ID = "1152921504606846975"
_DEFAULT_EXPERIMENT_ID = "0"
_READ_SECONDS = 10.0
_TYPE = "mlflow.spanType"
# MLflow's own kinds of spans; any other text may be anything.
_KNOWN_TYPES = frozenset(
    f'"{name}"'
    for name in (
        "AGENT", "CHAIN", "CHAT_MODEL", "EMBEDDING", "EVALUATOR", "GUARDRAIL", "LLM", "MEMORY",
        "PARSER", "RERANKER", "RETRIEVER", "TASK", "TOOL", "UNKNOWN", "WORKFLOW",
    )
)  # fmt: skip
_INPUTS = "mlflow.spanInputs"
_OUTPUTS = "mlflow.spanOutputs"
_CUT = "..."
_METADATA_EXCERPT = 250
_PREVIEW_EXCERPT = 1000
# Written by MLflow itself, needed as they are.
_STRUCTURAL = frozenset({"mlflow.traceRequestId", "mlflow.spanStartTimeNs", "mlflow.experimentId"})


class Recorder:
    """Writes masked records for one destination."""

    def __init__(
        self,
        spool: Path,
        destination: Destination,
        masker: Masker,
        *,
        on_item: Callable[[], None] = lambda: None,
    ) -> None:
        self.destination = destination
        self.masker = masker
        self.writer = SpoolWriter(spool, destination)
        self.retired: list[SpoolWriter] = []
        self._on_item = on_item
        self._backend: Any = None
        self._roots: dict[str, tuple[Any, Any]] = {}

    def writers(self) -> list[SpoolWriter]:
        """Return all writers of this process, those of earlier destinations included."""
        return [*self.retired, self.writer]

    # Traces

    def record_open(
        self,
        trace_id: str,
        root_span_id: str | None,
        *,
        name: str,
        tags: Mapping[str, str],
        metadata: Mapping[str, str],
        question: str | None,
    ) -> None:
        """Note that a trace has begun, so that a crash leaves its name, tags and question."""
        root = None
        if root_span_id is not None:
            root = base64.b64encode(bytes.fromhex(root_span_id)).decode()
        record = {
            "k": "open",
            "t": trace_id,
            "root": root,
            "name": name,
            "at": time.time_ns() // 1_000_000,
            "tags": dict(tags),
            "metadata": dict(metadata),
            "preview": question,
        }
        self.writer.append(
            self._masked(record, keep=("k", "t", "at", "root")), item=f"t:{trace_id}"
        )

    def record_span(self, experiment_id: str, span: Any) -> None:
        """Append one finished MLflow span."""
        data = span.to_dict()
        try:
            masked = self._mask_span(data)
        except Exception:
            _logger.warning("a span could not be masked; its content was left out", exc_info=True)
            masked = _frame(data)
        if data.get("parent_span_id") is None:
            attributes = masked["attributes"]
            self._roots[span.trace_id] = (attributes.get(_INPUTS), attributes.get(_OUTPUTS))
        record = {"k": "span", "t": span.trace_id, "s": masked}
        if experiment_id not in {PLACEHOLDER_EXPERIMENT_ID, _DEFAULT_EXPERIMENT_ID, None}:
            record["e"] = experiment_id
        self.writer.append(record)

    def record_trace(self, info: Any) -> None:
        """Append a finished trace's header; from now on the worker may deliver it."""
        data = _header(info)
        masked = self._masked(
            data, keep=("trace_id", "request_time", "execution_duration", "state")
        )
        masked["trace_location"] = data.get("trace_location")
        self._mask_excerpts(masked, *self._roots.pop(info.trace_id, (None, None)))
        item = f"t:{info.trace_id}"
        self.writer.append({"k": "trace", "t": info.trace_id, "info": masked}, item=item)
        self._on_item()

    def _mask_excerpts(self, info: dict[str, Any], inputs: Any, outputs: Any) -> None:
        """Take MLflow's excerpts from masked text: half a secret is not recognised as one."""
        metadata = info.get("trace_metadata") or {}
        for key, preview, whole in (
            ("mlflow.traceInputs", "request_preview", inputs),
            ("mlflow.traceOutputs", "response_preview", outputs),
        ):
            text = whole if isinstance(whole, str) else ""
            if key in metadata:
                metadata[key] = _excerpt(text, _METADATA_EXCERPT)
            shown = info.get(preview)
            if isinstance(shown, str) and shown.endswith(_CUT):
                info[preview] = _excerpt(text, _PREVIEW_EXCERPT)

    def record_trace_tags(self, trace_id: str, tags: Mapping[str, str]) -> None:
        """Append tags of a trace that may be delivered already."""
        self._operation({"k": "trace_tags", "t": trace_id, "tags": dict(tags)}, keep=("k", "t"))

    def record_assessment(self, assessment: Any) -> None:
        """Append an MLflow assessment."""
        data = assessment if isinstance(assessment, dict) else assessment.to_dictionary()
        trace_id = str(data.get("trace_id") or "")
        self._operation({"k": "assessment", "t": trace_id, "a": data}, keep=("k", "t"))

    # Runs

    def start_run(self, name: str, *, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        """Append the beginning of a run and return our id for it."""
        run = f"run-{uuid.uuid4().hex}"
        record = {
            "k": "run",
            "do": "start",
            "r": run,
            "name": name,
            "at": time.time_ns() // 1_000_000,
            "tags": dict(tags),
            "params": dict(params),
        }
        self._operation(record, keep=("k", "do", "r", "at"), wake=False)
        return run

    def log_to_run(
        self,
        run: str,
        *,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        wake: bool = False,
    ) -> None:
        """Append values of a run."""
        record = {
            "k": "run",
            "do": "log",
            "r": run,
            "at": time.time_ns() // 1_000_000,
            "tags": dict(tags or {}),
            "params": dict(params or {}),
        }
        self._operation(
            record, keep=("k", "do", "r", "at"), wake=wake, extra={"metrics": dict(metrics or {})}
        )

    def add_artifact(self, run: str, path: str, text: str) -> None:
        """Append a text file of a run."""
        record = {"k": "run", "do": "artifact", "r": run, "path": path, "text": text}
        self._operation(record, keep=("k", "do", "r", "path"), wake=False)

    def link_traces(self, run: str, trace_ids: list[str]) -> None:
        """Append that traces belong to a run."""
        record = {"k": "run", "do": "link", "r": run, "traces": list(trace_ids)}
        self._operation(record, keep=("k", "do", "r", "traces"), wake=False)

    def end_run(self, run: str, status: str) -> None:
        """Append the end of a run (`FINISHED`, `FAILED` or `KILLED`)."""
        record = {
            "k": "run",
            "do": "end",
            "r": run,
            "status": status,
            "at": time.time_ns() // 1_000_000,
        }
        self._operation(record, keep=("k", "do", "r", "status", "at"))

    # Reading through to the back end

    def open_backend(self) -> Any:
        """Return the real store.

        Raises:
            TracingError: The back end cannot be reached in time.
        """
        if self._backend is None:
            from mlflow_integration.backend import open_store

            self._backend = open_store(self.destination, seconds=_READ_SECONDS)
        return self._backend

    def real_experiment_id(self, store: Any, experiment_id: str, *, create: bool = False) -> str:
        """Return the id that the back end gave to the configured experiment."""
        if experiment_id != PLACEHOLDER_EXPERIMENT_ID:
            return experiment_id
        from mlflow_integration.backend import resolve_experiment

        return resolve_experiment(store, self.destination, create=create)

    def _operation(
        self,
        record: dict[str, Any],
        *,
        keep: tuple[str, ...],
        wake: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        operation = uuid.uuid4().hex
        masked = self._masked(record, keep=keep) | dict(extra or {}) | {"id": operation}
        self.writer.append(masked, item=f"o:{operation}")
        if wake:
            self._on_item()

    def _masked(self, record: Mapping[str, Any], *, keep: tuple[str, ...]) -> dict[str, Any]:
        masked = {}
        for key, value in record.items():
            shown = value if key in keep else self.masker.mask(value)
            if isinstance(value, Mapping) and not isinstance(shown, dict):
                # It could not be masked as a whole; the record keeps its form without it.
                shown = {"masking": FAILED}
            masked[key] = shown
        return masked

    def _mask_span(self, data: dict[str, Any]) -> dict[str, Any]:
        masker = self.masker
        attributes = {}
        for key, value in data["attributes"].items():
            if (
                key in _STRUCTURAL
                or (key == _TYPE and value in _KNOWN_TYPES)
                or (isinstance(value, str) and masker.is_plain_name(key) and masker.is_clean(value))
            ):
                attributes[key] = value
            else:
                attributes[masker.mask_text(key)] = self._mask_attribute(key, value)
        status = data["status"]
        return {
            **data,
            "name": masker.mask_text(data["name"]),
            "attributes": attributes,
            "events": [
                {
                    **event,
                    "name": masker.mask_text(event["name"]),
                    "attributes": masker.mask(dict(event["attributes"] or {})),
                }
                for event in data["events"]
            ],
            "status": {**status, "message": masker.mask_text(status.get("message") or "")},
            "links": masker.mask(data["links"]) if data.get("links") else [],
        }

    def _mask_attribute(self, key: str, value: Any) -> Any:
        """Mask one attribute, which MLflow keeps as JSON text."""
        if not isinstance(value, str):
            return self.masker.mask({key: value})[key]
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        masked = self.masker.mask({key: parsed})
        (shown,) = masked.values() if isinstance(masked, dict) else (FAILED,)
        return value if shown == parsed else json.dumps(shown, ensure_ascii=False, default=str)


def _header(info: Any) -> dict[str, Any]:
    """Return a trace's header as plain data; MLflow cannot write half a character."""
    try:
        return dict(info.to_dict())
    except UnicodeError:
        clean = copy.copy(info)
        for name in ("tags", "trace_metadata", "request_preview", "response_preview",
                     "client_request_id"):  # fmt: skip
            setattr(clean, name, storable(getattr(clean, name, None)))
        return dict(clean.to_dict())


def _excerpt(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT


def _frame(data: Mapping[str, Any]) -> dict[str, Any]:
    """A span's frame: ids, times and kind, without anything that a secret could be in."""
    attributes = {k: v for k, v in data["attributes"].items() if k in _STRUCTURAL}
    kind = data["attributes"].get(_TYPE)
    if kind in _KNOWN_TYPES:
        attributes[_TYPE] = kind
    return {
        **{k: data.get(k) for k in ("trace_id", "span_id", "parent_span_id")},
        "start_time_unix_nano": data["start_time_unix_nano"],
        "end_time_unix_nano": data["end_time_unix_nano"],
        "name": FAILED,
        "attributes": {**attributes, "mlflow.spanInputs": json.dumps(FAILED)},
        "events": [],
        "status": {"code": data["status"]["code"], "message": FAILED},
        "links": [],
    }
