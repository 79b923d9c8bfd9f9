"""MLflow tracing that cannot hurt the traced program and cannot lose what it saw.

Importing this package does not import MLflow; that happens when tracing is first used. Of
MLflow's own functions those that the guide uses are passed on, so that a script which reads
`import mlflow` also works with `import mlflow_integration as mlflow`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_integration.evaluations import (
        Evaluation,
        adopt,
        log_expectations,
        start_evaluation,
        unrecorded,
    )
    from mlflow_integration.execution import AgentExecution, track_agent_execution
    from mlflow_integration.pipeline import flush, initialize_mlflow, shut_down
    from mlflow_integration.queries import (
        get_experiment_by_name,
        search_runs,
        search_traces,
        set_experiment,
        set_tracking_uri,
    )
    from mlflow_integration.runs import (
        log_agent_run,
        log_assessment,
        log_question_evaluation,
        set_run_tags,
        set_trace_tags,
    )
    from mlflow_integration.spans import annotate_span, create_trace_context
    from mlflow_integration.status import TracingStatus

__all__ = [
    "AgentExecution",
    "Evaluation",
    "TracingStatus",
    "adopt",
    "annotate_span",
    "create_trace_context",
    "flush",
    "get_experiment_by_name",
    "initialize_mlflow",
    "log_agent_run",
    "log_assessment",
    "log_expectations",
    "log_question_evaluation",
    "search_runs",
    "search_traces",
    "set_experiment",
    "set_run_tags",
    "set_trace_tags",
    "set_tracking_uri",
    "shut_down",
    "start_evaluation",
    "track_agent_execution",
    "unrecorded",
]

_HOMES = {
    "evaluations": ("Evaluation", "adopt", "log_expectations", "start_evaluation", "unrecorded"),
    "execution": ("AgentExecution", "track_agent_execution"),
    "pipeline": ("flush", "initialize_mlflow", "shut_down"),
    "queries": (
        "get_experiment_by_name",
        "search_runs",
        "search_traces",
        "set_experiment",
        "set_tracking_uri",
    ),
    "runs": (
        "log_agent_run",
        "log_assessment",
        "log_question_evaluation",
        "set_run_tags",
        "set_trace_tags",
    ),
    "spans": ("annotate_span", "create_trace_context"),
    "status": ("TracingStatus",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
# MLflow's own, passed on unchanged.
_MLFLOW = frozenset(
    {
        "active_run", "end_run", "get_tracking_uri", "log_artifact", "log_metric", "log_metrics",
        "log_param", "log_params", "log_text", "set_tag", "set_tags", "start_run", "start_span",
        "trace",
    }
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        module = importlib.import_module(f"{__name__}.{_HOME_OF[name]}")
        value = getattr(module, name)
        globals()[name] = value
        return value
    if name in _MLFLOW:
        from mlflow_integration.pipeline import mlflow_module

        return getattr(mlflow_module(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MLFLOW])
