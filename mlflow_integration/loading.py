"""Loads MLflow and points it at our store; the two places where its set-up is delicate."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterable, Iterator

from mlflow_integration.recorder import PLACEHOLDER_EXPERIMENT_ID

_logger = logging.getLogger(__name__)
_OTLP_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def import_mlflow(*, autolog: bool) -> None:
    """Load MLflow, and its part for LangChain, with everything that the first span needs."""
    # MLflow reports usage to its makers unless it is told not to before it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        # Where warnings are errors, one in a dependency of a dependency must not end tracing.
        warnings.simplefilter("ignore")
        import mlflow

        # MLflow would load this within the first span and make the first question slow.
        importlib.import_module("mlflow.pyfunc.context")
        if autolog and importlib.util.find_spec("langchain_core"):
            importlib.import_module("mlflow.langchain.langchain_tracer")
    _logger.debug("MLflow %s is loaded", mlflow.__version__)


def point_mlflow_at(store_uri: str) -> None:
    """Make MLflow write to the store that is registered under `store_uri`."""
    import mlflow
    from mlflow.entities.trace_location import MlflowExperimentLocation
    from mlflow.tracing.provider import get_bridged_tracer_provider

    inherited = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(store_uri)
    # MLflow exports its tracking URI to child processes; ours means nothing to them.
    if inherited is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = inherited
    # An explicit destination keeps a foreign OTEL_EXPORTER_OTLP_ENDPOINT from taking all traces;
    # hiding the variable keeps MLflow from exporting metrics there, whose failure loses the span.
    with _hidden(_OTLP_ENDPOINTS):
        mlflow.tracing.set_destination(
            MlflowExperimentLocation(experiment_id=PLACEHOLDER_EXPERIMENT_ID)
        )
        get_bridged_tracer_provider()
    # A notebook would ask for a page that the back end does not have yet, and MLflow looks for
    # a notebook after every trace.
    mlflow.tracing.disable_notebook_display()


def activate_experiment(store_uri: str, experiment_id: str) -> None:
    """Let runs that MLflow itself starts go to an experiment, as `mlflow.set_experiment` does.

    MLFLOW_EXPERIMENT_NAME would win otherwise. MLflow exports the id to child processes and
    takes the traces along; both are undone.
    """
    import mlflow

    inherited = os.environ.get("MLFLOW_EXPERIMENT_ID")
    mlflow.set_experiment(experiment_id=experiment_id)
    if inherited is None:
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    else:
        os.environ["MLFLOW_EXPERIMENT_ID"] = inherited
    point_mlflow_at(store_uri)


@contextlib.contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
