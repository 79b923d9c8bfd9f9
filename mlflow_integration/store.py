"""The tracking store that MLflow itself writes to in a traced process: masks, then spools.

MLflow finds a store by the scheme of its tracking URI and lets others register schemes; this
one is `mlflow-spool`. Writing is local and never waits for anybody; reading is forwarded to
the real back end. Nothing of MLflow is replaced or patched.
"""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlflow.entities import Experiment, LifecycleStage
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.tracing.constant import SpansLocation, TraceTagKey

from mlflow_integration.recorder import PLACEHOLDER_EXPERIMENT_ID

if TYPE_CHECKING:
    from mlflow_integration.recorder import Recorder

_logger = logging.getLogger(__name__)
SCHEME = "mlflow-spool"
_recorders: dict[str, Recorder] = {}


def register(recorder: Recorder) -> str:
    """Make `recorder` reachable under a tracking URI of its own and return that URI."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    _tracking_store_registry.register(SCHEME, SpoolStore)
    uri = f"{SCHEME}://{recorder.destination.key}-{uuid.uuid4().hex[:8]}"
    _recorders[uri] = recorder
    return uri


def recorder_of(uri: str) -> Recorder | None:
    """Return the recorder that writes for a tracking URI of ours, or None for any other."""
    return _recorders.get(uri)


def _forwarded(name: str) -> Callable[..., Any]:
    def forward(self: SpoolStore, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.backend(), name)(*args, **kwargs)

    forward.__name__ = name
    forward.__doc__ = f"Forward `{name}` to the real back end."
    return forward


class SpoolStore(AbstractStore):
    """Writes traces to the spool of one destination; forwards everything else."""

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = _recorders[store_uri]
        self._artifact_uri = artifact_uri

    def backend(self) -> Any:
        """Return the real store, after a check that it can be reached in time."""
        return self._recorder.open_backend()

    # Writing: local, masked, never raises because of the back end.

    def log_spans(
        self,
        location: str,
        spans: list[Any],
        tracking_uri: str | None = None,  # noqa: ARG002 - MLflow's signature
    ) -> list[Any]:
        """Spool finished spans."""
        for span in spans:
            self._recorder.record_span(location, span)
        return spans

    def start_trace(self, trace_info: Any) -> Any:
        """Spool a finished trace's header; MLflow calls this when the root span has ended."""
        self._recorder.record_trace(trace_info)
        returned = copy.copy(trace_info)
        # Says that the spans are stored already, so that MLflow uploads nothing.
        returned.tags = {
            **trace_info.tags,
            TraceTagKey.SPANS_LOCATION: SpansLocation.TRACKING_STORE.value,
        }
        return returned

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Spool a tag of a finished trace."""
        self._recorder.record_trace_tags(trace_id, {key: value})

    def create_assessment(self, assessment: Any) -> Any:
        """Spool an assessment."""
        self._recorder.record_assessment(assessment)
        return assessment

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        """Answer for our own experiment without asking; MLflow does so for every trace."""
        if experiment_name == self._recorder.destination.experiment:
            return self._placeholder()
        from mlflow_integration.backend import experiment_name as full_name

        store = self.backend()
        name = full_name(store, self._recorder.destination, name=experiment_name)
        return store.get_experiment_by_name(name)

    def get_experiment(self, experiment_id: str) -> Any:
        """Answer for our own experiment without asking."""
        if experiment_id == PLACEHOLDER_EXPERIMENT_ID:
            return self._placeholder()
        return self.backend().get_experiment(experiment_id)

    def _placeholder(self) -> Experiment:
        return Experiment(
            experiment_id=PLACEHOLDER_EXPERIMENT_ID,
            name=self._recorder.destination.experiment,
            artifact_location="",
            lifecycle_stage=LifecycleStage.ACTIVE,
        )

    def _search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str,
        run_view_type: Any,
        max_results: int,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> Any:
        store = self.backend()
        found = store.search_runs(
            [self._recorder.real_experiment_id(store, each) for each in experiment_ids],
            filter_string,
            run_view_type,
            max_results,
            order_by,
            page_token,
        )
        return found, found.token

    def search_traces(self, *args: Any, **kwargs: Any) -> Any:
        """Forward, with our experiment's real id."""
        store = self.backend()
        for name in ("experiment_ids", "locations"):
            if kwargs.get(name):
                kwargs[name] = [
                    self._recorder.real_experiment_id(store, each) for each in kwargs[name]
                ]
        return store.search_traces(*args, **kwargs)

    search_experiments = _forwarded("search_experiments")
    create_experiment = _forwarded("create_experiment")
    delete_experiment = _forwarded("delete_experiment")
    restore_experiment = _forwarded("restore_experiment")
    rename_experiment = _forwarded("rename_experiment")
    get_run = _forwarded("get_run")
    update_run_info = _forwarded("update_run_info")
    delete_run = _forwarded("delete_run")
    restore_run = _forwarded("restore_run")
    get_metric_history = _forwarded("get_metric_history")
    log_batch = _forwarded("log_batch")
    log_inputs = _forwarded("log_inputs")
    link_traces_to_run = _forwarded("link_traces_to_run")
    get_trace = _forwarded("get_trace")
    get_trace_info = _forwarded("get_trace_info")
    batch_get_traces = _forwarded("batch_get_traces")
    batch_get_trace_infos = _forwarded("batch_get_trace_infos")
    delete_traces = _forwarded("delete_traces")
    delete_trace_tag = _forwarded("delete_trace_tag")
    log_param = _forwarded("log_param")
    log_metric = _forwarded("log_metric")
    set_tag = _forwarded("set_tag")
    set_experiment_tag = _forwarded("set_experiment_tag")

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[Any], run_name: str
    ) -> Any:
        """Forward, with our experiment's real id."""
        store = self.backend()
        real = self._recorder.real_experiment_id(store, experiment_id, create=True)
        return store.create_run(real, user_id, start_time, tags, run_name)
