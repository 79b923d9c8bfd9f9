"""Scripts as the guide prints them, with only their import changed, each in a process of its own."""

from __future__ import annotations

from mlflow_integration.testing import DatabricksStandIn

TOKEN = "dapi" + "5566778899aabbcc" * 2
CONNECTION_TEST = """
    import mlflow_integration as mlflow
    mlflow.set_tracking_uri("databricks")
    mlflow.set_experiment("test-experiment")
    with mlflow.start_run():
        mlflow.log_param("test", "value")
        print("connected")
    mlflow.set_tags({"environment": "production", "version": "1.0.0", "team": "platform"})
    mlflow.end_run()
    runs = mlflow.search_runs(filter_string="tags.environment = 'production'")
    print(len(runs), len(mlflow.search_runs(filter_string="params.test = 'value'")))
"""
TAGS_ONLY = """
    import mlflow_integration as mlflow
    mlflow.set_tags({"environment": "production"})
    mlflow.end_run()
    print(len(mlflow.search_runs(filter_string="tags.environment = 'production'")))
"""


def test_the_scripts_of_the_guide_on_databricks_beside_a_dotenv(
    run_script, server, experiment, tmp_path
):
    """MLFLOW_EXPERIMENT_NAME is relative, and MLflow itself would ask Databricks for it."""
    with DatabricksStandIn(server.url, token=TOKEN, user=f"{experiment}@example.com") as workspace:
        (tmp_path / ".env").write_text(
            f"MLFLOW_TRACKING_URI=databricks\nDATABRICKS_HOST={workspace.url}\n"
            f"DATABRICKS_TOKEN={TOKEN}\nMLFLOW_EXPERIMENT_NAME={experiment}\n"
            "MLFLOW_ENABLE_TRACING=true\n"
        )
        state = str(tmp_path / "state")
        output = run_script(CONNECTION_TEST, LAMBDA_AUTOTUNER_STATE_DIR=state).stdout
        assert output.splitlines() == ["connected", "1 1"]
        output = run_script(TAGS_ONLY, LAMBDA_AUTOTUNER_STATE_DIR=state).stdout
        assert output.split() == ["1"]
        from mlflow import MlflowClient

        client = MlflowClient(server.url)
        home = f"/Users/{experiment}@example.com"
        for name, count in (("test-experiment", 2), (experiment, 1)):
            found = client.get_experiment_by_name(f"{home}/{name}")
            assert found is not None, name
            assert len(client.search_runs([found.experiment_id])) == count
