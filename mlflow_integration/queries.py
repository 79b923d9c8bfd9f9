"""Reading back: the guide's filters as written, and a word where MLflow would stay silent."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_integration import pipeline
from mlflow_integration.errors import ConfigurationError, TracingError
from mlflow_integration.loading import activate_experiment
from mlflow_integration.recorder import PLACEHOLDER_EXPERIMENT_ID

_logger = logging.getLogger(__name__)
_READ_YOUR_WRITES_SECONDS = 10.0
_RUN_ATTRIBUTES = frozenset(
    {
        "artifact_uri", "end_time", "run_id", "run_name", "start_time", "status", "user_id",
        "created", "name", "run name", "Created", "duration",
    }
)  # fmt: skip
_TRACE_FIELDS = frozenset(
    {
        "attributes", "client_request_id", "end_time_ms", "execution_time", "execution_time_ms",
        "expectation", "feedback", "issue", "metadata", "name", "prompt", "request_id",
        "request_metadata", "run_id", "session_id", "span", "state", "status", "tag", "tags",
        "timestamp", "timestamp_ms", "trace", "user_id",
    }
)  # fmt: skip
_METRICS = frozenset({"execution_time_seconds", "response_length_chars", "soft_failures"})
# Quoted strings are not touched; a comparison is key, operator, value.
_COMPARISON = re.compile(
    r"(?P<key>(?:\w+\.)?(?:`[^`]+`|\"[^\"]+\"|[\w./-]+(?:\.[\w./-]+)*))\s*"
    r"(?P<op>!=|>=|<=|=|>|<|\bNOT\s+I?LIKE\b|\bI?LIKE\b|\bNOT\s+IN\b|\bIN\b)\s*"
    r"(?P<value>'(?:[^']|'')*'|\"[^\"]*\"|\([^)]*\)|[^\s,)]+)",
    re.IGNORECASE,
)
_OR = re.compile(r"\bOR\b", re.IGNORECASE)


class QueryWarning(UserWarning):
    """A filter that MLflow answers, but not with what was meant."""


@dataclass(frozen=True)
class Rewritten:
    """A filter as MLflow takes it, and what there is to say about it."""

    text: str
    notes: tuple[str, ...] = ()


def rewrite_run_filter(text: str) -> Rewritten:
    """Rewrite a run filter: what this product records as tags is found as attributes too.

    Raises:
        ConfigurationError: The filter uses OR, which MLflow does not know.
    """
    _refuse_or(text)
    notes: list[str] = []

    def replace(found: re.Match[str]) -> str:
        key, operator, value = found["key"], found["op"], found["value"]
        head, _, name = key.partition(".")
        if head.lower() in {"attributes", "attribute", "attr"} and name:
            plain = name.strip('`"')
            if plain in _RUN_ATTRIBUTES:
                return found[0]
            kind = "metrics" if plain in _METRICS and not value.startswith("'") else "tags"
            notes.append(f"{key} is recorded as {kind}.{name}")
            key = f"{kind}.{name}"
        if key.lower().startswith(("tags.", "tag.", "params.", "param.")):
            value = _quote(value, operator)
        return f"{key} {operator} {value}"

    return Rewritten(_COMPARISON.sub(replace, text), tuple(notes))


def rewrite_trace_filter(text: str) -> Rewritten:
    """Rewrite a trace filter, and note where MLflow would answer with a silent zero.

    Raises:
        ConfigurationError: The filter uses OR, which MLflow does not know.
    """
    _refuse_or(text)
    notes: list[str] = []

    def replace(found: re.Match[str]) -> str:
        key, operator, value = found["key"], found["op"], found["value"]
        head, _, name = key.partition(".")
        head = head.lower()
        if head in {"attributes", "attribute", "attr"} and name:
            if name in {"status", "name", "timestamp_ms", "execution_time_ms", "request_id"}:
                return found[0]
            notes.append(f"{key} is recorded as tags.{name}")
            return f"tags.{name} {operator} {_quote(value, operator)}"
        if head == "span" and name.startswith("attributes.") and operator == "=":
            notes.append(
                f"{key} = compares with the stored JSON and finds nothing; asked as LIKE instead"
            )
            inner = value.strip("'\"")
            return f"{key} LIKE '%{inner}%'"
        if head in {"tags", "tag", "metadata", "request_metadata"}:
            return f"{key} {operator} {_quote(value, operator)}"
        if head in {"feedback", "expectation"} and value.strip("'\"") in {"True", "False"}:
            notes.append(f"{key}: MLflow stores booleans as 'true' and 'false'")
            return f"{key} {operator} '{value.strip(chr(39) + chr(34)).lower()}'"
        if head not in _TRACE_FIELDS:
            notes.append(f"{key} is no field of a trace; did you mean tags.{key}?")
        if head in {"tokens", "cost", "total_tokens", "token_usage"}:
            notes.append("MLflow cannot filter on tokens or cost; see `traces stats`")
        return found[0]

    return Rewritten(_COMPARISON.sub(replace, text), tuple(notes))


def _refuse_or(text: str) -> None:
    bare = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`", "''", text)
    if _OR.search(bare):
        raise ConfigurationError(
            f"MLflow's filters know AND but not OR: {text!r}.",
            remedy="Ask twice, or use IN ('a', 'b').",
        )


def _quote(value: str, operator: str) -> str:
    """Tags and parameters are text: `True` and `1` are meant as 'True' and '1'."""
    if value[:1] in {"'", '"', "("} or "IN" in operator.upper():
        return value
    return f"'{value}'"


def _say(notes: tuple[str, ...], text: str) -> None:
    for note in notes:
        _logger.info("filter %r: %s", text, note)
        if "finds nothing" in note or "no field" in note or "cannot filter" in note:
            warnings.warn(f"filter {text!r}: {note}", QueryWarning, stacklevel=3)


def _ready() -> pipeline.Pipeline:
    """Return the pipeline; initialises it when nobody has, delivers what is on its way.

    Raises:
        TracingError: Tracing is switched off or the back end cannot be reached.
    """
    found = pipeline.current()
    if found is None:
        status = pipeline.initialize_mlflow(autolog=False)
        found = pipeline.current()
        if found is None:
            raise TracingError(f"MLflow is not configured: {status.reason}.", remedy=status.remedy)
    pipeline.flush(_READ_YOUR_WRITES_SECONDS)
    return found


def _experiments(given: Sequence[str] | None) -> list[str]:
    return [str(each) for each in given] if given else [PLACEHOLDER_EXPERIMENT_ID]


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    order_by: list[str] | None = None,
    max_results: int = 1000,
    **options: Any,
) -> Any:
    """Search runs like `mlflow.search_runs`, with the guide's filters as written.

    `attributes.success = 'True'` and `tags.success = True` both work. Without
    `experiment_ids` the configured experiment is searched. What this process has just
    recorded is waited for, as long as the back end answers.

    Returns:
        A pandas DataFrame (or a list, with `output_format="list"`).

    Raises:
        ConfigurationError: The filter cannot be expressed in MLflow.
        TracingError: The back end cannot be reached.
    """
    rewritten = rewrite_run_filter(filter_string or "")
    _say(rewritten.notes, filter_string)
    _ready()
    import mlflow

    return mlflow.search_runs(
        experiment_ids=_experiments(experiment_ids),
        filter_string=rewritten.text,
        order_by=order_by,
        max_results=max_results,
        **options,
    )


def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int = 100,
    order_by: list[str] | None = None,
    return_type: str = "pandas",
    *,
    include_spans: bool = True,
) -> Any:
    """Search traces like `mlflow.search_traces`, with the guide's filters as written.

    Returns:
        A pandas DataFrame, or a list of traces with `return_type="list"`.

    Raises:
        ConfigurationError: The filter cannot be expressed in MLflow.
        TracingError: The back end cannot be reached.
    """
    rewritten = rewrite_trace_filter(filter_string or "")
    _say(rewritten.notes, filter_string or "")
    found = _ready()
    from mlflow.tracing.client import TracingClient
    from mlflow.tracing.utils.search import traces_to_df

    recorder = found.recorder
    store = recorder.open_backend()
    locations = [recorder.real_experiment_id(store, each) for each in _experiments(experiment_ids)]
    client = TracingClient(recorder.destination.uri)
    traces: list[Any] = []
    token = None
    while len(traces) < max_results:
        page = client.search_traces(
            locations=locations,
            filter_string=rewritten.text or None,
            max_results=min(max_results - len(traces), 500),
            order_by=order_by,
            page_token=token,
            include_spans=include_spans,
        )
        traces.extend(page)
        token = page.token
        if not token:
            break
    return traces if return_type == "list" else traces_to_df(traces)


def set_tracking_uri(uri: str) -> None:
    """Choose the back end like `mlflow.set_tracking_uri`; masking and spool stay.

    Raises:
        TracingError: The address cannot be used, or tracing is switched off.
    """
    if pipeline.current() is None:
        status = pipeline.initialize_mlflow(tracking_uri=uri, autolog=False)
        if pipeline.current() is None:
            raise TracingError(f"{status.reason}.", remedy=status.remedy)
        return
    pipeline.switch_destination(tracking_uri=uri)


def set_experiment(experiment_name: str) -> Any:
    """Choose the experiment like `mlflow.set_experiment`, made when missing.

    A relative name is placed under the user's folder on Databricks.

    Returns:
        MLflow's experiment.

    Raises:
        TracingError: The back end cannot be reached or does not allow it.
    """
    from mlflow_integration.backend import resolve_experiment
    from mlflow_integration.environment import check_experiment

    name = check_experiment(experiment_name)
    if pipeline.current() is None:
        pipeline.initialize_mlflow(experiment=name, autolog=False)
        if pipeline.current() is None:
            raise TracingError("Tracing is switched off.", remedy="Set MLFLOW_ENABLE_TRACING=true.")
    found = pipeline.switch_destination(experiment=name)
    store = found.recorder.open_backend()
    identifier = resolve_experiment(store, found.recorder.destination, create=True)
    activate_experiment(found.store_uri, identifier)
    return store.get_experiment(identifier)


def get_experiment_by_name(name: str) -> Any:
    """Return an experiment like `mlflow.get_experiment_by_name`, None when there is none.

    Raises:
        TracingError: The back end cannot be reached.
    """
    from mlflow_integration.backend import experiment_name

    found = _ready()
    store = found.recorder.open_backend()
    return store.get_experiment_by_name(
        experiment_name(store, found.recorder.destination, name=name)
    )


def get_trace(trace_id: str) -> Any:
    """Return one trace with its spans, None when there is none.

    Raises:
        TracingError: The back end cannot be reached.
    """
    found = _ready()
    found.recorder.open_backend()
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    try:
        return TracingClient(found.recorder.destination.uri).get_trace(trace_id)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
            return None
        raise
