"""The data set and the logged model of an evaluation, made at the back end once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

_logger = logging.getLogger(__name__)

# Tags of a run that the delivery turns into MLflow's own entities.
PARENT_TAG = "mlflow.parentRunId"
DATASET_TAG = "evaluation.dataset"
MODEL_TAG = "evaluation.model"


def log_subject(store: Any, experiment_id: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Make the data set an input of the run, and the configuration a logged model of it.

    Repeating this does no harm. A back end that lacks one of both keeps the tags.
    """
    for tag, log in ((DATASET_TAG, _log_dataset), (MODEL_TAG, _log_model)):
        if tag not in tags:
            continue
        try:
            log(store, experiment_id, run_id, json.loads(tags[tag]))
        except Exception:
            _logger.debug("the back end keeps no %s", tag, exc_info=True)


def _log_dataset(store: Any, experiment_id: str, run_id: str, document: Mapping[str, Any]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    del experiment_id
    dataset = Dataset(
        name=str(document["name"]),
        digest=str(document["digest"])[:36],
        source_type="code",
        source=json.dumps({"artifact": "dataset/questions.json"}),
    )
    tags = [InputTag("mlflow.data.context", "evaluation")]
    store.log_inputs(run_id, [DatasetInput(dataset, tags)])


def _log_model(store: Any, experiment_id: str, run_id: str, document: Mapping[str, Any]) -> None:
    from mlflow.entities import LoggedModelParameter, LoggedModelStatus

    existing = store.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    if list(existing):
        return
    name = str(document["name"]).replace("/", "-").replace(":", "-").replace(".", "-")
    model = store.create_logged_model(
        experiment_id,
        name,
        run_id,
        [],
        [LoggedModelParameter(str(k), str(v)) for k, v in document["params"].items()],
        "agent",
    )
    store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
