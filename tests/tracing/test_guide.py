"""The guide's blocks of Python as a reader has them, with only their import and token changed.

Each runs against a local file, a server and a Databricks workspace; those that MLflow itself
takes run with MLflow's own import as well.
"""

from __future__ import annotations

import json
import shutil

import pytest

from mlflow_integration.testing import DatabricksStandIn

TOKEN = "dapi" + "5566778899aabbcc" * 2
HOST = "https://your-workspace.cloud.databricks.com"
OURS = "import mlflow_integration as mlflow"
CONNECTION_TEST = """
import os
import mlflow

# Set credentials
os.environ["DATABRICKS_HOST"] = "https://your-workspace.cloud.databricks.com"
os.environ["DATABRICKS_TOKEN"] = "the-token"

# Configure MLflow
mlflow.set_tracking_uri("databricks")
mlflow.set_experiment("test-experiment")

# Test logging
with mlflow.start_run():
    mlflow.log_param("test", "value")
    print("✅ Successfully connected to MLflow!")
"""
QUERY = """
import mlflow

# Set tracking URI
mlflow.set_tracking_uri("databricks")

# Get experiment
experiment = mlflow.get_experiment_by_name("lambda-autotuner-agent")

# Search runs
runs = mlflow.search_runs(
    experiment_ids=[experiment.experiment_id],
    filter_string="attributes.success = 'True'",
    order_by=["start_time DESC"],
)

print(runs)
"""
SPAN = """
from mlflow_integration import create_trace_context

def do_work():
    return 42

# During execution
with create_trace_context(
    name="custom_operation",
    span_type="TOOL",
    inputs={"param": "value"},
    attributes={
        "custom_tag": "my_value",
        "environment": "production",
    },
):
    # Your code here
    result = do_work()
assert result == 42
"""
LOGGING = """
import logging
logging.getLogger().setLevel(logging.DEBUG)
"""
TAGS = """
import mlflow

mlflow.set_tags({
    "environment": "production",
    "version": "1.0.0",
    "team": "platform",
})
"""
TAG_QUERY = """
import mlflow

runs = mlflow.search_runs(
    filter_string="tags.environment = 'production'",
)
assert len(runs) >= 1, runs
assert set(runs["tags.team"]) == {"platform"}
"""
# A question first, so that the query has something to find; then the blocks in the guide's order.
RUNNER = """
import json, sys
from pathlib import Path
import mlflow_integration as tracing

tracing.initialize_mlflow(autolog=False)
for number in range(3):
    with tracing.track_agent_execution(f"question {number}", category="basic_listing") as execution:
        execution.set_answer("a")
        if number == 2:
            execution.set_error("nothing found")
tracing.flush(60)
for name, block in json.loads(Path(sys.argv[1]).read_text()):
    names = {}
    exec(compile(block, name, "exec"), names)
    if "experiment_ids" in block:
        assert list(names["runs"]["params.question"]) == ["question 1", "question 0"], names["runs"]
    if name == "tags":
        tracing.end_run()
tracing.flush(60)
"""


def changed(block: str, *, uri: str, host: str, experiment: str) -> str:
    """The block with our import; the addresses and names of this test for the guide's."""
    return (
        block.replace("import mlflow\n", f"{OURS}\n")
        .replace('"databricks"', f'"{uri}"')
        .replace("the-token", TOKEN)
        .replace(HOST, host)
        .replace("lambda-autotuner-agent", experiment)
    )


