"""Back ends for tests: real servers, a Databricks stand-in, faults, a collector.

Everything listens on 127.0.0.1 and is stopped when its `with` ends.
"""

from mlflow_integration.testing.collector import Collector
from mlflow_integration.testing.databricks import DatabricksStandIn
from mlflow_integration.testing.faults import FaultyServer
from mlflow_integration.testing.servers import MlflowServer, PostgresServer

__all__ = ["Collector", "DatabricksStandIn", "FaultyServer", "MlflowServer", "PostgresServer"]