@pytest.mark.parametrize("kind", ["sqlite", "server", "databricks"])
def test_every_block_runs_against_every_back_end(
    kind, run_script, server, experiment, tmp_path, database_template
):
    state = tmp_path / "state"
    state.mkdir()
    shutil.copy(database_template, state / "mlflow.db")
    user = f"{experiment}@example.com"
    with DatabricksStandIn(server.url, token=TOKEN, user=user) as workspace:
        uri = {
            "sqlite": f"sqlite:///{state / 'mlflow.db'}",
            "server": server.url,
            "databricks": "databricks",
        }[kind]
        host = workspace.url if kind == "databricks" else HOST
        (tmp_path / ".env").write_text(
            f"MLFLOW_TRACKING_URI={uri}\nDATABRICKS_HOST={host}\nDATABRICKS_TOKEN={TOKEN}\n"
            f"MLFLOW_EXPERIMENT_NAME={experiment}\nMLFLOW_ENABLE_TRACING=true\n"
        )
        named = {
            "span": SPAN, "logging": LOGGING, "query": QUERY, "tags": TAGS, "tag query": TAG_QUERY,
            "connection": CONNECTION_TEST,
        }  # fmt: skip
        blocks = [
            (name, changed(block, uri=uri, host=host, experiment=experiment))
            for name, block in named.items()
        ]
        file = tmp_path / "blocks.json"
        file.write_text(json.dumps(blocks))
        output = run_script(
            RUNNER, str(file), LAMBDA_AUTOTUNER_STATE_DIR=str(state),
            MLFLOW_INTEGRATION_DELIVERY="background",
        ).stdout  # fmt: skip
        assert "✅ Successfully connected to MLflow!" in output
        assert "2 rows" in output
    from mlflow import MlflowClient

    # MLflow's own client, at the other end.
    client = MlflowClient(server.url if kind == "databricks" else uri)
    home = f"/Users/{user}/" if kind == "databricks" else ""
    made = client.get_experiment_by_name(f"{home}test-experiment")
    assert made is not None
    assert len(client.search_runs([made.experiment_id], "params.test = 'value'")) >= 1
    own = client.get_experiment_by_name(f"{home}{experiment}")
    assert own is not None
    traces = client.search_traces(locations=[own.experiment_id], include_spans=False)
    names = [trace.info.tags["mlflow.traceName"] for trace in traces]
    assert sorted(names) == ["agent", "agent", "agent", "custom_operation"]
    tagged = client.search_runs([own.experiment_id], "tags.environment = 'production'")
    assert [run.data.tags["version"] for run in tagged] == ["1.0.0"]


def test_the_connection_test_in_a_process_of_its_own(run_script, server, experiment, tmp_path):
    """MLFLOW_EXPERIMENT_NAME is relative, and MLflow itself would ask Databricks for it."""
    user = f"{experiment}@example.com"
    with DatabricksStandIn(server.url, token=TOKEN, user=user) as workspace:
        (tmp_path / ".env").write_text(
            f"MLFLOW_TRACKING_URI=databricks\nMLFLOW_EXPERIMENT_NAME={experiment}\n"
        )
        for block in (CONNECTION_TEST, TAGS):
            run_script(
                changed(block, uri="databricks", host=workspace.url, experiment=experiment),
                LAMBDA_AUTOTUNER_STATE_DIR=str(tmp_path / "state"),
                DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN=TOKEN,
            )  # fmt: skip
        from mlflow import MlflowClient

        client = MlflowClient(server.url)
        for name in ("test-experiment", experiment):
            found = client.get_experiment_by_name(f"/Users/{user}/{name}")
            assert found is not None, name
            assert len(client.search_runs([found.experiment_id])) == 1


@pytest.mark.parametrize("kind", ["sqlite", "server"])
def test_what_mlflow_itself_takes_runs_with_its_own_import(kind, run_script, server, state):
    """The connection test, tags and their query; the query by success is one of those it refuses."""
    uri = server.url if kind == "server" else f"sqlite:///{state / 'mlflow.db'}"
    code = "\n".join(
        block.replace('"databricks"', f'"{uri}"').replace("the-token", TOKEN)
        for block in (CONNECTION_TEST, TAGS, TAG_QUERY)
    )
    refused = QUERY.replace('"databricks"', f'"{uri}"').replace(
        "lambda-autotuner-agent", "test-experiment"
    )
    output = run_script(
        f"{code}\ntry:\n    exec({refused!r})\nexcept mlflow.MlflowException as e:\n"
        "    print(e.error_code)\n"
    ).stdout
    assert "✅ Successfully connected to MLflow!" in output
    assert "INVALID_PARAMETER_VALUE" in output
